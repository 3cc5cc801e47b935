//! The contract of `DeviceRef`, written once and held against every strategy
//! of the registry.
//!
//! The softc of these tests is a reference to a body that lives for ever, so
//! that a strategy that reclaims too early is caught looking at a poisoned
//! body, and not by the good fortune of a crash.

#[path = "properties/support/mod.rs"]
mod support;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use detach_strategies::points::Undisturbed;
use detach_strategies::registry::{self, Visitor};
use detach_strategies::{DetachError, Detached, DeviceRef, LateArrival, Reclaim};
use support::waking::{InTime, Limit};

/// What a softc stands for.
#[derive(Debug, Default)]
struct Body {
    reclaimed: AtomicBool,
    visits: AtomicU64,
}

type Softc = &'static Body;

fn body() -> Softc {
    Box::leak(Box::default())
}

/// Applies a check to every strategy that this machine supports.
macro_rules! conformance {
    ($(#[$meta:meta])* fn $name:ident<$device:ident>() $check:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            struct Check;
            impl Visitor<Softc> for Check {
                type Output = ();
                fn visit<$device: DeviceRef<Softc = Softc>>(&mut self) {
                    let id = $device::PROPERTIES.id;
                    match $device::supported() {
                        Ok(()) => {
                            println!("{id}");
                            let _limit = Limit::of(id);
                            $check
                        }
                        Err(why) => println!("{id}: {why}"),
                    }
                }
            }
            registry::visit_all::<Softc, Undisturbed, _>(&mut Check);
        }
    };
}

conformance! {
    /// In, out, away; and then nobody gets in and nobody gets it again.
    fn life_cycle<D>() {
        let mut me = D::register().unwrap();
        let softc = body();
        let device = D::attach(softc).unwrap();
        for _ in 0..3 {
            let guard = device.acquire(&me).unwrap();
            assert!(std::ptr::eq(*guard, softc));
            drop(guard);
            D::safe_point(&mut me);
        }
        assert!(std::ptr::eq(device.detach(&mut me).unwrap(), softc));
        if D::PROPERTIES.late_arrival != LateArrival::Admitted {
            assert_eq!(device.acquire(&me).err(), Some(Detached));
        }
        assert_eq!(device.detach(&mut me).err(), Some(Detached));
        assert_eq!(
            device.detach_in_time(&mut me).err(),
            Some(DetachError::Detached)
        );
    }
}

conformance! {
    /// A thread may be inside several times, and leave in any order.
    fn nested_acquire<D>() {
        let mut me = D::register().unwrap();
        let device = D::attach(body()).unwrap();
        let other = D::attach(body()).unwrap();
        let first = device.acquire(&me).unwrap();
        let elsewhere = other.acquire(&me).unwrap();
        let second = D::PROPERTIES.nesting.then(|| device.acquire(&me).unwrap());
        drop(first);
        drop(second);
        drop(elsewhere);
        device.detach(&mut me).unwrap();
        other.detach(&mut me).unwrap();
    }
}

conformance! {
    /// Of several detachers one gets the softc; all return.
    fn one_detacher_wins<D>() {
        for _ in 0..20 {
            let device = D::attach(body()).unwrap();
            let start = Barrier::new(4);
            let wins = AtomicUsize::new(0);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let mut me = D::register().unwrap();
                        D::offline(&mut me, || start.wait());
                        if device.detach(&mut me).is_ok() {
                            wins.fetch_add(1, Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!(wins.into_inner(), 1);
        }
    }
}

conformance! {
    /// A detach that gives up leaves the device closed and the softc whole, and
    /// the next one gets it as soon as the holder has left.
    fn detach_gives_up_and_is_repeated<D>() {
        if D::PROPERTIES.reclaim == Reclaim::AfterHolders {
            let softc = body();
            let device = D::attach(softc).unwrap();
            let inside = Barrier::new(2);
            let given_up = Barrier::new(2);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let me = D::register().unwrap();
                    let guard = device.acquire(&me).unwrap();
                    inside.wait();
                    given_up.wait();
                    assert!(!guard.reclaimed.load(Ordering::Relaxed));
                });
                inside.wait();
                let mut me = D::register().unwrap();
                for patience in [Duration::ZERO, Duration::from_millis(2)] {
                    let result = device.detach_timeout(&mut me, patience);
                    assert_eq!(result.err(), Some(DetachError::StillHeld));
                    // The newcomer is late, though nobody has detached yet.
                    assert_eq!(device.acquire(&me).err(), Some(Detached));
                }
                given_up.wait();
                assert!(std::ptr::eq(device.detach_in_time(&mut me).unwrap(), softc));
                softc.reclaimed.store(true, Ordering::Relaxed);
            });
        }
    }
}

