//! Independent counters, alone and at once: whether CPUs have anything in
//! common, and whether anybody else is on them.
//!
//! A counter touches no memory that another one touches, so what slows it down
//! when others run is the CPU itself: a core that it shares with a neighbour, a
//! clock that all lower together, or a stranger who takes turns. It keeps all
//! arithmetic units of a core busy, since two counters that leave most units
//! idle would not notice that they share them.
//!
//! Counters that run at once begin and end at the same time by the clock,
//! whether they are on their CPUs or not: one that a stranger kept waiting must
//! not make up for it when the others have finished.
//!
//! Alone, a counter's speed is taken over the time that it was on its CPU, which
//! the kernel tells, and compared with those of other CPUs of its kind: so a
//! stranger who was there from the beginning does not become the measure.

use std::hint::black_box;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use detach_strategies::platform::topology::Topology;

use super::team;
use crate::engine::{SpinBarrier, sink};

/// How long the counters count at once; alone they count half as long.
pub(super) const WINDOW: Duration = Duration::from_millis(5);

/// On its CPU for a smaller part of its time, a counter counts as robbed.
const PRESENT: f64 = 0.95;

/// Of each kind of core, so many CPUs count alone: enough to notice that one of
/// them is slow.
const SOLOISTS: usize = 2;

/// Turns of the loop between two readings of the clock; some hundred
/// nanoseconds.
const TURNS: u64 = 256;

/// What the counters have shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Together {
    /// See [`Probe::parallelism`](detach_results::calibration::Probe).
    pub(super) parallelism: f64,
    /// Whether one of them was kept off its CPU.
    pub(super) robbed: bool,
}

/// What one counter did.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Count {
    turns: u64,
    /// By the clock on the wall.
    wall: Duration,
    /// The time it was on a CPU, where the system tells.
    present: Option<Duration>,
}

impl Count {
    /// Turns per second of the wall's clock.
    fn speed(&self) -> f64 {
        self.turns as f64 / self.wall.as_secs_f64().max(1e-9)
    }

    /// The part of the time for which it was on a CPU, at most 1; 1 where
    /// nobody knows.
    fn presence(&self) -> f64 {
        let part = |present: Duration| present.as_secs_f64() / self.wall.as_secs_f64().max(1e-9);
        self.present.map_or(1.0, part).min(1.0)
    }
}

/// Lets a counter run on each of `cpus` for `window`, and some of them alone
/// for half as long.
///
/// # Panics
///
/// When there is no CPU, or the system refuses to start a thread on each.
pub(super) fn together(cpus: &[usize], window: Duration) -> Together {
    let kinds = kinds(cpus);
    let alone: Vec<(usize, Count)> = soloists(&kinds)
        .into_iter()
        .map(|index| {
            let count = team::alone(cpus[index], || count_until(Instant::now() + window / 2));
            (kinds[index], count)
        })
        .collect();

    let barrier = SpinBarrier::new(cpus.len(), false);
    let start = OnceLock::new();
    let counts = team::on_each(cpus, |_| {
        let alarm = barrier.alarm();
        // It breaks only when a thread panics, and then `on_each` passes the
        // panic on.
        let _ = barrier.wait();
        let end = *start.get_or_init(Instant::now) + window;
        let mut count = count_until(end);
        // The time before it came to its CPU is part of its time.
        count.wall = count.wall.max(window);
        alarm.disarm();
        count
    });
    verdict(&kinds, &alone, &counts)
}

/// Compares what the counters did at once, by CPU, with what some did alone, by
/// kind of core.
fn verdict(kinds: &[usize], alone: &[(usize, Count)], counts: &[Count]) -> Together {
    let solo = |kind: usize| {
        let of_kind = alone.iter().filter(|(of, _)| *of == kind);
        let speeds = of_kind.map(|(_, count)| count.speed() / count.presence().max(1e-9));
        speeds.fold(0.0, f64::max)
    };
    let shares = kinds
        .iter()
        .zip(counts)
        .map(|(&kind, count)| count.speed() / solo(kind).max(1e-9));
    let mut everybody = counts.iter().chain(alone.iter().map(|(_, count)| count));
    Together {
        parallelism: shares.fold(f64::INFINITY, f64::min),
        robbed: everybody.any(|count| count.presence() < PRESENT),
    }
}

/// The kind of core of each of `cpus`.
fn kinds(cpus: &[usize]) -> Vec<usize> {
    let topology = Topology::detect();
    let kind = |id: &usize| {
        let known = topology.cpus().iter().find(|cpu| cpu.id == *id);
        known.map_or(0, |cpu| cpu.kind)
    };
    cpus.iter().map(kind).collect()
}

