//! How a detacher waits: it looks for as long as a sleep would cost, and then
//! sleeps.
//!
//! Whoever looks again and again until the price of a sleep is spent, and
//! sleeps only then, pays at most twice what the better of the two would have
//! cost (the ski-rental argument). So the length of the looking is a time, the
//! price of going to sleep and being woken on this machine. It is no number of
//! turns: two hundred `pause` instructions are 2 us on an Intel Xeon and 6 us on an
//! AMD EPYC.
//!
//! Every strategy waits this way unless its mechanism forbids it; where it does,
//! its module says so. Where nobody wakes a sleeper (a library that cannot, a
//! release without a fence), it sleeps for the length of the looking, then twice
//! as long, up to [`LONGEST_NAP`].

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::primitive::sync::spin_loop;

/// The longest sleep of a waiter whom nobody wakes.
pub const LONGEST_NAP: Duration = Duration::from_millis(1);

/// What is assumed of a machine where nobody has measured: a sleep and a wake-up
/// of a virtual machine that is not busy. The measurements of this project find
/// the price first, and record it with their run.
const DEFAULT_BUDGET: Duration = Duration::from_micros(10);

static BUDGET: AtomicU64 = AtomicU64::new(DEFAULT_BUDGET.as_nanos() as u64);

/// How long a waiter looks before it sleeps: 10 us unless
/// [`set_budget`] has said otherwise.
pub fn budget() -> Duration {
    // Ordering: Relaxed; a number by itself.
    Duration::from_nanos(BUDGET.load(Ordering::Relaxed))
}

/// Sets how long waiters of this process look before they sleep. The price of a
/// sleep and a wake-up is the best choice. More than [`LONGEST_NAP`] is taken for
/// that.
pub fn set_budget(budget: Duration) {
    let nanoseconds = budget.min(LONGEST_NAP).as_nanos() as u64;
    // Ordering: Relaxed; a number by itself.
    BUDGET.store(nanoseconds, Ordering::Relaxed);
}

/// The looking before a sleep. The first look is free of clock readings.
#[derive(Debug)]
pub(crate) struct Looking {
    until: Option<Instant>,
}

impl Looking {
    pub(crate) fn new() -> Self {
        Looking { until: None }
    }

    /// Pauses; `false` when it is time to sleep, which it is at once under loom:
    /// that knows no time and explores every look.
    pub(crate) fn again(&mut self) -> bool {
        spin_loop();
        if cfg!(loom) {
            return false;
        }
        let now = Instant::now();
        now < *self.until.get_or_insert_with(|| now + budget())
    }
}

/// The lengths of the naps of a waiter whom nobody wakes.
#[derive(Debug)]
pub(crate) struct Naps {
    next: Duration,
}

impl Naps {
    pub(crate) fn new() -> Self {
        Naps {
            next: budget().max(Duration::from_micros(1)),
        }
    }

    pub(crate) fn next(&mut self) -> Duration {
        let nap = self.next;
        self.next = (2 * nap).min(LONGEST_NAP);
        nap
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn naps_double_up_to_the_longest() {
        let mut naps = Naps {
            next: Duration::from_micros(300),
        };
        let lengths = [(); 4].map(|()| naps.next().as_micros());
        assert_eq!(lengths, [300, 600, 1000, 1000]);
    }
}
