//! What the threads of a batch have seen, put together: the phases of each
//! detach.

use std::time::Duration;

use detach_results::latency;
use hdrhistogram::Histogram;

use crate::engine::noise::ThreadNoise;
use crate::engine::round::Phases;

/// A worker's last visit to a device.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Visit {
    pub(super) last_entry: u64,
    pub(super) last_leave: u64,
}

/// One detach, as the detacher saw it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) called: u64,
    pub(super) returned: u64,
}

/// What a batch has shown.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) visits: Vec<Vec<Visit>>,
    pub(super) refusals: Vec<Histogram<u64>>,
    pub(super) calls: Vec<Call>,
    pub(super) fences: Vec<u64>,
    pub(super) took: Duration,
    pub(super) noise: ThreadNoise,
}

impl Batch {
    /// Counts every detach, fence and refusal of the batch.
    pub(super) fn add_to(&self, phases: &mut Phases) {
        for (index, call) in self.calls.iter().enumerate() {
            let took = call.returned.saturating_sub(call.called);
            latency::record(&mut phases.latency, took);
            phases.total += Duration::from_nanos(took);
            let visits = || self.visits.iter().map(|visits| visits[index]);
            let phase = |stamp: u64| stamp.saturating_sub(call.called);
            if let Some(stamp) = visits().map(|visit| visit.last_entry).max() {
                latency::record(&mut phases.last_entry, phase(stamp));
            }
            if let Some(stamp) = visits().map(|visit| visit.last_leave).max() {
                latency::record(&mut phases.last_leave, phase(stamp));
            }
        }
        for &fence in &self.fences {
            latency::record(&mut phases.heavy_fence, fence);
        }
        for refusals in &self.refusals {
            phases
                .refused
                .add(refusals)
                .expect("all histograms have the same bounds");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(last_entry: u64, last_leave: u64) -> Visit {
        Visit {
            last_entry,
            last_leave,
        }
    }

    #[test]
    fn phases_count_from_the_call_to_the_latest_worker() {
        let batch = Batch {
            visits: vec![
                vec![visit(90, 120), visit(300, 301)],
                vec![visit(150, 180), visit(280, 290)],
            ],
            calls: vec![
                Call {
                    called: 100,
                    returned: 200,
                },
                Call {
                    called: 400,
                    returned: 410,
                },
            ],
            fences: vec![7],
            ..Batch::default()
        };
        let mut phases = Phases::new();
        batch.add_to(&mut phases);
        let values = |histogram: &hdrhistogram::Histogram<u64>| -> Vec<u64> {
            let recorded = histogram.iter_recorded();
            recorded.map(|bucket| bucket.value_iterated_to()).collect()
        };
        assert_eq!(values(&phases.latency), [10, 100]);
        // In the second detach everything was over before the call.
        assert_eq!(values(&phases.last_entry), [0, 50]);
        assert_eq!(values(&phases.last_leave), [0, 80]);
        assert_eq!(values(&phases.heavy_fence), [7]);
        assert_eq!(phases.total, Duration::from_nanos(110));
    }

    #[test]
    fn an_idle_detach_has_no_phases_of_workers() {
        let batch = Batch {
            calls: vec![Call {
                called: 1,
                returned: 4,
            }],
            ..Batch::default()
        };
        let mut phases = Phases::new();
        batch.add_to(&mut phases);
        assert_eq!(phases.latency.len(), 1);
        assert!(phases.last_entry.is_empty());
        assert!(phases.last_leave.is_empty());
    }
}
