//! A run as figures and tables see it: rows, put in the order in which
//! strategies are shown, and the sentences that belong to the run.

use std::collections::{BTreeMap, BTreeSet};

use detach_results::{
    BASELINE, Measurement, Recorded, Row, Run, Summary, SummaryError, UNKNOWN, WHY_SLEEPS_MATTER,
    show, sleeps_differ,
};

use crate::error::PlotError;
use crate::setting::Setting;
use crate::style;

/// The scenario in which all workers share one device.
pub(crate) const SHARED: &str = "fast_path";
/// The scenario that times detach.
pub(crate) const DETACH: &str = "detach";

/// A run, pooled.
pub(crate) struct Data<'a> {
    pub(crate) recorded: &'a Recorded,
    pub(crate) summary: Summary,
}

/// The summary of a run, with ratios of the costs that the tables compare:
/// nothing shows others, and their intervals take longer than all the rest.
fn pool(recorded: &Recorded) -> Result<Summary, Box<SummaryError>> {
    // No strategy has that name, so nothing is compared with it.
    const NO_BASELINE: &str = "";
    let compared = |measurement: &Measurement| measurement.scenario == SHARED;
    let (compared, others): (Vec<Measurement>, Vec<Measurement>) =
        recorded.judged().into_iter().partition(compared);
    let seed = recorded.run.seed;
    let mut summary = Summary::new(&compared, BASELINE, seed)?;
    let others = Summary::new(&others, NO_BASELINE, seed)?;
    summary.rows.extend(others.rows);
    summary.rows.sort_by(|a, b| a.key.cmp(&b.key));
    Ok(summary)
}

/// Whether a row holds anything but reasons why it does not.
pub(crate) fn measured(row: &Row) -> bool {
    row.cost.is_some() || row.detach.is_some() || row.visits.is_some()
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
            source,
        })?;
        let data = Data { recorded, summary };
        if data.summary.rows.iter().any(measured) {
            return Ok(data);
        }
        Err(PlotError::Empty {
            run: data.run().name(),
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

    /// The rows of a scenario in which anything was measured.
    pub(crate) fn rows(&self, scenario: &str) -> impl Iterator<Item = &Row> {
        let rows = self.summary.rows.iter();
        rows.filter(move |row| row.key.scenario == scenario && measured(row))
    }

    /// The strategies that were measured in a scenario, in the order of figures
    /// and tables.
    pub(crate) fn strategies(&self, scenario: &str) -> Vec<String> {
        let mut ids: Vec<String> = self
            .rows(scenario)
            .map(|row| row.key.strategy.clone())
            .collect();
        style::sort_ids(&mut ids);
        ids.dedup();
        ids
    }

    /// The strategies that could run in no scenario of the run, each with a
    /// reason.
    pub(crate) fn unsupported(&self) -> Vec<(String, String)> {
        self.unsupported_among(|_| true)
    }

    /// The strategies that could not run in a scenario, each with the reason.
    pub(crate) fn unsupported_in(&self, scenario: &str) -> Vec<(String, String)> {
        self.unsupported_among(|row| row.key.scenario == scenario)
    }

    fn unsupported_among(&self, asked: impl Fn(&Row) -> bool) -> Vec<(String, String)> {
        let rows = || self.summary.rows.iter().filter(|row| asked(row));
        let ran: BTreeSet<&str> = rows()
            .filter(|row| measured(row))
            .map(|row| row.key.strategy.as_str())
            .collect();
        let mut reasons: BTreeMap<&str, &str> = BTreeMap::new();
        for row in rows().filter(|row| !ran.contains(row.key.strategy.as_str())) {
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
            show::count(self.cpus(), "CPU"),
            machine.architecture.clone(),
            self.date().to_owned(),
            format!("scheduled by {}", self.run().scheduler),
        ];
        if !self.run().complete {
            parts.push("incomplete run".to_owned());
        }
        parts.join(" \u{2022} ")
    }

    /// Notes on what is special about the rows of a figure, and on strategies
    /// that could not run in its scenarios.
    pub(crate) fn notes<'r>(
        &self,
        scenarios: &[&str],
        rows: impl IntoIterator<Item = &'r Row>,
    ) -> Vec<String> {
        let mut rows: Vec<&Row> = rows.into_iter().collect();
        // A figure may show a row in two panels.
        rows.sort_by(|a, b| a.key.cmp(&b.key));
        rows.dedup_by(|a, b| a.key == b.key);

        let mut notes = Vec::new();
        if rows.iter().any(|row| row.oversubscribed) {
            notes.push("Hollow markers: oversubscribed, more threads than CPUs.".to_owned());
        }
        let ringed = rows.iter().filter(|row| row.rests_on_disturbed).count();
        if ringed > 0 {
            notes.push(format!(
                "Ringed markers rest on samples that were disturbed by other activity on the \
                 machine, as {ringed} of the {} measurements here do.",
                rows.len()
            ));
        }
        notes.extend(self.set_apart(&rows));
        notes.extend(sleepers(&rows));
        notes.extend(twins(rows.iter().map(|row| row.key.strategy.as_str())));
        let mut unsupported: Vec<String> = Vec::new();
        for (strategy, reason) in scenarios.iter().flat_map(|name| self.unsupported_in(name)) {
            let text = format!("{strategy} ({reason})");
            if !unsupported.contains(&text) {
                unsupported.push(text);
            }
        }
        if !unsupported.is_empty() {
            notes.push(format!("Could not run here: {}.", unsupported.join("; ")));
        }
        notes
    }

    /// How many samples are not in the rows because they were disturbed. In
    /// records of version 1, only whole measurements were ever set apart.
    pub(crate) fn set_apart(&self, rows: &[&Row]) -> Option<String> {
        let within = self.run().schema > 1;
        let apart = rows
            .iter()
            .filter(|row| !row.rests_on_disturbed && (within || row.set_apart > 0));
        let disturbed: u64 = apart.map(|row| row.noise.disturbed_samples).sum();
        let samples: u64 = rows.iter().map(|row| row.noise.samples).sum();
        (disturbed > 0)
            .then(|| format!("{disturbed} of {samples} samples were disturbed and set apart."))
    }
}

