//! How many iterations fill a given time.

use std::time::Duration;

/// More iterations than anybody has time for; ends the search where a round
/// never seems to take any time.
const MOST: u64 = 1 << 40;

/// From this part of the target on, the rest is a rule of three. What is
/// shorter says more about starting up than about iterations.
const ENOUGH: u32 = 2;

/// Finds, by doubling, how many iterations take about `target`; at least 1.
/// `round` runs so many iterations and tells how long they took.
///
/// # Errors
///
/// The first error of a round.
pub(super) fn calibrate<E>(
    target: Duration,
    mut round: impl FnMut(u64) -> Result<Duration, E>,
) -> Result<u64, E> {
    let mut iterations = 1;
    loop {
        let mut took = round(iterations)?;
        if took >= target / ENOUGH {
            // A round may look long because it was held up. Being held up
            // twice in a row is less likely.
            took = took.min(round(iterations)?);
        }
        if took >= target / ENOUGH || iterations >= MOST {
            let scale = target.as_secs_f64() / took.as_secs_f64().max(1e-9);
            return Ok(((iterations as f64 * scale) as u64).clamp(1, MOST));
        }
        iterations *= 2;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// Rounds of 10 ns an iteration, after 100 ns.
    fn steady(iterations: u64) -> Duration {
        Duration::from_nanos(100 + 10 * iterations)
    }

    fn found(target: Duration, mut round: impl FnMut(u64) -> Duration) -> u64 {
        let Ok(iterations) = calibrate(target, |n| Ok::<_, Infallible>(round(n)));
        iterations
    }

    #[test]
    fn the_answer_fills_the_target() {
        let iterations = found(MILLISECOND, steady);
        assert!((99_000..=100_000).contains(&iterations), "{iterations}");
    }

    #[test]
    fn one_iteration_is_the_least() {
        assert_eq!(found(Duration::ZERO, steady), 1);
        assert_eq!(found(MILLISECOND, |_| Duration::from_secs(1)), 1);
    }

    #[test]
    fn a_round_that_was_held_up_does_not_mislead() {
        let mut rounds = 0;
        let iterations = found(MILLISECOND, |n| {
            rounds += 1;
            let held_up = if rounds == 3 { 50 } else { 0 };
            steady(n) + held_up * MILLISECOND
        });
        assert!((99_000..=100_000).contains(&iterations), "{iterations}");
    }

    #[test]
    fn a_clock_that_stands_still_ends_the_search() {
        assert_eq!(found(MILLISECOND, |_| Duration::ZERO), MOST);
    }

    #[test]
    fn errors_end_it() {
        assert_eq!(calibrate(MILLISECOND, |_| Err("no")), Err("no"));
    }
}
