//! What one run of the suite leaves behind: the types of `run.json` and of
//! each line of `measurements.jsonl`.
//!
//! Three kinds of measurement exist. A *cost* record holds how long one worker
//! needs for one acquire plus one release; a *detach* record holds how long
//! detaching took, apart by phase; a *visits* record holds how long single
//! visits took, as a distribution. A strategy that cannot run on the machine
//! is a record too ([`Outcome::Unsupported`]), never an absence.
//!
//! # Disturbed samples
//!
//! A sample is one round. One that was disturbed (see [`Noise`]) is kept, but
//! apart: `ns_per_op`, `latency_ns` and `visit_ns` are made of the undisturbed
//! ones, and the others are in `set_apart`. Where every sample was disturbed the
//! figures are made of those that noticed nothing themselves, because only the
//! probes beside them did, and of all of them if there are none;
//! [`Noise::all_disturbed`] tells. (Version 1 of the schema set nothing apart.)

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::calibration::{Calibration, Probe};
use crate::machine::Machine;

/// The version of the schema that this crate writes, and the newest it reads.
pub const SCHEMA_VERSION: u32 = 2;

/// `run.json`: what was asked for, what it ran on, and what went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// Version of the schema; see [`SCHEMA_VERSION`].
    pub schema: u32,
    /// When the run began, RFC 3339 in UTC.
    pub started: String,
    /// Who scheduled the rounds: `criterion` or `campaign`.
    pub scheduler: String,
    /// The options of the run, as the user could give them again.
    pub options: BTreeMap<String, String>,
    /// Seed of every random decision of the run.
    pub seed: u64,
    /// What was built, from which source.
    pub build: Build,
    /// What it ran on.
    pub machine: Machine,
    /// What a few elementary operations cost on the machine at the time; absent
    /// in records of version 1 and where nothing was to be measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Whether the CPUs were really ours, asked before, between and after the
    /// blocks of a campaign.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<Probe>,
    /// Milliseconds that a campaign had taken, without the time for which it was
    /// interrupted, when this was written: before a block or after the last.
    /// Absent in older records and where no campaign was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub elapsed_ms: Option<u64>,
    /// What may mislead a reader of this run.
    pub warnings: Vec<Warning>,
    /// Whether the run measured all that it set out to measure.
    pub complete: bool,
}

impl Run {
    /// The name of the run wherever its records lie: the machine and the time
    /// it began.
    pub fn name(&self) -> String {
        format!("{}/{}", self.machine.id, self.started)
    }
}

/// What was built, from which source. Unknown entries read `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// Git revision of the suite.
    pub revision: String,
    /// Whether the work tree differed from that revision.
    pub dirty: Option<bool>,
    /// The compiler, as `rustc --version` prints it.
    pub rustc: String,
    /// The target triple.
    pub target: String,
    /// `release`, `debug`, ...
    pub profile: String,
    /// Compiler flags of the environment (`RUSTFLAGS`).
    pub flags: String,
    /// Version of every measured crate, by name.
    pub crates: BTreeMap<String, String>,
}

impl Build {
    /// Whether it was built without optimization. Other profiles than `debug`,
    /// such as `bench`, are optimized like `release`.
    pub fn is_debug(&self) -> bool {
        self.profile == "debug"
    }
}

/// Something a reader of the run should know before believing it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// A stable name, e.g. `few-cpus`.
    pub kind: String,
    /// What was found.
    pub message: String,
    /// What the reader can do about it.
    pub hint: String,
}

