//! Guards and registrations that are never dropped.
//!
//! `mem::forget` is safe, so a leaked guard must do no harm but that of a
//! holder that never leaves:
//!
//! | strategy | after a guard of it was leaked |
//! |---|---|
//! | `turnstile`, `turnstile-slots`, `turnstile-fenced`, `gate-rseq`, `refcount`, `fo-restart`, `rwlock`, `arc-swap` | its device can never be detached; others can |
//! | `dying-membarrier`, `epoch` | no device of the strategy can ever be detached, except those that are gone already: the thread is inside for ever, and nobody knows where |
//! | `dying-xcall`, `dying-xcall-ref` | nothing: what counts is that the thread passes a safe point, and it can only do so when nobody can use the guard any more |
//! | `unprotected`, `seqlock` | nothing: nobody is waited for |
//!
//! A leaked *registration* is a thread that never leaves: harmless, except for
//! `dying-xcall` and `dying-xcall-ref`, where it is a CPU that is on line and
//! never answers. (What a holder of the latter keeps and never lets go is
//! counted, and its device can never be detached; others can.)
//!
//! Each case has a process of its own, since nothing undoes it.

use std::thread;

use detach_strategies::turnstile::{Device, Form, PerCpu, PerThread, PerThreadFenced};
use detach_strategies::{DetachError, Detached, DeviceRef, LateArrival, Reclaim, Reopen, WaitsFor};

use crate::support::waking::InTime;
use crate::support::{SHORT, alone, every_strategy, every_strategy_isolated};

/// Whether a guard of the strategy that is never dropped is waited for.
fn leaves_a_holder_behind<D: DeviceRef>() -> bool {
    let properties = D::PROPERTIES;
    let for_safe_points = !properties.holder_may_sleep;
    properties.waits_for != WaitsFor::Nobody && !for_safe_points
}

every_strategy_isolated! {
    fn a_leaked_guard_is_a_holder_that_never_leaves<D>(expected: true) {
        let mut me = D::register().unwrap();
        let device = D::attach(1).unwrap();
        let bystander = D::attach(2).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let me = D::register().unwrap();
                std::mem::forget(device.acquire(&me).unwrap());
            });
        });

        if leaves_a_holder_behind::<D>() {
            for _ in 0..3 {
                let result = device.detach_timeout(&mut me, SHORT);
                assert_eq!(result, Err(DetachError::StillHeld));
                assert_eq!(device.acquire(&me).err(), Some(Detached));
            }
        } else {
            assert_eq!(device.detach_in_time(&mut me), Ok(1));
            let newcomer = device.acquire(&me).map(drop);
            let admitted = D::PROPERTIES.late_arrival == LateArrival::Admitted;
            assert_eq!(newcomer.is_ok(), admitted);
        }

        // Is it the others' business?
        let result = bystander.detach_timeout(&mut me, SHORT);
        if leaves_a_holder_behind::<D>() && D::PROPERTIES.waits_for == WaitsFor::EveryDevice {
            assert_eq!(result, Err(DetachError::StillHeld));
        } else {
            assert!(result == Ok(2) || bystander.detach_in_time(&mut me) == Ok(2));
        }

        // The handle goes nevertheless, and what it leaves behind is clean.
        drop(device);
        drop(bystander);
        for number in 0..300 {
            let device = D::attach(number).unwrap();
            drop(device.acquire(&me).unwrap());
            let result = device.detach_timeout(&mut me, SHORT / 50);
            if leaves_a_holder_behind::<D>() && D::PROPERTIES.waits_for == WaitsFor::EveryDevice {
                assert_eq!(result, Err(DetachError::StillHeld));
            } else {
                assert!(result == Ok(number) || device.detach_in_time(&mut me) == Ok(number));
            }
        }
    }
}

every_strategy_isolated! {
    /// The leaker lives on, and goes on using the strategy.
    fn a_thread_goes_on_after_leaking_a_guard<D>(expected: true) {
        let mut me = D::register().unwrap();
        let device = D::attach(1).unwrap();
        std::mem::forget(device.acquire(&me).unwrap());
        let other = D::attach(2).unwrap();
        for _ in 0..10 {
            drop(other.acquire(&me).unwrap());
            D::safe_point(&mut me);
        }
        let result = device.detach_timeout(&mut me, SHORT);
        if leaves_a_holder_behind::<D>() {
            assert_eq!(result, Err(DetachError::StillHeld));
        } else {
            assert!(result == Ok(1) || device.detach_in_time(&mut me) == Ok(1));
        }
    }
}

every_strategy_isolated! {
    fn a_leaked_registration_is_a_thread_that_stays<D>(expected: true) {
        let mut me = D::register().unwrap();
        let device = D::attach(1).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                let me = D::register().unwrap();
                drop(device.acquire(&me).unwrap());
                std::mem::forget(me);
            });
        });
        if D::PROPERTIES.holder_may_sleep {
            assert_eq!(device.detach_in_time(&mut me), Ok(1));
        } else {
            assert_eq!(device.detach_timeout(&mut me, SHORT), Err(DetachError::StillHeld));
            assert_eq!(device.acquire(&me).err(), Some(Detached));
        }
    }
}

every_strategy! {
    /// A thread has two registrations and detaches what it holds through the
    /// other, which no compiler sees: it is told that the device is held.
    fn a_thread_waits_for_itself<D>(id) {
        let device = D::attach(7).unwrap();
        let other = D::register().unwrap();
        let mut me = D::register().unwrap();
        let guard = device.acquire(&other).unwrap();
        let waits = D::PROPERTIES.reclaim == Reclaim::AfterHolders;
        let expected = if waits { Err(DetachError::StillHeld) } else { Ok(7) };
        assert_eq!(device.detach_timeout(&mut me, SHORT), expected, "{id}");
        drop(guard);
        drop(other);
        if waits {
            assert_eq!(device.detach_in_time(&mut me), Ok(7), "{id}");
        }
    }
}

/// A closed device that is leaked stays closed, and its claim held.
#[test]
fn a_leaked_close_is_still_held() {
    fn check<F: Form<u64>>() {
        type Closed<F> = Device<u64, F>;
        if Closed::<F>::supported().is_err() {
            return;
        }
        let mut me = Closed::<F>::register().unwrap();
        let device = Closed::<F>::attach(7).unwrap();
        std::mem::forget(device.close(&mut me, SHORT).unwrap());
        let held = Err(DetachError::StillHeld);
        assert_eq!(device.detach_timeout(&mut me, SHORT), held);
        assert_eq!(device.close(&mut me, SHORT).err(), held.err());
    }
    let _alone = alone();
    check::<PerCpu>();
    check::<PerThread>();
    check::<PerThreadFenced>();
}
