//! The measurements of one row, block by block, and the choice among them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::latency::LatencyError;
use crate::record::{Cost, Detach, Estimate, Latency, Measurement, Outcome, Visits};
use crate::stats::{self, Ratio, StatsError};

use super::PoolError;

/// With undisturbed measurements from so many blocks, disturbed ones are not
/// needed: fewer samples than three have no interval worth the name.
const ENOUGH_BLOCKS: usize = 3;

/// How many latencies stand for a distribution when two are compared on the
/// grounds of a single block. Fewer than there are can only widen the
/// interval.
const REPRESENTATIVES: usize = 500;

/// The measurements of one row.
pub(super) struct Pool<'a> {
    /// Those with some undisturbed sample.
    clean: Used<'a>,
    /// All; absent where these are the same.
    all: Option<Used<'a>>,
    /// Measurements that are in `all` only, if the figures do without them.
    pub(super) set_apart: usize,
    /// Whether the figures are made of all although there are disturbed ones.
    pub(super) rests_on_disturbed: bool,
    /// Why the strategy could not run, if it ever could not.
    pub(super) unsupported: Option<&'a str>,
}

impl<'a> Pool<'a> {
    pub(super) fn of(group: &[&'a Measurement]) -> Result<Self, PoolError> {
        let mut unsupported = None;
        let (mut clean, mut all) = (Used::default(), Used::default());
        let mut disturbed = 0;
        for measurement in group {
            if let Outcome::Unsupported { unsupported: why } = &measurement.outcome {
                unsupported = Some(why.as_str());
                continue;
            }
            all.add(measurement);
            let noise = measurement.noise();
            if noise.is_some_and(|noise| noise.all_disturbed()) {
                disturbed += 1;
            } else {
                clean.add(measurement);
            }
        }
        clean.merge_latencies()?;
        if disturbed > 0 {
            all.merge_latencies()?;
        }
        let enough = clean.len() >= ENOUGH_BLOCKS || (all.len() < ENOUGH_BLOCKS && clean.len() > 0);
        Ok(Pool {
            clean,
            all: (disturbed > 0).then_some(all),
            set_apart: if enough { disturbed } else { 0 },
            rests_on_disturbed: disturbed > 0 && !enough,
            unsupported,
        })
    }

    /// What the figures of the row are made of.
    pub(super) fn used(&self) -> &Used<'a> {
        if self.rests_on_disturbed {
            self.all()
        } else {
            &self.clean
        }
    }

    fn all(&self) -> &Used<'a> {
        self.all.as_ref().unwrap_or(&self.clean)
    }

    /// What a ratio to another row is made of.
    pub(super) fn against<'p>(&'p self, other: &'p Pool<'a>) -> Pair<'p, 'a> {
        let common = |over: &Used<'a>, under: &Used<'a>| {
            let blocks = over.blocks.keys();
            blocks
                .filter(|block| under.blocks.contains_key(block))
                .count()
        };
        let clean = common(&self.clean, &other.clean);
        let all = common(self.all(), other.all());
        let fall_back = clean < ENOUGH_BLOCKS && all > clean;
        let (over, under) = if fall_back {
            (self.all(), other.all())
        } else {
            (&self.clean, &other.clean)
        };
        Pair {
            over,
            under,
            rests_on_disturbed: fall_back,
            same: std::ptr::eq(self, other),
        }
    }
}

/// Measurements that figures are made of, by block.
#[derive(Default)]
pub(super) struct Used<'a> {
    blocks: BTreeMap<u32, Block<'a>>,
}

/// What one block, and thereby one process, has of a row.
#[derive(Default)]
struct Block<'a> {
    costs: Vec<&'a Cost>,
    detaches: Vec<&'a Detach>,
    visits: Vec<&'a Visits>,
    /// How often workers slept for each detach, of each measurement that says.
    sleeps: Vec<f64>,
    /// All detach latencies of the block.
    detach_ns: Option<Cow<'a, Latency>>,
    /// All visits of the block.
    visit_ns: Option<Cow<'a, Latency>>,
}

