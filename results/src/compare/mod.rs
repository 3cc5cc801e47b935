//! Two or more runs, held against each other.
//!
//! The first run is the reference. Every strategy in every setting that both
//! have is compared by the ratio of the medians, with a bootstrap interval over
//! the processes of each side ([`stats::ratio`]): nothing pairs a process of one
//! run with one of another. Whatever the machine did differently on the two
//! occasions is therefore in the ratio, which is why the calibrations of both
//! runs are compared, too.
//!
//! # When a difference is one
//!
//! A verdict needs an interval that excludes 1, and enough processes on *both*
//! sides ([`FEWEST_PROCESSES`]): a bootstrap knows of no other values than those
//! that it was given, and few processes have not shown how far processes lie
//! apart, however many there are on the other side. With fewer the verdict is
//! [`Verdict::CannotTell`], however narrow the interval. Runs of criterion are
//! one process each, and can be looked at, but not told apart.
//!
//! Each verdict on its own errs, too: of a hundred rows that did not change,
//! some five differ all the same, and up to ten where one side has few processes
//! (the tests of [`stats`] count).

mod compatibility;
mod report;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::read::Recorded;
use crate::record::Estimate;
use crate::stats::{self, Ratio};
use crate::summary::{Key, Row, Summary, SummaryError, sleeps_differ};
use crate::{Disturbance, Quantity};

pub use compatibility::{Calibrated, Refuse, Side, Warn};

/// With fewer processes on either side there is no verdict.
pub const FEWEST_PROCESSES: usize = 5;

/// What is compared, and how strictly.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// How much slower a row may become before it counts as regressed, as a
    /// fraction: 0.05 is 5%. Without one, none does.
    pub threshold: Option<f64>,
    /// Compare even runs that say nothing about each other; the reasons are
    /// warnings then.
    pub force: bool,
    /// Scenarios to compare; all where empty.
    pub scenarios: Vec<String>,
    /// Strategies to compare; all where empty.
    pub strategies: Vec<String>,
}

impl Options {
    fn wants(&self, key: &Key) -> bool {
        let among = |list: &[String], name: &String| list.is_empty() || list.contains(name);
        among(&self.scenarios, &key.scenario) && among(&self.strategies, &key.strategy)
    }
}

/// Why runs cannot be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CompareError {
    /// The runs say nothing about each other.
    #[error("{run} cannot be compared with {reference}:{}", listed(reasons))]
    Refused {
        /// Name of the reference.
        reference: String,
        /// Name of the other run.
        run: String,
        /// Every reason, of which there is at least one.
        reasons: Vec<Refuse>,
    },
    /// Neither the reference nor another run has anything of what was asked for.
    #[error(
        "the runs hold nothing of {}: they hold the scenarios {} and the strategies {}",
        asked.join(", "), scenarios.join(", "), strategies.join(", ")
    )]
    Nothing {
        /// What was asked for.
        asked: Vec<String>,
        /// Scenarios that there are.
        scenarios: Vec<String>,
        /// Strategies that there are.
        strategies: Vec<String>,
    },
    /// A run cannot be summed up.
    #[error("{run}: {cause}")]
    Summary {
        /// Name of the run.
        run: String,
        /// Why not.
        cause: Box<SummaryError>,
    },
}

fn listed(reasons: &[Refuse]) -> String {
    let reasons = reasons
        .iter()
        .map(|one| format!("\n  {one}\n      hint: {}", one.hint()));
    reasons.collect()
}

/// Runs, compared with a reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// The run that others are compared with.
    pub reference: RunName,
    /// How much slower a row may become before it counts as regressed.
    pub threshold: Option<f64>,
    /// The others, in the order in which they were given.
    pub candidates: Vec<Candidate>,
}

/// What a report says of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RunName {
    /// The machine and the time the run began.
    pub name: String,
    /// Git revision that it was built from.
    pub revision: String,
    /// How much of it was disturbed.
    pub disturbance: Disturbance,
}

impl RunName {
    pub(crate) fn of(recorded: &Recorded) -> RunName {
        RunName {
            name: recorded.run.name(),
            revision: recorded.run.build.revision.clone(),
            disturbance: recorded.disturbance(),
        }
    }
}

/// One run, compared with the reference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// The run.
    pub run: RunName,
    /// What to know before believing the rows.
    pub warnings: Vec<Warn>,
    /// Everything that both runs have, sorted by key.
    pub rows: Vec<ComparedRow>,
    /// Everything that one of the two lacks, sorted by key.
    pub missing: Vec<Missing>,
}

