//! A run as figures and tables see it: rows, put in the order in which
//! strategies are shown, and the sentences that belong to the run.

use std::collections::{BTreeMap, BTreeSet};

use detach_results::{BASELINE, Measurement, Recorded, Row, Run, Summary, SummaryError, UNKNOWN};

use crate::error::PlotError;
use crate::scene::Marks;
use crate::style;

/// The scenario in which all workers share one device.
pub(crate) const SHARED: &str = "fast_path";
/// The scenario in which each worker has a device of its own.
pub(crate) const PRIVATE: &str = "fast_path_private";
/// The scenario that times detach.
pub(crate) const DETACH: &str = "detach";

/// The name of a run, wherever its records lie: the machine and the time it
/// began.
pub fn run_id(run: &Run) -> String {
    format!("{}/{}", run.machine.id, run.started)
}

/// A run, pooled.
pub(crate) struct Data<'a> {
    pub(crate) recorded: &'a Recorded,
    pub(crate) summary: Summary,
}

/// The summary of a run, with ratios of costs alone: nothing shows those of
/// latencies, and their intervals take longer than all the rest.
fn pool(recorded: &Recorded) -> Result<Summary, SummaryError> {
    // No strategy has that name, so nothing is compared with it.
    const NO_BASELINE: &str = "";
    let is_detach = |measurement: &&Measurement| measurement.scenario == DETACH;
    let (detaches, others): (Vec<&Measurement>, Vec<&Measurement>) =
        recorded.measurements.iter().partition(is_detach);
    let owned = |group: Vec<&Measurement>| group.into_iter().cloned().collect::<Vec<_>>();
    let seed = recorded.run.seed;
    let mut summary = Summary::new(&owned(others), BASELINE, seed)?;
    let detaches = Summary::new(&owned(detaches), NO_BASELINE, seed)?;
    summary.rows.extend(detaches.rows);
    summary.rows.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(summary)
}

/// The rows of one strategy in one scenario, one for each number of workers,
/// ascending.
pub(crate) struct Curve<'a> {
    pub(crate) strategy: String,
    pub(crate) rows: Vec<&'a Row>,
}

impl<'a> Data<'a> {
    /// Pools a run and makes sure that anything was measured in it.
    pub(crate) fn checked(recorded: &'a Recorded) -> Result<Self, PlotError> {
        let summary = pool(recorded).map_err(|source| PlotError::Summary {
            path: recorded.dir.clone(),
            source: Box::new(source),
        })?;
        let data = Data { recorded, summary };
        let measured = |row: &Row| row.cost.is_some() || row.detach.is_some();
        if data.summary.rows.iter().any(measured) {
            return Ok(data);
        }
        Err(PlotError::Empty {
            run: run_id(data.run()),
            path: recorded.dir.clone(),
            unsupported: data.unsupported(),
        })
    }

    pub(crate) fn run(&self) -> &Run {
        &self.recorded.run
    }

