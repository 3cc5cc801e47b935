//! What the figure shows, apart from where it lies.

use detach_results::{Latency, Row, show};

use crate::catalogue::Measure;
use crate::data::Data;
use crate::figures::marks;
use crate::scene::Marks;
use crate::setting::{Setting, settings};

/// More settings than this do not fit on a page that anybody would read.
const MOST_PANELS: usize = 8;
/// What the columns of numbers hold; not every panel has all of them.
pub(super) const COLUMNS: [&str; 3] = ["median", "99%", "overtook"];
/// The yardstick of single visits.
const CLOCK: &str = "clock alone, median";

/// What is drawn of a row.
pub(super) struct Extent {
    /// Ascending: median, p90, p99 and the largest, or for a cost the ends of
    /// the interval with the median between them.
    pub(super) shape: Reach,
    /// A time of the machine or of the setting to compare with.
    pub(super) yardstick: Option<f64>,
    pub(super) marks: Marks,
    pub(super) texts: Vec<String>,
}

pub(super) enum Reach {
    Distribution([f64; 4]),
    Interval([f64; 3]),
}

impl Reach {
    pub(super) fn values(&self) -> &[f64] {
        match self {
            Reach::Distribution(levels) => levels,
            Reach::Interval(levels) => levels,
        }
    }
}

/// A setting, seen under one measure.
pub(super) struct Panel {
    pub(super) heading: String,
    /// By strategy.
    pub(super) rows: Vec<Option<Extent>>,
    /// What the columns of numbers hold.
    pub(super) columns: Vec<&'static str>,
    /// How long a holder stayed.
    pub(super) hold: Option<f64>,
}

/// What the figure consists of, apart from where it lies.
pub(super) struct Content {
    pub(super) strategies: Vec<String>,
    pub(super) panels: Vec<Panel>,
    pub(super) yardstick: Option<&'static str>,
}

impl Extent {
    /// What a row holds of it.
    pub(super) fn of(row: &Row, measure: Measure) -> Option<Extent> {
        let distribution = |latency: &Latency, yardstick: Option<&Latency>| {
            let levels = [latency.p50, latency.p90, latency.p99, latency.max];
            let levels = levels.map(|level| level as f64);
            Extent {
                shape: Reach::Distribution(levels),
                yardstick: yardstick.map(|latency| latency.p50 as f64),
                marks: marks(row),
                texts: vec![show::nanoseconds(levels[0]), show::nanoseconds(levels[2])],
            }
        };
        let (cost, detach) = (row.cost.as_ref(), row.detach.as_ref());
        Some(match measure {
            Measure::Cost => {
                let estimate = &cost?.ns_per_op;
                Extent {
                    shape: Reach::Interval([estimate.ci_low, estimate.median, estimate.ci_high]),
                    yardstick: None,
                    marks: marks(row),
                    texts: vec![show::nanoseconds(estimate.median)],
                }
            }
            Measure::Detach => {
                let detach = detach?;
                let mut extent = distribution(&detach.latency_ns, detach.heavy_fence_ns.as_ref());
                if let Some(overtook) = detach.overtook {
                    let share = overtook as f64 / detach.latency_ns.count.max(1) as f64;
                    extent.texts.push(show::percent(share));
                }
                extent
            }
            Measure::Refused => distribution(detach?.refused_ns.as_ref()?, None),
            Measure::Visits => {
                let visits = row.visits.as_ref()?;
                distribution(&visits.visit_ns, Some(&visits.clock_ns))
            }
        })
    }
}

