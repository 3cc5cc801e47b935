//! Many detaches at once, and one detach in many calls.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use detach_strategies::{DetachError, Detached, DeviceRef};

use crate::support::cue::Cue;
use crate::support::every_strategy;
use crate::support::waking::InTime;

/// What a detach of each device got, by its place.
fn detach_all<D: DeviceRef<Softc = u64>>(
    devices: &[&D],
    me: &mut D::Registration,
) -> Vec<Option<Result<u64, Detached>>> {
    let mut outcomes = vec![None; devices.len()];
    D::detach_all(devices, me, |place, outcome| {
        assert_eq!(
            outcomes[place].replace(outcome),
            None,
            "{place} is told twice"
        );
    });
    outcomes
}

fn attach<D: DeviceRef<Softc = u64>>(count: u64) -> Vec<D> {
    (0..count)
        .map(|number| D::attach(number).unwrap())
        .collect()
}

every_strategy! {
    /// A device that is gone already and one that is named twice are told, each
    /// in its place, while threads come and go.
    fn every_device_is_told_once<D>(id) {
        let devices = attach::<D>(50);
        let gone = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut me = D::register().unwrap();
                    while !gone.load(Ordering::Relaxed) {
                        for (number, device) in devices.iter().enumerate() {
                            if let Ok(softc) = device.acquire(&me) {
                                assert_eq!(*softc, number as u64);
                            }
                            D::safe_point(&mut me);
                        }
                    }
                });
            }
            let mut me = D::register().unwrap();
            assert_eq!(devices[7].detach(&mut me), Ok(7), "{id}");
            let mut named: Vec<&D> = devices.iter().collect();
            named.push(&devices[3]);
            let outcomes = detach_all(&named, &mut me);
            for (place, outcome) in outcomes.into_iter().enumerate() {
                let expected = match place {
                    7 | 50 => Err(Detached),
                    place => Ok(place as u64),
                };
                assert_eq!(outcome, Some(expected), "{id}: {place}");
            }
            gone.store(true, Ordering::Relaxed);
        });
    }
}

every_strategy! {
    /// Two callers name the same devices, each from its own end. Neither waits
    /// for the other for ever, and each device is taken once.
    fn two_callers_do_not_wait_for_each_other<D>(id) {
        for _ in 0..20 {
            let devices = attach::<D>(10);
            let taken = AtomicUsize::new(0);
            thread::scope(|scope| {
                for backwards in [false, true] {
                    let mut named: Vec<&D> = devices.iter().collect();
                    if backwards {
                        named.reverse();
                    }
                    let taken = &taken;
                    scope.spawn(move || {
                        let mut me = D::register().unwrap();
                        let outcomes = detach_all(&named, &mut me);
                        let wins = outcomes.iter().filter(|told| matches!(told, Some(Ok(_))));
                        taken.fetch_add(wins.count(), Ordering::Relaxed);
                    });
                }
            });
            assert_eq!(taken.into_inner(), devices.len(), "{id}");
        }
    }
}

every_strategy! {
    /// Whoever is told panics. What was told is told; what was not can still be
    /// detached.
    fn a_panic_loses_nothing<D>(id) {
        let devices = attach::<D>(10);
        let named: Vec<&D> = devices.iter().collect();
        let mut me = D::register().unwrap();
        let mut told = Vec::new();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            D::detach_all(&named, &mut me, |_, outcome| {
                told.push(outcome.unwrap());
                assert!(told.len() < 4, "enough");
            });
        }));
        assert!(panicked.is_err());
        // Another thread goes on; the one that panicked stays registered.
        thread::scope(|scope| {
            let others = scope.spawn(|| detach_all(&named, &mut D::register().unwrap()));
            D::offline(&mut me, || {
                for outcome in others.join().unwrap().into_iter().flatten() {
                    told.extend(outcome);
                }
            });
        });
        told.sort_unstable();
        assert!(told.iter().copied().eq(0..10), "{id}: {told:?}");
    }
}

every_strategy! {
    /// The panic comes before anybody has been waited for, and another thread goes
    /// on while the one that panicked does nothing any more.
    fn a_panic_leaves_nothing_with_its_thread<D>(id) {
        let [live, gone] = [1, 2].map(|softc| D::attach(softc).unwrap());
        let mut me = D::register().unwrap();
        gone.detach(&mut me).unwrap();
        let mut told = Vec::new();
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            D::detach_all(&[&live, &gone], &mut me, |_, outcome| {
                told.push(outcome.expect("not gone"));
            });
        }));
        assert!(panicked.is_err());
        let rest = thread::scope(|scope| {
            let other = scope.spawn(|| live.detach_in_time(&mut D::register().unwrap()));
            D::offline(&mut me, || other.join().unwrap())
        });
        told.extend(rest);
        assert_eq!(told, [1], "{id}");
    }
}

every_strategy! {
    /// A stranger is inside some other device whenever the detacher looks, but
    /// leaves it between two looks. A detach that begins anew with each call never
    /// ends; one that goes on needs each thread to leave once (an epoch: once for
    /// every step that it has to take).
    fn polling_adds_up<D>(id) {
        const ROUNDS: usize = 8;
        let device = D::attach(1).unwrap();
        let other = D::attach(2).unwrap();
        let enter = [(); ROUNDS].map(|()| Cue::new());
        let inside = [(); ROUNDS].map(|()| Cue::new());
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut me = D::register().unwrap();
                let mut round = 0;
                D::offline(&mut me, || enter[0].wait());
                while round + 1 < ROUNDS && !done.load(Ordering::Acquire) {
                    let guard = other.acquire(&me).unwrap();
                    inside[round].give();
                    round += 1;
                    enter[round].wait();
                    drop(guard);
                    D::safe_point(&mut me);
                }
            });
            let mut me = D::register().unwrap();
            let mut outcome = Err(DetachError::StillHeld);
            let mut polls = 0;
            while outcome == Err(DetachError::StillHeld) && polls + 1 < ROUNDS {
                enter[polls].give();
                D::offline(&mut me, || inside[polls].wait());
                outcome = device.detach_timeout(&mut me, Duration::ZERO);
                polls += 1;
            }
            done.store(true, Ordering::Release);
            enter[polls].give();
            assert_eq!(outcome, Ok(1), "{id}: not after {polls} calls");
            println!("{id}: {polls} calls");
        });
    }
}
