//! `signal_handlers`: a handler acquires and releases while the thread that it
//! interrupts is anywhere inside acquire or release.
//!
//! The handler uses the registration of the thread that it interrupts: it is
//! that thread. What it must find is what any holder must find. It is protected
//! while it is inside, it always comes back, it does not use the allocator
//! (whose locks the thread may hold), and afterwards a detach finds everybody
//! gone. This is tried in four ways:
//!
//! - in a thread that has never acquired anything before;
//! - at every [`Point`] of acquire and release, with a detacher that begins
//!   while the handler is at every point of its own acquire;
//! - in a storm of signals;
//! - after every single instruction of acquire and release, and after one of
//!   them at a time with somebody who tries to detach (on x86_64).
//!
//! What harm comes to those that claim no such thing:
//!
//! | strategy | where the handler strikes | harm |
//! |---|---|---|
//! | `turnstile-slots`, `turnstile-fenced` | between load and store of a counter (unless the compiler makes them one) | an enter is lost, the sums never agree again |
//! | `dying-membarrier` | between the section's number and its depth | the handler is inside with its section marked outside |
//! | `epoch` | anywhere, when garbage is due | it frees memory (and between the count of pins and the pin it would be inside unpinned) |
//! | `rwlock` | anywhere with the lock held | it queues behind the detacher, who waits for its own thread |
//! | `arc-swap` | before the thread's first load | it allocates |
//!
//! What is *not* claimed by anybody: a handler that interrupts a `detach` or
//! `close` of its own thread. It may then wait at a gate, or for a lock, that
//! only its own thread can open.

use std::cell::Cell;
use std::ptr;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use detach_strategies::points::Point;
use detach_strategies::{DetachError, DeviceRef, Reclaim};

use crate::allocator::{allowing, without_allocating};
use crate::support::claims::claims;
use crate::support::cue::{Cue, Watched, within};
use crate::support::hooks::{with_hook, without_hook};
use crate::support::isolated::violated;
use crate::support::{every_strategy_isolated, long};

every_strategy_isolated! {
    fn signal_handlers<D>(expected: claims::<D>().signal_handlers) {
        install();
        first_of_its_thread::<D>();
        at_every_point::<D>();
        storm::<D>();
        #[cfg(target_arch = "x86_64")]
        at_every_instruction::<D>();
        if harm_is_hidden(D::PROPERTIES.id) && !claims::<D>().signal_handlers {
            violated("nothing that this program can show");
        }
    }
}

/// Whether there is harm that this program cannot show, as it takes a signal at
/// one instruction: such a one must be possible, and there must be one. (What
/// adds one to a slot is three steps for the compiler, but on x86_64 it may make
/// them a single instruction, and does when it optimises.)
pub(crate) fn harm_is_hidden(id: &str) -> bool {
    let at_an_increment = ["turnstile-slots", "turnstile-fenced"].contains(&id);
    #[cfg(target_arch = "x86_64")]
    return at_an_increment && crate::stepping::is_optimised();
    #[cfg(not(target_arch = "x86_64"))]
    return at_an_increment || id == "dying-membarrier";
}

/// How long to wait for what happens soon, or never: without bounds, as tests
/// go, where it must happen, and a while where it may not.
fn patience<D: DeviceRef>() -> Duration {
    if claims::<D>().signal_handlers {
        long()
    } else {
        Duration::from_millis(300)
    }
}

/// What the handler does on a thread, or null. It must stay valid while it is
/// set. A thin pointer to the fat one: a handler must not find it half written.
type Action = *const &'static dyn Fn();

thread_local! {
    static ACTION: Cell<Action> = const { Cell::new(ptr::null()) };
}

extern "C" fn on_signal(_: libc::c_int) {
    // SAFETY: `handling` keeps it alive while it is set.
    if let Some(action) = unsafe { ACTION.get().as_ref() } {
        without_hook(action);
    }
}

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: all zeros is a valid `sigaction`, and the handler has the
        // signature of one without SA_SIGINFO.
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_signal as *const () as usize;
            action.sa_flags = libc::SA_RESTART;
            libc::sigaction(libc::SIGUSR1, &action, ptr::null_mut())
        };
        assert_eq!(result, 0);
    });
}

