//! A panic is a way out like any other.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;

use detach_strategies::DetachError;

use crate::support::cue::Cue;
use crate::support::waking::InTime;
use crate::support::{SHORT, every_strategy};

/// Panics, without a word on stderr.
fn fail() -> ! {
    resume_unwind(Box::new("it fails"))
}

every_strategy! {
    /// Holders of several devices, nested where that is allowed, fail in the
    /// middle; nothing remains held.
    fn a_holder_that_panics_leaves<D>(id) {
        let mut me = D::register().unwrap();
        let device = D::attach(1).unwrap();
        let other = D::attach(2).unwrap();
        for _ in 0..100 {
            let result = catch_unwind(AssertUnwindSafe(|| {
                let _outer = device.acquire(&me).unwrap();
                let _elsewhere = other.acquire(&me).unwrap();
                let _nested = D::PROPERTIES.nesting.then(|| device.acquire(&me).unwrap());
                fail();
            }));
            assert!(result.is_err(), "{id}");
        }
        assert_eq!(device.detach_in_time(&mut me), Ok(1), "{id}");
        assert_eq!(other.detach_in_time(&mut me), Ok(2), "{id}");
    }
}

every_strategy! {
    /// A thread that dies of a panic inside is not waited for.
    fn a_thread_that_dies_of_a_panic_leaves<D>(id) {
        let device = D::attach(1).unwrap();
        for _ in 0..20 {
            let result = thread::scope(|scope| {
                let dies = scope.spawn(|| {
                    let me = D::register().unwrap();
                    let _guard = device.acquire(&me).unwrap();
                    fail();
                });
                dies.join()
            });
            assert!(result.is_err(), "{id}");
        }
        let mut me = D::register().unwrap();
        assert_eq!(device.detach_in_time(&mut me), Ok(1), "{id}");
    }
}

every_strategy! {
    /// A panic while off line brings the thread back on line: where detaches
    /// wait for every thread that is on line, they wait for this one again.
    fn a_panic_off_line_comes_back_on_line<D>(id) {
        let device = D::attach(1).unwrap();
        let back = Cue::new();
        let tried = Cue::new();
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut other = D::register().unwrap();
                let result = catch_unwind(AssertUnwindSafe(|| D::offline(&mut other, || fail())));
                assert!(result.is_err(), "{id}");
                assert!(device.acquire(&other).is_ok(), "{id}");
                back.give();
                tried.wait();
                D::safe_point(&mut other);
            });
            let mut me = D::register().unwrap();
            D::offline(&mut me, || back.wait());
            let mut result = Err(DetachError::StillHeld);
            if !D::PROPERTIES.holder_may_sleep {
                result = device.detach_timeout(&mut me, SHORT);
                assert_eq!(result, Err(DetachError::StillHeld), "{id}: it is off line still");
            }
            tried.give();
            if result.is_err() {
                result = device.detach_in_time(&mut me);
            }
            assert_eq!(result, Ok(1), "{id}");
        });
    }
}