/// One strategy in one setting, in both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedRow {
    /// What the row is about.
    pub key: Key,
    /// Which figure is compared.
    pub quantity: Quantity,
    /// The figure in the reference.
    pub reference: ComparedFigure,
    /// The figure in the other run.
    pub candidate: ComparedFigure,
    /// The other run's figure over the reference's; above 1 is slower. `None`
    /// where the clock was too coarse to show any time.
    pub ratio: Option<Ratio>,
    /// What can be concluded.
    pub verdict: Verdict,
    /// Whether there are too few processes for any other verdict than that none
    /// is possible.
    pub too_few_processes: bool,
    /// Whether the row is slower by more than the threshold: the whole interval
    /// is above it.
    pub regressed: bool,
    /// Whether workers slept in most detaches of one run, and not of the other
    /// ([`sleeps_differ`]).
    pub sleeps_differ: bool,
}

/// One side of a row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ComparedFigure {
    /// Median in nanoseconds.
    pub median: f64,
    /// Lower end of its interval.
    pub ci_low: f64,
    /// Upper end of its interval.
    pub ci_high: f64,
    /// Independent processes behind it.
    pub processes: usize,
    /// Whether it is made of disturbed measurements for want of others.
    pub rests_on_disturbed: bool,
}

/// What can be concluded from a ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Faster than in the reference.
    Faster,
    /// Slower than in the reference.
    Slower,
    /// Neither can be said.
    CannotTell,
}

/// A figure that one of two runs lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// What the row is about.
    pub key: Key,
    /// Which figure it is; absent where neither run has any.
    pub quantity: Option<Quantity>,
    /// Who lacks it.
    pub lacked_by: LackedBy,
    /// Why, as far as is known.
    pub why: Option<String>,
}

/// Who lacks a figure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LackedBy {
    /// The reference.
    Reference,
    /// The run that is compared with it.
    Candidate,
    /// Both: neither could run the strategy.
    Both,
}

impl Comparison {
    /// Compares runs with a reference. Intervals come from the reference's
    /// seed.
    ///
    /// # Errors
    ///
    /// [`CompareError::Refused`] unless [`Options::force`] is set,
    /// [`CompareError::Nothing`] when no row is left to compare,
    /// [`CompareError::Summary`] for a run whose figures contradict themselves.
    pub fn new(
        reference: &Recorded,
        candidates: &[Recorded],
        options: &Options,
    ) -> Result<Comparison, CompareError> {
        let summary = summarize(reference)?;
        let mut compared = Vec::new();
        for candidate in candidates {
            let reasons = compatibility::refusals(&reference.run, &candidate.run);
            if !reasons.is_empty() && !options.force {
                return Err(CompareError::Refused {
                    reference: reference.run.name(),
                    run: candidate.run.name(),
                    reasons,
                });
            }
            let mut warnings: Vec<Warn> = reasons.into_iter().map(Warn::Forced).collect();
            warnings.extend(compatibility::warnings(reference, candidate));
            let other = summarize(candidate)?;
            some_of_each(options, &[&summary, &other])?;
            let (rows, missing) = compare(&summary, &other, options, reference.run.seed);
            compared.push(Candidate {
                run: RunName::of(candidate),
                warnings,
                rows,
                missing,
            });
        }
        Ok(Comparison {
            reference: RunName::of(reference),
            threshold: options.threshold,
            candidates: compared,
        })
    }

    /// Whether any row of any run is slower by more than the threshold.
    pub fn regressed(&self) -> bool {
        let mut rows = self.candidates.iter().flat_map(|candidate| &candidate.rows);
        rows.any(|row| row.regressed)
    }
}

/// A summary without ratios: those within a run are not asked for here.
fn summarize(recorded: &Recorded) -> Result<Summary, CompareError> {
    recorded.summary("").map_err(|cause| CompareError::Summary {
        run: recorded.run.name(),
        cause: Box::new(cause),
    })
}