conformance! {
    /// Who is refused may ask again and again without keeping the detacher from
    /// finishing.
    fn late_arrivals_do_not_keep_a_detach_waiting<D>() {
        if D::PROPERTIES.late_arrival != LateArrival::Admitted {
            let device = D::attach(body()).unwrap();
            let done = AtomicBool::new(false);
            let entered = Barrier::new(3);
            thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let mut me = D::register().unwrap();
                        drop(device.acquire(&me).unwrap());
                        D::offline(&mut me, || entered.wait());
                        let mut refused = 0u64;
                        while !done.load(Ordering::Relaxed) {
                            refused += u64::from(device.acquire(&me).is_err());
                            D::safe_point(&mut me);
                        }
                        // The last one is refused for certain.
                        assert!(device.acquire(&me).is_err(), "{refused}");
                    });
                }
                let mut me = D::register().unwrap();
                D::offline(&mut me, || entered.wait());
                device.detach(&mut me).unwrap();
                done.store(true, Ordering::Relaxed);
            });
        }
    }
}

conformance! {
    /// A holder that panics leaves like any other.
    fn panic_while_holding<D>() {
        let mut me = D::register().unwrap();
        let device = D::attach(body()).unwrap();
        let result = catch_unwind(AssertUnwindSafe(|| {
            let _guard = device.acquire(&me).unwrap();
            std::panic::resume_unwind(Box::new("a holder fails"));
        }));
        assert!(result.is_err());
        D::safe_point(&mut me);
        assert!(device.detach_in_time(&mut me).is_ok());
    }
}

conformance! {
    /// A stay is inside from its beginning to its end, however it ends.
    fn a_stay_begins_and_ends<D>() {
        let mut me = D::register().unwrap();
        let device = D::attach(body()).unwrap();
        let slept = device.stay(&mut me, |softc, sleep| {
            softc.visits.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_micros(1))
        });
        assert_eq!(slept, Ok(Ok(())));
        let result = catch_unwind(AssertUnwindSafe(|| {
            device.stay(&mut me, |_, _| {
                std::panic::resume_unwind(Box::new("a holder fails"));
            })
        }));
        assert!(result.is_err());
        // The thread is where it was before.
        drop(device.acquire(&me).unwrap());
        D::safe_point(&mut me);
        assert!(device.detach_in_time(&mut me).is_ok());
        if D::PROPERTIES.late_arrival != LateArrival::Admitted {
            let late = device.stay(&mut me, |_, _| unreachable!("in after detach"));
            assert_eq!(late, Err::<(), _>(Detached));
        }
    }
}

conformance! {
    /// Threads come, enter, leave and go; none of them is waited for later.
    fn thread_exit<D>() {
        let device = D::attach(body()).unwrap();
        for _ in 0..50 {
            thread::scope(|scope| {
                scope.spawn(|| {
                    let me = D::register().unwrap();
                    let guard = device.acquire(&me).unwrap();
                    guard.visits.fetch_add(1, Ordering::Relaxed);
                });
            });
        }
        let mut me = D::register().unwrap();
        let softc = device.detach_in_time(&mut me).unwrap();
        // Detach, not the joins, must have made this visible; here both have.
        assert_eq!(softc.visits.load(Ordering::Relaxed), 50);
    }
}

conformance! {
    /// A handle is dropped without ceremony: never entered, left, or detached.
    fn handles_are_dropped_in_any_state<D>() {
        let mut me = D::register().unwrap();
        drop(D::attach(body()).unwrap());
        let device = D::attach(body()).unwrap();
        drop(device.acquire(&me).unwrap());
        drop(device);
        let device = D::attach(body()).unwrap();
        device.detach(&mut me).unwrap();
        drop(device);
    }
}

