//! Medians and ratios, with intervals.
//!
//! # Why medians, why the bootstrap
//!
//! Timings have a floor and a long tail: what disturbs a single sample nearly
//! always makes it slower. The mean follows the tail; the median stays with the
//! bulk. It does not help where load is there for most samples, which can make
//! them faster, too: workers that are not running do not contend, and their
//! CPUs need no interrupt for a heavy fence.
//!
//! The sampling error of a median has no simple formula that holds for every
//! shape of distribution, so it is found by the *percentile bootstrap*: draw as
//! many samples as there are, with replacement, take the median, do that
//! [`RESAMPLES`] times, and report the range of the middle 95% of the medians.
//!
//! # What such an interval does not say
//!
//! It speaks of the samples it was given. Samples of one process share that
//! process' memory layout, so an interval from one process tells nothing about
//! the next one; the samples to pass here are then one median per process. And
//! it cannot see beyond the samples: with three of them it is at best the
//! range from the smallest to the largest, which holds the true median in
//! three cases of four rather than in 95 of 100; one sample gives an interval
//! of no width. Whoever shows an interval should also tell the number of
//! samples.
//!
//! # Randomness
//!
//! Every function takes a seed and returns the same figures for the same
//! samples and seed, on every machine and in every later version. The
//! generators of `rand` do not promise that: `StdRng` and `SmallRng` may become
//! other algorithms in any release. ChaCha with 8 rounds (`rand_chacha`) is
//! fixed by its definition; the seed is its key, and an index is the upper half
//! of a 64 by 64 bit product, so nothing else can change the draws either.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::record::Estimate;

/// How many times the bootstrap draws.
pub const RESAMPLES: usize = 2_000;

/// How many of the resampled medians lie beyond each end of an interval of
/// 95%: a fortieth.
const BEYOND_EACH_END: usize = RESAMPLES / 40;

/// Samples from which no statistic can be had.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// Nothing was measured.
    #[error("there are no samples")]
    Empty,
    /// A sample is infinite or not a number.
    #[error("sample {index} is {value}, not a finite number")]
    NotFinite {
        /// Position among the samples, from 0.
        index: usize,
        /// The sample.
        value: f64,
    },
    /// A sample of a ratio is zero or negative.
    #[error("sample {index} is {value}, and a ratio needs positive samples")]
    NotPositive {
        /// Position among the samples, from 0.
        index: usize,
        /// The sample.
        value: f64,
    },
}

/// How many times as large one quantity is as another.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    /// The ratio.
    pub ratio: f64,
    /// Lower end of its 95% bootstrap interval.
    pub ci_low: f64,
    /// Upper end of its 95% bootstrap interval.
    pub ci_high: f64,
}

impl Ratio {
    /// The ratio of something to itself.
    pub const ONE: Ratio = Ratio {
        ratio: 1.0,
        ci_low: 1.0,
        ci_high: 1.0,
    };

    /// The same comparison seen from the other side: a ratio of costs becomes
    /// a ratio of rates.
    #[must_use]
    pub fn inverse(self) -> Ratio {
        Ratio {
            ratio: 1.0 / self.ratio,
            ci_low: 1.0 / self.ci_high,
            ci_high: 1.0 / self.ci_low,
        }
    }

    /// Whether the interval leaves open which of the two is larger.
    pub fn contains_one(&self) -> bool {
        self.ci_low <= 1.0 && 1.0 <= self.ci_high
    }
}

impl Estimate {
    /// The median of the samples and its interval; the samples are kept in the
    /// order in which they come.
    ///
    /// # Errors
    ///
    /// [`StatsError::Empty`] without samples, [`StatsError::NotFinite`] when
    /// one is infinite or not a number.
    pub fn from_samples(samples: Vec<f64>, seed: u64) -> Result<Estimate, StatsError> {
        let median = median(&samples)?;
        let (ci_low, ci_high) = interval(seed, |draw| draw.median_of(&samples));
        Ok(Estimate {
            median,
            ci_low,
            ci_high,
            samples,
        })
    }
}

/// The median: the middle sample, or the mean of the middle two.
///
/// # Errors
///
/// As [`Estimate::from_samples`].
pub fn median(samples: &[f64]) -> Result<f64, StatsError> {
    check(samples)?;
    Ok(median_in_place(&mut samples.to_vec()))
}

