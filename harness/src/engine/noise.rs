//! What the operating system did to a round while it was measured.
//!
//! # What counts as disturbed
//!
//! A sample is one round. It is *disturbed* when, between the start and the
//! end of what is timed, one of the following happened.
//!
//! - A measured thread was switched out against its will: it lost its CPU to
//!   something else, and the clock went on. Where threads outnumber CPUs this
//!   is what is being measured, and does not count.
//! - The hypervisor took time from a CPU that the round used (*steal*). The
//!   kernel counts it in ticks of 10 ms as a rule, so a short theft may go
//!   unnoticed or be blamed on the next round.
//!
//! CPU pressure, the time for which any task of the system waited for a CPU,
//! is recorded but does not decide: it cannot tell our threads from others.
//! Disturbed samples are marked, and neither dropped nor repaired here.

#[cfg(target_os = "linux")]
use std::fs;

use detach_results::record::Noise;

/// Involuntary context switches of the calling thread so far; `None` where
/// the system does not count them by thread.
pub(crate) fn involuntary_switches() -> Option<u64> {
    imp::involuntary_switches()
}

/// Involuntary context switches of the calling thread since `before`.
pub(crate) fn since(before: Option<u64>) -> Option<u64> {
    Some(involuntary_switches()?.saturating_sub(before?))
}

/// What is counted for the whole machine, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// Steal of the CPUs of interest, in milliseconds.
    steal_ms: Option<u64>,
    /// CPU pressure, in microseconds.
    pressure_us: Option<u64>,
}

impl Machine {
    /// Reads the counters; steal is that of `cpus`, or of the whole machine
    /// when there is none among them.
    pub(crate) fn now(cpus: &[usize]) -> Self {
        imp::machine(cpus)
    }

    /// The noise of one round, which began at `self` and ended at `end`, and
    /// whose threads were switched out so often.
    pub(crate) fn until(
        self,
        end: Machine,
        involuntary_switches: Option<u64>,
        oversubscribed: bool,
    ) -> Noise {
        let grown = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?));
        let steal_ms = grown(self.steal_ms, end.steal_ms);
        let switched = !oversubscribed && involuntary_switches.is_some_and(|count| count > 0);
        let robbed = steal_ms.is_some_and(|ms| ms > 0);
        Noise {
            involuntary_switches,
            steal_ms,
            pressure_us: grown(self.pressure_us, end.pressure_us),
            disturbed_samples: u64::from(switched || robbed),
            samples: 1,
        }
    }
}

/// Sums a count over threads; unknown for one is unknown for all.
pub(crate) fn sum(counts: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    counts.into_iter().sum()
}

/// Steal of `cpus` in ticks, out of the text of `/proc/stat`: the eighth
/// number of each CPU's line.
#[cfg(any(target_os = "linux", test))]
fn parse_steal(stat: &str, cpus: &[usize]) -> Option<u64> {
    let ticks = |line: &str| line.split_ascii_whitespace().nth(8)?.parse::<u64>().ok();
    let of_cpu = |line: &str| {
        let number = line.split_ascii_whitespace().next()?.strip_prefix("cpu")?;
        let cpu: usize = number.parse().ok()?;
        cpus.contains(&cpu).then(|| ticks(line)).flatten()
    };
    let ours: Vec<u64> = stat.lines().filter_map(of_cpu).collect();
    if ours.is_empty() {
        ticks(stat.lines().find(|line| line.starts_with("cpu "))?)
    } else {
        Some(ours.iter().sum())
    }
}

/// The total of the line `some` of `/proc/pressure/cpu`, in microseconds.
#[cfg(any(target_os = "linux", test))]
fn parse_pressure(pressure: &str) -> Option<u64> {
    let some = pressure.lines().find(|line| line.starts_with("some "))?;
    let total = some
        .split_ascii_whitespace()
        .find_map(|word| word.strip_prefix("total="))?;
    total.parse().ok()
}

#[cfg(target_os = "linux")]
mod imp {
    use super::{Machine, fs, parse_pressure, parse_steal};

