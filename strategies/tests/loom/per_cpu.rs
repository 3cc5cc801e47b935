//! Turnstiles by CPU. loom knows no restartable sequences, so the lanes are
//! made here: several threads increment the same ones, and each thread leaves
//! through another lane than it came by. All else is the shipped device.

use std::marker::PhantomData;
use std::sync::atomic::AtomicUsize as Untracked;

use detach_strategies::platform::{AsymmetricFence, Membarrier};
use detach_strategies::turnstile::{Device, Form, Lanes, PerThread};
use detach_strategies::{Properties, Unsupported};
use loom::sync::atomic::{AtomicU64, Ordering};

use crate::scenes;
use crate::support::{Softc, UNPROTECTED, holds, is_caught, preemptions};

type ByCpu<V = Shipped, F = Membarrier> = Device<Softc, Model<V, F>>;

#[test]
fn late_arrivals() {
    holds(preemptions(2, 3), || scenes::late_arrivals::<ByCpu>());
}

#[test]
fn sleeper_and_latecomer() {
    holds(preemptions(2, 3), || {
        scenes::sleeper_and_latecomer::<ByCpu>();
    });
}

#[test]
fn detach_gives_up() {
    holds(preemptions(2, 3), || scenes::detach_gives_up::<ByCpu>());
}

#[test]
fn two_detachers() {
    holds(preemptions(2, 3), || scenes::two_detachers::<ByCpu>());
}

#[test]
fn hands_over() {
    holds(preemptions(2, 4), || scenes::hands_over::<ByCpu>());
}

#[test]
fn broken_enters_summed_first() {
    is_caught(2, &UNPROTECTED, || {
        scenes::sleeper_and_latecomer::<ByCpu<EntersFirst>>();
    });
}

#[test]
fn broken_summed_in_one_pass() {
    is_caught(2, &UNPROTECTED, || {
        scenes::sleeper_and_latecomer::<ByCpu<OnePass>>();
    });
}

#[test]
fn broken_leave_without_release() {
    is_caught(3, &UNPROTECTED, || {
        scenes::come_and_go::<ByCpu<RelaxedLeave>>(1);
    });
}

#[test]
fn broken_no_heavy_fence() {
    is_caught(3, &UNPROTECTED, || {
        scenes::come_and_go::<ByCpu<Shipped, LightOnly>>(1);
    });
}

#[test]
fn broken_no_light_fence() {
    is_caught(3, &UNPROTECTED, || {
        scenes::come_and_go::<ByCpu<Shipped, HeavyOnly>>(1);
    });
}

/// The per-CPU form on lanes of the model.
struct Model<V, F>(PhantomData<(V, F)>);

// SAFETY: of the model only; what it breaks, it breaks on purpose.
unsafe impl<V: Variant, F: Fences> Form<Softc> for Model<V, F> {
    type Lanes = SharedLanes<V>;
    type Fence = F;
    const RINGS: bool = F::RINGS;
    const PROPERTIES: Properties = <PerThread as Form<Softc>>::PROPERTIES;
}

/// A pair of fences, and whether detachers poll. Without the right fences a
/// wake-up may get lost as well as a holder, and loom would report whichever
/// comes first; who polls is not harmed by the former.
trait Fences: AsymmetricFence {
    const RINGS: bool;
}

impl Fences for Membarrier {
    const RINGS: bool = true;
}

/// The mail's scheme: the detacher has no fence.
struct LightOnly;

impl Fences for LightOnly {
    const RINGS: bool = false;
}

// SAFETY: of the model only; what it breaks, it breaks on purpose.
unsafe impl AsymmetricFence for LightOnly {
    const NAME: &'static str = "light only";
    fn supported() -> Result<(), Unsupported> {
        Ok(())
    }
    fn light() {
        Membarrier::light();
    }
    fn heavy() {}
}

/// The other half: the readers have none.
struct HeavyOnly;

impl Fences for HeavyOnly {
    const RINGS: bool = false;
}

// SAFETY: of the model only; what it breaks, it breaks on purpose.
unsafe impl AsymmetricFence for HeavyOnly {
    const NAME: &'static str = "heavy only";
    fn supported() -> Result<(), Unsupported> {
        Ok(())
    }
    fn light() {}
    fn heavy() {
        Membarrier::heavy();
    }
}

