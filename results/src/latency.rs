//! Distributions of latencies: between a live histogram and its record.
//!
//! Latencies span six decades, and it is the rare long ones that matter, so
//! they are counted in buckets whose width is a thousandth of their value
//! (`hdrhistogram` at 3 significant digits, from 1 ns to 60 s). A record keeps
//! every non-empty bucket, so distributions of several blocks merge into
//! exactly the distribution that one histogram would have seen: percentiles
//! cannot be averaged, but counts can be added.

use std::sync::LazyLock;

use hdrhistogram::Histogram;

use crate::record::Latency;

/// The largest latency that is told apart, 60 s in nanoseconds. Longer ones
/// count as this long.
pub const CEILING_NS: u64 = 60_000_000_000;

/// Decimal digits to which a latency is kept.
pub const SIGNIFICANT_DIGITS: u8 = 3;

/// The name of the bucket that holds the ceiling: a bucket goes by its largest
/// value, which for this one lies a little beyond.
static LARGEST: LazyLock<u64> = LazyLock::new(|| histogram().highest_equivalent(CEILING_NS));

/// A recorded distribution that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LatencyError {
    /// The buckets hold another number of latencies than the record says.
    #[error("the histogram holds {found} latencies, but count is {count}")]
    Count {
        /// What the record says.
        count: u64,
        /// What the buckets add up to.
        found: u128,
    },
    /// Buckets are out of order, double or empty.
    #[error("the histogram's bucket {index} is empty or not above the one before it")]
    Order {
        /// Position of the bucket, from 0.
        index: usize,
    },
    /// A bucket lies beyond [`CEILING_NS`].
    #[error("the histogram has a latency of {value} ns, beyond the ceiling of {CEILING_NS} ns")]
    Range {
        /// The value of the bucket.
        value: u64,
    },
    /// The percentiles decrease somewhere.
    #[error("min, p50, p90, p99, p999 and max do not increase in this order")]
    Percentiles,
    /// There is not one latency in it.
    #[error("it holds no latency")]
    Empty,
}

/// An empty histogram for latencies in nanoseconds, as records are made from.
///
/// Record into it with [`record`], which saturates at [`CEILING_NS`].
pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, CEILING_NS, SIGNIFICANT_DIGITS)
        .expect("the bounds are constant and valid")
}

/// Counts one latency. One beyond [`CEILING_NS`] counts as that long;
/// [`Latency::at_ceiling`] tells how many there were.
///
/// # Panics
///
/// When the histogram is narrower than those of [`histogram`] and cannot hold
/// the latency.
#[inline]
pub fn record(histogram: &mut Histogram<u64>, nanoseconds: u64) {
    record_many(histogram, nanoseconds, 1);
}

/// The median of a histogram, as [`Latency::median`]; `None` when it is empty.
pub fn median(histogram: &Histogram<u64>) -> Option<f64> {
    let buckets = histogram.iter_recorded();
    let buckets = buckets.map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()));
    (!histogram.is_empty()).then(|| middle(histogram.len(), buckets))
}

/// Half-way between the two middle ranks of `count` values, which may be one.
fn middle(count: u64, buckets: impl Iterator<Item = (u64, u64)>) -> f64 {
    let (below, above) = (count.saturating_sub(1) / 2, count / 2);
    let (mut reached, mut lower) = (0, None);
    for (value, count) in buckets {
        reached += count;
        if reached > below {
            lower = lower.or(Some(value));
        }
        if let Some(lower) = lower
            && reached > above
        {
            return (lower as f64 + value as f64) / 2.0;
        }
    }
    0.0
}

fn record_many(histogram: &mut Histogram<u64>, nanoseconds: u64, count: u64) {
    histogram
        .record_n(nanoseconds.min(CEILING_NS), count)
        .expect("the ceiling is within the histogram");
}

impl Latency {
    /// The record of a histogram of nanoseconds; `None` when it is empty.
    ///
    /// Bounds and precision of the histogram may differ from those of
    /// [`histogram`]; its latencies are then counted anew within them.
    pub fn from_histogram(source: &Histogram<u64>) -> Option<Latency> {
        if source.is_empty() {
            return None;
        }
        let mut kept = histogram();
        for bucket in source.iter_recorded() {
            record_many(
                &mut kept,
                bucket.value_iterated_to(),
                bucket.count_at_value(),
            );
        }
        Some(Latency::of(&kept))
    }

    /// The record of a histogram of [`histogram`]'s bounds that is not empty.
    fn of(kept: &Histogram<u64>) -> Latency {
        Latency {
            count: kept.len(),
            min: kept.min(),
            p50: kept.value_at_quantile(0.5),
            p90: kept.value_at_quantile(0.9),
            p99: kept.value_at_quantile(0.99),
            p999: kept.value_at_quantile(0.999),
            max: kept.max(),
            histogram: kept
                .iter_recorded()
                .map(|bucket| (bucket.value_iterated_to(), bucket.count_at_value()))
                .collect(),
        }
    }

