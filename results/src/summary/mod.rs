//! One row per thing measured: what tables and plots are made from.
//!
//! A run holds a measurement of every strategy, scenario and thread count in
//! every block. A summary pools the blocks and compares each strategy with a
//! baseline:
//!
//! - With several blocks, each contributes the median of its samples, and the
//!   estimate is made from those medians. A block is a process, processes
//!   differ by memory layout, and an interval made from all samples at once
//!   would be too narrow by just that difference. With one block the samples
//!   of that block are all there is.
//! - Ratios are taken within blocks, so that a machine that drifts from block
//!   to block drops out of them. With one common block, both sides are
//!   resampled on their own.
//! - Latencies are pooled by adding their histograms, which is exact; the
//!   interval of their median comes from the medians of the blocks.
//!
//! # Disturbed measurements
//!
//! A measurement of which *every* sample was disturbed is set apart: it is in
//! no figure, as long as undisturbed ones remain from at least three blocks,
//! or from at least one where the row has fewer than three blocks in all.
//! Otherwise all are used, and [`Row::rests_on_disturbed`] says so. A ratio
//! uses the blocks that are undisturbed on both sides, again if there are
//! three, or if there are no others; otherwise all common blocks, and
//! [`Row::ratio_rests_on_disturbed`] says so, or
//! [`CostSummary::to_calm_rests_on_disturbed`]. Records of version 1, whose
//! figures mix disturbed samples with others, are judged in the same way.

mod pool;
mod sleeps;
mod spread;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::latency::LatencyError;
use crate::read::Recorded;
use crate::record::{Detach, Estimate, Latency, Measurement, Noise};
use crate::stats::{self, Ratio, StatsError};

use pool::{Pool, Used};
pub use sleeps::{WHY_SLEEPS_MATTER, sleeps_differ};
pub use spread::Spread;

/// The strategy that others are compared with, unless another is named.
pub const BASELINE: &str = "refcount";

/// What a row is about. Rows are sorted by it, field by field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Name of the scenario.
    pub scenario: String,
    /// Workers that acquired and released.
    pub threads: usize,
    /// Devices that the workers shared out among themselves, or that were
    /// detached together.
    pub devices: usize,
    /// How long a holder stayed inside, in nanoseconds; 0 where the scenario
    /// does not say.
    #[serde(default)]
    pub hold_ns: u64,
    /// Whether some devices were picked more often than others.
    #[serde(default)]
    pub skewed: bool,
    /// Whether the devices were detached in one call.
    #[serde(default)]
    pub together: bool,
    /// Detaches of other devices per second that were asked for.
    #[serde(default)]
    pub detach_rate: u64,
    /// Id of the strategy.
    pub strategy: String,
}

impl Key {
    /// The row that a measurement belongs to.
    pub fn of(measurement: &Measurement) -> Key {
        Key {
            scenario: measurement.scenario.clone(),
            threads: measurement.threads,
            devices: measurement.workload.devices,
            hold_ns: measurement.workload.hold_ns.unwrap_or(0),
            skewed: measurement.workload.skewed,
            together: measurement.workload.together,
            detach_rate: measurement.workload.detach_rate.unwrap_or(0),
            strategy: measurement.strategy.clone(),
        }
    }
}

/// All measurements of one strategy in one setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// What the row is about.
    pub key: Key,
    /// More threads than CPUs, in any of the measurements.
    pub oversubscribed: bool,
    /// The detacher shared its CPU with a worker, in any of them.
    pub detacher_shares_cpu: bool,
    /// Measurements in the row, those that were unsupported among them.
    pub records: usize,
    /// Measurements of which some sample was disturbed.
    pub disturbed_records: usize,
    /// Measurements of which every sample was disturbed, and which are therefore
    /// not in the figures below.
    pub set_apart: usize,
    /// Whether the figures below are made of disturbed measurements all the
    /// same, because too few others were left.
    pub rests_on_disturbed: bool,
    /// Whether the ratio to the baseline is made of disturbed measurements, of
    /// either side, because too few blocks were undisturbed on both.
    pub ratio_rests_on_disturbed: bool,
    /// Different blocks among the measurements.
    pub blocks: usize,
    /// How often a worker went to sleep for each call of detach, in the median
    /// measurement, where it is known.
    #[serde(default)]
    pub worker_sleeps: Option<f64>,
    /// Blocks that the figures below are made of. Blocks are processes, so
    /// this is how many independent looks at the matter there were.
    pub processes: usize,
    /// What disturbed the samples, added up, with those set apart.
    pub noise: Noise,
    /// Which mechanism ran how often, added up, with those set apart.
    pub mechanisms: BTreeMap<String, u64>,
    /// Why the strategy could not run, if it ever could not.
    pub unsupported: Option<String>,
    /// The cost of acquire plus release, if it was measured.
    pub cost: Option<CostSummary>,
    /// The latency of detach, if it was measured.
    pub detach: Option<DetachSummary>,
    /// The durations of single visits, if they were measured.
    pub visits: Option<VisitsSummary>,
}

