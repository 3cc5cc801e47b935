//! What the operating system did to a round while it was measured.
//!
//! # What counts as disturbed
//!
//! A sample is one round. It is *disturbed* when, between the start and the
//! end of what is timed, one of the following happened. The first two are what
//! is being measured where threads outnumber CPUs, and do not count there.
//!
//! - The measured threads waited for more than a two-hundredth of their time
//!   while they were ready to run and something else had their CPU. The
//!   services of a kernel take a CPU for some ten microseconds a hundred times a
//!   second, on a quiet machine too, and who measures on all CPUs meets them: a
//!   part in a thousand, which changes no median. It may be the slowest detach
//!   of a round, and says so much about maxima.
//! - Where the system does not tell how long threads waited: a measured thread
//!   was switched out against its will.
//! - The hypervisor took time from a CPU that the round used (*steal*). The
//!   kernel counts it in ticks of 10 ms as a rule, so a short theft may go
//!   unnoticed or be blamed on the next round.
//! - Others used the CPUs of the round: more than two ticks on each of them,
//!   and more than a twentieth of the round. That is the time for which these
//!   CPUs were busy, less what this process used. The former is counted by
//!   looking once a tick at what runs, so up to two ticks per CPU are rounding,
//!   and are recorded as nothing: a round of less than two ticks cannot show it.
//!   Of all signs it is the coarsest, and the only one of a stranger where
//!   threads outnumber CPUs; whoever stays is found by the probes between blocks.
//!
//! CPU pressure, the time for which any task of the system waited for a CPU,
//! is recorded but does not decide: it cannot tell our threads from others.
//! Disturbed samples are marked, and neither dropped nor repaired here.

#[cfg(target_os = "linux")]
use std::fs;
use std::time::{Duration, Instant};

use detach_results::record::Noise;

/// One part in so many of the threads' time may be spent waiting for a CPU.
const WAITED_PART: u32 = 200;
/// One part in so many of a round may be used by others.
const FOREIGN_PART: u32 = 20;
/// Ticks per CPU that busy time may be wrong by: one at either end.
const ROUNDING_TICKS: u32 = 2;

/// What the system did to one thread, or to several together. `None` where it
/// does not tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ThreadNoise {
    /// Involuntary context switches.
    pub(crate) switches: Option<u64>,
    /// Nanoseconds for which a thread was ready to run but not running.
    pub(crate) waited_ns: Option<u64>,
    /// Voluntary context switches: how often a thread went to sleep. That
    /// disturbs nothing, but leaves its CPU idle.
    pub(crate) slept: Option<u64>,
}

impl ThreadNoise {
    /// Nothing at all: what a sum begins with.
    pub(crate) const NONE: ThreadNoise = ThreadNoise {
        switches: Some(0),
        waited_ns: Some(0),
        slept: Some(0),
    };

    /// The counters of the calling thread so far.
    ///
    /// Two system calls, so call it right before and right after what is
    /// timed, not within. The first call of a thread also opens a file.
    pub(crate) fn now() -> Self {
        let (voluntary, involuntary) = imp::switches().unzip();
        ThreadNoise {
            switches: involuntary,
            waited_ns: imp::waited_ns(),
            slept: voluntary,
        }
    }

    /// What happened to the calling thread since `self`.
    pub(crate) fn until_now(self) -> Self {
        Self::now().with(self, u64::saturating_sub)
    }

    /// That of a detacher: it is asked how often workers slept.
    pub(crate) fn of_detacher(self) -> Self {
        ThreadNoise {
            slept: Some(0),
            ..self
        }
    }

    /// Both, number by number; what is unknown of one is unknown of both.
    fn with(self, other: ThreadNoise, both: fn(u64, u64) -> u64) -> Self {
        let both = |a: Option<u64>, b: Option<u64>| Some(both(a?, b?));
        ThreadNoise {
            switches: both(self.switches, other.switches),
            waited_ns: both(self.waited_ns, other.waited_ns),
            slept: both(self.slept, other.slept),
        }
    }
}

impl Default for ThreadNoise {
    fn default() -> Self {
        Self::NONE
    }
}

/// Adds up over threads; what is unknown for one is unknown for all.
impl std::iter::Sum for ThreadNoise {
    fn sum<I: Iterator<Item = ThreadNoise>>(threads: I) -> Self {
        threads.fold(Self::NONE, |sum, one| sum.with(one, u64::saturating_add))
    }
}

