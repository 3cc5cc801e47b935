//! The rows of a run, flat: one line for each strategy and setting, for a
//! spreadsheet, a program, or a document.

use std::fmt::Write;

use serde::Serialize;

use crate::compare::RunName;
use crate::figure::Figure;
use crate::read::Recorded;
use crate::record::Latency;
use crate::show::{self, Look, NOTHING};
use crate::stats::Ratio;
use crate::summary::{Row, Summary, SummaryError, WHY_SLEEPS_MATTER};

/// The rows of a run, ready to be written in several formats.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Export {
    /// The run.
    pub run: RunName,
    /// The strategy that ratios are taken to.
    pub baseline: String,
    /// One for each strategy and setting, and for each figure where there is
    /// more than one of them.
    pub rows: Vec<ExportRow>,
}

/// One line. What does not apply is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ExportRow {
    /// Name of the scenario.
    pub scenario: String,
    /// Workers that acquired and released.
    pub threads: usize,
    /// Devices that the workers shared out among themselves, or that were
    /// detached together.
    pub devices: usize,
    /// How long a holder stayed inside, in nanoseconds; 0 where the scenario
    /// does not say.
    pub hold_ns: u64,
    /// Whether some devices were picked more often than others.
    pub skewed: bool,
    /// Whether the devices were detached in one call.
    pub together: bool,
    /// Detaches of other devices per second that were asked for.
    pub detach_rate: u64,
    /// Id of the strategy.
    pub strategy: String,
    /// Name of the figure: `ns_per_op`, `detach_p50_ns` or `visit_p50_ns`.
    pub quantity: Option<&'static str>,
    /// The figure, in nanoseconds.
    pub median: Option<f64>,
    /// Lower end of its 95% interval.
    pub ci_low: Option<f64>,
    /// Upper end of its 95% interval.
    pub ci_high: Option<f64>,
    /// The figure over that of the baseline; below 1 is faster.
    pub ratio: Option<f64>,
    /// Lower end of its 95% interval.
    pub ratio_ci_low: Option<f64>,
    /// Upper end of its 95% interval.
    pub ratio_ci_high: Option<f64>,
    /// Spread of samples within a process, relative to the median.
    pub spread_within: Option<f64>,
    /// Spread of processes, relative to the median.
    pub spread_between: Option<f64>,
    /// 90th percentile of all latencies, in nanoseconds.
    pub p90: Option<u64>,
    /// 99th percentile.
    pub p99: Option<u64>,
    /// 99.9th percentile.
    pub p999: Option<u64>,
    /// The longest.
    pub max: Option<u64>,
    /// Operations per second, all workers together.
    pub ops_per_second: Option<f64>,
    /// Slowest worker's rate over the fastest's.
    pub fairness: Option<f64>,
    /// Memory that one device takes besides its softc.
    pub bytes_per_device: Option<f64>,
    /// Detaches of other devices per second that took place meanwhile.
    pub detaches_per_second: Option<f64>,
    /// Median heavy fence under the same workers, in nanoseconds.
    pub heavy_fence_p50_ns: Option<u64>,
    /// Median time until a late arrival was turned away, in nanoseconds.
    pub refused_p50_ns: Option<u64>,
    /// Detaches that returned before a holder of another device had left.
    pub overtook: Option<u64>,
    /// Median of two readings of the clock with nothing between them.
    pub clock_p50_ns: Option<u64>,
    /// Measurements.
    pub records: usize,
    /// Independent processes that the figures are made of.
    pub processes: usize,
    /// Samples taken.
    pub samples: u64,
    /// Samples that were disturbed.
    pub disturbed_samples: u64,
    /// Measurements of which every sample was disturbed, and which are not in
    /// the figures.
    pub set_apart: usize,
    /// Whether the figures are made of such measurements all the same.
    pub rests_on_disturbed: bool,
    /// Whether the ratio is.
    pub ratio_rests_on_disturbed: bool,
    /// How often a worker went to sleep for each call of detach.
    pub worker_sleeps: Option<f64>,
    /// Whether workers slept in most detaches of either the strategy or the
    /// baseline, and not of both.
    pub sleeps_differ: bool,
    /// More threads than CPUs.
    pub oversubscribed: bool,
    /// The detacher shared its CPU with a worker.
    pub detacher_shares_cpu: bool,
    /// Why the strategy could not run, if it ever could not.
    pub unsupported: Option<String>,
}

