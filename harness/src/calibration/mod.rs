//! What a few elementary operations cost here, and whether the CPUs are really
//! ours.
//!
//! # Calibration
//!
//! A strategy's figures are sums of a few costs that are the processor's and
//! the kernel's, not the strategy's: a locked instruction, a heavy fence, a
//! cache line that travels. [`calibrate`] measures these alone, so that a
//! reader can tell one from the other, and two machines apart. It measures from
//! the first CPU unless more are needed, in some twenty batches each.
//!
//! From two of them follows how long the strategies' waiters look before they
//! sleep: as long as a sleep and a wake-up cost, for then they pay at most twice
//! what the better choice would have cost (see [`waiting`]); and at least as long
//! as a heavy fence among busy CPUs, for whoever comes while a gate is closed for
//! one waits for no more than that. Each process that measures sets it.
//!
//! # Probes
//!
//! A machine may change under a run: a neighbour begins to compute, the
//! hypervisor puts two of its CPUs on one core. A [`Prober`] looks, for a few
//! milliseconds and as often as it is asked, at whether CPUs that count at the
//! same time are as fast as one alone. A probe is *disturbed* when
//!
//! - the CPUs together reach less than 0.9 of the parallelism that the
//!   calibration, or the best probe since, has found. Counters that share nothing repeat within a few parts
//!   in a hundred; a thread that takes a turn on one of the CPUs, or on the
//!   other half of its core, halves what is left.
//! - or a counter was on its CPU for less than 95 parts in a hundred of its
//!   time. This one needs no calibration to compare with: whoever was there
//!   from the beginning has spoilt that, too. A tick of the clock and the
//!   interrupts of a quiet machine take less than one part in a hundred.
//!
//! What was measured in a block before or after a disturbed probe counts as
//! disturbed.
//!
//! It also looks how long a cache line takes between the first two CPUs. On
//! metal that hardly changes. A hypervisor that moves its CPUs between cores and
//! caches changes it several times over, and with it whatever is contended. That
//! is no disturbance, since neither place is the right one; it is recorded, and a
//! run that has seen both says so.

mod counters;
mod fences;
mod loops;
mod prober;
mod sleeps;
mod team;
mod transfers;

use std::time::Duration;

use detach_results::{Calibration, stats};
use detach_strategies::waiting;

pub use prober::Prober;
pub(crate) use team::alone;

/// How often the parallelism is measured; the median counts.
const PARALLEL_REPEATS: usize = 5;

/// The least and the most that waiters look before they sleep. Less is a look or
/// two; more would keep a CPU busy for what is no longer a short wait.
const BUDGET: (Duration, Duration) = (Duration::from_micros(1), waiting::LONGEST_NAP);

/// Has the waiters of this process look for as long as a calibration says.
pub(crate) fn set_waiting_budget(calibration: &Calibration) {
    if let Some(budget) = calibration.waiting_budget_ns {
        waiting::set_budget(Duration::from_nanos(budget as u64));
    }
}

/// Measures what elementary operations cost on `cpus`, which are in placement
/// order. It takes a second on few CPUs and some ten on hundreds.
///
/// The threads that measure are its own; those of the process that run already
/// should rest meanwhile. Where threads cannot be pinned, there are no
/// transfers, since nobody would know between which CPUs.
///
/// # Panics
///
/// When there are no CPUs, or the system refuses to start a thread on each.
pub fn calibrate(cpus: &[usize]) -> Calibration {
    assert!(!cpus.is_empty(), "a calibration needs a CPU");
    let pinned = team::can_pin(cpus);
    let fences = fences::measure(cpus);
    let sleep_ns = sleeps::measure([cpus[0], *cpus.get(1).unwrap_or(&cpus[0])]);
    let fence = fences.busy.as_ref().or(fences.idle.as_ref());
    let fence_ns = fence.map_or(0.0, |fence| fence.p50 as f64);
    let budget = Duration::from_nanos(sleep_ns.max(fence_ns) as u64).clamp(BUDGET.0, BUDGET.1);
    let loops = team::alone(cpus[0], loops::measure);
    let several = cpus.len() > 1;
    Calibration {
        clock_ns: loops.clock,
        clock_step_ns: loops.clock_step,
        empty_loop_ns: loops.empty,
        plain_increment_ns: loops.plain,
        locked_increment_ns: loops.locked,
        heavy_fence_idle_ns: fences.idle,
        heavy_fence_busy_ns: fences.busy,
        sleep_ns: Some(sleep_ns),
        waiting_budget_ns: Some(nanoseconds(budget)),
        transfers: (several && pinned).then(|| transfers::matrix(cpus)),
        parallelism: several.then(|| {
            let found: Vec<f64> = (0..PARALLEL_REPEATS)
                .map(|_| counters::together(cpus, counters::WINDOW).parallelism)
                .collect();
            median(&found)
        }),
    }
}

/// The median of samples of which there is at least one.
fn median(samples: &[f64]) -> f64 {
    stats::median(samples).expect("times and their ratios are finite numbers")
}

/// Time as a number of nanoseconds.
fn nanoseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}

#[cfg(test)]
mod tests;