    pub(super) fn involuntary_switches() -> Option<u64> {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
        // SAFETY: the pointer is to writable memory for one `rusage`.
        let status = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
        if status != 0 {
            return None;
        }
        // SAFETY: the call succeeded, so it filled the structure.
        let usage = unsafe { usage.assume_init() };
        u64::try_from(usage.ru_nivcsw).ok()
    }

    pub(super) fn machine(cpus: &[usize]) -> Machine {
        let read = |path| fs::read_to_string(path).ok();
        Machine {
            steal_ms: read("/proc/stat")
                .and_then(|stat| parse_steal(&stat, cpus))
                .and_then(|ticks| Some(ticks * 1000 / ticks_per_second()?)),
            pressure_us: read("/proc/pressure/cpu").and_then(|text| parse_pressure(&text)),
        }
    }

    fn ticks_per_second() -> Option<u64> {
        // SAFETY: sysconf has no preconditions.
        u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) })
            .ok()
            .filter(|&ticks| ticks > 0)
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use super::Machine;

    pub(super) fn involuntary_switches() -> Option<u64> {
        None
    }

    pub(super) fn machine(_cpus: &[usize]) -> Machine {
        Machine {
            steal_ms: None,
            pressure_us: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "cpu  10 0 20 300 4 0 1 12 0 0\n\
                        cpu0 5 0 10 150 2 0 1 9 0 0\n\
                        cpu1 5 0 10 150 2 0 0 3 0 0\n\
                        intr 12345 0 0\nctxt 99\n";

    #[test]
    fn steal_is_that_of_the_cpus_in_use() {
        assert_eq!(parse_steal(STAT, &[1]), Some(3));
        assert_eq!(parse_steal(STAT, &[0, 1]), Some(12));
        assert_eq!(parse_steal(STAT, &[7]), Some(12));
        assert_eq!(parse_steal("intr 1 2 3\n", &[0]), None);
    }

    #[test]
    fn pressure_is_the_total_of_some() {
        let text = "some avg10=1.00 avg60=0.50 avg300=0.10 total=424242\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(parse_pressure(text), Some(424_242));
        assert_eq!(parse_pressure(""), None);
    }

    fn machine(steal: u64, pressure: u64) -> Machine {
        Machine {
            steal_ms: Some(steal),
            pressure_us: Some(pressure),
        }
    }

    #[test]
    fn a_switch_disturbs_except_where_threads_outnumber_cpus() {
        let quiet = machine(5, 100);
        let noise = quiet.until(machine(5, 130), Some(2), false);
        assert_eq!(noise.disturbed_samples, 1);
        assert_eq!(noise.involuntary_switches, Some(2));
        assert_eq!(noise.pressure_us, Some(30));
        assert_eq!(quiet.until(quiet, Some(2), true).disturbed_samples, 0);
        assert_eq!(quiet.until(quiet, Some(0), false).disturbed_samples, 0);
    }

    #[test]
    fn steal_disturbs_always() {
        let noise = machine(5, 0).until(machine(15, 0), Some(0), true);
        assert_eq!(noise.steal_ms, Some(10));
        assert_eq!(noise.disturbed_samples, 1);
    }

    #[test]
    fn pressure_alone_does_not_disturb() {
        let noise = machine(0, 0).until(machine(0, 9_999), Some(0), false);
        assert_eq!(noise.disturbed_samples, 0);
    }

    #[test]
    fn what_is_not_told_stays_unknown() {
        let silent = Machine {
            steal_ms: None,
            pressure_us: None,
        };
        let noise = silent.until(machine(3, 3), None, false);
        assert_eq!(noise.involuntary_switches, None);
        assert_eq!(noise.steal_ms, None);
        assert_eq!(noise.pressure_us, None);
        assert_eq!(noise.disturbed_samples, 0);
        assert_eq!(noise.samples, 1);
    }

    #[test]
    fn counts_sum_unless_one_is_unknown() {
        assert_eq!(sum([Some(1), Some(2)]), Some(3));
        assert_eq!(sum([Some(1), None]), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_system_counts_switches_by_thread() {
        assert!(involuntary_switches().is_some());
    }
}