/// What is right or wrong with the lanes.
trait Variant: Send + Sync + 'static {
    const LEAVE: Ordering = Ordering::Release;
    const SUMS: Sums = Sums::LeavesThenEnters;
}

enum Sums {
    LeavesThenEnters,
    EntersThenLeaves,
    OnePass,
}

/// As in `CpuLanes`.
struct Shipped;
impl Variant for Shipped {}

struct EntersFirst;
impl Variant for EntersFirst {
    const SUMS: Sums = Sums::EntersThenLeaves;
}

struct OnePass;
impl Variant for OnePass {
    const SUMS: Sums = Sums::OnePass;
}

struct RelaxedLeave;
impl Variant for RelaxedLeave {
    const LEAVE: Ordering = Ordering::Relaxed;
}

/// Counters of two CPUs.
struct SharedLanes<V> {
    entered: [AtomicU64; 2],
    left: [AtomicU64; 2],
    /// The enters, where they are summed too early. Not loom's, as only the
    /// detacher touches it.
    early: Untracked,
    _variant: PhantomData<V>,
}

/// A thread that is on another CPU at each step.
struct Wanderer {
    /// Not loom's, as it is used by one thread at a time.
    steps: Untracked,
}

impl Wanderer {
    /// Which CPU it is on, before it goes on to the next one.
    fn cpu(&self) -> usize {
        self.steps.fetch_add(1, Ordering::Relaxed) % 2
    }
}

fn sum(counters: &[AtomicU64; 2], load: Ordering) -> u64 {
    counters.iter().map(|counter| counter.load(load)).sum()
}

// SAFETY: of the model only; what it breaks, it breaks on purpose.
unsafe impl<V: Variant> Lanes for SharedLanes<V> {
    type Registration = Wanderer;

    fn supported() -> Result<(), Unsupported> {
        Ok(())
    }

    fn register() -> Result<Wanderer, Unsupported> {
        Ok(Wanderer {
            steps: Untracked::new(0),
        })
    }

    fn install() -> Result<Self, Unsupported> {
        Ok(SharedLanes {
            entered: [AtomicU64::new(0), AtomicU64::new(0)],
            left: [AtomicU64::new(0), AtomicU64::new(0)],
            early: Untracked::new(0),
            _variant: PhantomData,
        })
    }

    // An atomic increment, since loom may interrupt a plain one. It also
    // carries on a release sequence, as the kernel's switch between two threads
    // on one CPU does for plain increments.
    fn enter(&self, me: &Wanderer) {
        // Ordering: as in the fallback of `CpuLanes`.
        self.entered[me.cpu()].fetch_add(1, Ordering::Relaxed);
    }

    fn leave(&self, me: &Wanderer) {
        // Ordering: as in the fallback of `CpuLanes`, unless it is broken.
        self.left[me.cpu()].fetch_add(1, V::LEAVE);
    }

    fn left(&self) -> u64 {
        // Orderings: as in `CpuLanes`.
        match V::SUMS {
            Sums::LeavesThenEnters => sum(&self.left, Ordering::Acquire),
            Sums::EntersThenLeaves => {
                let entered = sum(&self.entered, Ordering::Relaxed);
                self.early.store(entered as usize, Ordering::Relaxed);
                sum(&self.left, Ordering::Acquire)
            }
            Sums::OnePass => {
                let (mut left, mut entered) = (0, 0);
                for cpu in 0..2 {
                    left += self.left[cpu].load(Ordering::Acquire);
                    entered += self.entered[cpu].load(Ordering::Relaxed);
                }
                self.early.store(entered as usize, Ordering::Relaxed);
                left
            }
        }
    }

    fn entered(&self) -> u64 {
        match V::SUMS {
            // Ordering: as in `CpuLanes`.
            Sums::LeavesThenEnters => sum(&self.entered, Ordering::Relaxed),
            // Ordering: Relaxed; the same thread has stored it.
            _ => self.early.load(Ordering::Relaxed) as u64,
        }
    }

    fn counted(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