impl Content {
    /// What a run holds of a scenario.
    pub(super) fn of(data: &Data<'_>, scenario: &str, measures: &[Measure]) -> Option<Content> {
        let strategies = data.strategies(scenario);
        let settings = settings(data.rows(scenario));
        let mut panels = Vec::new();
        for setting in &settings {
            for measure in measures {
                let found = |strategy: &String| {
                    let mut rows = data.rows(scenario);
                    let row = rows.find(|row| {
                        row.key.strategy == *strategy && Setting::of(&row.key) == *setting
                    })?;
                    Extent::of(row, *measure)
                };
                let rows: Vec<Option<Extent>> = strategies.iter().map(found).collect();
                if rows.iter().all(Option::is_none) {
                    continue;
                }
                let mut heading = vec![setting.distinction(&settings)];
                if measures.len() > 1 {
                    heading.push(what(*measure).to_owned());
                }
                heading.retain(|part| !part.is_empty());
                // Who is refused does not wait for a holder.
                let waits = *measure == Measure::Detach && setting.hold_ns > 0;
                let texts = rows.iter().flatten().map(|extent| extent.texts.len());
                let columns = texts.max().unwrap_or(0);
                panels.push(Panel {
                    heading: heading.join(", "),
                    rows,
                    columns: COLUMNS[..columns.min(COLUMNS.len())].to_vec(),
                    hold: waits.then_some(setting.hold_ns as f64),
                });
            }
        }
        if panels.is_empty() {
            return None;
        }
        let of_detach = measures.contains(&Measure::Detach);
        let yardstick = match (of_detach, measures.contains(&Measure::Visits)) {
            (true, true) => "one heavy fence, or the clock alone, median",
            (true, false) => "one heavy fence, median",
            (false, _) => CLOCK,
        };
        let mut extents = panels.iter().flat_map(|panel| panel.rows.iter().flatten());
        let used = extents.any(|extent| extent.yardstick.is_some());
        Some(Content {
            strategies,
            yardstick: used.then_some(yardstick),
            panels,
        })
    }

    /// The panels that there is room for.
    pub(super) fn shown(&self) -> &[Panel] {
        &self.panels[..self.panels.len().min(MOST_PANELS)]
    }

    pub(super) fn extents(&self) -> impl Iterator<Item = &Extent> {
        self.panels
            .iter()
            .flat_map(|panel| panel.rows.iter().flatten())
    }

    pub(super) fn notes(&self, data: &Data<'_>, scenario: &str) -> Vec<String> {
        let rows: Vec<&Row> = data.rows(scenario).collect();
        let settings = settings(rows.iter().copied());
        let mut notes = Vec::new();
        let common = settings.first().map(|first| first.common(&settings));
        if let Some(common) = common.filter(|common| !common.is_empty()) {
            notes.push(format!("Setting: {common}."));
        }
        if self
            .extents()
            .all(|extent| matches!(extent.shape, Reach::Interval(_)))
        {
            notes.push("Medians, with their 95% intervals as bars. Lower is better.".to_owned());
        }
        if self
            .extents()
            .any(|extent| extent.texts.len() == COLUMNS.len())
        {
            notes.push(
                "Overtook: of so many detaches, the stranger who was inside another device at the \
                 call was still there at the return. 100% waits for no stranger, 0% for every one."
                    .to_owned(),
            );
        }
        if self.yardstick == Some(CLOCK) {
            notes.push(
                "Each visit was timed on its own, so two readings of the clock are in it; what they \
                 take with nothing between them is drawn beside it, and not taken off."
                    .to_owned(),
            );
        }
        let left_out = self.panels.len().saturating_sub(MOST_PANELS);
        if left_out > 0 {
            notes.push(format!("Not shown: {left_out} more settings."));
        }
        let detached = rows.iter().filter_map(|row| row.detach.as_ref());
        if let Some(smallest) = detached.map(|detach| detach.latency_ns.count).min() {
            notes.push(format!(
                "Each distribution holds at least {smallest} detaches."
            ));
        }
        if rows.iter().any(|row| row.detacher_shares_cpu) {
            notes.push("The detacher shared its CPU with a worker.".to_owned());
        }
        notes.extend(data.notes(&[scenario], rows.iter().copied()));
        notes
    }
}

fn what(measure: Measure) -> &'static str {
    match measure {
        Measure::Cost => "cost",
        Measure::Detach => "detach",
        Measure::Refused => "being refused",
        Measure::Visits => "visits",
    }
}
