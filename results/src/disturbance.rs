//! How much of a run was disturbed: the first thing that its reader must know.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::read::Recorded;
use crate::record::{Measurement, Noise};

/// How much of a run was disturbed by other activity on the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disturbance {
    /// Samples taken.
    pub samples: u64,
    /// Those that were disturbed.
    pub disturbed: u64,
    /// How often the run asked whether the CPUs were its own.
    pub probes: usize,
    /// How often they were not.
    pub disturbed_probes: usize,
}

impl Disturbance {
    /// Whether more than half of the samples, or of the probes, were disturbed.
    /// Such a run shows what the machine does under load, not what strategies
    /// cost.
    pub fn is_mostly(&self) -> bool {
        self.mostly_samples() || self.mostly_probes()
    }

    /// The figures in a sentence, without a judgement.
    pub fn facts(&self) -> String {
        let Disturbance {
            samples,
            disturbed,
            probes,
            disturbed_probes,
        } = self;
        let samples = format!(
            "{disturbed} of {samples} samples were disturbed by other activity on the machine"
        );
        match disturbed_probes {
            0 => samples,
            busy => format!("{samples}; {busy} of {probes} probes in between found the CPUs busy"),
        }
    }

    fn mostly_samples(&self) -> bool {
        self.disturbed > self.samples / 2
    }

    fn mostly_probes(&self) -> bool {
        self.disturbed_probes > self.probes / 2
    }
}

/// One sentence without its full stop, fit for the first line of a report. It
/// begins with `MOSTLY DISTURBED` if that is so.
impl fmt::Display for Disturbance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_mostly() {
            f.write_str("MOSTLY DISTURBED: ")?;
        }
        f.write_str(&self.facts())
    }
}

impl Recorded {
    /// The measurements, with all samples of a block counted as disturbed that
    /// ended in a disturbed probe. Whoever measured could not know that yet; a
    /// probe *before* a block is in its measurements already.
    pub fn judged(&self) -> Vec<Measurement> {
        let ended_badly = |block: u32| {
            let mut after = self.run.probes.iter();
            let closing = after.find(|probe| probe.after_block == Some(block));
            closing.is_some_and(|probe| probe.disturbed)
        };
        let mut measurements = self.measurements.clone();
        for measurement in &mut measurements {
            if ended_badly(measurement.block) {
                measurement.disturb();
            }
        }
        measurements
    }

    /// How much of the run was disturbed.
    pub fn disturbance(&self) -> Disturbance {
        let mut noise = Noise::default();
        for measurement in &self.judged() {
            if let Some(one) = measurement.noise() {
                noise.add(one);
            }
        }
        let probes = &self.run.probes;
        Disturbance {
            samples: noise.samples,
            disturbed: noise.disturbed_samples,
            probes: probes.len(),
            disturbed_probes: probes.iter().filter(|probe| probe.disturbed).count(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calibration::Probe;

    fn of(disturbed: u64, samples: u64, disturbed_probes: usize, probes: usize) -> Disturbance {
        Disturbance {
            samples,
            disturbed,
            probes,
            disturbed_probes,
        }
    }

    #[test]
    fn half_is_not_mostly() {
        for (disturbance, mostly) in [
            (of(0, 0, 0, 0), false),
            (of(0, 9, 0, 9), false),
            (of(5, 10, 5, 10), false),
            (of(6, 10, 0, 0), true),
            (of(5, 9, 0, 0), true),
            (of(4, 9, 0, 0), false),
            (of(0, 10, 2, 3), true),
            (of(1, 1, 0, 5), true),
        ] {
            assert_eq!(disturbance.is_mostly(), mostly, "{disturbance:?}");
            let begins = disturbance.to_string().starts_with("MOSTLY DISTURBED: ");
            assert_eq!(begins, mostly, "{disturbance}");
        }
    }

    #[test]
    fn the_sentence_has_the_figures() {
        assert_eq!(
            of(812, 1000, 0, 20).to_string(),
            "MOSTLY DISTURBED: 812 of 1000 samples were disturbed by other activity on the machine"
        );
        assert_eq!(
            of(3, 1000, 1, 20).to_string(),
            "3 of 1000 samples were disturbed by other activity on the machine; \
             1 of 20 probes in between found the CPUs busy"
        );
    }

    #[test]
    fn a_block_that_ended_in_a_disturbed_probe_was_disturbed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/sample-run-2");
        let mut recorded = Recorded::read(std::path::Path::new(folder)).unwrap();
        let probe = |after_block, disturbed| Probe {
            at_ms: 0,
            after_block,
            parallelism: None,
            ping_pong_ns: None,
            disturbed,
        };
        // The last one is the probe before block 1, which came too late for
        // block 0.
        recorded.run.probes = vec![
            probe(None, true),
            probe(Some(0), false),
            probe(Some(0), true),
        ];
        assert_eq!(recorded.judged(), recorded.measurements);
        recorded.run.probes[1].disturbed = true;
        for (judged, as_read) in recorded.judged().iter().zip(&recorded.measurements) {
            let Some(noise) = judged.noise() else {
                continue;
            };
            if judged.block == 0 {
                assert!(noise.all_disturbed());
            } else {
                assert_eq!(judged, as_read);
            }
        }
    }
}