/// Makes sure that there is something to compare of everything that was asked
/// for: a name with a typing error must not pass for one that has not regressed.
fn some_of_each(options: &Options, summaries: &[&Summary]) -> Result<(), CompareError> {
    let keys = || {
        let rows = summaries.iter().flat_map(|summary| &summary.rows);
        rows.map(|row| &row.key)
    };
    let scenarios: BTreeSet<&String> = keys().map(|key| &key.scenario).collect();
    let strategies: BTreeSet<&String> = keys().map(|key| &key.strategy).collect();
    let unknown = |asked: &[String], known: &BTreeSet<&String>| {
        let unknown = asked.iter().filter(|name| !known.contains(name));
        unknown.cloned().collect::<Vec<_>>()
    };
    let mut asked = unknown(&options.scenarios, &scenarios);
    asked.extend(unknown(&options.strategies, &strategies));
    if asked.is_empty() && !keys().any(|key| options.wants(key)) {
        asked = [&options.scenarios[..], &options.strategies].concat();
    } else if asked.is_empty() {
        return Ok(());
    }
    let names = |all: BTreeSet<&String>| all.into_iter().cloned().collect();
    Err(CompareError::Nothing {
        asked,
        scenarios: names(scenarios),
        strategies: names(strategies),
    })
}

fn compare(
    reference: &Summary,
    candidate: &Summary,
    options: &Options,
    seed: u64,
) -> (Vec<ComparedRow>, Vec<Missing>) {
    // Both sides of every key; a BTreeMap keeps them sorted.
    let mut sides: BTreeMap<&Key, [Option<&Row>; 2]> = BTreeMap::new();
    for (side, summary) in [reference, candidate].into_iter().enumerate() {
        for row in summary.rows.iter().filter(|row| options.wants(&row.key)) {
            sides.entry(&row.key).or_default()[side] = Some(row);
        }
    }
    let (mut rows, mut missing) = (Vec::new(), Vec::new());
    for (key, [reference, candidate]) in sides {
        let why = |row: Option<&Row>| row.and_then(|row| row.unsupported.clone());
        let mut lacks = |quantity, lacked_by, why| {
            missing.push(Missing {
                key: key.clone(),
                quantity,
                lacked_by,
                why,
            });
        };
        let figures = |row: Option<&Row>| {
            let figures = row.into_iter().flat_map(Row::figures);
            figures
                .map(|figure| (figure.quantity, figure.estimate.clone()))
                .collect::<BTreeMap<Quantity, Estimate>>()
        };
        let (before, mut after) = (figures(reference), figures(candidate));
        if before.is_empty() && after.is_empty() {
            lacks(
                None,
                LackedBy::Both,
                why(candidate).or_else(|| why(reference)),
            );
        }
        for (quantity, before) in before {
            match (reference, candidate, after.remove(&quantity)) {
                (Some(reference), Some(candidate), Some(after)) => {
                    let sides = [(reference, before), (candidate, after)];
                    rows.push(compare_row(key, quantity, sides, options.threshold, seed));
                }
                _ => lacks(Some(quantity), LackedBy::Candidate, why(candidate)),
            }
        }
        for quantity in after.into_keys() {
            lacks(Some(quantity), LackedBy::Reference, why(reference));
        }
    }
    (rows, missing)
}

fn compare_row(
    key: &Key,
    quantity: Quantity,
    [(reference, before), (candidate, after)]: [(&Row, Estimate); 2],
    threshold: Option<f64>,
    seed: u64,
) -> ComparedRow {
    let too_few_processes = reference.processes.min(candidate.processes) < FEWEST_PROCESSES;
    // Times of zero, from a clock that is too coarse, have no ratio.
    let ratio = stats::ratio(&after.samples, &before.samples, seed).ok();
    let told = ratio.filter(|_| !too_few_processes);
    let verdict = match told {
        Some(ratio) if ratio.ci_low > 1.0 => Verdict::Slower,
        Some(ratio) if ratio.ci_high < 1.0 => Verdict::Faster,
        _ => Verdict::CannotTell,
    };
    let beyond = |ratio: Ratio| threshold.is_some_and(|limit| ratio.ci_low > 1.0 + limit);
    ComparedRow {
        key: key.clone(),
        quantity,
        reference: side(reference, &before),
        candidate: side(candidate, &after),
        ratio,
        verdict,
        too_few_processes,
        regressed: told.is_some_and(beyond),
        sleeps_differ: sleeps_differ([reference, candidate]),
    }
}

fn side(row: &Row, estimate: &Estimate) -> ComparedFigure {
    ComparedFigure {
        median: estimate.median,
        ci_low: estimate.ci_low,
        ci_high: estimate.ci_high,
        processes: row.processes,
        rests_on_disturbed: row.rests_on_disturbed,
    }
}
