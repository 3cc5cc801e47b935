//! What one thread alone can measure: the clock, and loops with nothing or next
//! to nothing in them.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use detach_results::record::Estimate;

use super::nanoseconds;
use crate::engine::{Padded, sink};

/// Batches, each of which is one sample.
const BATCHES: usize = 20;
/// Laps of a batch are as many as take about this long: thousands of readings
/// of the clock, so that the two around a batch do not show.
const BATCH_TIME: Duration = Duration::from_millis(1);
/// More laps than that no processor makes in the time; ends the search where
/// a clock stands still.
const MOST_LAPS: u64 = 1 << 32;
/// Readings among which the smallest step of the clock is looked for.
const READINGS: usize = 20_000;
/// The seed of the intervals: with a constant one the same samples always give
/// the same interval.
const SEED: u64 = 0;

/// What one thread has found. Times are in nanoseconds.
pub(super) struct Loops {
    pub(super) clock: Estimate,
    pub(super) clock_step: u64,
    pub(super) empty: Estimate,
    pub(super) plain: Estimate,
    pub(super) locked: Estimate,
}

/// Measures on the calling thread.
pub(super) fn measure() -> Loops {
    let word = Padded::<AtomicU64>::default();
    // The compiler must not know that nobody else has the word.
    let word: &AtomicU64 = black_box(&word);
    Loops {
        clock: estimate(|laps| {
            for _ in 0..laps {
                black_box(Instant::now());
            }
        }),
        clock_step: clock_step(),
        empty: estimate(|laps| {
            for lap in 0..laps {
                sink(lap);
            }
        }),
        plain: estimate(|laps| {
            for lap in 0..laps {
                // Ordering: Relaxed twice, which is a plain load and a plain
                // store; no other thread has the word.
                let value = word.load(Ordering::Relaxed).wrapping_add(1);
                word.store(value, Ordering::Relaxed);
                sink(lap);
            }
        }),
        locked: estimate(|laps| {
            for lap in 0..laps {
                // Ordering: SeqCst pairs with nothing here. It is what a
                // strategy that must not be wrong uses, and no cheaper on
                // x86_64 if weaker.
                word.fetch_add(1, Ordering::SeqCst);
                sink(lap);
            }
        }),
    }
}

/// Time of one lap, over [`BATCHES`] batches. `batch` runs so many laps.
fn estimate(batch: impl Fn(u64)) -> Estimate {
    let time = |laps| {
        let start = Instant::now();
        batch(laps);
        start.elapsed()
    };
    let mut laps = 64;
    // A batch that was held up looks long enough too early, so it has to look
    // so twice.
    while time(laps).min(time(laps)) < BATCH_TIME && laps < MOST_LAPS {
        laps *= 2;
    }
    let samples = (0..BATCHES).map(|_| nanoseconds(time(laps)) / laps as f64);
    Estimate::from_samples(samples.collect(), SEED).expect("times of batches are finite numbers")
}

/// The smallest step, in nanoseconds, by which one reading of the clock was
/// later than the one before; 0 when it never moved.
fn clock_step() -> u64 {
    let mut before = Instant::now();
    let steps = (0..READINGS).filter_map(|_| {
        let now = Instant::now();
        let step = now.duration_since(before).as_nanos();
        before = now;
        (step > 0).then_some(step)
    });
    steps
        .min()
        .map_or(0, |step| u64::try_from(step).unwrap_or(u64::MAX))
}
