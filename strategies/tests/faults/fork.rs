//! `fork` in a process of several threads.
//!
//! The child has a copy of everything, but only the thread that forked. Where
//! another thread was inside, it is inside for ever in the child's copy, where
//! nobody will ever leave. So the child may use what its parent attached if it
//! can be sure that nobody else was inside, and it can always use what it
//! attaches itself, with the exceptions of the table:
//!
//! | strategy | another thread was registered, and outside | another thread was inside |
//! |---|---|---|
//! | `turnstile`, `turnstile-slots`, `turnstile-fenced`, `gate-rseq`, `refcount`, `fo-restart`, `rwlock`, `arc-swap` | works | that device is held for ever |
//! | `dying-membarrier`, `epoch` | works | every device is held for ever, the child's own too |
//! | `dying-xcall`, `dying-xcall-ref` | every device is held for ever: the copy of the other thread is on line | the same |
//! | `unprotected`, `seqlock` | works | works |
//!
//! (With `epoch` and `arc-swap` there is more behind this than could be tested:
//! their libraries may be in the middle of something on another thread, and so
//! may the memory allocator be, unless the C library sees to it, as glibc does.)
//!
//! In the middle of registering, attaching or dropping a handle no thread holds a
//! lock of ours that a child would find held for ever. In the middle of a detach
//! it has the claim of that device, which the child finds held like an entry.
//!
//! Restartable sequences and the right to `membarrier` are inherited; the tests
//! below would not pass otherwise.

use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use detach_strategies::points::Point;
use detach_strategies::{DetachError, DeviceRef, WaitsFor};

use crate::support::cue::Cue;
use crate::support::every_strategy_isolated;
use crate::support::hooks::with_hook;
use crate::support::isolated;
use crate::support::waking::InTime;

/// How long the child waits for what will not come.
const PATIENCE: Duration = Duration::from_millis(100);

/// What the child found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// Detached.
    Works = 50,
    /// Still held.
    Held = 51,
    /// Something else altogether.
    Strange = 52,
}

/// Forks, and tells what the child found.
fn in_a_child(child: impl FnOnce() -> Found) -> Found {
    // SAFETY: what the child does is what this test is about. It does not
    // return, nor does it touch what other threads may have locked, apart from
    // the allocator, which the C library makes usable.
    let number = unsafe { libc::fork() };
    assert!(number >= 0, "{}", std::io::Error::last_os_error());
    if number == 0 {
        // SAFETY: it takes a number. The signal ends a child that hangs.
        unsafe { libc::alarm(10) };
        let found = child();
        // SAFETY: it does not return, and runs nothing of ours.
        unsafe { libc::_exit(found as i32) }
    }
    let mut status = 0;
    // SAFETY: the number of a child, and a place for its status.
    let result = unsafe { libc::waitpid(number, &mut status, 0) };
    assert_eq!(result, number);
    if !libc::WIFEXITED(status) {
        // At once, as threads may wait for what would come next.
        isolated::violated(format_args!("the child ended with {status:#x}"));
    }
    match libc::WEXITSTATUS(status) {
        50 => Found::Works,
        51 => Found::Held,
        _ => Found::Strange,
    }
}

/// What a child finds that enters `device`, leaves, and detaches it.
fn detach_in_a_child<D: DeviceRef<Softc = u64>>(device: &D, me: &mut D::Registration) -> Found {
    in_a_child(|| {
        let entered = device.acquire(me).map(|guard| *guard) == Ok(7);
        match device.detach_timeout(me, PATIENCE) {
            Ok(7) if entered => Found::Works,
            Err(DetachError::StillHeld) if entered => Found::Held,
            _ => Found::Strange,
        }
    })
}

/// Has another thread be registered, and inside `other` if there is one, while
/// `meanwhile` runs.
fn beside_another<D: DeviceRef<Softc = u64>, R>(
    other: Option<&D>,
    meanwhile: impl FnOnce() -> R,
) -> R {
    let ready = Cue::new();
    let enough = Cue::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let me = D::register().unwrap();
            let guard = other.map(|device| device.acquire(&me).unwrap());
            ready.give();
            enough.wait();
            drop(guard);
        });
        ready.wait();
        let result = meanwhile();
        enough.give();
        result
    })
}