/// One line of `measurements.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measurement {
    /// Id of the strategy, e.g. `turnstile`; with `-twin` behind it where a
    /// strategy was measured against itself.
    pub strategy: String,
    /// Name of the scenario, e.g. `fast_path`.
    pub scenario: String,
    /// Workers that acquired and released; the detacher is not one of them.
    pub threads: usize,
    /// How the round was set up.
    pub workload: Workload,
    /// Block of the campaign that the record belongs to; 0 under criterion.
    pub block: u32,
    /// How often a worker went to sleep, for each call of detach: voluntary
    /// context switches of workers while detaches were measured, over calls and
    /// workers. A late arrival may wait asleep; its CPU is idle then. Absent
    /// without workers or detaches, where the system does not tell, and in older
    /// records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worker_sleeps: Option<f64>,
    /// What was seen.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Measurement {
    /// What disturbed the samples, where there are any.
    pub fn noise(&self) -> Option<&Noise> {
        match &self.outcome {
            Outcome::Unsupported { .. } => None,
            Outcome::Cost(cost) => Some(&cost.noise),
            Outcome::Detach(detach) => Some(&detach.noise),
            Outcome::Visits(visits) => Some(&visits.noise),
        }
    }

    /// Counts every sample as disturbed.
    pub(crate) fn disturb(&mut self) {
        let (noise, disturbed) = match &mut self.outcome {
            Outcome::Unsupported { .. } => return,
            Outcome::Cost(cost) => (&mut cost.noise, &mut cost.disturbed),
            Outcome::Detach(detach) => (&mut detach.noise, &mut detach.disturbed),
            Outcome::Visits(visits) => (&mut visits.noise, &mut visits.disturbed),
        };
        noise.disturbed_samples = noise.samples;
        *disturbed = true;
    }

    /// Which mechanism ran how often, where anything ran.
    pub fn mechanisms(&self) -> Option<&BTreeMap<String, u64>> {
        match &self.outcome {
            Outcome::Unsupported { .. } => None,
            Outcome::Cost(cost) => Some(&cost.mechanisms),
            Outcome::Detach(detach) => Some(&detach.mechanisms),
            Outcome::Visits(visits) => Some(&visits.mechanisms),
        }
    }

    /// Whether any sample was disturbed.
    pub fn disturbed(&self) -> bool {
        match &self.outcome {
            Outcome::Unsupported { .. } => false,
            Outcome::Cost(cost) => cost.disturbed,
            Outcome::Detach(detach) => detach.disturbed,
            Outcome::Visits(visits) => visits.disturbed,
        }
    }
}

/// How a round was set up, as far as a reader needs it to compare two. What a
/// scenario does not vary is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Workload {
    /// Devices that the workers share out among themselves, or that are
    /// detached together.
    pub devices: usize,
    /// The CPU each worker was pinned to; empty where pinning is impossible.
    pub worker_cpus: Vec<usize>,
    /// The CPU the detacher was pinned to, in `detach` only.
    pub detacher_cpu: Option<usize>,
    /// Whether the detacher shared its CPU with a worker.
    pub detacher_shares_cpu: bool,
    /// More threads than CPUs.
    pub oversubscribed: bool,
    /// How long a holder stays inside, in nanoseconds, where the scenario says
    /// so: working, asleep, or however it spends the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_ns: Option<u64>,
    /// Whether workers pick some devices more often than others (a Zipf
    /// distribution) rather than all alike.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skewed: bool,
    /// Whether all devices were detached in one call (`detach_all`) rather than
    /// one after the other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub together: bool,
    /// Detaches of other devices per second that were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detach_rate: Option<u64>,
}

/// What was seen in one measurement, or why nothing was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[expect(
    clippy::large_enum_variant,
    reason = "most measurements are costs, so that a box would save nothing"
)]
pub enum Outcome {
    /// The machine cannot run the strategy.
    Unsupported {
        /// Why not.
        unsupported: String,
    },
    /// The cost of acquire plus release.
    Cost(Cost),
    /// The latency of detach.
    Detach(Box<Detach>),
    /// The durations of single visits.
    Visits(Box<Visits>),
}

/// The cost of one acquire plus one release, or of whatever else the scenario
/// calls an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cost {
    /// Time that one worker needs for one operation.
    pub ns_per_op: Estimate,
    /// Samples of the same that were disturbed, and are not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set_apart: Vec<f64>,
    /// Acquires (each with its release) per second, all workers together.
    pub ops_per_second: f64,
    /// Slowest worker's rate over the fastest's, 0 to 1; 1 is fair.
    pub fairness: f64,
    /// Memory that one device takes besides its softc, counted while many were
    /// attached; in `many_devices` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_per_device: Option<f64>,
    /// Detaches of other devices per second that took place meanwhile; in
    /// `disturbance` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detaches_per_second: Option<f64>,
    /// Which mechanism ran how often.
    pub mechanisms: BTreeMap<String, u64>,
    /// What disturbed the samples.
    pub noise: Noise,
    /// Whether any sample was disturbed.
    pub disturbed: bool,
}