impl Export {
    /// The rows of a run, with ratios to `baseline`.
    ///
    /// # Errors
    ///
    /// As [`Recorded::summary`].
    pub fn new(recorded: &Recorded, baseline: &str) -> Result<Export, SummaryError> {
        let summary = recorded.summary(baseline)?;
        Ok(Export {
            run: RunName::of(recorded),
            baseline: baseline.to_owned(),
            rows: rows(&summary),
        })
    }

    /// Whether any row is of the baseline; without one there are no ratios.
    pub fn has_baseline(&self) -> bool {
        self.rows.iter().any(|row| row.strategy == self.baseline)
    }

    /// Comma-separated values with a header.
    pub fn csv(&self) -> String {
        show::csv(&self.rows)
    }

    /// For a program.
    pub fn json(&self) -> String {
        let text = serde_json::to_string_pretty(self);
        text.expect("an export holds text and numbers only") + "\n"
    }

    /// For a document: a table for each scenario, with fewer columns.
    pub fn markdown(&self) -> String {
        let mut text = format!("{}: {}\n", self.run.name, self.run.disturbance);
        if self.run.disturbance.is_mostly() {
            text = format!("{} ({})\n", self.run.disturbance, self.run.name);
        }
        for rows in self
            .rows
            .chunk_by(|one, next| one.scenario == next.scenario)
        {
            let mut table = Look::Markdown.table(&[
                "setting",
                "strategy",
                "median",
                "interval [95%]",
                &format!("over {}", self.baseline),
                "within",
                "between",
                "processes",
                "disturbed",
            ]);
            for row in rows {
                table.add_row(row.cells());
            }
            // Writing to a String cannot fail.
            let _ = writeln!(text, "\n**{}**\n\n{table}", rows[0].scenario);
        }
        text += LEGEND;
        if self.rows.iter().any(|row| row.sleeps_differ) {
            let _ = writeln!(
                text,
                "- ~: workers slept in most detaches of one of the two strategies, and not of the \
                 other: {WHY_SLEEPS_MATTER}."
            );
        }
        text
    }
}

const LEGEND: &str = "
- median: of the time per operation, of the latency of detach, or of the duration of a visit.
- over: the median over that of the baseline; below 1 is faster.
- within, between: half the range of the middle 50%, of samples within a process and of processes.
- disturbed: samples, of all that were taken; ! where the figures are made of them for want of
  others, (!) where only the ratio is.
";

impl ExportRow {
    fn cells(&self) -> Vec<String> {
        let or_nothing = |text: Option<String>| text.unwrap_or_else(|| NOTHING.to_owned());
        let interval = self.ci_low.zip(self.ci_high);
        let ratio = self.ratio.zip(self.ratio_ci_low.zip(self.ratio_ci_high));
        let mark = match (self.rests_on_disturbed, self.ratio_rests_on_disturbed) {
            (true, _) => " !",
            (false, true) => " (!)",
            (false, false) => "",
        };
        let median = match (self.median, &self.unsupported) {
            (None, Some(reason)) => reason.clone(),
            (median, _) => or_nothing(median.map(show::nanoseconds)),
        };
        vec![
            self.setting(),
            self.strategy.clone(),
            median,
            or_nothing(interval.map(|(low, high)| {
                format!("{} to {}", show::nanoseconds(low), show::nanoseconds(high))
            })),
            or_nothing(ratio.map(|(ratio, (ci_low, ci_high))| {
                let sides = if self.sleeps_differ { " ~" } else { "" };
                let ratio = Ratio {
                    ratio,
                    ci_low,
                    ci_high,
                };
                show::ratio(ratio) + sides
            })),
            or_nothing(self.spread_within.map(show::percent)),
            or_nothing(self.spread_between.map(show::percent)),
            self.processes.to_string(),
            format!("{} of {}{mark}", self.disturbed_samples, self.samples),
        ]
    }

    fn setting(&self) -> String {
        let mut text = self.key().setting();
        if self.detacher_shares_cpu {
            text += ", sharing a CPU";
        }
        if self.oversubscribed {
            text += ", oversubscribed";
        }
        text
    }

