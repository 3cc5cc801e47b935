//! `reclaim`, `waits_for`, `late_arrival`, `holder_may_sleep` and `sleepers`.

use std::ptr;
use std::thread;

use detach_strategies::points::Point;
use detach_strategies::{
    DetachError, Detached, DeviceRef, LateArrival, Reclaim, Sleepers, WaitsFor,
};

use crate::support::claims::claims;
use crate::support::cue::{Cue, within};
use crate::support::hooks::with_hook;
use crate::support::waking::InTime;
use crate::support::{SHORT, every_strategy, long};

const SOFTC: u64 = 0x5EAD_BEEF;

/// Has another thread hold `device` while `meanwhile` runs.
fn while_held<D: DeviceRef, R>(device: &D, meanwhile: impl FnOnce() -> R) -> R {
    let inside = Cue::new();
    let enough = Cue::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let me = D::register().unwrap();
            let guard = device.acquire(&me).unwrap();
            inside.give();
            enough.wait();
            drop(guard);
        });
        inside.wait();
        let result = meanwhile();
        enough.give();
        result
    })
}

every_strategy! {
    /// What a guard refers to, and what detach does to it.
    fn reclaim<D>(id) {
        let mut me = D::register().unwrap();
        let device = D::attach(SOFTC).unwrap();
        match claims::<D>().reclaim {
            Reclaim::AfterHolders => {
                let result = while_held(&device, || {
                    let held = [device.acquire(&me).unwrap(), device.acquire(&me).unwrap()];
                    assert!(ptr::eq::<u64>(&*held[0], &*held[1]), "{id}: guards have copies");
                    drop(held);
                    D::safe_point(&mut me);
                    device.detach_timeout(&mut me, SHORT)
                });
                assert_eq!(result, Err(DetachError::StillHeld), "{id}");
                assert_eq!(device.detach_in_time(&mut me), Ok(SOFTC), "{id}");
                assert!(device.acquire(&me).is_err(), "{id}");
            }
            Reclaim::Snapshots => {
                let other = D::register().unwrap();
                let guard = device.acquire(&other).unwrap();
                let range = ptr::from_ref(&guard).addr()..ptr::from_ref(&guard).addr() + size_of_val(&guard);
                assert!(range.contains(&ptr::from_ref::<u64>(&guard).addr()), "{id}: no copy");
                assert_eq!(device.detach_in_time(&mut me), Ok(SOFTC), "{id}");
                assert_eq!(*guard, SOFTC, "{id}");
                assert!(device.acquire(&me).is_err(), "{id}");
            }
            Reclaim::Never => {
                let other = D::register().unwrap();
                let guard = device.acquire(&other).unwrap();
                assert_eq!(device.detach_in_time(&mut me), Ok(SOFTC), "{id}");
                let newcomer = device.acquire(&me).unwrap();
                assert!(ptr::eq::<u64>(&*guard, &*newcomer), "{id}: it was taken away");
                assert_eq!(*guard, SOFTC, "{id}");
            }
        }
    }
}

every_strategy! {
    /// A holder sleeps in one device; another device is detached, then the one.
    fn waits_for<D>(id) {
        let mut me = D::register().unwrap();
        let waits_for = claims::<D>().waits_for;
        let theirs = D::attach(SOFTC).unwrap();
        let mine = D::attach(SOFTC).unwrap();
        while_held(&theirs, || {
            if waits_for == WaitsFor::EveryDevice {
                let result = mine.detach_timeout(&mut me, SHORT);
                assert_eq!(result, Err(DetachError::StillHeld), "{id}");
            } else {
                assert_eq!(mine.detach_in_time(&mut me), Ok(SOFTC), "{id}");
            }
            if waits_for == WaitsFor::Nobody {
                assert_eq!(theirs.detach_in_time(&mut me), Ok(SOFTC), "{id}");
            } else {
                let result = theirs.detach_timeout(&mut me, SHORT);
                assert_eq!(result, Err(DetachError::StillHeld), "{id}");
            }
        });
        // Once the holder has left, whatever is still there can be had.
        if waits_for == WaitsFor::EveryDevice {
            assert_eq!(mine.detach_in_time(&mut me), Ok(SOFTC), "{id}");
        }
        if waits_for != WaitsFor::Nobody {
            assert_eq!(theirs.detach_in_time(&mut me), Ok(SOFTC), "{id}");
        }
    }
}

