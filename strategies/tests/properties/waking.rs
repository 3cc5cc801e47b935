//! Whoever sleeps until something happens is woken when it has.
//!
//! Nothing here waits for a time limit to find that out: a thread that is found in
//! the same sleep thousands of times after its wake-up was due has not been woken.

use std::thread;

use detach_strategies::{DetachError, Reclaim};

use crate::support::cue::{Cue, Watched, within};
use crate::support::waking::InTime;
use crate::support::{SHORT, every_strategy, long};

every_strategy! {
    /// A detacher sleeps until the holder has left. Another one waits for the
    /// first, and learns that nothing is left.
    fn the_last_to_leave_wakes_the_detachers<D>(id) {
        if D::PROPERTIES.reclaim != Reclaim::AfterHolders {
            return;
        }
        // It may sleep inside, and it may be off line when it is waited for.
        for (stays, then_offline) in [(false, false), (false, true), (true, false)] {
            let device = D::attach(7).unwrap();
            let [inside, leave, left, judged] = [(); 4].map(|()| Cue::new());
            let sleepers = [(); 2].map(|()| Watched::new());
            let done = [(); 2].map(|()| Cue::new());
            let detach = &|number: usize| {
                let mut me = D::register().unwrap();
                sleepers[number].watch_me();
                let result = device.detach_in_time(&mut me);
                done[number].give();
                result
            };
            thread::scope(|scope| {
                scope.spawn(|| {
                    let mut other = D::register().unwrap();
                    if stays {
                        let stayed = device.stay(&mut other, |_, sleep| {
                            inside.give();
                            while !leave.given() {
                                let _ = sleep(SHORT / 10);
                            }
                        });
                        assert_eq!(stayed, Ok(()), "{id}");
                    } else {
                        let guard = device.acquire(&other).unwrap();
                        inside.give();
                        leave.wait();
                        drop(guard);
                    }
                    // Whatever else it does might wake them as well.
                    let wait = || {
                        left.give();
                        judged.wait();
                    };
                    if then_offline {
                        D::offline(&mut other, wait);
                    } else {
                        D::safe_point(&mut other);
                        wait();
                    }
                });
                inside.wait();
                let detachers = [0, 1].map(|number| {
                    let thread = scope.spawn(move || detach(number));
                    assert!(within(long(), || sleepers[number].sleeps()), "{id}");
                    thread
                });
                leave.give();
                left.wait();
                for (sleeper, done) in sleepers.iter().zip(&done) {
                    sleeper.is_woken(id, || done.given());
                }
                judged.give();
                let results = detachers.map(|thread| thread.join().unwrap());
                assert_eq!(results, [Ok(7), Err(DetachError::Detached)], "{id}");
            });
        }
    }
}