/// Threads enter, a detacher takes the softc away and poisons it, again and
/// again, and no holder may ever see the poison.
fn stress<D: DeviceRef<Softc = Softc>>(workers: usize, rounds: usize) {
    let devices: Vec<D> = (0..rounds).map(|_| D::attach(body()).unwrap()).collect();
    let entered: Vec<AtomicUsize> = devices.iter().map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                let mut me = D::register().unwrap();
                for (device, entered) in devices.iter().zip(&entered) {
                    let mut first = true;
                    loop {
                        let Ok(guard) = device.acquire(&me) else {
                            break;
                        };
                        guard.visits.fetch_add(1, Ordering::Relaxed);
                        assert!(
                            !guard.reclaimed.load(Ordering::Relaxed),
                            "{}: a holder saw a reclaimed softc",
                            D::PROPERTIES.id
                        );
                        drop(guard);
                        D::safe_point(&mut me);
                        if first {
                            first = false;
                            entered.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                    if first {
                        entered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let mut me = D::register().unwrap();
        for (device, entered) in devices.iter().zip(&entered) {
            // At least one worker is at this device, or past it.
            while entered.load(Ordering::Relaxed) == 0 {
                thread::yield_now();
                D::safe_point(&mut me);
            }
            let softc = device.detach(&mut me).unwrap();
            softc.reclaimed.store(true, Ordering::Relaxed);
        }
    });
}

conformance! {
    /// Protection under real threads.
    fn stress_with_poisoned_softcs<D>() {
        if D::PROPERTIES.reclaim == Reclaim::AfterHolders {
            stress::<D>(3, 300);
        }
    }
}

/// Counts how often it is dropped.
struct Counted<'c>(&'c AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The softc is dropped once: with the handle, or by whoever detached it.
fn dropped_once<D: DeviceRef<Softc = Counted<'static>>>() -> &'static str {
    let id = D::PROPERTIES.id;
    if D::supported().is_err() {
        return id;
    }
    let drops: &'static AtomicUsize = Box::leak(Box::default());
    let count = || drops.load(Ordering::Relaxed);
    let mut me = D::register().unwrap();

    drop(D::attach(Counted(drops)).unwrap());
    assert_eq!(count(), 1, "{id}: handle dropped while attached");

    let device = D::attach(Counted(drops)).unwrap();
    let softc = device.detach(&mut me).unwrap();
    assert_eq!(count(), 1, "{id}: detach drops nothing");
    drop(softc);
    drop(device);
    assert_eq!(count(), 2, "{id}: detached softc dropped by its new owner");

    // Given up, and never repeated: the softc goes when it can, exactly once.
    let device = D::attach(Counted(drops)).unwrap();
    let inside = Barrier::new(2);
    let given_up = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            let me = D::register().unwrap();
            let guard = device.acquire(&me).unwrap();
            inside.wait();
            given_up.wait();
            drop(guard);
        });
        inside.wait();
        let result = device.detach_timeout(&mut me, Duration::ZERO);
        assert_eq!(result.err(), Some(DetachError::StillHeld));
        assert_eq!(count(), 2, "{id}: a detach that gave up drops nothing");
        given_up.wait();
    });
    drop(device);
    drop(me);
    // Epochs reclaim when they get to it; prod them with another detach.
    let mut me = D::register().unwrap();
    let other = D::attach(Counted(drops)).unwrap();
    drop(other.detach(&mut me).unwrap());
    assert_eq!(
        count(),
        4,
        "{id}: handle dropped after a detach that gave up"
    );
    id
}

#[test]
fn softcs_are_dropped_once() {
    use detach_strategies::*;
    let mut checked = vec![
        dropped_once::<Turnstile<_>>(),
        dropped_once::<TurnstileSlots<_>>(),
        dropped_once::<TurnstileFenced<_>>(),
        dropped_once::<GateRseq<_>>(),
        dropped_once::<Refcount<_>>(),
        dropped_once::<FoRestart<_>>(),
        dropped_once::<DyingXcall<_>>(),
        dropped_once::<DyingXcallRef<_>>(),
        dropped_once::<DyingMembarrier<_>>(),
        dropped_once::<Epoch<_>>(),
        dropped_once::<Rwlock<_>>(),
        dropped_once::<ArcSwap<_>>(),
    ];
    checked.sort_unstable();
    let mut all: Vec<_> = registry::all()
        .iter()
        .filter(|properties| properties.reclaim == Reclaim::AfterHolders)
        .map(|properties| properties.id)
        .collect();
    all.sort_unstable();
    assert_eq!(checked, all, "a strategy is missing here");
}