/// What is counted for the whole machine, at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    at: Instant,
    /// Of the CPUs of interest.
    cpus: Option<CpuTimes>,
    /// CPU time of this process.
    own: Option<Duration>,
    /// CPU pressure, in microseconds.
    pressure_us: Option<u64>,
    /// How long a tick is.
    tick: Option<Duration>,
}

/// What `/proc/stat` says of some CPUs together, in ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CpuTimes {
    /// How many CPUs these are.
    count: u32,
    /// Whatever was not idle, steal included.
    busy: u64,
    steal: u64,
}

impl Machine {
    /// Reads the counters; busy time and steal are those of `cpus`, or of the
    /// whole machine when there is none among them.
    pub(crate) fn now(cpus: &[usize]) -> Self {
        imp::machine(cpus)
    }

    /// The noise of one round, which began at `self` and ended at `end`, and
    /// of its threads together. They should have had `cpu_time` between them
    /// while they were timed; `None` where they share their CPUs or give them up.
    pub(crate) fn until(
        self,
        end: Machine,
        threads: ThreadNoise,
        cpu_time: Option<Duration>,
    ) -> Noise {
        let grown = |from: Option<u64>, to: Option<u64>| Some(to?.saturating_sub(from?));
        let lasted = end.at.saturating_duration_since(self.at);
        let steal = grown(
            self.cpus.map(|cpus| cpus.steal),
            end.cpus.map(|cpus| cpus.steal),
        );
        let foreign = self.foreign_until(&end);
        let held_up = cpu_time.is_some_and(|cpu_time| match threads.waited_ns {
            Some(ns) => Duration::from_nanos(ns) > cpu_time / WAITED_PART,
            None => threads.switches.is_some_and(|count| count > 0),
        });
        let robbed = steal.is_some_and(|ticks| ticks > 0);
        let shared = foreign.is_some_and(|foreign| foreign > lasted / FOREIGN_PART);
        let disturbed = robbed || shared || held_up;
        Noise {
            involuntary_switches: threads.switches,
            steal_ms: steal
                .zip(self.tick)
                .map(|(ticks, tick)| ticks.saturating_mul(millis(tick))),
            pressure_us: grown(self.pressure_us, end.pressure_us),
            waited_us: threads.waited_ns.map(|ns| ns / 1_000),
            foreign_ms: foreign.map(millis),
            disturbed_samples: u64::from(disturbed),
            samples: 1,
        }
    }