/// The cost of acquire plus release, pooled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CostSummary {
    /// Time that one worker needs for one acquire plus one release. Its
    /// samples are medians of blocks, or those of the only block.
    pub ns_per_op: Estimate,
    /// Acquires per second, all workers together: median of the measurements.
    pub ops_per_second: f64,
    /// Slowest worker's rate over the fastest's: median of the measurements.
    pub fairness: f64,
    /// `ns_per_op` over that of the baseline; below 1 is cheaper. `None` where
    /// the baseline was not measured in the same setting and block.
    pub to_baseline: Option<Ratio>,
    /// `ns_per_op` over that of the same strategy while no other devices are
    /// detached ([`Key::detach_rate`] 0), taken within blocks as other ratios
    /// are. Its inverse is how much of its throughput a worker keeps. `None`
    /// where that was not measured in the same setting and block.
    pub to_calm: Option<Ratio>,
    /// Whether `to_calm` is made of disturbed measurements, of either side,
    /// because too few blocks were undisturbed on both.
    pub to_calm_rests_on_disturbed: bool,
    /// Memory that one device takes besides its softc: median of the
    /// measurements that counted it.
    pub bytes_per_device: Option<f64>,
    /// Detaches of other devices per second that took place meanwhile: median
    /// of the measurements that had any.
    pub detaches_per_second: Option<f64>,
    /// How far samples lie apart.
    pub spread: Spread,
}

/// The durations of single visits, pooled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VisitsSummary {
    /// The visits, with the clock's share in them.
    pub visit_ns: Latency,
    /// That share: two readings of the clock with nothing between them.
    pub clock_ns: Latency,
    /// The median of `visit_ns`, with its interval: its samples are the medians
    /// of processes.
    pub p50_ns: Estimate,
    /// Median `visit_ns` over that of the baseline; below 1 is faster. `None`
    /// as for detach.
    pub to_baseline: Option<Ratio>,
    /// How far medians lie apart.
    pub spread: Spread,
}

/// The latency of detach, pooled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetachSummary {
    /// Until detach returned.
    pub latency_ns: Latency,
    /// The median of it, with its interval: its samples are the medians of
    /// processes, or of rounds where there was one process only.
    pub p50_ns: Estimate,
    /// Until the last entry succeeded.
    pub last_entry_ns: Option<Latency>,
    /// Until the last holder left.
    pub last_leave_ns: Option<Latency>,
    /// One heavy fence under the same workers.
    pub heavy_fence_ns: Option<Latency>,
    /// Median `latency_ns` over that of the baseline; below 1 is faster.
    /// `None` where the baseline was not measured in the same setting and
    /// block, or where a median is 0 ns.
    pub to_baseline: Option<Ratio>,
    /// Times until a late arrival was turned away, where they were measured.
    pub refused_ns: Option<Latency>,
    /// Detaches that returned before a holder of another device had left, where
    /// it was asked.
    pub overtook: Option<u64>,
    /// How far the medians of rounds and of processes lie apart.
    pub spread: Spread,
}

/// A measurement that cannot be pooled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}, {}, {} threads: {cause}", key.strategy, key.scenario, key.threads)]
pub struct SummaryError {
    /// The row that it belongs to.
    pub key: Box<Key>,
    /// Why it cannot.
    pub cause: PoolError,
}

/// Why a measurement cannot be pooled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PoolError {
    /// Its samples have no median.
    #[error(transparent)]
    Stats(#[from] StatsError),
    /// Its latencies contradict themselves.
    #[error(transparent)]
    Latency(#[from] LatencyError),
}

/// What a run has shown, row by row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The strategy that the ratios are taken to.
    pub baseline: String,
    /// One row for each strategy and setting, sorted by [`Key`].
    pub rows: Vec<Row>,
}