/// Interrupts the calling thread, here and now.
fn interrupt() {
    // SAFETY: the signal has a handler.
    let result = unsafe { libc::raise(libc::SIGUSR1) };
    assert_eq!(result, 0);
}

/// Runs `body` with `action` done whenever a signal arrives at this thread.
fn handling<R>(action: &dyn Fn(), body: impl FnOnce() -> R) -> R {
    let action: *const &dyn Fn() = &action;
    // Only the lifetime changes; it is taken out again below. (If the body
    // panics the process of the experiment ends.)
    ACTION.set(action.cast());
    let result = body();
    ACTION.set(ptr::null());
    result
}

/// The registration of a thread, as its signal handler gets at it.
struct Borrowed<D: DeviceRef>(*const D::Registration);

impl<D: DeviceRef> Borrowed<D> {
    fn of(registration: &D::Registration) -> Self {
        Borrowed(registration)
    }

    /// What a handler does: enters, does `inside` if it got in, leaves.
    fn visit(&self, device: &D, inside: impl FnOnce()) {
        // SAFETY: the registration belongs to this very thread, which borrows
        // it no otherwise than this does.
        let me = unsafe { &*self.0 };
        if let Ok(guard) = without_allocating(|| device.acquire(me)) {
            inside();
            without_allocating(|| drop(guard));
        }
    }
}

fn first_of_its_thread<D: DeviceRef<Softc = u64>>() {
    let device = D::attach(0).unwrap();
    let result = thread::scope(|scope| {
        let first = scope.spawn(|| {
            let mut me = D::register().unwrap();
            let handler = Borrowed::<D>::of(&me);
            handling(&|| handler.visit(&device, || ()), interrupt);
            device.detach_timeout(&mut me, patience::<D>())
        });
        first.join().unwrap()
    });
    if result != Ok(0) {
        violated(format!(
            "{result:?} after a thread's first acquire in a handler"
        ));
    }
}

/// A thread that detaches when a handler, which cannot do it, says so.
struct Detacher<D> {
    device: AtomicPtr<D>,
    order: AtomicU8,
    thread: Watched,
}

/// What the [`Detacher`] is asked for, and what came of it.
mod order {
    pub(super) const NOTHING: u8 = 0;
    /// Detach, but do not wait for anybody.
    pub(super) const TRY: u8 = 1;
    /// Detach, however long it takes.
    pub(super) const DETACH: u8 = 2;
    pub(super) const DETACHED: u8 = 3;
    pub(super) const STILL_HELD: u8 = 4;
    /// Go home.
    pub(super) const QUIT: u8 = 5;
}

impl<D: DeviceRef<Softc = u64>> Detacher<D> {
    fn new() -> Self {
        Detacher {
            device: AtomicPtr::new(ptr::null_mut()),
            order: AtomicU8::new(order::NOTHING),
            thread: Watched::new(),
        }
    }

    fn run(&self) {
        let mut me = D::register().unwrap();
        self.thread.watch_me();
        loop {
            let order = self.order.load(Ordering::Acquire);
            if order == order::QUIT {
                return;
            }
            if order != order::TRY && order != order::DETACH {
                D::safe_point(&mut me);
                thread::yield_now();
                continue;
            }
            // SAFETY: who gave the order keeps the device until it is carried
            // out.
            let device = unsafe { &*self.device.load(Ordering::Relaxed) };
            let result = if order == order::TRY {
                device.detach_timeout(&mut me, Duration::ZERO)
            } else {
                // Not with a time limit: some strategies wait otherwise then.
                device.detach(&mut me).map_err(DetachError::from)
            };
            let outcome = match result {
                Err(DetachError::StillHeld) => order::STILL_HELD,
                _ => order::DETACHED,
            };
            self.order.store(outcome, Ordering::Release);
        }
    }

