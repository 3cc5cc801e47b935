//! How long a cache line takes from one CPU to another.
//!
//! Two threads hand one word back and forth: each waits until the other has
//! written it, then writes it. A round trip is two transfers of the line. Trips
//! are timed some dozens at a time, so that reading the clock does not show, and
//! the median of these batches counts, so that the one in which a thread lost
//! its CPU does not show either.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use detach_results::calibration::Transfers;

use super::{median, nanoseconds, team};
use crate::engine::Padded;

/// Up to so many CPUs, all pairs are measured.
const ALL_PAIRS: usize = 64;
/// Of more CPUs, so many are chosen.
const CHOSEN: usize = 32;
/// For all pairs together, as a rule.
const BUDGET: Duration = Duration::from_secs(6);
/// After this time no further pair is begun. In a virtual machine whose host has
/// fewer CPUs, a transfer takes a time slice.
const PATIENCE: Duration = Duration::from_secs(12);
/// For one pair at most, and at least.
const LONGEST: Duration = Duration::from_millis(50);
const SHORTEST: Duration = Duration::from_millis(2);
/// Round trips between two readings of the clock.
const TRIPS: u64 = 64;
/// What the leader writes when it is done.
const OVER: u64 = u64::MAX;
/// How often a waiter looks before it yields: where two threads have to share a
/// CPU after all, spinning would keep the other off it.
const LOOKS: u32 = 20_000;

/// One way between every pair of `cpus`, or of a choice of them. All can be
/// pinned to.
pub(super) fn matrix(cpus: &[usize]) -> Transfers {
    matrix_within(PATIENCE, choice(cpus))
}

/// The first pair, and of the others what is begun within this time.
fn matrix_within(patience: Duration, cpus: Vec<usize>) -> Transfers {
    let count = cpus.len();
    let pairs = u32::try_from(count * (count - 1) / 2).unwrap_or(u32::MAX);
    let each = (BUDGET / pairs.max(1)).clamp(SHORTEST, LONGEST);
    let mut one_way_ns = vec![vec![None; count]; count];
    let begun = Instant::now();
    for first in 0..count {
        for second in first + 1..count {
            if (first, second) != (0, 1) && begun.elapsed() >= patience {
                continue;
            }
            let time = one_way([cpus[first], cpus[second]], each);
            // A round trip takes both ways, and only it can be timed.
            one_way_ns[first][second] = Some(time);
            one_way_ns[second][first] = Some(time);
        }
    }
    Transfers { cpus, one_way_ns }
}

/// All CPUs, or of many an evenly spread choice that begins with the first
/// two, between which probes measure.
fn choice(cpus: &[usize]) -> Vec<usize> {
    if cpus.len() <= ALL_PAIRS {
        return cpus.to_vec();
    }
    let spread = (2..CHOSEN).map(|index| cpus[index * cpus.len() / CHOSEN]);
    [cpus[0], cpus[1]].into_iter().chain(spread).collect()
}

/// One way between two CPUs in nanoseconds, measured for about `time`.
pub(super) fn one_way(pair: [usize; 2], time: Duration) -> f64 {
    let word = Padded::<AtomicU64>::default();
    let results = team::on_each(&pair, |index| match index {
        0 => lead(&word, time),
        _ => {
            follow(&word);
            Vec::new()
        }
    });
    median(&results[0])
}

/// Writes odd numbers and waits for the even ones; returns the time of one way
/// in each batch, of which there is at least one.
fn lead(word: &AtomicU64, time: Duration) -> Vec<f64> {
    let mut batches = Vec::new();
    let mut value = 0;
    let mut trip = || {
        // Ordering: Release pairs with the Acquire of the follower's `wait`.
        word.store(value + 1, Ordering::Release);
        wait(word, |found| found == value + 2);
        value += 2;
    };
    // The first answer comes when the follower has been started.
    for _ in 0..TRIPS {
        trip();
    }
    let begun = Instant::now();
    let mut before = begun;
    while batches.is_empty() || before.duration_since(begun) < time {
        for _ in 0..TRIPS {
            trip();
        }
        let now = Instant::now();
        batches.push(nanoseconds(now.duration_since(before)) / (2 * TRIPS) as f64);
        before = now;
    }
    // Ordering: Release pairs with the Acquire of the follower's `wait`.
    word.store(OVER, Ordering::Release);
    batches
}

/// Answers every odd number with the next even one.
fn follow(word: &AtomicU64) {
    loop {
        let found = wait(word, |found| found % 2 == 1);
        if found == OVER {
            return;
        }
        // Ordering: Release pairs with the Acquire of the leader's `wait`.
        word.store(found + 1, Ordering::Release);
    }
}

/// Waits for a value that is `wanted`, and returns it.
fn wait(word: &AtomicU64, wanted: impl Fn(u64) -> bool) -> u64 {
    let mut looks = 0;
    loop {
        // Ordering: Acquire pairs with the Release stores of the other thread.
        let found = word.load(Ordering::Acquire);
        if wanted(found) {
            return found;
        }
        if looks < LOOKS {
            looks += 1;
            spin_loop();
        } else {
            thread::yield_now();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_cpus_are_all_chosen_and_many_evenly() {
        let few: Vec<usize> = (0..64).rev().collect();
        assert_eq!(choice(&few), few);
        let many: Vec<usize> = (0..256).collect();
        let chosen = choice(&many);
        assert_eq!(chosen.len(), CHOSEN);
        assert_eq!(chosen[..4], [0, 1, 16, 24]);
        assert_eq!(chosen.last(), Some(&248));
        let odd = choice(&many[..65]);
        assert!(odd.is_sorted_by(|one, next| one < next), "{odd:?}");
    }

    #[test]
    fn whoever_has_no_time_measures_a_single_pair() {
        // Positions, not CPUs: threads may run anywhere.
        let transfers = matrix_within(Duration::ZERO, vec![0; 4]);
        assert_eq!(transfers.pairs().count(), 1);
        assert!(transfers.one_way_ns[0][1].is_some());
        assert_eq!(transfers.one_way_ns[0][2], None);
    }
}