impl Recorded {
    /// The summary of the measurements that could be read, against `baseline`
    /// (usually [`BASELINE`]), with intervals from the seed of the run.
    ///
    /// # Errors
    ///
    /// As [`Summary::new`].
    pub fn summary(&self, baseline: &str) -> Result<Summary, SummaryError> {
        Summary::new(&self.judged(), baseline, self.run.seed)
    }
}

impl Summary {
    /// Pools measurements and compares them with `baseline`. The order of the
    /// measurements does not matter; that of their blocks is kept.
    ///
    /// # Errors
    ///
    /// [`SummaryError`] for a measurement that does not pass
    /// [`Measurement::check`]; those that were read from a file have passed.
    pub fn new(
        measurements: &[Measurement],
        baseline: &str,
        seed: u64,
    ) -> Result<Summary, SummaryError> {
        let mut groups: BTreeMap<Key, Vec<&Measurement>> = BTreeMap::new();
        for measurement in measurements {
            groups
                .entry(Key::of(measurement))
                .or_default()
                .push(measurement);
        }

        let mut pools = BTreeMap::new();
        for (key, group) in &groups {
            let pool = Pool::of(group).map_err(of_row(key))?;
            pools.insert(key.clone(), pool);
        }

        let rows = groups.iter().map(|(key, group)| {
            let baseline = Key {
                strategy: baseline.to_owned(),
                ..key.clone()
            };
            let calm = Key {
                detach_rate: 0,
                ..key.clone()
            };
            let others = [&baseline, &calm].map(|other| pools.get(other));
            row(key, group, &pools[key], others, seed).map_err(of_row(key))
        });
        Ok(Summary {
            baseline: baseline.to_owned(),
            rows: rows.collect::<Result<_, _>>()?,
        })
    }

    /// The row of that key.
    pub fn get(&self, key: &Key) -> Option<&Row> {
        let found = self.rows.binary_search_by(|row| row.key.cmp(key));
        found.ok().map(|index| &self.rows[index])
    }

    /// The row of a strategy in a scenario with so many workers; where there
    /// are several, the one with the fewest devices.
    pub fn row(&self, strategy: &str, scenario: &str, threads: usize) -> Option<&Row> {
        let curve = self.curve(strategy, scenario);
        curve.into_iter().find(|row| row.key.threads == threads)
    }

    /// The rows of a strategy in a scenario, by increasing number of workers.
    pub fn curve(&self, strategy: &str, scenario: &str) -> Vec<&Row> {
        let of_curve = |row: &&Row| row.key.strategy == strategy && row.key.scenario == scenario;
        self.rows.iter().filter(of_curve).collect()
    }

    /// Every scenario, once, in alphabetical order.
    pub fn scenarios(&self) -> Vec<&str> {
        distinct(self.rows.iter().map(|row| row.key.scenario.as_str()))
    }

    /// Every strategy of a scenario, once, in alphabetical order.
    pub fn strategies(&self, scenario: &str) -> Vec<&str> {
        let rows = self.rows.iter().filter(|row| row.key.scenario == scenario);
        distinct(rows.map(|row| row.key.strategy.as_str()))
    }

    /// Every number of workers of a scenario, once, ascending.
    pub fn threads(&self, scenario: &str) -> Vec<usize> {
        let rows = self.rows.iter().filter(|row| row.key.scenario == scenario);
        distinct(rows.map(|row| row.key.threads))
    }
}

fn distinct<T: Ord>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.collect();
    values.sort();
    values.dedup();
    values
}

fn of_row(key: &Key) -> impl FnOnce(PoolError) -> SummaryError {
    |cause| SummaryError {
        key: Box::new(key.clone()),
        cause,
    }
}