    fn order(&self, device: &D, order: u8) {
        self.device
            .store(ptr::from_ref(device).cast_mut(), Ordering::Relaxed);
        self.order.store(order, Ordering::Release);
    }

    fn outcome(&self) -> Option<u8> {
        let outcome = self.order.load(Ordering::Acquire);
        (outcome == order::DETACHED || outcome == order::STILL_HELD).then_some(outcome)
    }

    /// Orders a detach, and waits until it has to wait, or is done.
    fn begin(&self, device: &D) {
        self.order(device, order::DETACH);
        assert!(within(long(), || self.outcome().is_some()
            || self.order.load(Ordering::Relaxed) == order::DETACH
                && self.thread.sleeps()));
    }

    /// Has the detacher try, and waits for the outcome without any help of the
    /// library or the allocator.
    #[cfg(target_arch = "x86_64")]
    fn try_now(&self, device: &D) -> u8 {
        self.order(device, order::TRY);
        loop {
            match self.outcome() {
                Some(outcome) => return outcome,
                // SAFETY: it takes nothing.
                None => unsafe {
                    libc::sched_yield();
                },
            }
        }
    }
}

/// What a detach means that got the softc while a handler was inside.
fn taken_from_a_holder<D: DeviceRef>(outcome: Option<u8>) {
    if D::PROPERTIES.reclaim == Reclaim::AfterHolders && outcome == Some(order::DETACHED) {
        violated("the softc is taken away while the handler is inside");
    }
}

fn at_every_point<D: DeviceRef<Softc = u64>>() {
    let inner = [
        None,
        Some(Point::BeforeEnter),
        Some(Point::Entered),
        Some(Point::Admitted),
    ];
    for begin in inner {
        let mut outer = 0;
        while at_point::<D>(outer, begin) {
            outer += 1;
        }
        println!("{outer} points, and {begin:?}");
    }
}

/// Interrupts at the point that comes after `outer` others; the detacher begins
/// when the handler is at the point `begin`, or inside if it is none. Tells
/// whether the thread came so far.
fn at_point<D: DeviceRef<Softc = u64>>(outer: usize, begin: Option<Point>) -> bool {
    let device = D::attach(0).unwrap();
    let detacher = Detacher::<D>::new();
    let in_handler = Cue::new();
    let out_of_handler = Cue::new();
    let over = Cue::new();
    thread::scope(|scope| {
        scope.spawn(|| detacher.run());
        // Nobody else could tell that the thread does not come back.
        scope.spawn(|| {
            assert!(within(long(), || in_handler.given() || over.given()));
            if in_handler.given() && !out_of_handler.within(patience::<D>()) {
                violated("the handler does not come back");
            }
        });
        let mut me = D::register().unwrap();
        let handler = Borrowed::<D>::of(&me);
        let action = || {
            in_handler.give();
            let ordered = Cell::new(false);
            let begin_once = || {
                if !ordered.replace(true) {
                    detacher.begin(&device);
                }
            };
            let hook = |point| {
                if begin == Some(point) {
                    allowing(begin_once);
                }
            };
            with_hook(&hook, || {
                handler.visit(&device, || {
                    if begin.is_none() {
                        begin_once();
                    }
                    taken_from_a_holder::<D>(detacher.outcome());
                });
            });
            out_of_handler.give();
        };
        let passed = Cell::new(0);
        let hook = |_| {
            if passed.replace(passed.get() + 1) == outer {
                interrupt();
            }
        };
        handling(&action, || with_hook(&hook, || drop(device.acquire(&me))));
        let came_so_far = in_handler.given();
        over.give();
        let begun = detacher.order.load(Ordering::Relaxed) != order::NOTHING;
        let ended = D::offline(&mut me, || {
            !begun || within(patience::<D>(), || detacher.outcome().is_some())
        });
        let result = device.detach_timeout(&mut me, patience::<D>());
        if !ended || result == Err(DetachError::StillHeld) {
            violated(format!(
                "nobody is inside, and a detach waits: point {outer}, {begin:?}"
            ));
        }
        detacher.order.store(order::QUIT, Ordering::Release);
        came_so_far
    })
}

