//! The numbers that figures and tables take from a row, each with its name and
//! the way it is written.

use detach_results::{Estimate, Key, Row, show};

use crate::axes::Format;
use crate::data::Data;

/// The strategy that protects nothing: what remains is the work itself.
pub(crate) const FLOOR: &str = "unprotected";

/// A number that a row holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Time of one operation.
    Time,
    /// The same without what it takes with [`FLOOR`] in the same setting.
    Overhead,
    /// Throughput of a worker over that with the same strategy while nothing is
    /// detached.
    Kept,
    /// Median time until detach returned.
    Median,
    /// 99th percentile of it.
    Tail,
    /// Median time of detaching several devices, for each of them.
    Each,
    /// 99th percentile of single visits.
    VisitTail,
    /// Memory of a device.
    Bytes,
}

/// A value, the ends of its interval where there is one, and whether disturbed
/// samples are in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    pub(crate) value: f64,
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) rests_on_disturbed: bool,
}

impl Reading {
    fn bare(row: &Row, value: f64) -> Reading {
        Reading {
            value,
            interval: None,
            rests_on_disturbed: row.rests_on_disturbed,
        }
    }

    fn of(row: &Row, estimate: &Estimate) -> Reading {
        Reading {
            interval: Some((estimate.ci_low, estimate.ci_high)),
            ..Reading::bare(row, estimate.median)
        }
    }
}

/// The median of detach latencies. Where a figure shows no percentiles of the
/// whole distribution, it is that of the processes, which has an interval.
fn median(row: &Row) -> Option<Reading> {
    Some(Reading::of(row, &row.detach.as_ref()?.p50_ns))
}

impl Value {
    /// What a row holds of it.
    pub(crate) fn of(self, data: &Data<'_>, row: &Row) -> Option<Reading> {
        let (cost, detach) = (row.cost.as_ref(), row.detach.as_ref());
        Some(match self {
            Value::Time => Reading::of(row, &cost?.ns_per_op),
            Value::Overhead => {
                let floor = Key {
                    strategy: FLOOR.to_owned(),
                    ..row.key.clone()
                };
                let floor_row = data.summary.get(&floor)?;
                let (whole, floor) = (&cost?.ns_per_op, &floor_row.cost.as_ref()?.ns_per_op);
                if row.key.strategy == FLOOR {
                    return None;
                }
                Reading {
                    value: whole.median - floor.median,
                    interval: Some((whole.ci_low - floor.ci_high, whole.ci_high - floor.ci_low)),
                    rests_on_disturbed: row.rests_on_disturbed || floor_row.rests_on_disturbed,
                }
            }
            Value::Kept => {
                let cost = cost?;
                let kept = cost.to_calm?.inverse();
                Reading {
                    value: kept.ratio,
                    interval: Some((kept.ci_low, kept.ci_high)),
                    rests_on_disturbed: cost.to_calm_rests_on_disturbed,
                }
            }
            Value::Median => median(row)?,
            Value::Tail => Reading::bare(row, detach?.latency_ns.p99 as f64),
            Value::Each => {
                let share = 1.0 / row.key.devices.max(1) as f64;
                let whole = median(row)?;
                let interval = whole.interval;
                Reading {
                    value: whole.value * share,
                    interval: interval.map(|(low, high)| (low * share, high * share)),
                    ..whole
                }
            }
            Value::VisitTail => Reading::bare(row, row.visits.as_ref()?.visit_ns.p99 as f64),
            Value::Bytes => Reading::bare(row, cost?.bytes_per_device?),
        })
    }

    /// Its name, as the title of an axis.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Value::Time => "time per operation",
            Value::Overhead => "time added to that of unprotected",
            Value::Kept => "throughput, relative to that without detaches",
            Value::Median => "time until detach returned, median",
            Value::Tail => "time until detach returned, 99th percentile",
            Value::Each => "the same for each device",
            Value::VisitTail => "time of a visit, 99th percentile",
            Value::Bytes => "bytes per device",
        }
    }

    /// How it is written.
    pub(crate) fn format(self) -> Format {
        match self {
            Value::Kept => show::percent,
            Value::Bytes => bytes,
            _ => show::nanoseconds,
        }
    }

    /// Whether more is better.
    pub(crate) fn more_is_better(self) -> bool {
        self == Value::Kept
    }

    /// Whether it is told by a detach, which not every strategy ends by
    /// reclaiming.
    pub(crate) fn is_of_detach(self) -> bool {
        matches!(self, Value::Median | Value::Tail | Value::Each)
    }
}

pub(crate) fn bytes(count: f64) -> String {
    format!("{} B", show::digits(count))
}
