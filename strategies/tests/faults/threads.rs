//! Threads that end, and threads that come and go.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use detach_strategies::points::Undisturbed;
use detach_strategies::registry::{self, Visitor};
use detach_strategies::{DeviceRef, DyingMembarrier, DyingXcall, Epoch, TurnstileSlots};

use crate::support::cue::within;
use crate::support::isolated::{self, Ending};
use crate::support::waking::InTime;
use crate::support::{alone, every_strategy_isolated, long};

/// A thread ends with its registration in thread-local storage, whose
/// destructors run when the thread is as good as gone.
macro_rules! ends_registered {
    ($($strategy:ident),*) => {$({
        type D = $strategy<u64>;
        thread_local! {
            static ME: RefCell<Option<<D as DeviceRef>::Registration>> =
                const { RefCell::new(None) };
        }
        if D::supported().is_ok() {
            let device: &'static D = Box::leak(Box::new(D::attach(1).unwrap()));
            for _ in 0..20 {
                let ends = thread::spawn(|| ME.with_borrow_mut(|me| {
                    let me = me.insert(D::register().unwrap());
                    drop(device.acquire(me).unwrap());
                }));
                ends.join().unwrap();
            }
            let mut me = D::register().unwrap();
            let result = device.detach_in_time(&mut me);
            assert_eq!(result, Ok(1), "{}", D::PROPERTIES.id);
        }
    })*};
}

/// With those strategies that keep a record of each thread.
#[test]
fn a_thread_ends_while_it_is_registered() {
    let _alone = alone();
    ends_registered!(TurnstileSlots, DyingXcall, DyingMembarrier, Epoch);
}

every_strategy_isolated! {
    /// The process ends in an orderly way, with its exit handlers, while
    /// threads come and go in a device. They must not keep it from ending, nor
    /// crash when the ground is taken away.
    fn the_process_ends_while_threads_run<D>(expected: true) {
        let device = D::attach(1).unwrap();
        let entries = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut me = D::register().unwrap();
                    loop {
                        assert_eq!(*device.acquire(&me).unwrap(), 1);
                        entries.fetch_add(1, Ordering::Relaxed);
                        D::safe_point(&mut me);
                    }
                });
            }
            assert!(within(long(), || entries.load(Ordering::Relaxed) > 1000));
            isolated::leave();
        });
    }
}

/// One device of each strategy, attached for ever.
struct Devices(Vec<usize>);

struct Attach;

impl Visitor<u64> for Attach {
    type Output = usize;
    fn visit<D: DeviceRef<Softc = u64>>(&mut self) -> usize {
        match D::supported() {
            Ok(()) => Box::into_raw(Box::new(D::attach(7).unwrap())).expose_provenance(),
            Err(_) => 0,
        }
    }
}

/// Registers, enters and leaves with every strategy in turn.
struct EnterEach<'d>(std::slice::Iter<'d, usize>);

impl Visitor<u64> for EnterEach<'_> {
    type Output = ();
    fn visit<D: DeviceRef<Softc = u64>>(&mut self) {
        let device = *self
            .0
            .next()
            .expect("the same strategies in the same order");
        if device != 0 {
            // SAFETY: the strategies are visited in the same order as by
            // `Attach`, so this is where it put one of this type, for ever.
            let device = unsafe { &*std::ptr::with_exposed_provenance::<D>(device) };
            let me = D::register().unwrap();
            assert_eq!(*device.acquire(&me).unwrap(), 7);
        }
    }
}

/// Detaches each; whoever was ever registered must have left.
struct DetachEach<'d>(std::slice::Iter<'d, usize>);

impl Visitor<u64> for DetachEach<'_> {
    type Output = ();
    fn visit<D: DeviceRef<Softc = u64>>(&mut self) {
        let device = *self
            .0
            .next()
            .expect("the same strategies in the same order");
        if device != 0 {
            // SAFETY: as in `EnterEach`.
            let device = unsafe { &*std::ptr::with_exposed_provenance::<D>(device) };
            let mut me = D::register().unwrap();
            let result = device.detach_in_time(&mut me);
            assert_eq!(result, Ok(7), "{}", D::PROPERTIES.id);
        }
    }
}

/// Short-lived threads: each registers with every strategy, enters and leaves,
/// and ends. What a thread leaves behind must serve the next one: there is room
/// for some thousands of threads at once, and memory does not grow.
///
/// As many as 200 000 threads, if they fit into some seconds (on two busy CPUs
/// without optimisation some 40 000 do); in any case more than have room at
/// once. Two at a time, so that records change hands.
#[test]
fn threads_by_the_ten_thousands() {
    const LEAST: usize = 10_000;
    const MOST: usize = 200_000;
    const TIME: Duration = Duration::from_secs(6);
    /// What the allocator and its caches may take, and far less than thousands
    /// of records would.
    #[cfg(target_os = "linux")]
    const GROWTH: usize = 4 << 20;

    if isolated::case().is_some() {
        let devices = Devices(registry::visit_all::<u64, Undisturbed, _>(&mut Attach));
        let run = |threads: usize| {
            for _ in 0..threads / 2 {
                thread::scope(|scope| {
                    for _ in 0..2 {
                        scope.spawn(|| {
                            let mut enter = EnterEach(devices.0.iter());
                            registry::visit_all::<u64, Undisturbed, _>(&mut enter);
                        });
                    }
                });
            }
        };
        // The first ones find everything new.
        run(1000);
        #[cfg(target_os = "linux")]
        let before = crate::support::pages::resident_set();
        let begin = Instant::now();
        let mut threads = 0;
        while threads < LEAST || (threads < MOST && begin.elapsed() < TIME) {
            run(1000);
            threads += 1000;
        }
        println!("{threads} threads");
        #[cfg(target_os = "linux")]
        {
            let after = crate::support::pages::resident_set();
            assert!(
                after < before + GROWTH,
                "from {before} to {after} bytes with {threads} threads"
            );
        }
        registry::visit_all::<u64, Undisturbed, _>(&mut DetachEach(devices.0.iter()));
        isolated::survived();
    }
    let test = concat!(module_path!(), "::threads_by_the_ten_thousands");
    assert_eq!(isolated::run(test, "all"), Ending::Survived);
}