/// The latency of detach, whole and by phase. All phases begin when detach is
/// called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Detach {
    /// Until detach returned: what the caller waits.
    pub latency_ns: Latency,
    /// Until the last entry succeeded; absent without workers.
    pub last_entry_ns: Option<Latency>,
    /// Until the last holder left; absent without workers.
    pub last_leave_ns: Option<Latency>,
    /// One heavy fence of the machine under the same workers, where the
    /// machine has one: the yardstick of every strategy that issues it.
    pub heavy_fence_ns: Option<Latency>,
    /// Times until a late arrival was turned away; in `late_drain` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_ns: Option<Latency>,
    /// Detaches that returned while a holder of another device, who was inside
    /// when they were called, had not left yet; in `bystander` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overtook: Option<u64>,
    /// The median of `latency_ns` in each undisturbed round; absent in version
    /// 1. What rounds of one process differ by, these tell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub round_p50_ns: Vec<f64>,
    /// Latencies of rounds that were disturbed, and are not in `latency_ns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_apart: Option<Latency>,
    /// Which mechanism ran how often.
    pub mechanisms: BTreeMap<String, u64>,
    /// What disturbed the samples.
    pub noise: Noise,
    /// Whether any sample was disturbed.
    pub disturbed: bool,
}

/// How long single visits took: one acquire plus one release, each between two
/// readings of the clock. Only a sample of the visits was timed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Visits {
    /// The visits, with the clock's share in them.
    pub visit_ns: Latency,
    /// Two readings of the clock with nothing between them: that share.
    pub clock_ns: Latency,
    /// Visits of rounds that were disturbed, and are not in `visit_ns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub set_apart: Option<Latency>,
    /// Which mechanism ran how often.
    pub mechanisms: BTreeMap<String, u64>,
    /// What disturbed the samples.
    pub noise: Noise,
    /// Whether any sample was disturbed.
    pub disturbed: bool,
}

/// A median with its confidence interval, and the samples it stands on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Estimate {
    /// Median of the samples.
    pub median: f64,
    /// Lower end of the 95% bootstrap interval of the median.
    pub ci_low: f64,
    /// Upper end of the 95% bootstrap interval of the median.
    pub ci_high: f64,
    /// The samples, in the order in which they were taken.
    pub samples: Vec<f64>,
}

/// A distribution of latencies in nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// Latencies recorded.
    pub count: u64,
    /// Smallest.
    pub min: u64,
    /// Median.
    pub p50: u64,
    /// 90th percentile.
    pub p90: u64,
    /// 99th percentile.
    pub p99: u64,
    /// 99.9th percentile.
    pub p999: u64,
    /// Largest.
    pub max: u64,
    /// `[value, count]` of every non-empty bucket, ascending.
    pub histogram: Vec<(u64, u64)>,
}

/// What the operating system did to the threads of the samples. `None` where
/// the system does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Noise {
    /// Involuntary context switches of the measured threads.
    pub involuntary_switches: Option<u64>,
    /// Milliseconds that the hypervisor took from the CPUs.
    pub steal_ms: Option<u64>,
    /// Microseconds of CPU pressure (some task waited for a CPU).
    pub pressure_us: Option<u64>,
    /// Microseconds for which measured threads were ready to run while something
    /// else had their CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waited_us: Option<u64>,
    /// Milliseconds of CPU time that others used on the CPUs of the round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub foreign_ms: Option<u64>,
    /// Samples that were disturbed, of all that were taken.
    pub disturbed_samples: u64,
    /// Samples taken.
    pub samples: u64,
}

impl Noise {
    /// Whether there was no sample without disturbance.
    pub fn all_disturbed(&self) -> bool {
        self.disturbed_samples > 0 && self.disturbed_samples >= self.samples
    }

    /// Adds what disturbed other samples. What only one side knows counts as
    /// it is known.
    pub fn add(&mut self, other: &Noise) {
        fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
            match (one, other) {
                (Some(one), Some(other)) => Some(one.saturating_add(other)),
                (known, None) | (None, known) => known,
            }
        }
        self.involuntary_switches = sum(self.involuntary_switches, other.involuntary_switches);
        self.steal_ms = sum(self.steal_ms, other.steal_ms);
        self.pressure_us = sum(self.pressure_us, other.pressure_us);
        self.waited_us = sum(self.waited_us, other.waited_us);
        self.foreign_ms = sum(self.foreign_ms, other.foreign_ms);
        self.disturbed_samples = self
            .disturbed_samples
            .saturating_add(other.disturbed_samples);
        self.samples = self.samples.saturating_add(other.samples);
    }
}
