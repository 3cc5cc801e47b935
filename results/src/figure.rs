//! The figure of a row that ratios and verdicts are about.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::Estimate;
use crate::show;
use crate::stats::Ratio;
use crate::summary::{Key, Row, Spread};

/// What a figure is a figure of. All are in nanoseconds, and less is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// Time that one worker needs for one operation.
    NsPerOp,
    /// Median latency of detach.
    DetachP50Ns,
    /// Median duration of a visit.
    VisitP50Ns,
}

impl Quantity {
    /// The name in records that are exported.
    pub fn name(self) -> &'static str {
        match self {
            Quantity::NsPerOp => "ns_per_op",
            Quantity::DetachP50Ns => "detach_p50_ns",
            Quantity::VisitP50Ns => "visit_p50_ns",
        }
    }
}

/// As a heading would name it.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Quantity::NsPerOp => "time per operation",
            Quantity::DetachP50Ns => "detach latency, p50",
            Quantity::VisitP50Ns => "visit, p50",
        })
    }
}

/// The leading figure of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figure<'a> {
    /// What it is a figure of.
    pub quantity: Quantity,
    /// The figure.
    pub estimate: &'a Estimate,
    /// Its ratio to the baseline.
    pub to_baseline: Option<Ratio>,
    /// How far samples lie apart.
    pub spread: Spread,
}

impl Row {
    /// The leading figure of each thing that was measured; none where the
    /// strategy could not run.
    pub fn figures(&self) -> impl Iterator<Item = Figure<'_>> {
        let cost = self.cost.as_ref().map(|cost| Figure {
            quantity: Quantity::NsPerOp,
            estimate: &cost.ns_per_op,
            to_baseline: cost.to_baseline,
            spread: cost.spread,
        });
        let detach = self.detach.as_ref().map(|detach| Figure {
            quantity: Quantity::DetachP50Ns,
            estimate: &detach.p50_ns,
            to_baseline: detach.to_baseline,
            spread: detach.spread,
        });
        let visits = self.visits.as_ref().map(|visits| Figure {
            quantity: Quantity::VisitP50Ns,
            estimate: &visits.p50_ns,
            to_baseline: visits.to_baseline,
            spread: visits.spread,
        });
        [cost, detach, visits].into_iter().flatten()
    }
}

impl Key {
    /// The setting in words, without scenario and strategy: `2 workers, 16
    /// devices, held 1 µs`.
    pub fn setting(&self) -> String {
        let mut text = show::count(self.threads, "worker");
        if self.devices != 1 {
            text += &format!(", {}", show::count(self.devices, "device"));
        }
        if self.hold_ns > 0 {
            text += &format!(", held {}", show::nanoseconds(self.hold_ns as f64));
        }
        if self.skewed {
            text += ", skewed";
        }
        if self.together {
            text += ", together";
        }
        if self.detach_rate > 0 {
            text += &format!(", {} detaches/s", self.detach_rate);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_names_only_what_is_set() {
        let mut key = Key {
            scenario: "fast_path".into(),
            threads: 1,
            devices: 1,
            hold_ns: 0,
            skewed: false,
            together: false,
            detach_rate: 0,
            strategy: "turnstile".into(),
        };
        assert_eq!(key.setting(), "1 worker");
        (key.threads, key.devices, key.hold_ns) = (2, 16, 1_500);
        (key.skewed, key.together, key.detach_rate) = (true, true, 100);
        assert_eq!(
            key.setting(),
            "2 workers, 16 devices, held 1.5 µs, skewed, together, 100 detaches/s"
        );
    }

    #[test]
    fn names_are_those_of_the_export() {
        for quantity in [
            Quantity::NsPerOp,
            Quantity::DetachP50Ns,
            Quantity::VisitP50Ns,
        ] {
            let json = serde_json::to_value(quantity).unwrap();
            assert_eq!(json, quantity.name());
        }
    }
}
