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
//! - Detach latencies are pooled by adding their histograms, which is exact.
//!
//! Disturbed measurements are in the pool; how many there were is told, for
//! the reader to judge.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::latency::LatencyError;
use crate::read::Recorded;
use crate::record::{Cost, Detach, Estimate, Latency, Measurement, Noise, Outcome};
use crate::stats::{self, Ratio, StatsError};

/// The strategy that others are compared with, unless another is named.
pub const BASELINE: &str = "refcount";

/// How many latencies stand for a distribution when two are compared on the
/// grounds of a single block. Fewer than there are can only widen the
/// interval.
const REPRESENTATIVES: usize = 500;

/// What a row is about. Rows are sorted by it, field by field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Key {
    /// Name of the scenario.
    pub scenario: String,
    /// Workers that acquired and released.
    pub threads: usize,
    /// Devices that the workers shared out among themselves.
    pub devices: usize,
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
    /// Different blocks among the measurements.
    pub blocks: usize,
    /// What disturbed the samples, added up.
    pub noise: Noise,
    /// Which mechanism ran how often, added up.
    pub mechanisms: BTreeMap<String, u64>,
    /// Why the strategy could not run, if it ever could not.
    pub unsupported: Option<String>,
    /// The cost of acquire plus release, if it was measured.
    pub cost: Option<CostSummary>,
    /// The latency of detach, if it was measured.
    pub detach: Option<DetachSummary>,
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
}

/// The latency of detach, pooled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DetachSummary {
    /// Until detach returned.
    pub latency_ns: Latency,
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
}

