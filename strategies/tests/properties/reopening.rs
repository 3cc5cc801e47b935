//! `reopens`: what closing and changing one's mind comes to, for every strategy
//! that can.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use detach_strategies::points::Point;
use detach_strategies::turnstile::{Device, PerCpu, PerThread, PerThreadFenced};
use detach_strategies::{Closed, DetachError, Detached, Reopen};

use crate::support::claims::all_claims;
use crate::support::cue::{Cue, Watched, within};
use crate::support::hooks::{Hooked, with_hook};
use crate::support::waking::InTime;
use crate::support::{SHORT, alone, long};

/// What a test does with a strategy that reopens. It takes the type of the
/// softc from the test, so that one can be used that tells when it is dropped.
macro_rules! every_reopening_strategy {
    ($(#[$meta:meta])* fn $name:ident<$device:ident, $softc:ty>($id:ident) $check:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            fn check<$device: Reopen<Softc = $softc>>() -> &'static str {
                let $id = $device::PROPERTIES.id;
                match $device::supported() {
                    Ok(()) => $check,
                    Err(why) => println!("{}: {why}", $id),
                }
                $id
            }
            let _alone = alone();
            let checked = [
                check::<Device<$softc, PerCpu, Hooked>>(),
                check::<Device<$softc, PerThread, Hooked>>(),
                check::<Device<$softc, PerThreadFenced, Hooked>>(),
            ];
            let claimed: Vec<_> = all_claims()
                .iter()
                .filter(|properties| properties.reopens)
                .map(|properties| properties.id)
                .collect();
            assert_eq!(checked[..], claimed[..], "a strategy is missing here");
        }
    };
}

/// Has a thread arrive at the closed `device`, waits until it waits there, and
/// runs `then`; returns what the thread got.
fn while_somebody_waits<D: Reopen<Softc = u64>>(
    device: &D,
    then: impl FnOnce(),
) -> Result<u64, Detached> {
    let waiter = Watched::new();
    let answered = Cue::new();
    thread::scope(|scope| {
        let late = scope.spawn(|| {
            let me = D::register().unwrap();
            waiter.watch_me();
            let seen = device.acquire(&me).map(|guard| *guard);
            answered.give();
            seen
        });
        assert!(within(long(), || waiter.sleeps()), "{}", D::PROPERTIES.id);
        assert!(!answered.given(), "{}: it got in", D::PROPERTIES.id);
        then();
        waiter.is_woken(D::PROPERTIES.id, || answered.given());
        late.join().unwrap()
    })
}

every_reopening_strategy! {
    /// Whoever waited goes through, and finds what was changed.
    fn waiters_go_through_a_gate_that_opens<D, u64>(id) {
        let mut me = D::register().unwrap();
        let device = D::attach(1).unwrap();
        for by_hand in [true, false] {
            let mut closed = device.close_in_time(&mut me).unwrap();
            *closed += 1;
            let changed = *closed;
            let seen = while_somebody_waits(&device, || if by_hand {
                closed.reopen();
            } else {
                drop(closed);
            });
            assert_eq!(seen, Ok(changed), "{id}");
            assert_eq!(device.acquire(&me).map(|guard| *guard), Ok(changed), "{id}");
        }
        assert_eq!(device.detach_in_time(&mut me), Ok(3), "{id}");
    }
}

every_reopening_strategy! {
    /// Whoever waited is refused, and so is everybody after.
    fn waiters_are_refused_at_a_gate_that_is_sealed<D, u64>(id) {
        let mut me = D::register().unwrap();
        let device = D::attach(1).unwrap();
        let mut closed = device.close_in_time(&mut me).unwrap();
        *closed = 2;
        let mut softc = 0;
        let seen = while_somebody_waits(&device, || softc = closed.detach());
        assert_eq!((seen, softc), (Err(Detached), 2), "{id}");
        assert!(device.acquire(&me).is_err(), "{id}");
        assert_eq!(device.detach(&mut me), Err(Detached), "{id}");
        assert_eq!(device.close_in_time(&mut me).err(), Some(DetachError::Detached), "{id}");
    }
}

