//! What a heavy fence costs, while the other CPUs rest and while they work.
//!
//! The kernel interrupts those CPUs that run a thread of the process. So an
//! idle machine shows the price of the system call alone, and a busy one that
//! of the interrupts, which grows with their number.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use detach_results::latency;
use detach_results::record::Latency;
use detach_strategies::platform::{AsymmetricFence, Membarrier};

use super::team;
use crate::engine::SpinBarrier;

/// Fences timed in each state, at least.
const FENCES: u32 = 2_000;
/// As a rule they take longer than another process keeps one of the CPUs.
const SHORTEST: Duration = Duration::from_millis(50);
/// Fences before them, which are not timed.
const WARM_UP: u32 = 100;
/// However slow they are, it ends after this time.
const LONGEST: Duration = Duration::from_secs(1);

/// Single fences, each timed alone; absent where there is none to be had.
pub(super) struct Fences {
    pub(super) idle: Option<Latency>,
    pub(super) busy: Option<Latency>,
}

/// Measures from the first of `cpus`.
pub(super) fn measure(cpus: &[usize]) -> Fences {
    if Membarrier::supported().is_err() {
        return Fences {
            idle: None,
            busy: None,
        };
    }
    Fences {
        idle: team::alone(cpus[0], time_fences),
        busy: (cpus.len() > 1).then(|| busy(cpus)).flatten(),
    }
}

/// Fences while every CPU but the first runs a thread of the process.
fn busy(cpus: &[usize]) -> Option<Latency> {
    let barrier = SpinBarrier::new(cpus.len(), false);
    let done = AtomicBool::new(false);
    let found = team::on_each(cpus, |index| {
        // The barrier breaks only when a thread panics, and then `on_each`
        // passes the panic on.
        let alarm = barrier.alarm();
        let met = barrier.wait();
        let found = if index == 0 && met.is_ok() {
            let found = time_fences();
            // Ordering: Release pairs with the Acquire below; it hands nothing
            // on, but the spinning belongs before it.
            done.store(true, Ordering::Release);
            found
        } else {
            // Ordering: Acquire pairs with the Release above.
            while !done.load(Ordering::Acquire) && !barrier.is_broken() {
                std::hint::spin_loop();
            }
            None
        };
        alarm.disarm();
        found
    });
    found.into_iter().next().flatten()
}

fn time_fences() -> Option<Latency> {
    let mut histogram = latency::histogram();
    for _ in 0..WARM_UP {
        Membarrier::heavy();
    }
    let begun = Instant::now();
    for timed in 1.. {
        let before = Instant::now();
        Membarrier::heavy();
        let after = Instant::now();
        let took = after.duration_since(before).as_nanos();
        latency::record(&mut histogram, u64::try_from(took).unwrap_or(u64::MAX));
        let elapsed = after.duration_since(begun);
        if elapsed > LONGEST || (timed >= FENCES && elapsed > SHORTEST) {
            break;
        }
    }
    Latency::from_histogram(&histogram)
}