/// A measurement that cannot be pooled.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{}, {}, {} threads: {cause}", key.strategy, key.scenario, key.threads)]
pub struct SummaryError {
    /// The row that it belongs to.
    pub key: Key,
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
        Summary::new(&self.measurements, baseline, self.run.seed)
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
            let pool = Pool::of(group).map_err(|cause| SummaryError {
                key: key.clone(),
                cause,
            })?;
            pools.insert(key.clone(), pool);
        }

        let rows = groups.iter().map(|(key, group)| {
            let baseline_key = Key {
                strategy: baseline.to_owned(),
                ..key.clone()
            };
            row(key, group, &pools[key], pools.get(&baseline_key), seed).map_err(|cause| {
                SummaryError {
                    key: key.clone(),
                    cause,
                }
            })
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

/// What one block has of one row.
#[derive(Default)]
struct Block<'a> {
    costs: Vec<&'a Cost>,
    detaches: Vec<&'a Detach>,
}

/// Figures of one row, block by block: what ratios are taken from.
struct Pool {
    /// Samples of ns per operation.
    samples: BTreeMap<u32, Vec<f64>>,
    /// The estimate as recorded, where the row has just one measurement.
    only_estimate: Option<Estimate>,
    /// Distributions of detach latencies.
    latencies: BTreeMap<u32, Latency>,
}

impl Pool {
    fn of(group: &[&Measurement]) -> Result<Pool, PoolError> {
        let mut blocks: BTreeMap<u32, Block<'_>> = BTreeMap::new();
        for measurement in group {
            let block = blocks.entry(measurement.block).or_default();
            match &measurement.outcome {
                Outcome::Cost(cost) => block.costs.push(cost),
                Outcome::Detach(detach) => block.detaches.push(detach),
                Outcome::Unsupported { .. } => {}
            }
        }

        let mut pool = Pool {
            samples: BTreeMap::new(),
            only_estimate: None,
            latencies: BTreeMap::new(),
        };
        for (&number, block) in &blocks {
            let samples = block.costs.iter().flat_map(|cost| &cost.ns_per_op.samples);
            if !block.costs.is_empty() {
                pool.samples.insert(number, samples.copied().collect());
            }
            let latencies = block.detaches.iter().map(|detach| &detach.latency_ns);
            if let Some(merged) = Latency::merge(latencies)? {
                pool.latencies.insert(number, merged);
            }
        }
        let mut costs = blocks.values().flat_map(|block| &block.costs);
        if let (Some(cost), None) = (costs.next(), costs.next()) {
            pool.only_estimate = Some(cost.ns_per_op.clone());
        }
        Ok(pool)
    }

    fn estimate(&self, seed: u64) -> Result<Estimate, PoolError> {
        if let Some(estimate) = &self.only_estimate {
            return Ok(estimate.clone());
        }
        let samples = match self.samples.len() {
            1 => self.samples.values().flatten().copied().collect(),
            _ => {
                let blocks = self.samples.values();
                blocks
                    .map(|block| stats::median(block))
                    .collect::<Result<_, _>>()?
            }
        };
        Ok(Estimate::from_samples(samples, seed)?)
    }
}

fn row(
    key: &Key,
    group: &[&Measurement],
    pool: &Pool,
    baseline: Option<&Pool>,
    seed: u64,
) -> Result<Row, PoolError> {
    let mut row = Row {
        key: key.clone(),
        oversubscribed: group.iter().any(|m| m.workload.oversubscribed),
        detacher_shares_cpu: group.iter().any(|m| m.workload.detacher_shares_cpu),
        records: group.len(),
        disturbed_records: group.iter().filter(|m| m.disturbed()).count(),
        blocks: distinct(group.iter().map(|m| m.block)).len(),
        noise: Noise::default(),
        mechanisms: BTreeMap::new(),
        unsupported: None,
        cost: None,
        detach: None,
    };
    let mut costs = Vec::new();
    let mut detaches = Vec::new();
    for measurement in group {
        match &measurement.outcome {
            Outcome::Unsupported { unsupported } => row.unsupported = Some(unsupported.clone()),
            Outcome::Cost(cost) => costs.push(cost),
            Outcome::Detach(detach) => detaches.push(detach.as_ref()),
        }
        if let Some(noise) = measurement.noise() {
            row.noise.add(noise);
        }
        for (mechanism, count) in measurement.mechanisms().into_iter().flatten() {
            let sum: &mut u64 = row.mechanisms.entry(mechanism.clone()).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
    // Everything is 1 to itself, without a bootstrap to say "about".
    let is_baseline = baseline.is_some_and(|baseline| std::ptr::eq(baseline, pool));

    if !costs.is_empty() {
        let rates: Vec<f64> = costs.iter().map(|cost| cost.ops_per_second).collect();
        let fairness: Vec<f64> = costs.iter().map(|cost| cost.fairness).collect();
        row.cost = Some(CostSummary {
            ns_per_op: pool.estimate(seed)?,
            ops_per_second: stats::median(&rates)?,
            fairness: stats::median(&fairness)?,
            to_baseline: match baseline {
                Some(_) if is_baseline => Some(Ratio::ONE),
                Some(baseline) => cost_ratio(pool, baseline, seed)?,
                None => None,
            },
        });
    }
    if let Some(latency_ns) = Latency::merge(pool.latencies.values())? {
        let phase = |phase: fn(&Detach) -> Option<&Latency>| {
            Latency::merge(detaches.iter().filter_map(|detach| phase(detach)))
        };
        row.detach = Some(DetachSummary {
            latency_ns,
            last_entry_ns: phase(|detach| detach.last_entry_ns.as_ref())?,
            last_leave_ns: phase(|detach| detach.last_leave_ns.as_ref())?,
            heavy_fence_ns: phase(|detach| detach.heavy_fence_ns.as_ref())?,
            to_baseline: match baseline {
                Some(_) if is_baseline => Some(Ratio::ONE),
                Some(baseline) => detach_ratio(pool, baseline, seed)?,
                None => None,
            },
        });
    }
    Ok(row)
}

fn cost_ratio(pool: &Pool, baseline: &Pool, seed: u64) -> Result<Option<Ratio>, PoolError> {
    let common = common_blocks(&pool.samples, &baseline.samples);
    Ok(match common.as_slice() {
        [] => None,
        [(over, under)] => Some(stats::ratio(over, under, seed)?),
        blocks => {
            let medians = blocks
                .iter()
                .map(|(over, under)| Ok((stats::median(over)?, stats::median(under)?)));
            let medians = medians.collect::<Result<Vec<_>, StatsError>>()?;
            Some(stats::paired_ratio(&medians, seed)?)
        }
    })
}

fn detach_ratio(pool: &Pool, baseline: &Pool, seed: u64) -> Result<Option<Ratio>, PoolError> {
    let common = common_blocks(&pool.latencies, &baseline.latencies);
    let ratio = match common.as_slice() {
        [] => return Ok(None),
        [(over, under)] => stats::ratio(
            &over.representatives(REPRESENTATIVES)?,
            &under.representatives(REPRESENTATIVES)?,
            seed,
        ),
        blocks => {
            let medians = blocks
                .iter()
                .map(|(over, under)| (over.p50 as f64, under.p50 as f64));
            stats::paired_ratio(&medians.collect::<Vec<_>>(), seed)
        }
    };
    match ratio {
        Ok(ratio) => Ok(Some(ratio)),
        // A clock too coarse for the latencies is no fault of the record.
        Err(StatsError::NotPositive { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What both sides have of the blocks that both have.
fn common_blocks<'a, T>(
    over: &'a BTreeMap<u32, T>,
    under: &'a BTreeMap<u32, T>,
) -> Vec<(&'a T, &'a T)> {
    let pairs = over
        .iter()
        .filter_map(|(block, value)| Some((value, under.get(block)?)));
    pairs.collect()
}