    /// The strategies of a scenario that hold what is asked for, in the order
    /// of figures and tables, each with its rows.
    pub(crate) fn curves(&self, scenario: &str, holds: impl Fn(&Row) -> bool) -> Vec<Curve<'_>> {
        let mut curves: BTreeMap<&str, BTreeMap<usize, &Row>> = BTreeMap::new();
        for row in &self.summary.rows {
            if row.key.scenario == scenario && holds(row) {
                // Rows come with increasing numbers of devices; the first of
                // each number of workers is the plain one.
                curves
                    .entry(&row.key.strategy)
                    .or_default()
                    .entry(row.key.threads)
                    .or_insert(row);
            }
        }
        let mut ids: Vec<String> = curves.keys().map(|id| (*id).to_owned()).collect();
        style::sort_ids(&mut ids);
        ids.into_iter()
            .map(|id| Curve {
                rows: curves[id.as_str()].values().copied().collect(),
                strategy: id,
            })
            .collect()
    }

    /// The strategies that the machine could not run, each with the reason.
    pub(crate) fn unsupported(&self) -> Vec<(String, String)> {
        let mut reasons: BTreeMap<&str, &str> = BTreeMap::new();
        for row in &self.summary.rows {
            if let Some(reason) = &row.unsupported {
                reasons.entry(&row.key.strategy).or_insert(reason);
            }
        }
        let mut ids: Vec<String> = reasons.keys().map(|id| (*id).to_owned()).collect();
        style::sort_ids(&mut ids);
        ids.into_iter()
            .map(|id| {
                let reason = reasons[id.as_str()].to_owned();
                (id, reason)
            })
            .collect()
    }

    /// The calendar date on which the run began.
    pub(crate) fn date(&self) -> &str {
        let started = self.run().started.as_str();
        started.split('T').next().unwrap_or(started)
    }

    /// CPUs that the run could use.
    pub(crate) fn cpus(&self) -> usize {
        self.run().machine.allowed_cpus.len()
    }

    /// Machine and date, the second line of every title.
    pub(crate) fn provenance(&self) -> String {
        let machine = &self.run().machine;
        let model = if machine.cpu_model == UNKNOWN {
            "unknown CPU model"
        } else {
            machine.cpu_model.trim()
        };
        let mut parts = vec![
            model.to_owned(),
            counted(self.cpus(), "CPU"),
            machine.architecture.clone(),
            self.date().to_owned(),
            format!("scheduled by {}", self.run().scheduler),
        ];
        if !self.run().complete {
            parts.push("incomplete run".to_owned());
        }
        parts.join(" \u{2022} ")
    }

    /// Notes on what is special about the points of a figure, and on
    /// strategies that could not run.
    pub(crate) fn notes(&self, points: impl IntoIterator<Item = Marks>) -> Vec<String> {
        let (mut oversubscribed, mut disturbed, mut all) = (false, 0, 0);
        for marks in points {
            oversubscribed |= marks.oversubscribed;
            disturbed += usize::from(marks.disturbed);
            all += 1;
        }
        let mut notes = Vec::new();
        if oversubscribed {
            notes.push("Hollow markers: oversubscribed, more threads than CPUs.".to_owned());
        }
        if disturbed > 0 {
            notes.push(format!(
                "Ringed markers, {disturbed} of {all}: some samples were disturbed by other \
                 activity on the machine."
            ));
        }
        let unsupported: Vec<String> = self
            .unsupported()
            .into_iter()
            .map(|(strategy, reason)| format!("{strategy} ({reason})"))
            .collect();
        if !unsupported.is_empty() {
            notes.push(format!("Could not run here: {}.", unsupported.join("; ")));
        }
        notes
    }
}

/// A count and its noun, in the plural where needed.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 {
        format!("{count} {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

impl Data<'_> {
    /// The number of workers at which cost and detach latency are held against
    /// each other: the largest that was measured for both with a CPU for each
    /// thread, the detacher among them; failing that, with a CPU for each
    /// worker; failing that, the largest.
    pub(crate) fn reference_workers(&self) -> Option<usize> {
        let counts = |scenario: &'static str, good: fn(&Row) -> bool| -> BTreeSet<usize> {
            let rows = self.summary.rows.iter();
            let rows = rows.filter(move |row| row.key.scenario == scenario);
            let measured = rows
                .clone()
                .filter(|row| row.cost.is_some() || row.detach.is_some());
            let bad: BTreeSet<usize> = measured
                .clone()
                .filter(|row| !good(row))
                .map(|row| row.key.threads)
                .collect();
            let all = measured.map(|row| row.key.threads);
            all.filter(|count| !bad.contains(count)).collect()
        };
        let tests: [fn(&Row) -> bool; 3] = [
            |row| !row.oversubscribed && !row.detacher_shares_cpu,
            |row| !row.oversubscribed,
            |_| true,
        ];
        tests.into_iter().find_map(|good| {
            let (cost, detach) = (counts(SHARED, good), counts(DETACH, good));
            cost.intersection(&detach).max().copied()
        })
    }
}