every_strategy_isolated! {
    fn fork_with_several_threads<D>(expected: true) {
        let mut me = D::register().unwrap();
        let attach = || D::attach(7).unwrap();
        let claims = D::PROPERTIES;
        let unless = |held: bool| if held { Found::Held } else { Found::Works };

        // Registered, outside; the device is the parent's.
        let device = attach();
        let found = beside_another::<D, _>(None, || detach_in_a_child(&device, &mut me));
        assert_eq!(found, unless(!claims.holder_may_sleep), "outside");

        // Inside that device.
        let found = beside_another(Some(&device), || detach_in_a_child(&device, &mut me));
        assert_eq!(found, unless(claims.waits_for != WaitsFor::Nobody), "inside");

        // Inside another device.
        let other = attach();
        let found = beside_another(Some(&other), || detach_in_a_child(&device, &mut me));
        assert_eq!(found, unless(claims.waits_for == WaitsFor::EveryDevice), "elsewhere");

        // The parent has noticed nothing of all this.
        assert_eq!(*device.acquire(&me).unwrap(), 7);
        assert_eq!(device.detach_in_time(&mut me), Ok(7));
        assert_eq!(other.detach_in_time(&mut me), Ok(7));
    }
}

every_strategy_isolated! {
    fn fork_while_another_detaches<D>(expected: true) {
        if D::PROPERTIES.waits_for == WaitsFor::Nobody {
            isolated::survived(); // A detach takes no time that a fork could meet.
        }
        let device = D::attach(7).unwrap();
        let [claimed, enough] = [(); 2].map(|()| Cue::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut me = D::register().unwrap();
                let hook = |point| {
                    if point == Point::Closed {
                        claimed.give();
                        enough.wait();
                    }
                };
                assert_eq!(with_hook(&hook, || device.detach_in_time(&mut me)), Ok(7));
            });
            claimed.wait();
            let child = || match device.detach_timeout(&mut D::register().unwrap(), PATIENCE) {
                Err(DetachError::StillHeld) => Found::Held,
                _ => Found::Strange,
            };
            let found = in_a_child(child);
            enough.give();
            assert_eq!(found, Found::Held);
        });
    }
}

every_strategy_isolated! {
    /// Where threads have slots, another thread has all but one.
    fn fork_while_slots_are_taken<D>(expected: true) {
        if !["turnstile-slots", "turnstile-fenced"].contains(&D::PROPERTIES.id) {
            isolated::survived();
        }
        let [filled, enough] = [(); 2].map(|()| Cue::new());
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut all: Vec<_> = iter::from_fn(|| D::register().ok()).collect();
                all.pop();
                filled.give();
                enough.wait();
            });
            filled.wait();
            let found = in_a_child(|| match [D::register(), D::register()] {
                [Ok(_), Err(_)] => Found::Held,
                _ => Found::Strange,
            });
            enough.give();
            assert_eq!(found, Found::Held);
        });
        assert!(matches!([D::register(), D::register()], [Ok(_), Ok(_)]));
    }
}

/// Registers, attaches, enters; tells whether that worked. Leaves no trace.
fn come_and_go<D: DeviceRef<Softc = u64>>() -> bool {
    let me = D::register().unwrap();
    let device = D::attach(7).unwrap();
    device.acquire(&me).map(|guard| *guard) == Ok(7)
}

every_strategy_isolated! {
    /// Other threads are about to register, to attach and to drop a handle, at
    /// first for the first time in this process.
    fn fork_while_others_register_and_attach<D>(expected: true) {
        const FORKS: usize = 100;
        let over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        assert!(come_and_go::<D>());
                    }
                });
            }
            for _ in 0..FORKS {
                let child = || if come_and_go::<D>() { Found::Works } else { Found::Strange };
                let found = in_a_child(child);
                if found != Found::Works {
                    isolated::violated(format_args!("{found:?}"));
                }
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
