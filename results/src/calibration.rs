//! What a few elementary operations cost on the machine, measured at the time
//! of the run: the grounds on which its figures stand, and by which the figures
//! of two runs can be held against each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::record::{Estimate, Latency};
use crate::stats;

/// Costs of elementary operations. Times are in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Calibration {
    /// One reading of the clock.
    pub clock_ns: Estimate,
    /// The smallest step that the clock was seen to make.
    pub clock_step_ns: u64,
    /// One turn of the measuring loop with nothing in it.
    pub empty_loop_ns: Estimate,
    /// Adding to a word of memory that no other CPU uses.
    pub plain_increment_ns: Estimate,
    /// The same as one locked (atomic) instruction.
    pub locked_increment_ns: Estimate,
    /// One heavy fence while no other CPU runs a thread of the process; absent
    /// where the machine has none.
    pub heavy_fence_idle_ns: Option<Latency>,
    /// One heavy fence while every other CPU runs a thread of the process;
    /// absent with one CPU, too.
    pub heavy_fence_busy_ns: Option<Latency>,
    /// What it takes to sleep until another thread wakes one: half a round trip of
    /// two threads on the first two CPUs that wake each other. Absent in records
    /// of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sleep_ns: Option<f64>,
    /// How long waiters looked, during the run, before they slept. Absent in
    /// records of older versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_budget_ns: Option<f64>,
    /// What it takes to hand a cache line from CPU to CPU; absent with one CPU.
    pub transfers: Option<Transfers>,
    /// How much of the CPUs' speed is there when all work at once; see
    /// [`Probe::parallelism`]. Absent with one CPU.
    pub parallelism: Option<f64>,
}

/// How long a cache line takes from one CPU to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Transfers {
    /// The CPUs, in placement order: all, or on large machines a choice.
    pub cpus: Vec<usize>,
    /// Nanoseconds one way (half a round trip), by position of both CPUs in
    /// `cpus`; `null` from a CPU to itself, and where there was no time.
    pub one_way_ns: Vec<Vec<Option<f64>>>,
}

impl Transfers {
    /// All different pairs, each once.
    pub fn pairs(&self) -> impl Iterator<Item = f64> {
        let rows = self.one_way_ns.iter().enumerate();
        rows.flat_map(|(index, row)| row.iter().skip(index + 1).flatten().copied())
    }

    /// The median over all different pairs; `None` where there are none.
    pub fn median(&self) -> Option<f64> {
        stats::median(&self.pairs().collect::<Vec<_>>()).ok()
    }
}

/// A moment's look at whether the CPUs are really ours and really several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    /// Milliseconds since the run began.
    pub at_ms: u64,
    /// Block that had just ended; absent before the first, and where a run that
    /// was interrupted in a block goes on.
    pub after_block: Option<u32>,
    /// The slowest CPU's speed at counting while all count at once, over the
    /// speed at which one counts alone: 1 where CPUs have nothing in common,
    /// one half where two hardware threads share a core, less when something
    /// else runs on one of them. Absent with one CPU.
    pub parallelism: Option<f64>,
    /// One way of a cache line between the first two CPUs, in nanoseconds.
    /// Absent with one CPU.
    pub ping_pong_ns: Option<f64>,
    /// Whether it is so much worse than the calibration, or the best probe
    /// before, that what was measured next to it counts as disturbed.
    pub disturbed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pair_is_in_the_median_once() {
        let transfers = Transfers {
            cpus: vec![0, 1, 2, 3],
            one_way_ns: vec![
                vec![None, Some(10.0), Some(20.0), Some(30.0)],
                vec![Some(99.0), None, Some(40.0), Some(50.0)],
                vec![Some(99.0), Some(99.0), None, Some(60.0)],
                vec![Some(99.0), Some(99.0), Some(99.0), None],
            ],
        };
        assert_eq!(transfers.median(), Some(35.0));
        let lone = Transfers {
            cpus: vec![0],
            one_way_ns: vec![vec![None]],
        };
        assert_eq!(lone.median(), None);
    }
}
