//! Whether a campaign knows enough: how wide the intervals are by now.
//!
//! It counts what the summary of the run will count. So a case of which every
//! block was disturbed is not known well enough, however many there are.

use std::collections::BTreeMap;

use detach_results::Key;
use detach_results::record::{Estimate, Measurement, Outcome, Workload};
use detach_strategies::Unsupported;

use crate::engine::{Case, unsupported};

/// Fewer blocks make an interval that says nothing, however narrow it is.
const FEWEST_BLOCKS: usize = 8;

/// A seed for intervals that decide when to stop and are not recorded.
const SEED: u64 = 1;

/// The medians of every case, block by block.
#[derive(Debug, Default)]
pub(super) struct Precision {
    /// Of every case that has been measured, those of undisturbed blocks.
    medians: BTreeMap<Key, Vec<f64>>,
    /// Those of the present block, which may still turn out to be disturbed.
    present: Vec<(Key, f64)>,
}

impl Precision {
    /// What has been measured before, in blocks that are over.
    pub(super) fn new(measurements: &[Measurement]) -> Self {
        let mut precision = Precision::default();
        for measurement in measurements {
            precision.add(measurement);
        }
        precision.end_block(false);
        precision
    }

    /// Takes note of a measurement of the present block. One that was disturbed
    /// throughout adds nothing but that there is such a case.
    pub(super) fn add(&mut self, measurement: &Measurement) {
        let median = match &measurement.outcome {
            Outcome::Cost(cost) => cost.ns_per_op.median,
            Outcome::Detach(detach) => detach.latency_ns.median(),
            Outcome::Visits(visits) => visits.visit_ns.median(),
            Outcome::Unsupported { .. } => return,
        };
        let key = Key::of(measurement);
        self.medians.entry(key.clone()).or_default();
        if !measurement
            .noise()
            .is_some_and(|noise| noise.all_disturbed())
        {
            self.present.push((key, median));
        }
    }

    /// The present block is over. Where it ended in a disturbed probe, it
    /// counts for nothing.
    pub(super) fn end_block(&mut self, disturbed: bool) {
        for (key, median) in self.present.drain(..) {
            if !disturbed && let Some(medians) = self.medians.get_mut(&key) {
                medians.push(median);
            }
        }
    }

    /// Waits no longer for a case, of which there will be no more than there
    /// is.
    pub(super) fn forget(&mut self, case: &Case) {
        let workload = case
            .scenario
            .describe(&case.level, case.threads, Workload::default());
        let reason = Unsupported::because("it failed");
        let key = Key::of(&unsupported(*case, 0, workload, &reason));
        self.medians.remove(&key);
    }

    /// Whether the interval of every case is at most this wide, relative to its
    /// median.
    pub(super) fn is_within(&self, width: f64) -> bool {
        !self.medians.is_empty()
            && self
                .medians
                .values()
                .all(|medians| is_narrow(medians, width))
    }
}

fn is_narrow(medians: &[f64], width: f64) -> bool {
    if medians.len() < FEWEST_BLOCKS {
        return false;
    }
    match Estimate::from_samples(medians.to_vec(), SEED) {
        Ok(estimate) => estimate.ci_high - estimate.ci_low <= width * estimate.median,
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_is_what_fits_the_width() {
        let steady = [100.0, 101.0, 99.0, 100.0, 100.0, 101.0, 99.0, 100.0];
        assert!(is_narrow(&steady, 0.02));
        assert!(!is_narrow(&steady, 0.001));
        assert!(!is_narrow(&steady[..7], 0.5));
        let wild = [100.0, 150.0, 60.0, 100.0, 80.0, 130.0, 99.0, 140.0];
        assert!(!is_narrow(&wild, 0.1));
    }

    #[test]
    fn nothing_measured_is_not_precise() {
        assert!(!Precision::default().is_within(1.0));
    }
}