every_reopening_strategy! {
    /// While somebody is inside, the gate does not stay closed longer than
    /// patience lasts, and the holder notices nothing.
    fn a_close_with_a_holder_gives_up_and_opens_again<D, u64>(id) {
        let mut me = D::register().unwrap();
        let other = D::register().unwrap();
        let device = D::attach(5).unwrap();
        let guard = device.acquire(&other).unwrap();
        for _ in 0..3 {
            assert_eq!(device.close(&mut me, SHORT).err(), Some(DetachError::StillHeld), "{id}");
            assert_eq!(device.acquire(&me).map(|guard| *guard), Ok(5), "{id}");
        }
        assert_eq!(*guard, 5, "{id}");
        drop(guard);
        device.close_in_time(&mut me).unwrap().reopen();
        assert_eq!(device.detach_in_time(&mut me), Ok(5), "{id}");
    }
}

every_reopening_strategy! {
    /// A holder that enters a second time waits for the closer, who waits for
    /// the holder. The closer's patience ends it, and nothing is lost.
    fn a_nested_holder_outlasts_a_close<D, u64>(id) {
        let device = D::attach(6).unwrap();
        let inside = Cue::new();
        let closed = Cue::new();
        let waiter = Watched::new();
        thread::scope(|scope| {
            let nested = scope.spawn(|| {
                let me = D::register().unwrap();
                waiter.watch_me();
                let first = device.acquire(&me).unwrap();
                inside.give();
                closed.wait();
                let second = device.acquire(&me).unwrap();
                assert_eq!((*first, *second), (6, 6));
            });
            let mut me = D::register().unwrap();
            inside.wait();
            let hook = |point| if point == Point::Closed { closed.give() };
            let result = with_hook(&hook, || device.close(&mut me, SHORT));
            assert_eq!(result.err(), Some(DetachError::StillHeld), "{id}");
            waiter.is_woken(id, || nested.is_finished());
            nested.join().unwrap();
            let softc = device.close_in_time(&mut me).unwrap().detach();
            assert_eq!(softc, 6, "{id}");
        });
    }
}

every_reopening_strategy! {
    /// A device that a detach has sealed cannot be closed, as it would open
    /// again; and the detach can still be repeated.
    fn what_is_sealed_is_not_closed<D, u64>(id) {
        let mut me = D::register().unwrap();
        let other = D::register().unwrap();
        let device = D::attach(7).unwrap();
        let guard = device.acquire(&other).unwrap();
        assert_eq!(device.detach_timeout(&mut me, SHORT), Err(DetachError::StillHeld), "{id}");
        assert_eq!(device.close_in_time(&mut me).err(), Some(DetachError::Detached), "{id}");
        assert!(device.acquire(&me).is_err(), "{id}: it was opened again");
        drop(guard);
        assert_eq!(device.detach_in_time(&mut me), Ok(7), "{id}");
    }
}

/// Counts how often it is dropped.
struct Counted(&'static AtomicUsize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

every_reopening_strategy! {
    /// A `Closed` that is forgotten leaves the device closed: detaches give up
    /// instead of taking what its owner may still look at, and the softc goes
    /// with the handle, once.
    fn a_forgotten_close_loses_nothing<D, Counted>(id) {
        let drops: &'static AtomicUsize = Box::leak(Box::default());
        let mut me = D::register().unwrap();
        let device = D::attach(Counted(drops)).unwrap();
        std::mem::forget(device.close_in_time(&mut me).unwrap());
        assert_eq!(
            device.detach_timeout(&mut me, SHORT).err(),
            Some(DetachError::StillHeld),
            "{id}"
        );
        assert_eq!(device.close(&mut me, SHORT).err(), Some(DetachError::StillHeld), "{id}");
        assert_eq!(drops.load(Ordering::Relaxed), 0, "{id}");
        drop(device);
        assert_eq!(drops.load(Ordering::Relaxed), 1, "{id}");
    }
}

every_reopening_strategy! {
    /// Detached through a `Closed`, the softc belongs to the caller alone.
    fn a_closed_device_is_detached_once<D, Counted>(id) {
        let drops: &'static AtomicUsize = Box::leak(Box::default());
        let mut me = D::register().unwrap();
        let device = D::attach(Counted(drops)).unwrap();
        let softc = device.close_in_time(&mut me).unwrap().detach();
        drop(device);
        assert_eq!(drops.load(Ordering::Relaxed), 0, "{id}");
        drop(softc);
        assert_eq!(drops.load(Ordering::Relaxed), 1, "{id}");
    }
}
