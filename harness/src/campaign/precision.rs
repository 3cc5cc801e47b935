//! Whether a campaign knows enough: how wide the intervals are by now.

use std::collections::BTreeMap;

use detach_results::Key;
use detach_results::record::{Estimate, Measurement, Outcome};

/// Fewer blocks make an interval that says nothing, however narrow it is.
const FEWEST_BLOCKS: usize = 8;

/// A seed for intervals that decide when to stop and are not recorded.
const SEED: u64 = 1;

/// The medians of every case, block by block.
#[derive(Debug, Default)]
pub(super) struct Precision {
    medians: BTreeMap<Key, Vec<f64>>,
}

impl Precision {
    /// What has been measured before.
    pub(super) fn new(measurements: &[Measurement]) -> Self {
        let mut precision = Precision::default();
        for measurement in measurements {
            precision.add(measurement);
        }
        precision
    }

    /// Takes note of a measurement. One that was disturbed throughout counts
    /// for nothing.
    pub(super) fn add(&mut self, measurement: &Measurement) {
        if measurement
            .noise()
            .is_none_or(|noise| noise.all_disturbed())
        {
            return;
        }
        let median = match &measurement.outcome {
            Outcome::Cost(cost) => cost.ns_per_op.median,
            Outcome::Detach(detach) => detach.latency_ns.p50 as f64,
            Outcome::Visits(visits) => visits.visit_ns.p50 as f64,
            Outcome::Unsupported { .. } => return,
        };
        self.medians
            .entry(Key::of(measurement))
            .or_default()
            .push(median);
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