/// The lower quartile, the median and the upper quartile, interpolated between
/// the samples on either side.
///
/// # Errors
///
/// As [`Estimate::from_samples`].
pub fn quartiles(samples: &[f64]) -> Result<[f64; 3], StatsError> {
    check(samples)?;
    let mut sorted = samples.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    Ok([0.25, 0.5, 0.75].map(|fraction| {
        let rank = fraction * (sorted.len() - 1) as f64;
        let below = sorted[rank.floor() as usize];
        let above = sorted[rank.ceil() as usize];
        below + (above - below) * rank.fract()
    }))
}

/// The ratio of two medians, from samples that have nothing to do with each
/// other: both sides are resampled apart.
///
/// Where the machine drifts between the two sides, the drift is in the ratio;
/// prefer [`paired_ratio`] where both were measured side by side.
///
/// # Errors
///
/// As [`Estimate::from_samples`], for either side; [`StatsError::NotPositive`]
/// when a sample is not above zero.
pub fn ratio(numerator: &[f64], denominator: &[f64], seed: u64) -> Result<Ratio, StatsError> {
    check_positive(numerator)?;
    check_positive(denominator)?;
    let (ci_low, ci_high) = interval(seed, |draw| {
        draw.median_of(numerator) / draw.median_of(denominator)
    });
    Ok(Ratio {
        ratio: median(numerator)? / median(denominator)?,
        ci_low,
        ci_high,
    })
}

/// The median of ratios taken within pairs, each a numerator and a denominator
/// from the same block: what made the block slow made both sides slow, and
/// drops out.
///
/// # Errors
///
/// As [`ratio`]; the index is that of the pair.
pub fn paired_ratio(pairs: &[(f64, f64)], seed: u64) -> Result<Ratio, StatsError> {
    let (numerators, denominators): (Vec<f64>, Vec<f64>) = pairs.iter().copied().unzip();
    check_positive(&numerators)?;
    check_positive(&denominators)?;
    let ratios = pairs.iter().map(|(over, under)| over / under).collect();
    let estimate = Estimate::from_samples(ratios, seed)?;
    Ok(Ratio {
        ratio: estimate.median,
        ci_low: estimate.ci_low,
        ci_high: estimate.ci_high,
    })
}

fn check(samples: &[f64]) -> Result<(), StatsError> {
    if samples.is_empty() {
        return Err(StatsError::Empty);
    }
    match samples.iter().position(|sample| !sample.is_finite()) {
        Some(index) => Err(StatsError::NotFinite {
            index,
            value: samples[index],
        }),
        None => Ok(()),
    }
}

fn check_positive(samples: &[f64]) -> Result<(), StatsError> {
    check(samples)?;
    match samples.iter().position(|&sample| sample <= 0.0) {
        Some(index) => Err(StatsError::NotPositive {
            index,
            value: samples[index],
        }),
        None => Ok(()),
    }
}

/// The median of finite samples, of which there is at least one. Reorders them.
fn median_in_place(samples: &mut [f64]) -> f64 {
    let middle = samples.len() / 2;
    let even = samples.len().is_multiple_of(2);
    let (below, &mut upper, _) = samples.select_nth_unstable_by(middle, f64::total_cmp);
    if even {
        let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        // Halving first: the sum of two large samples could overflow.
        lower / 2.0 + upper / 2.0
    } else {
        upper
    }
}

/// The range of the middle 95% of a resampled statistic.
fn interval(seed: u64, mut statistic: impl FnMut(&mut Draw) -> f64) -> (f64, f64) {
    let mut draw = Draw::new(seed);
    let mut outcomes: Vec<f64> = (0..RESAMPLES).map(|_| statistic(&mut draw)).collect();
    outcomes.sort_unstable_by(f64::total_cmp);
    (
        outcomes[BEYOND_EACH_END],
        outcomes[RESAMPLES - 1 - BEYOND_EACH_END],
    )
}

/// Draws with replacement.
struct Draw {
    generator: ChaCha8Rng,
    scratch: Vec<f64>,
}

impl Draw {
    fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Draw {
            generator: ChaCha8Rng::from_seed(key),
            scratch: Vec::new(),
        }
    }

    /// An index below `bound`. The favour that some indices get is below
    /// `bound` in 2^64, which no number of draws here could show.
    fn index(&mut self, bound: usize) -> usize {
        let product = u128::from(self.generator.next_u64()) * bound as u128;
        (product >> 64) as usize
    }

    /// The median of as many samples as there are, drawn with replacement.
    fn median_of(&mut self, samples: &[f64]) -> f64 {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch.extend((0..samples.len()).map(|_| samples[self.index(samples.len())]));
        let median = median_in_place(&mut scratch);
        self.scratch = scratch;
        median
    }
}

#[cfg(test)]
mod tests;