/// Who counts alone: the first few of each kind, by position.
fn soloists(kinds: &[usize]) -> Vec<usize> {
    let rank = |index: usize| {
        let before = kinds[..index].iter();
        before.filter(|kind| **kind == kinds[index]).count()
    };
    (0..kinds.len())
        .filter(|&index| rank(index) < SOLOISTS)
        .collect()
}

/// Counts on the calling thread until `end`, but at least once.
fn count_until(end: Instant) -> Count {
    let present = thread_time();
    let begun = Instant::now();
    let mut turns = 0;
    let now = loop {
        work(TURNS);
        turns += TURNS;
        let now = Instant::now();
        if now >= end {
            break now;
        }
    };
    let present = present.zip(thread_time());
    Count {
        turns,
        wall: now.duration_since(begun),
        present: present.map(|(before, after)| after.saturating_sub(before)),
    }
}

/// Eight additions a turn that do not wait for each other, as many as no core
/// makes at once. The sums begin at values that the compiler does not know:
/// it would find that equal ones stay equal, and keep one.
#[inline(never)]
fn work(turns: u64) {
    // One by one: an array that was shown as a whole would stay in memory.
    let mut sums: [u64; 8] = std::array::from_fn(|index| black_box(index as u64));
    for turn in 0..turns {
        for sum in &mut sums {
            *sum = sum.wrapping_add(turn);
            sink(*sum);
        }
    }
}

/// CPU time of the calling thread so far.
#[cfg(any(
    target_os = "linux",
    target_os = "macos",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
))]
fn thread_time() -> Option<Duration> {
    let mut time = std::mem::MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: the pointer is to writable memory for one `timespec`.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr()) };
    if status != 0 {
        return None;
    }
    // SAFETY: the call succeeded, so it filled the structure.
    let time = unsafe { time.assume_init() };
    Some(Duration::new(
        u64::try_from(time.tv_sec).ok()?,
        u32::try_from(time.tv_nsec).ok()?,
    ))
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "macos",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
fn thread_time() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns in 5 ms, during which it was present for so many.
    fn count(turns: u64, present_ms: f64) -> Count {
        Count {
            turns,
            wall: WINDOW,
            present: Some(Duration::from_secs_f64(present_ms / 1e3)),
        }
    }

    #[test]
    fn the_slowest_cpu_decides() {
        let alone = [(0, count(1_000, 5.0)), (0, count(980, 5.0))];
        let found = verdict(&[0, 0], &alone, &[count(990, 5.0), count(600, 5.0)]);
        assert!((found.parallelism - 0.6).abs() < 1e-9, "{found:?}");
        assert!(!found.robbed);
    }

    #[test]
    fn cores_are_compared_with_their_own_kind() {
        let alone = [(0, count(1_000, 5.0)), (1, count(400, 5.0))];
        let found = verdict(&[0, 1], &alone, &[count(900, 5.0), count(400, 5.0)]);
        assert!((found.parallelism - 0.9).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_stranger_from_the_beginning_is_no_measure() {
        // Half of the second CPU is gone, alone and at once alike.
        let alone = [(0, count(1_000, 5.0)), (0, count(500, 2.5))];
        let found = verdict(&[0, 0], &alone, &[count(1_000, 5.0), count(500, 2.5)]);
        assert!((found.parallelism - 0.5).abs() < 1e-9, "{found:?}");
        assert!(found.robbed);
        // The same with one CPU, or with a stranger on each.
        let alone = [(0, count(500, 2.5))];
        let found = verdict(&[0], &alone, &[count(500, 2.5)]);
        assert!((found.parallelism - 0.5).abs() < 1e-9, "{found:?}");
        assert!(found.robbed);
    }

    #[test]
    fn where_nobody_tells_a_counter_was_present() {
        let unknown = |turns| Count {
            present: None,
            ..count(turns, 0.0)
        };
        let alone = [(0, unknown(1_000))];
        let found = verdict(&[0, 0], &alone, &[unknown(1_000), unknown(700)]);
        assert!((found.parallelism - 0.7).abs() < 1e-9, "{found:?}");
        assert!(!found.robbed);
    }

    #[test]
    fn two_of_each_kind_count_alone() {
        assert_eq!(soloists(&[0, 0, 0, 1, 1, 1]), [0, 1, 3, 4]);
        assert_eq!(soloists(&[0]), [0]);
    }

    #[test]
    fn even_a_counter_that_came_too_late_counts() {
        let count = count_until(Instant::now());
        assert_eq!(count.turns, TURNS);
        assert!(count.presence() <= 1.0);
    }
}