    /// The median: the middle one, or half-way between the two in the middle,
    /// unlike [`p50`](Self::p50), which is one that occurred. Among a handful
    /// that makes a difference. 0 of a record that contradicts itself.
    pub fn median(&self) -> f64 {
        middle(self.count, self.histogram.iter().copied())
    }

    /// The histogram that the record was made from.
    ///
    /// # Errors
    ///
    /// [`LatencyError`] when the record contradicts itself.
    pub fn to_histogram(&self) -> Result<Histogram<u64>, LatencyError> {
        self.check()?;
        let mut restored = histogram();
        for &(value, count) in &self.histogram {
            record_many(&mut restored, value, count);
        }
        Ok(restored)
    }

    /// All latencies of several distributions in one, exact in its counts;
    /// `None` when there are no distributions.
    ///
    /// # Errors
    ///
    /// [`LatencyError`] when a record contradicts itself.
    pub fn merge<'a>(
        parts: impl IntoIterator<Item = &'a Latency>,
    ) -> Result<Option<Latency>, LatencyError> {
        let mut parts = parts.into_iter().peekable();
        let Some(first) = parts.next() else {
            return Ok(None);
        };
        if parts.peek().is_none() {
            first.check()?;
            return Ok(Some(first.clone()));
        }
        let mut merged = histogram();
        for part in std::iter::once(first).chain(parts) {
            part.check()?;
            // Bucket by bucket: a histogram of its own for each part would cost
            // more than all else that is done to it.
            for &(value, count) in &part.histogram {
                record_many(&mut merged, value, count);
            }
        }
        Ok(Some(Latency::of(&merged)))
    }

    /// How many latencies reached [`CEILING_NS`], to within a thousandth, and
    /// may have been longer than it says.
    pub fn at_ceiling(&self) -> u64 {
        let lowest = histogram().lowest_equivalent(CEILING_NS);
        let counts = self.histogram.iter().rev();
        counts
            .take_while(|(value, _)| *value >= lowest)
            .map(|(_, count)| count)
            .sum()
    }

    /// At most so many latencies that stand for all: those at evenly spaced
    /// ranks, ascending. With `limit` at or above [`count`](Self::count), all.
    ///
    /// # Errors
    ///
    /// [`LatencyError`] when the record contradicts itself.
    pub fn representatives(&self, limit: usize) -> Result<Vec<f64>, LatencyError> {
        self.check()?;
        let wanted = self.count.min(limit as u64);
        let mut buckets = self.histogram.iter();
        let mut value = 0;
        let mut reached = 0;
        let representatives = (0..wanted).map(|step| {
            // The middle of the step's share of the ranks, counted from 1.
            let rank = (u128::from(self.count) * (2 * u128::from(step) + 1)
                / (2 * u128::from(wanted))) as u64
                + 1;
            while reached < rank {
                let (next, count) = buckets.next().expect("the buckets add up to the count");
                value = *next;
                reached += count;
            }
            value as f64
        });
        Ok(representatives.collect())
    }

    /// Whether buckets, count and percentiles agree with each other.
    ///
    /// # Errors
    ///
    /// [`LatencyError`] names the first contradiction.
    pub fn check(&self) -> Result<(), LatencyError> {
        let mut found = 0_u128;
        let mut before = None;
        let largest = *LARGEST;
        for (index, &(value, count)) in self.histogram.iter().enumerate() {
            if count == 0 || before.is_some_and(|before| value <= before) {
                return Err(LatencyError::Order { index });
            }
            if value > largest {
                return Err(LatencyError::Range { value });
            }
            before = Some(value);
            found += u128::from(count);
        }
        if found != u128::from(self.count) {
            return Err(LatencyError::Count {
                count: self.count,
                found,
            });
        }
        if self.count == 0 {
            return Err(LatencyError::Empty);
        }
        let rising = [self.min, self.p50, self.p90, self.p99, self.p999, self.max];
        if !rising.is_sorted() {
            return Err(LatencyError::Percentiles);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(latencies: impl IntoIterator<Item = u64>) -> Latency {
        let mut counts = histogram();
        for latency in latencies {
            record(&mut counts, latency);
        }
        Latency::from_histogram(&counts).expect("not empty")
    }

    #[test]
    fn the_median_of_an_even_number_lies_half_way() {
        for (values, expected) in [
            (&[7][..], 7.0),
            (&[10, 20], 15.0),
            (&[10, 20, 90], 20.0),
            (&[10, 10, 20, 30], 15.0),
            (&[10, 20, 20, 30], 20.0),
        ] {
            let mut all = histogram();
            for &value in values {
                record(&mut all, value);
            }
            assert_eq!(median(&all), Some(expected), "{values:?}");
            let kept = Latency::from_histogram(&all).unwrap();
            assert_eq!(kept.median(), expected);
        }
        assert_eq!(median(&histogram()), None);
    }

    #[test]
    fn small_latencies_are_kept_to_the_nanosecond() {
        let latency = of([5, 3, 3, 900, 0]);
        assert_eq!(latency.count, 5);
        assert_eq!((latency.min, latency.p50, latency.max), (0, 3, 900));
        assert_eq!(latency.histogram, [(0, 1), (3, 2), (5, 1), (900, 1)]);
    }

    #[test]
    fn percentiles_of_a_thousand() {
        let latency = of(1..=1000);
        assert_eq!(
            (
                latency.p50,
                latency.p90,
                latency.p99,
                latency.p999,
                latency.max
            ),
            (500, 900, 990, 999, 1000)
        );
    }

    #[test]
    fn large_latencies_are_kept_to_a_thousandth() {
        for latency in [2_049, 123_456, 7_654_321, 59_999_999_999] {
            let kept = of([latency]).p50;
            assert!(
                kept.abs_diff(latency) <= latency / 1000,
                "{latency}: {kept}"
            );
        }
    }

    #[test]
    fn a_record_gives_its_histogram_back() {
        let latency = of((0..50_000).map(|i: u64| i * i % 1_000_003 * 77));
        let restored = latency.to_histogram().unwrap();
        assert_eq!(restored.len(), 50_000);
        assert_eq!(Latency::from_histogram(&restored), Some(latency));
    }

    #[test]
    fn merging_equals_recording_together() {
        let all: Vec<u64> = (0..9_000).map(|i: u64| i * i * 31 % 5_000_011).collect();
        let parts = [
            of(all[..10].to_vec()),
            of(all[10..7_000].to_vec()),
            of(all[7_000..].to_vec()),
        ];
        assert_eq!(Latency::merge(&parts), Ok(Some(of(all))));
        assert_eq!(Latency::merge([]), Ok(None));
    }

    #[test]
    fn what_is_too_long_saturates_and_is_counted() {
        let latency = of([CEILING_NS + 1, u64::MAX, 1_000, 30_000_000_000]);
        assert_eq!(latency.count, 4);
        assert_eq!(latency.at_ceiling(), 2);
        assert_eq!(latency.to_histogram().unwrap().len(), 4);
        assert_eq!(of([1_000, 59_000_000_000]).at_ceiling(), 0);
    }

    #[test]
    fn histograms_of_other_bounds_are_counted_anew() {
        let mut finer = Histogram::<u64>::new(5).unwrap();
        finer.record_n(123_456, 7).unwrap();
        finer.record_n(4 * CEILING_NS, 2).unwrap();
        let latency = Latency::from_histogram(&finer).unwrap();
        let mut expected = histogram();
        record_many(&mut expected, 123_456, 7);
        record_many(&mut expected, CEILING_NS, 2);
        assert_eq!(Some(&latency), Latency::from_histogram(&expected).as_ref());
        assert_eq!(latency.at_ceiling(), 2);
    }

    #[test]
    fn an_empty_histogram_has_no_record() {
        assert_eq!(Latency::from_histogram(&histogram()), None);
    }

    #[test]
    fn representatives_stand_at_even_ranks() {
        let latency = of(1..=1000);
        assert_eq!(
            latency.representatives(4).unwrap(),
            [126.0, 376.0, 626.0, 876.0]
        );
        let few = of([10, 30, 20]);
        assert_eq!(few.representatives(100).unwrap(), [10.0, 20.0, 30.0]);
        assert_eq!(few.representatives(1).unwrap(), [20.0]);
    }

    #[test]
    fn contradictions_are_told() {
        let good = of([1, 2, 3]);
        let broken = |change: fn(&mut Latency)| {
            let mut bad = good.clone();
            change(&mut bad);
            let error = bad.check().unwrap_err();
            assert_eq!(bad.to_histogram().unwrap_err(), error);
            assert_eq!(Latency::merge([&good, &bad]).unwrap_err(), error);
            assert_eq!(bad.representatives(2).unwrap_err(), error);
            error
        };
        assert_eq!(
            broken(|bad| bad.count = 4),
            LatencyError::Count { count: 4, found: 3 }
        );
        assert_eq!(
            broken(|bad| bad.histogram[2].1 = u64::MAX),
            LatencyError::Count {
                count: 3,
                found: u128::from(u64::MAX) + 2
            }
        );
        assert_eq!(
            broken(|bad| bad.histogram.swap(0, 1)),
            LatencyError::Order { index: 1 }
        );
        assert_eq!(
            broken(|bad| bad.histogram[1].1 = 0),
            LatencyError::Order { index: 1 }
        );
        assert_eq!(
            broken(|bad| bad.histogram[2].0 = u64::MAX),
            LatencyError::Range { value: u64::MAX }
        );
        assert_eq!(broken(|bad| bad.p90 = 1), LatencyError::Percentiles);
        assert_eq!(
            broken(|bad| {
                bad.count = 0;
                bad.histogram.clear();
            }),
            LatencyError::Empty
        );
    }
}
