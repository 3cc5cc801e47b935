//! Whether a measurement can be true.
//!
//! JSON has no word for infinity or not-a-number, and a figure that
//! contradicts itself would spoil every pool that it falls into. The same
//! check therefore stands at both ends: before a line is written, and after
//! one was read.

use crate::latency::LatencyError;
use crate::record::{Cost, Detach, Estimate, Measurement, Outcome, Visits};

/// Why a measurement cannot be true.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{field}: {what}")]
pub struct Implausible {
    /// The field, as it is named in the record.
    pub field: &'static str,
    /// What is wrong with it.
    pub what: String,
}

impl Implausible {
    fn new(field: &'static str, what: impl Into<String>) -> Self {
        Implausible {
            field,
            what: what.into(),
        }
    }
}

impl Measurement {
    /// Whether the measurement can be true: names are given, numbers are
    /// finite and within their range, distributions agree with themselves.
    ///
    /// # Errors
    ///
    /// [`Implausible`] names the first field that cannot be.
    pub fn check(&self) -> Result<(), Implausible> {
        if self.strategy.is_empty() {
            return Err(Implausible::new("strategy", "is empty"));
        }
        if self.scenario.is_empty() {
            return Err(Implausible::new("scenario", "is empty"));
        }
        not_negative("worker_sleeps", self.worker_sleeps)?;
        match &self.outcome {
            Outcome::Unsupported { unsupported } if unsupported.is_empty() => {
                Err(Implausible::new("unsupported", "gives no reason"))
            }
            Outcome::Unsupported { .. } => Ok(()),
            Outcome::Cost(cost) => check_cost(cost),
            Outcome::Detach(detach) => check_detach(detach),
            Outcome::Visits(visits) => check_visits(visits),
        }
    }
}

fn check_cost(cost: &Cost) -> Result<(), Implausible> {
    check_estimate(&cost.ns_per_op)?;
    positive("ops_per_second", cost.ops_per_second)?;
    for value in &cost.set_apart {
        positive("set_apart", *value)?;
    }
    not_negative("bytes_per_device", cost.bytes_per_device)?;
    not_negative("detaches_per_second", cost.detaches_per_second)?;
    if !(0.0..=1.0).contains(&cost.fairness) {
        let what = format!("is {}, not between 0 and 1", cost.fairness);
        return Err(Implausible::new("fairness", what));
    }
    Ok(())
}

fn check_estimate(estimate: &Estimate) -> Result<(), Implausible> {
    const FIELD: &str = "ns_per_op";
    if estimate.samples.is_empty() {
        return Err(Implausible::new(FIELD, "has no samples"));
    }
    let ends = [estimate.ci_low, estimate.median, estimate.ci_high];
    for value in estimate.samples.iter().chain(&ends) {
        positive(FIELD, *value)?;
    }
    if !ends.is_sorted() {
        return Err(Implausible::new(
            FIELD,
            "the median is outside its interval",
        ));
    }
    Ok(())
}

fn check_detach(detach: &Detach) -> Result<(), Implausible> {
    let named = |field| move |error: LatencyError| Implausible::new(field, error.to_string());
    detach.latency_ns.check().map_err(named("latency_ns"))?;
    let phases = [
        ("last_entry_ns", &detach.last_entry_ns),
        ("last_leave_ns", &detach.last_leave_ns),
        ("heavy_fence_ns", &detach.heavy_fence_ns),
        ("refused_ns", &detach.refused_ns),
        ("set_apart", &detach.set_apart),
    ];
    for (field, phase) in phases {
        if let Some(phase) = phase {
            phase.check().map_err(named(field))?;
        }
    }
    Ok(())
}

fn check_visits(visits: &Visits) -> Result<(), Implausible> {
    let named = |field| move |error: LatencyError| Implausible::new(field, error.to_string());
    visits.visit_ns.check().map_err(named("visit_ns"))?;
    visits.clock_ns.check().map_err(named("clock_ns"))?;
    match &visits.set_apart {
        Some(apart) => apart.check().map_err(named("set_apart")),
        None => Ok(()),
    }
}

fn not_negative(field: &'static str, value: Option<f64>) -> Result<(), Implausible> {
    match value {
        Some(value) if !value.is_finite() || value < 0.0 => Err(Implausible::new(
            field,
            "is not a finite number from zero on",
        )),
        _ => Ok(()),
    }
}

fn positive(field: &'static str, value: f64) -> Result<(), Implausible> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        let what = format!("is {value}, not a finite number above zero");
        Err(Implausible::new(field, what))
    }
}
