//! The gate inside the sequence. loom knows no restartable sequences, so the
//! counters are made here: a step under a lock either happens as a whole or has
//! not begun, and who restarts takes the lock once. That orders more than the
//! kernel does; the store-buffer model covers the restart itself. What stands on
//! the counters is the shipped device: the word with its bias, the handover of
//! what was frozen, and the wake-up. Steps that do not get through, all those that
//! enter or all those that leave, make it count in the word one way and on the
//! counters the other.

use detach_strategies::gate_rseq::{Counts, Device};
use detach_strategies::{DeviceRef, Properties, Refcount, Unsupported};
use loom::sync::Mutex;
use loom::sync::atomic::{AtomicBool, Ordering};

use crate::scenes;
use crate::support::{Softc, UNPROTECTED, holds, is_caught, preemptions};

type Gated = Device<Softc, Model<Freezing>>;
type EnteredByWord = Device<Softc, Model<StuckEnters>>;
type LeftByWord = Device<Softc, Model<StuckLeaves>>;

loom::lazy_static! {
    /// Held while a sequence runs.
    static ref RUNNING: Mutex<()> = Mutex::new(());
}

/// What sequences do.
trait Sequences: Send + Sync + 'static {
    /// Whether a restart waits for those under way.
    const RESTART: bool = true;
    /// Whether those that enter get through.
    const ENTER: bool = true;
    /// Whether those that leave do.
    const LEAVE: bool = true;
}

struct Freezing;
impl Sequences for Freezing {}

struct StuckEnters;
impl Sequences for StuckEnters {
    const ENTER: bool = false;
}

struct StuckLeaves;
impl Sequences for StuckLeaves {
    const LEAVE: bool = false;
}

struct Idle;
impl Sequences for Idle {
    const RESTART: bool = false;
}

/// Two counters, of which a thread enters by one and leaves by the other.
struct Model<R> {
    counts: Mutex<[u64; 2]>,
    sealed: AtomicBool,
    _restart: std::marker::PhantomData<R>,
}

impl<R> Model<R> {
    fn add(&self, place: usize, step: u64) -> bool {
        let _running = RUNNING.lock().unwrap();
        // Ordering: Relaxed; the lock that a restart takes orders it.
        if self.sealed.load(Ordering::Relaxed) {
            return false;
        }
        let mut counts = self.counts.lock().unwrap();
        counts[place] = counts[place].wrapping_add(step);
        true
    }
}

// SAFETY: each step is one under a lock; what `Idle` breaks, it breaks on purpose.
unsafe impl<R: Sequences> Counts for Model<R> {
    type Registration = ();
    const PROPERTIES: Properties = Refcount::<()>::PROPERTIES;
    const RESTART: &'static str = "model";

    fn supported() -> Result<(), Unsupported> {
        Ok(())
    }

    fn register() -> Result<(), Unsupported> {
        Ok(())
    }

    fn install() -> Result<Self, Unsupported> {
        Ok(Model {
            counts: Mutex::new([0; 2]),
            sealed: AtomicBool::new(false),
            _restart: std::marker::PhantomData,
        })
    }

    fn enter(&self, _: &()) -> bool {
        R::ENTER && self.add(0, 1)
    }

    fn leave(&self, _: &()) -> bool {
        R::LEAVE && self.add(1, 1u64.wrapping_neg())
    }

    fn seal(&self) {
        // Ordering: Relaxed; as above.
        self.sealed.store(true, Ordering::Relaxed);
    }

    fn is_sealed(&self) -> bool {
        // Ordering: Relaxed; the word has an order of its own.
        self.sealed.load(Ordering::Relaxed)
    }

    fn restart() {
        if R::RESTART {
            drop(RUNNING.lock().unwrap());
        }
    }

    fn sum(&self) -> u64 {
        let counts = self.counts.lock().unwrap();
        counts[0].wrapping_add(counts[1])
    }
}

#[test]
fn late_arrivals() {
    holds(preemptions(2, 3), || scenes::late_arrivals::<Gated>());
}

#[test]
fn sleeper_and_latecomer() {
    holds(preemptions(2, 3), || {
        scenes::sleeper_and_latecomer::<Gated>();
    });
}

#[test]
fn late_arrivals_by_word() {
    holds(preemptions(2, 3), || {
        scenes::late_arrivals::<EnteredByWord>();
    });
}

#[test]
fn leaves_by_word() {
    holds(preemptions(2, 3), || {
        scenes::sleeper_and_latecomer::<LeftByWord>();
    });
}

/// Few threads, so that one may be interrupted inside, and once more before it
/// looks whether somebody sleeps.
#[test]
fn come_and_go_by_word() {
    holds(preemptions(3, 5), || scenes::come_and_go::<LeftByWord>(1));
}

#[test]
fn two_detachers() {
    holds(preemptions(2, 3), || scenes::two_detachers::<Gated>());
}

#[test]
fn detach_gives_up() {
    holds(preemptions(2, 3), || scenes::detach_gives_up::<Gated>());
}

#[test]
fn together() {
    holds(preemptions(2, 3), || scenes::together::<Gated>());
}

#[test]
fn broken_no_restart() {
    is_caught(3, &UNPROTECTED, || {
        scenes::sleeper_and_latecomer::<Device<Softc, Model<Idle>>>();
    });
}