impl Block<'_> {
    /// Samples of ns per operation; empty where there is no cost.
    fn cost_samples(&self) -> Vec<f64> {
        let samples = self.costs.iter().flat_map(|cost| &cost.ns_per_op.samples);
        samples.copied().collect()
    }

    /// Medians of rounds; empty in records of version 1.
    fn rounds(&self) -> Vec<f64> {
        let rounds = self.detaches.iter().flat_map(|detach| &detach.round_p50_ns);
        rounds.copied().collect()
    }
}

impl<'a> Used<'a> {
    fn add(&mut self, measurement: &'a Measurement) {
        let block = self.blocks.entry(measurement.block).or_default();
        block.sleeps.extend(measurement.worker_sleeps);
        match &measurement.outcome {
            Outcome::Cost(cost) => block.costs.push(cost),
            Outcome::Detach(detach) => block.detaches.push(detach),
            Outcome::Visits(visits) => block.visits.push(visits),
            Outcome::Unsupported { .. } => {}
        }
    }

    fn merge_latencies(&mut self) -> Result<(), PoolError> {
        for block in self.blocks.values_mut() {
            block.detach_ns = merge(&block.detaches, |detach| &detach.latency_ns)?;
            block.visit_ns = merge(&block.visits, |visits| &visits.visit_ns)?;
        }
        Ok(())
    }

    /// Blocks.
    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    pub(super) fn costs(&self) -> impl Iterator<Item = &'a Cost> {
        self.blocks
            .values()
            .flat_map(|block| block.costs.iter().copied())
    }

    pub(super) fn detaches(&self) -> impl Iterator<Item = &'a Detach> {
        self.blocks
            .values()
            .flat_map(|block| block.detaches.iter().copied())
    }

    pub(super) fn visits(&self) -> impl Iterator<Item = &'a Visits> {
        self.blocks
            .values()
            .flat_map(|block| block.visits.iter().copied())
    }

    pub(super) fn sleeps(&self) -> impl Iterator<Item = f64> {
        self.blocks
            .values()
            .flat_map(|block| block.sleeps.iter().copied())
    }

    /// Samples of ns per operation of every block that has any.
    pub(super) fn cost_samples(&self) -> Vec<Vec<f64>> {
        let samples = self.blocks.values().map(Block::cost_samples);
        samples.filter(|samples| !samples.is_empty()).collect()
    }

    /// The time per operation; `None` where no cost was measured.
    pub(super) fn cost_estimate(&self, seed: u64) -> Result<Option<Estimate>, PoolError> {
        let mut costs = self.costs();
        match (costs.next(), costs.next()) {
            (None, _) => return Ok(None),
            // The estimate as it was recorded.
            (Some(only), None) => return Ok(Some(only.ns_per_op.clone())),
            _ => {}
        }
        let mut blocks = self.cost_samples();
        let samples = match blocks.len() {
            1 => blocks.remove(0),
            _ => medians(&blocks)?,
        };
        Ok(Some(Estimate::from_samples(samples, seed)?))
    }

    /// Detach latencies of all blocks; `None` where none were measured.
    pub(super) fn detach_latency(&self) -> Result<Option<Latency>, PoolError> {
        let blocks = self.blocks.values();
        Ok(Latency::merge(
            blocks.filter_map(|block| block.detach_ns.as_deref()),
        )?)
    }

    /// Medians of detach latencies, one per block.
    pub(super) fn detach_medians(&self) -> Vec<f64> {
        let latencies = self
            .blocks
            .values()
            .filter_map(|block| block.detach_ns.as_deref());
        latencies.map(Latency::median).collect()
    }

    /// Medians of the rounds of every block with detaches.
    pub(super) fn detach_rounds(&self) -> Vec<Vec<f64>> {
        self.blocks.values().map(Block::rounds).collect()
    }

    /// The median detach latency, from blocks, or from the rounds of the only
    /// one.
    pub(super) fn detach_estimate(&self, seed: u64) -> Result<Estimate, PoolError> {
        let mut samples = self.detach_medians();
        if samples.len() == 1 {
            let rounds = self.detach_rounds().concat();
            if !rounds.is_empty() {
                samples = rounds;
            }
        }
        Ok(Estimate::from_samples(samples, seed)?)
    }

    /// Medians of visits, one per block.
    pub(super) fn visit_medians(&self) -> Vec<f64> {
        let visits = self
            .blocks
            .values()
            .filter_map(|block| block.visit_ns.as_deref());
        visits.map(Latency::median).collect()
    }
}

