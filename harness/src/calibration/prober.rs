//! A short look at the machine, again and again; see the module above for what
//! makes one disturbed.

use std::time::Duration;

use detach_results::Calibration;
use detach_results::calibration::Probe;

use super::counters::{self, Together};
use super::{team, transfers};

/// A probe is disturbed below this part of the calibrated parallelism.
const PARALLELISM_LEFT: f64 = 0.9;
/// How long the first two CPUs hand a line back and forth.
const PING_PONG: Duration = Duration::from_millis(2);

/// Takes probes, and knows what they are to be compared with.
#[derive(Clone, Debug)]
pub struct Prober {
    cpus: Vec<usize>,
    pinned: bool,
    parallelism: f64,
}

/// What was found at one moment.
#[derive(Clone, Copy, Debug)]
struct Found {
    together: Together,
    one_way_ns: Option<f64>,
}

impl Prober {
    /// A prober of `cpus`, which are in placement order. It compares with the
    /// calibration of the same CPUs, or where that is missing or does not say,
    /// with how it finds the machine now.
    ///
    /// # Panics
    ///
    /// When there are no CPUs, or the system refuses to start a thread on each.
    pub fn new(cpus: &[usize], calibration: Option<&Calibration>) -> Self {
        assert!(!cpus.is_empty(), "a probe needs a CPU");
        let known = calibration.and_then(|known| known.parallelism);
        Prober {
            cpus: cpus.to_vec(),
            pinned: team::can_pin(cpus),
            parallelism: known
                .unwrap_or_else(|| counters::together(cpus, counters::WINDOW).parallelism),
        }
    }

    /// Looks at the machine, for some 15 ms on two CPUs. The record says that
    /// it did so at `at`, counted from the beginning of the run, when
    /// `after_block` had just ended.
    ///
    /// With one CPU there is nothing to be parallel with and nobody to hand a
    /// line to; whether somebody else is on it, it tells all the same.
    ///
    /// # Panics
    ///
    /// When the system refuses to start a thread on each CPU.
    pub fn probe(&self, at: Duration, after_block: Option<u32>) -> Probe {
        let found = self.look();
        let several = self.cpus.len() > 1;
        Probe {
            at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
            after_block,
            parallelism: several.then_some(found.together.parallelism),
            ping_pong_ns: found.one_way_ns,
            disturbed: self.is_disturbed(&found),
        }
    }

    fn look(&self) -> Found {
        let pair = match self.cpus[..] {
            [first, second, ..] if self.pinned => Some([first, second]),
            _ => None,
        };
        Found {
            together: counters::together(&self.cpus, counters::WINDOW),
            one_way_ns: pair.map(|pair| transfers::one_way(pair, PING_PONG)),
        }
    }

    fn is_disturbed(&self, found: &Found) -> bool {
        let Together {
            parallelism,
            robbed,
        } = found.together;
        robbed || parallelism < PARALLELISM_LEFT * self.parallelism
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prober() -> Prober {
        Prober {
            cpus: vec![0, 1],
            pinned: true,
            parallelism: 0.8,
        }
    }

    fn found(parallelism: f64, robbed: bool) -> Found {
        Found {
            together: Together {
                parallelism,
                robbed,
            },
            one_way_ns: Some(50.0),
        }
    }

    #[test]
    fn much_worse_than_calibrated_is_disturbed() {
        let prober = prober();
        assert!(!prober.is_disturbed(&found(0.8, false)));
        assert!(!prober.is_disturbed(&found(0.73, false)));
        assert!(prober.is_disturbed(&found(0.71, false)));
    }

    #[test]
    fn a_robbed_counter_needs_no_calibration() {
        let prober = Prober {
            parallelism: 0.5,
            ..prober()
        };
        assert!(prober.is_disturbed(&found(0.5, true)));
        assert!(!prober.is_disturbed(&found(0.5, false)));
    }
}