    /// The time that others used on the CPUs until `end`; none when it is
    /// within what ticks can be wrong by.
    fn foreign_until(&self, end: &Machine) -> Option<Duration> {
        let tick = self.tick?;
        let (before, after) = (self.cpus?, end.cpus?);
        let ticks = |count: u64| tick * u32::try_from(count).unwrap_or(u32::MAX);
        let busy = ticks(after.busy.saturating_sub(before.busy));
        let own = end.own?.saturating_sub(self.own?);
        let foreign = busy.saturating_sub(own);
        let rounding = tick * ROUNDING_TICKS * after.count;
        Some(if foreign > rounding {
            foreign
        } else {
            Duration::ZERO
        })
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The times of `cpus` together, out of the text of `/proc/stat`; those of the
/// whole machine when it names none of them.
///
/// A CPU's line counts ticks as user, nice, system, idle, iowait, irq, softirq
/// and steal. The time of guests, which follows, is in user already.
#[cfg(any(target_os = "linux", test))]
fn parse_stat(stat: &str, cpus: &[usize]) -> Option<CpuTimes> {
    let times = |line: &str| {
        let words = line.split_ascii_whitespace().skip(1);
        let ticks: Vec<u64> = words.map_while(|word| word.parse().ok()).collect();
        let [user, nice, system, _idle, _iowait, irq, softirq, steal, ..] = ticks[..] else {
            return None;
        };
        Some((user + nice + system + irq + softirq + steal, steal))
    };
    let (mut ours, mut count_of_all) = (Vec::new(), 0);
    for line in stat.lines() {
        let name = line.split_ascii_whitespace().next().unwrap_or_default();
        let number = name.strip_prefix("cpu").and_then(|cpu| cpu.parse().ok());
        if let Some(cpu) = number {
            count_of_all += 1;
            if cpus.contains(&cpu) {
                ours.push(times(line)?);
            }
        }
    }
    if ours.is_empty() {
        let (busy, steal) = times(stat.lines().find(|line| line.starts_with("cpu "))?)?;
        let count = count_of_all;
        return Some(CpuTimes { count, busy, steal });
    }
    Some(CpuTimes {
        count: u32::try_from(ours.len()).unwrap_or(u32::MAX),
        busy: ours.iter().map(|(busy, _)| busy).sum(),
        steal: ours.iter().map(|(_, steal)| steal).sum(),
    })
}

/// The second number of a thread's `schedstat`: nanoseconds on a run queue.
///
/// The third counts how often it ran, and a thread that reads its own has run.
/// A kernel that keeps no such statistics writes three zeros.
#[cfg(any(target_os = "linux", test))]
fn parse_schedstat(text: &str) -> Option<u64> {
    let mut words = text.split_ascii_whitespace().skip(1);
    let waited = words.next()?.parse().ok()?;
    let ran: u64 = words.next()?.parse().ok()?;
    (ran > 0).then_some(waited)
}

#[cfg(target_os = "linux")]
mod imp {
    use std::cell::OnceCell;
    use std::fs::File;
    use std::os::unix::fs::FileExt;
    use std::time::{Duration, Instant};

    use super::{Machine, fs, parse_schedstat, parse_stat};
    use crate::machine::pressure;

    /// CPU time and context switches of a thread or process.
    fn usage(who: libc::c_int) -> Option<libc::rusage> {
        let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
        // SAFETY: the pointer is to writable memory for one `rusage`.
        let status = unsafe { libc::getrusage(who, usage.as_mut_ptr()) };
        if status != 0 {
            return None;
        }
        // SAFETY: the call succeeded, so it filled the structure.
        Some(unsafe { usage.assume_init() })
    }

    /// Voluntary and involuntary ones of the calling thread.
    pub(super) fn switches() -> Option<(u64, u64)> {
        let usage = usage(libc::RUSAGE_THREAD)?;
        Some((
            u64::try_from(usage.ru_nvcsw).ok()?,
            u64::try_from(usage.ru_nivcsw).ok()?,
        ))
    }

    pub(super) fn waited_ns() -> Option<u64> {
        thread_local! {
            /// The calling thread's own file. The threads of a fleet persist,
            /// so each opens it once, not in every round.
            static SCHEDSTAT: OnceCell<Option<File>> = const { OnceCell::new() };
        }
        SCHEDSTAT.with(|file| {
            let open = || File::open("/proc/thread-self/schedstat").ok();
            // Three numbers of at most 20 digits.
            let mut text = [0; 64];
            let read = file
                .get_or_init(open)
                .as_ref()?
                .read_at(&mut text, 0)
                .ok()?;
            parse_schedstat(std::str::from_utf8(&text[..read]).ok()?)
        })
    }

    pub(super) fn machine(cpus: &[usize]) -> Machine {
        let read = |path| fs::read_to_string(path).ok();
        Machine {
            at: Instant::now(),
            cpus: read("/proc/stat").and_then(|stat| parse_stat(&stat, cpus)),
            own: usage(libc::RUSAGE_SELF)
                .and_then(|usage| Some(duration(usage.ru_utime)? + duration(usage.ru_stime)?)),
            pressure_us: read("/proc/pressure/cpu").and_then(|text| pressure(&text, "total=")),
            tick: tick(),
        }
    }

    fn duration(time: libc::timeval) -> Option<Duration> {
        let micros = u32::try_from(time.tv_usec).ok()?;
        Some(Duration::new(
            u64::try_from(time.tv_sec).ok()?,
            micros * 1_000,
        ))
    }

    fn tick() -> Option<Duration> {
        // SAFETY: sysconf has no preconditions.
        let per_second = u32::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?;
        Duration::from_secs(1).checked_div(per_second)
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::time::Instant;

    use super::Machine;

    pub(super) fn switches() -> Option<(u64, u64)> {
        None
    }

    pub(super) fn waited_ns() -> Option<u64> {
        None
    }

    pub(super) fn machine(_cpus: &[usize]) -> Machine {
        Machine {
            at: Instant::now(),
            cpus: None,
            own: None,
            pressure_us: None,
            tick: None,
        }
    }
}

#[cfg(test)]
mod tests;