fn storm<D: DeviceRef<Softc = u64>>() {
    const SIGNALS: u64 = 500;
    const LIMIT: Duration = Duration::from_millis(500);
    let device = D::attach(0).unwrap();
    let mut me = D::register().unwrap();
    let handler = Borrowed::<D>::of(&me);
    let visits = AtomicU64::new(0);
    let over = AtomicBool::new(false);
    // SAFETY: it takes nothing.
    let target = unsafe { libc::pthread_self() };
    let mut entries = 0;
    let begin = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                // SAFETY: the thread waits for this one at the end of the scope.
                unsafe { libc::pthread_kill(target, libc::SIGUSR1) };
                thread::yield_now();
            }
        });
        let action = || {
            handler.visit(&device, || {
                visits.fetch_add(1, Ordering::Relaxed);
            });
        };
        handling(&action, || {
            while visits.load(Ordering::Relaxed) < SIGNALS && begin.elapsed() < LIMIT {
                drop(device.acquire(&me).unwrap());
                entries += 1;
            }
        });
        over.store(true, Ordering::Relaxed);
    });
    let mechanisms = device.mechanisms();
    let counted = |name| mechanisms.iter().find(|(named, _)| *named == name);
    if let (Some((_, rseq)), Some((_, fallback))) = (counted("rseq"), counted("atomic fallback")) {
        assert_eq!(
            rseq + fallback,
            entries + visits.into_inner(),
            "enters are miscounted"
        );
    }
    if device.detach_timeout(&mut me, patience::<D>()) != Ok(0) {
        violated("nobody is inside after a storm of signals, and a detach waits");
    }
}

/// How many instructions are stepped through in all, to strike at one after the
/// other. Unoptimised code has too many for each to have its turn: what is one
/// step of an algorithm takes a dozen or more of them there, and of a few
/// thousand every tenth or so is struck. (Only `turnstile` and `gate-rseq` have
/// many more, in the attempts of a restartable sequence that cannot get through.)
#[cfg(target_arch = "x86_64")]
const BUDGET: usize = 100_000;

#[cfg(target_arch = "x86_64")]
fn at_every_instruction<D: DeviceRef<Softc = u64>>() {
    use crate::stepping::{Next, step};

    let detacher = Detacher::<D>::new();
    let mut me = D::register().unwrap();
    // What a library does for a new thread is not the question here.
    drop(D::attach(0).unwrap().acquire(&me).unwrap());

    let device = D::attach(0).unwrap();
    let handler = Borrowed::<D>::of(&me);
    let mut instructions = 0usize;
    let mut each = |_: *const u8| {
        instructions += 1;
        handler.visit(&device, || ());
        Next::Step
    };
    step(&mut each, || drop(device.acquire(&me)));
    if device.detach_timeout(&mut me, patience::<D>()).is_err() {
        violated("nobody is inside after a signal at every instruction, and a detach waits");
    }
    println!("{instructions} instructions");

    let stride = (instructions * instructions / 2).div_ceil(BUDGET);
    thread::scope(|scope| {
        scope.spawn(|| detacher.run());
        for strike in (0..instructions).step_by(stride) {
            let device = D::attach(0).unwrap();
            let handler = Borrowed::<D>::of(&me);
            let mut count = 0;
            let mut each = |_: *const u8| {
                if count < strike {
                    count += 1;
                    return Next::Step;
                }
                handler.visit(&device, || {
                    taken_from_a_holder::<D>(Some(detacher.try_now(&device)));
                });
                Next::Run
            };
            step(&mut each, || drop(device.acquire(&me)));
            if device.detach_timeout(&mut me, patience::<D>()) == Err(DetachError::StillHeld) {
                violated(format!(
                    "nobody is inside, and a detach waits: a signal after {strike} instructions"
                ));
            }
        }
        detacher.order.store(order::QUIT, Ordering::Release);
    });
}