every_strategy! {
    /// A detacher is stopped right after it has closed the gate or set the
    /// flag, and somebody arrives. (The two strategies that have no such point
    /// are done by then, and somebody arrives.)
    fn late_arrival<D>(id) {
        let device = D::attach(SOFTC).unwrap();
        let closed = Cue::new();
        let go_on = Cue::new();
        let detached = Cue::new();
        let answered = Cue::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut me = D::register().unwrap();
                let stop = |point| {
                    if point == Point::Closed {
                        closed.give();
                        go_on.wait();
                    }
                };
                assert_eq!(with_hook(&stop, || device.detach(&mut me)), Ok(SOFTC), "{id}");
                detached.give();
            });
            assert!(within(long(), || closed.given() || detached.given()), "{id}");

            let late = scope.spawn(|| {
                let me = D::register().unwrap();
                let admitted = device.acquire(&me).map(|guard| *guard);
                answered.give();
                admitted
            });
            assert!(answered.within(long()), "{id}: it waits");
            go_on.give();
            let expected = match claims::<D>().late_arrival {
                LateArrival::Refused => Err(Detached),
                LateArrival::Admitted => Ok(SOFTC),
            };
            assert_eq!(late.join().unwrap(), expected, "{id}");
        });
    }
}

every_strategy! {
    /// A thread blocks, outside of any device, without saying so; then it says
    /// so, and nobody waits for it any more.
    fn holder_may_sleep<D>(id) {
        let mut me = D::register().unwrap();
        let device = D::attach(SOFTC).unwrap();
        let asleep = Cue::new();
        let tried = Cue::new();
        let declared = Cue::new();
        let enough = Cue::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut other = D::register().unwrap();
                drop(device.acquire(&other).unwrap());
                asleep.give();
                tried.wait();
                D::offline(&mut other, || {
                    declared.give();
                    enough.wait();
                });
            });
            asleep.wait();
            if claims::<D>().holder_may_sleep {
                assert_eq!(device.detach_in_time(&mut me), Ok(SOFTC), "{id}");
                tried.give();
                declared.wait();
            } else {
                let result = device.detach_timeout(&mut me, SHORT);
                assert_eq!(result, Err(DetachError::StillHeld), "{id}");
                tried.give();
                declared.wait();
                assert_eq!(device.detach_in_time(&mut me), Ok(SOFTC), "{id}");
            }
            let next = D::attach(SOFTC).unwrap();
            assert_eq!(next.detach_in_time(&mut me), Ok(SOFTC), "{id}");
            enough.give();
        });
    }
}

every_strategy! {
    /// A holder sleeps in one device, in the way of its strategy and for longer
    /// than anybody waits; another device is detached, then the one.
    fn sleepers<D>(id) {
        let mut me = D::register().unwrap();
        let claims = claims::<D>();
        let theirs = D::attach(SOFTC).unwrap();
        let mine = D::attach(SOFTC).unwrap();
        let inside = Cue::new();
        let enough = Cue::new();
        thread::scope(|scope| {
            let sleeper = scope.spawn(|| {
                let mut other = D::register().unwrap();
                theirs.stay(&mut other, |softc, sleep| {
                    inside.give();
                    let mut slept = Ok(());
                    if claims.sleepers == Sleepers::Woken {
                        slept = sleep(3 * long());
                    } else {
                        while !enough.given() && slept.is_ok() {
                            slept = sleep(SHORT / 10);
                        }
                    }
                    assert_eq!(*softc, SOFTC, "{id}");
                    slept
                })
            });
            inside.wait();
            let mut detach = |device: &D, held| {
                device.detach_timeout(&mut me, if held { SHORT } else { long() })
            };
            let as_others = claims.sleepers == Sleepers::AsOthers;
            let elsewhere = as_others && claims.waits_for == WaitsFor::EveryDevice;
            let from_mine = detach(&mine, elsewhere);
            let here = claims.sleepers != Sleepers::Woken && claims.waits_for != WaitsFor::Nobody;
            let from_theirs = detach(&theirs, here);
            enough.give();

            let unless = |held| if held { Err(DetachError::StillHeld) } else { Ok(SOFTC) };
            assert_eq!(from_mine, unless(elsewhere), "{id}");
            assert_eq!(from_theirs, unless(here), "{id}");
            let slept = sleeper.join().unwrap().expect("nobody had detached");
            assert_eq!(slept.is_err(), claims.sleepers == Sleepers::Woken, "{id}");
            // Where those who run are waited for by nobody else, counting is
            // nothing to speak of.
            let every = claims.waits_for == WaitsFor::EveryDevice;
            assert!(claims.sleepers != Sleepers::Counted || every, "{id}");
        });
    }
}
