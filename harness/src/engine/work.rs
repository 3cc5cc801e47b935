//! Work of a given length, for holders to do.
//!
//! A holder that should be busy for a microsecond cannot wait for the clock to
//! say so: reading it takes as long as the shorter holds. So work is a chain of
//! multiplications, each of which needs the result of the one before, and how
//! many make a nanosecond is found out once for each process: on the thread that
//! first asks, so whoever cares on which CPU does so there. It touches no memory,
//! and shares nothing with the strategies but the core it runs on.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::softc::sink;

/// Turns that are timed to find out how long one takes, and how often: the
/// fastest time is the one that was not disturbed.
const TRIAL: u64 = 50_000;
const TRIALS: u32 = 20;

/// Does so many turns of work.
#[inline]
pub(crate) fn work(turns: u64) {
    let mut value = black_box(1_u64);
    for _ in 0..turns {
        // The constant is the multiplier of Knuth's MMIX generator.
        value = value.wrapping_mul(6_364_136_223_846_793_005) ^ turns;
    }
    sink(value);
}

/// How long a turn takes, in nanoseconds: found out on the calling thread,
/// unless it is known already.
pub(crate) fn turn_ns() -> f64 {
    static TURN: OnceLock<f64> = OnceLock::new();
    *TURN.get_or_init(|| {
        let trials = (0..TRIALS).map(|_| {
            let start = Instant::now();
            work(black_box(TRIAL));
            start.elapsed()
        });
        let fastest = trials.min().unwrap_or_default();
        fastest.max(Duration::from_nanos(1)).as_secs_f64() * 1e9 / TRIAL as f64
    })
}

/// The turns that fill this many nanoseconds; see [`turn_ns`].
pub(crate) fn turns_for(nanoseconds: u64) -> u64 {
    (nanoseconds as f64 / turn_ns()).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_time_is_more_work() {
        assert_eq!(turns_for(0), 0);
        let (short, long) = (turns_for(1_000), turns_for(10_000));
        assert!(short > 0);
        assert!((9 * short..=11 * short).contains(&long), "{short} {long}");
    }

    #[test]
    fn who_asks_first_decides_for_all() {
        let first = std::thread::spawn(turn_ns).join().unwrap();
        assert!(first > 0.0);
        assert_eq!(turn_ns(), first);
    }
}
