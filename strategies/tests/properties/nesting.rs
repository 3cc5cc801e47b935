//! `nesting`: a holder acquires again while a detach waits for it.
//!
//! The worst moment is different for each strategy: for a lock it is after the
//! test of the flag and before the attempt to lock, so that the holder queues
//! behind the detacher. So the holder is stopped at each point of its second
//! acquire in turn, until the detacher is asleep (or done, where it waits for
//! nobody); then it goes on, and must come back.

use std::thread;
use std::time::Duration;

use detach_strategies::DeviceRef;
use detach_strategies::points::Point;

use crate::support::claims::claims;
use crate::support::cue::{Cue, Watched, within};
use crate::support::hooks::with_hook;
use crate::support::isolated::violated;
use crate::support::{every_strategy_isolated, long};

/// Where to stop the holder. (A second acquire that is turned away passes
/// `Refused` as well, but by then the matter is decided.)
const STOPS: [Point; 3] = [Point::BeforeEnter, Point::Entered, Point::Admitted];

/// How long a holder may stay away: as long as it likes where it must come
/// back, a while where it must not.
fn patience<D: DeviceRef>() -> Duration {
    if claims::<D>().nesting {
        long()
    } else {
        Duration::from_secs(1)
    }
}

every_strategy_isolated! {
    fn nesting<D>(expected: claims::<D>().nesting) {
        for stop in STOPS {
            enters_again::<D>(stop);
        }
    }
}

fn enters_again<D: DeviceRef<Softc = u64>>(stop: Point) {
    let device = D::attach(0).unwrap();
    let stopped = Cue::new();
    let go_on = Cue::new();
    let back = Cue::new();
    let closed = Cue::new();
    let detached = Cue::new();
    let detacher = Watched::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let me = D::register().unwrap();
            let first = device.acquire(&me).unwrap();
            let hook = |point| {
                if point == stop && !stopped.given() {
                    stopped.give();
                    go_on.wait();
                }
            };
            let second = with_hook(&hook, || device.acquire(&me));
            back.give();
            drop(second);
            drop(first);
        });
        // Some strategies lack some points.
        assert!(within(long(), || stopped.given() || back.given()));
        scope.spawn(|| {
            let mut me = D::register().unwrap();
            let hook = |point| {
                if point == Point::Closed {
                    detacher.watch_me();
                    closed.give();
                }
            };
            with_hook(&hook, || device.detach(&mut me)).unwrap();
            detached.give();
        });
        assert!(within(long(), || detached.given()
            || closed.given() && detacher.sleeps()));
        go_on.give();
        if !back.within(patience::<D>()) {
            violated(format!(
                "stopped at {stop:?}, the holder does not come back"
            ));
        }
        detached.wait();
    });
}