/// All latencies of a block. As a rule it has one measurement, which need not
/// be copied.
fn merge<'a, T>(
    measurements: &[&'a T],
    latency: fn(&'a T) -> &'a Latency,
) -> Result<Option<Cow<'a, Latency>>, LatencyError> {
    if let [only] = measurements {
        let only = latency(only);
        only.check()?;
        return Ok(Some(Cow::Borrowed(only)));
    }
    let merged = Latency::merge(measurements.iter().copied().map(latency))?;
    Ok(merged.map(Cow::Owned))
}

fn medians(blocks: &[Vec<f64>]) -> Result<Vec<f64>, StatsError> {
    blocks.iter().map(|block| stats::median(block)).collect()
}

/// A row and the one that it is held against.
pub(super) struct Pair<'p, 'a> {
    over: &'p Used<'a>,
    under: &'p Used<'a>,
    pub(super) rests_on_disturbed: bool,
    /// Everything is 1 to itself, without a bootstrap to say "about".
    same: bool,
}

impl<'p, 'a> Pair<'p, 'a> {
    /// What both sides have of the blocks that both have.
    fn common<T>(&self, of: impl Fn(&'p Block<'a>) -> Option<T>) -> Vec<(T, T)> {
        let blocks = self.over.blocks.iter();
        let pairs = blocks.filter_map(|(number, over)| {
            let under = self.under.blocks.get(number)?;
            Some((of(over)?, of(under)?))
        });
        pairs.collect()
    }

    pub(super) fn cost_ratio(&self, seed: u64) -> Result<Option<Ratio>, PoolError> {
        if self.same {
            return Ok(Some(Ratio::ONE));
        }
        let common = self.common(|block| {
            let samples = block.cost_samples();
            (!samples.is_empty()).then_some(samples)
        });
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

    pub(super) fn detach_ratio(&self, seed: u64) -> Result<Option<Ratio>, PoolError> {
        let common = self.common(|block| Some((block.rounds(), block.detach_ns.as_deref()?)));
        self.latency_ratio(&common, seed)
    }

    pub(super) fn visits_ratio(&self, seed: u64) -> Result<Option<Ratio>, PoolError> {
        let common = self.common(|block| Some((Vec::new(), block.visit_ns.as_deref()?)));
        self.latency_ratio(&common, seed)
    }

    /// The ratio of median latencies. Each side of a block is the medians of
    /// its rounds, as far as they are recorded, and its distribution.
    fn latency_ratio(&self, common: &[(Side<'p>, Side<'p>)], seed: u64) -> Outcomes {
        if self.same {
            return Ok(Some(Ratio::ONE));
        }
        let ratio = match common {
            [] => return Ok(None),
            // Latencies of one round have more in common than rounds have.
            [((over, _), (under, _))] if !over.is_empty() && !under.is_empty() => {
                stats::ratio(over, under, seed)
            }
            [((_, over), (_, under))] => stats::ratio(
                &over.representatives(REPRESENTATIVES)?,
                &under.representatives(REPRESENTATIVES)?,
                seed,
            ),
            blocks => {
                let medians = blocks
                    .iter()
                    .map(|((_, over), (_, under))| (over.median(), under.median()));
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
}

/// Medians of rounds, and the distribution.
type Side<'p> = (Vec<f64>, &'p Latency);

/// A ratio, where there is one.
type Outcomes = Result<Option<Ratio>, PoolError>;