/// Whose workers slept where those of others at the same setting did not, out of
/// rows sorted by their keys.
fn sleepers(rows: &[&Row]) -> Option<String> {
    let place = |row: &Row| (row.key.scenario.clone(), Setting::of(&row.key));
    let alike = rows.chunk_by(|one, next| place(one) == place(next));
    let apart = alike.filter(|rows| sleeps_differ(rows.iter().copied()));
    let slept = apart
        .flatten()
        .filter(|row| row.workers_slept() == Some(true));
    let mut ids: Vec<String> = slept.map(|row| row.key.strategy.clone()).collect();
    style::sort_ids(&mut ids);
    ids.dedup();
    let ids = (!ids.is_empty()).then(|| ids.join(", "))?;
    Some(format!(
        "Workers slept in most detaches of {ids}, and not in those of others at the same setting: \
         {WHY_SLEEPS_MATTER}."
    ))
}

/// What a strategy's twin is, where one is shown.
pub(crate) fn twins<'s>(strategies: impl IntoIterator<Item = &'s str>) -> Option<String> {
    let twin = strategies
        .into_iter()
        .find(|id| style::original(id).is_some())?;
    let original = style::original(twin)?;
    Some(format!(
        "{twin} is {original}, measured once more: strategies no farther apart than these two are \
         not told apart."
    ))
}

impl Data<'_> {
    /// The number of workers at which cost and detach latency are held against
    /// each other: the largest that was measured for both and is
    /// [good](Data::good_workers).
    pub(crate) fn reference_workers(&self) -> Option<usize> {
        self.good_workers(&[SHARED, DETACH])
    }

    /// The largest number of workers that was measured in all of the scenarios
    /// with a CPU for each thread, the detacher among them; failing that, with a
    /// CPU for each worker; failing that, the largest.
    pub(crate) fn good_workers(&self, scenarios: &[&str]) -> Option<usize> {
        let counts = |scenario: &str, good: fn(&Row) -> bool| -> BTreeSet<usize> {
            let count = |row: &Row| row.key.threads;
            let bad: BTreeSet<usize> = self
                .rows(scenario)
                .filter(|row| !good(row))
                .map(count)
                .collect();
            let all = self.rows(scenario).map(count);
            all.filter(|count| !bad.contains(count)).collect()
        };
        let tests: [fn(&Row) -> bool; 3] = [
            |row| !row.oversubscribed && !row.detacher_shares_cpu,
            |row| !row.oversubscribed,
            |_| true,
        ];
        tests.into_iter().find_map(|good| {
            let common = scenarios.iter().map(|scenario| counts(scenario, good));
            common.reduce(|a, b| &a & &b)?.last().copied()
        })
    }
}