fn row(
    key: &Key,
    group: &[&Measurement],
    pool: &Pool<'_>,
    [baseline, calm]: [Option<&Pool<'_>>; 2],
    seed: u64,
) -> Result<Row, PoolError> {
    let mut row = Row {
        key: key.clone(),
        oversubscribed: group.iter().any(|m| m.workload.oversubscribed),
        detacher_shares_cpu: group.iter().any(|m| m.workload.detacher_shares_cpu),
        records: group.len(),
        disturbed_records: group.iter().filter(|m| m.disturbed()).count(),
        set_apart: pool.set_apart,
        rests_on_disturbed: pool.rests_on_disturbed,
        ratio_rests_on_disturbed: false,
        worker_sleeps: median_of(pool.used().sleeps())?,
        blocks: distinct(group.iter().map(|m| m.block)).len(),
        processes: pool.used().len(),
        noise: Noise::default(),
        mechanisms: BTreeMap::new(),
        unsupported: pool.unsupported.map(str::to_owned),
        cost: None,
        detach: None,
        visits: None,
    };
    for measurement in group {
        if let Some(noise) = measurement.noise() {
            row.noise.add(noise);
        }
        for (mechanism, count) in measurement.mechanisms().into_iter().flatten() {
            let sum: &mut u64 = row.mechanisms.entry(mechanism.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    let pair = baseline.map(|baseline| pool.against(baseline));
    row.ratio_rests_on_disturbed = pair.as_ref().is_some_and(|pair| pair.rests_on_disturbed);
    let used = pool.used();
    row.cost = cost(used, seed)?;
    row.detach = detach(used, seed)?;
    row.visits = visits(used, seed)?;
    if let Some(pair) = pair {
        if let Some(cost) = &mut row.cost {
            cost.to_baseline = pair.cost_ratio(seed)?;
        }
        if let Some(detach) = &mut row.detach {
            detach.to_baseline = pair.detach_ratio(seed)?;
        }
        if let Some(visits) = &mut row.visits {
            visits.to_baseline = pair.visits_ratio(seed)?;
        }
    }
    if let (Some(cost), Some(calm)) = (&mut row.cost, calm) {
        let pair = pool.against(calm);
        cost.to_calm = pair.cost_ratio(seed)?;
        cost.to_calm_rests_on_disturbed = pair.rests_on_disturbed;
    }
    Ok(row)
}

/// The median, if there is anything.
fn median_of(values: impl Iterator<Item = f64>) -> Result<Option<f64>, StatsError> {
    let values: Vec<f64> = values.collect();
    if values.is_empty() {
        return Ok(None);
    }
    stats::median(&values).map(Some)
}

/// The costs, without their ratios.
fn cost(used: &Used<'_>, seed: u64) -> Result<Option<CostSummary>, PoolError> {
    let Some(ns_per_op) = used.cost_estimate(seed)? else {
        return Ok(None);
    };
    let all = |value: fn(&crate::Cost) -> Option<f64>| median_of(used.costs().filter_map(value));
    let rates: Vec<f64> = used.costs().map(|cost| cost.ops_per_second).collect();
    let fairness: Vec<f64> = used.costs().map(|cost| cost.fairness).collect();
    Ok(Some(CostSummary {
        ns_per_op,
        ops_per_second: stats::median(&rates)?,
        fairness: stats::median(&fairness)?,
        to_baseline: None,
        to_calm: None,
        to_calm_rests_on_disturbed: false,
        bytes_per_device: all(|cost| cost.bytes_per_device)?,
        detaches_per_second: all(|cost| cost.detaches_per_second)?,
        spread: Spread::of(&used.cost_samples())?,
    }))
}

/// The latencies of detach, without their ratio.
fn detach(used: &Used<'_>, seed: u64) -> Result<Option<DetachSummary>, PoolError> {
    let Some(latency_ns) = used.detach_latency()? else {
        return Ok(None);
    };
    let phase =
        |phase: fn(&Detach) -> Option<&Latency>| Latency::merge(used.detaches().filter_map(phase));
    let overtook = used.detaches().filter_map(|detach| detach.overtook);
    Ok(Some(DetachSummary {
        p50_ns: used.detach_estimate(seed)?,
        latency_ns,
        last_entry_ns: phase(|detach| detach.last_entry_ns.as_ref())?,
        last_leave_ns: phase(|detach| detach.last_leave_ns.as_ref())?,
        heavy_fence_ns: phase(|detach| detach.heavy_fence_ns.as_ref())?,
        to_baseline: None,
        refused_ns: phase(|detach| detach.refused_ns.as_ref())?,
        overtook: overtook.reduce(u64::saturating_add),
        spread: Spread::new(&used.detach_rounds(), &used.detach_medians())?,
    }))
}

/// The durations of visits, without their ratio.
fn visits(used: &Used<'_>, seed: u64) -> Result<Option<VisitsSummary>, PoolError> {
    let merged = |part: fn(&crate::Visits) -> &Latency| Latency::merge(used.visits().map(part));
    let (Some(visit_ns), Some(clock_ns)) = (
        merged(|visits| &visits.visit_ns)?,
        merged(|visits| &visits.clock_ns)?,
    ) else {
        return Ok(None);
    };
    let medians = used.visit_medians();
    Ok(Some(VisitsSummary {
        visit_ns,
        clock_ns,
        spread: Spread::new(&[], &medians)?,
        p50_ns: Estimate::from_samples(medians, seed)?,
        to_baseline: None,
    }))
}