    fn key(&self) -> crate::Key {
        crate::Key {
            scenario: self.scenario.clone(),
            threads: self.threads,
            devices: self.devices,
            hold_ns: self.hold_ns,
            skewed: self.skewed,
            together: self.together,
            detach_rate: self.detach_rate,
            strategy: self.strategy.clone(),
        }
    }

    /// What the row says of all its figures.
    fn of(row: &Row) -> ExportRow {
        let key = row.key.clone();
        ExportRow {
            scenario: key.scenario,
            threads: key.threads,
            devices: key.devices,
            hold_ns: key.hold_ns,
            skewed: key.skewed,
            together: key.together,
            detach_rate: key.detach_rate,
            strategy: key.strategy,
            records: row.records,
            processes: row.processes,
            samples: row.noise.samples,
            disturbed_samples: row.noise.disturbed_samples,
            set_apart: row.set_apart,
            rests_on_disturbed: row.rests_on_disturbed,
            ratio_rests_on_disturbed: row.ratio_rests_on_disturbed,
            oversubscribed: row.oversubscribed,
            worker_sleeps: row.worker_sleeps,
            detacher_shares_cpu: row.detacher_shares_cpu,
            unsupported: row.unsupported.clone(),
            ..ExportRow::default()
        }
    }

    fn with_figure(mut self, figure: &Figure<'_>) -> ExportRow {
        self.quantity = Some(figure.quantity.name());
        self.median = Some(figure.estimate.median);
        self.ci_low = Some(figure.estimate.ci_low);
        self.ci_high = Some(figure.estimate.ci_high);
        self.ratio = figure.to_baseline.map(|ratio| ratio.ratio);
        self.ratio_ci_low = figure.to_baseline.map(|ratio| ratio.ci_low);
        self.ratio_ci_high = figure.to_baseline.map(|ratio| ratio.ci_high);
        self.spread_within = figure.spread.within;
        self.spread_between = figure.spread.between;
        self
    }

    fn with_tail(mut self, latency: &Latency) -> ExportRow {
        self.p90 = Some(latency.p90);
        self.p99 = Some(latency.p99);
        self.p999 = Some(latency.p999);
        self.max = Some(latency.max);
        self
    }
}

fn rows(summary: &Summary) -> Vec<ExportRow> {
    let rows = summary.rows.iter().flat_map(|row| {
        let mut rows = rows_of(row);
        for flat in &mut rows {
            flat.sleeps_differ = summary.sleeps_differ_from_baseline(row);
        }
        rows
    });
    rows.collect()
}

/// A row for each figure; a bare one where there is none.
fn rows_of(row: &Row) -> Vec<ExportRow> {
    let mut rows: Vec<ExportRow> = row
        .figures()
        .map(|figure| {
            let flat = ExportRow::of(row).with_figure(&figure);
            match figure.quantity {
                crate::Quantity::NsPerOp => with_cost(flat, row),
                crate::Quantity::DetachP50Ns => with_detach(flat, row),
                crate::Quantity::VisitP50Ns => with_visits(flat, row),
            }
        })
        .collect();
    if rows.is_empty() {
        rows.push(ExportRow::of(row));
    }
    rows
}

fn with_cost(flat: ExportRow, row: &Row) -> ExportRow {
    let cost = row.cost.as_ref();
    ExportRow {
        ops_per_second: cost.map(|cost| cost.ops_per_second),
        fairness: cost.map(|cost| cost.fairness),
        bytes_per_device: cost.and_then(|cost| cost.bytes_per_device),
        detaches_per_second: cost.and_then(|cost| cost.detaches_per_second),
        ..flat
    }
}

fn with_detach(flat: ExportRow, row: &Row) -> ExportRow {
    let Some(detach) = &row.detach else {
        return flat;
    };
    let p50 = |latency: &Option<Latency>| latency.as_ref().map(|latency| latency.p50);
    ExportRow {
        heavy_fence_p50_ns: p50(&detach.heavy_fence_ns),
        refused_p50_ns: p50(&detach.refused_ns),
        overtook: detach.overtook,
        ..flat.with_tail(&detach.latency_ns)
    }
}

fn with_visits(flat: ExportRow, row: &Row) -> ExportRow {
    let Some(visits) = &row.visits else {
        return flat;
    };
    ExportRow {
        clock_p50_ns: Some(visits.clock_ns.p50),
        ..flat.with_tail(&visits.visit_ns)
    }
}
