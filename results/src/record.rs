//! What one run of the suite leaves behind: the types of `run.json` and of
//! each line of `measurements.jsonl`.
//!
//! Two kinds of measurement exist. A *cost* record holds how long one worker
//! needs for one acquire plus one release; a *detach* record holds how long
//! detaching took, apart by phase. A strategy that cannot run on the machine
//! is a record too ([`Outcome::Unsupported`]), never an absence.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::machine::Machine;

/// The version of the schema that this crate writes, and the newest it reads.
pub const SCHEMA_VERSION: u32 = 1;

/// `run.json`: what was asked for, what it ran on, and what went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// What may mislead a reader of this run.
    pub warnings: Vec<Warning>,
    /// Whether the run measured all that it set out to measure.
    pub complete: bool,
}

/// What was built, from which source. Unknown entries read `unknown`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

/// Something a reader of the run should know before believing it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A stable name, e.g. `few-cpus`.
    pub kind: String,
    /// What was found.
    pub message: String,
    /// What the reader can do about it.
    pub hint: String,
}

/// One line of `measurements.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Id of the strategy, e.g. `turnstile`.
    pub strategy: String,
    /// Name of the scenario: `fast_path`, `fast_path_private`, `detach`.
    pub scenario: String,
    /// Workers that acquired and released; the detacher is not one of them.
    pub threads: usize,
    /// How the round was set up.
    pub workload: Workload,
    /// Block of the campaign that the record belongs to; 0 under criterion.
    pub block: u32,
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
        }
    }

    /// Which mechanism ran how often, where anything ran.
    pub fn mechanisms(&self) -> Option<&BTreeMap<String, u64>> {
        match &self.outcome {
            Outcome::Unsupported { .. } => None,
            Outcome::Cost(cost) => Some(&cost.mechanisms),
            Outcome::Detach(detach) => Some(&detach.mechanisms),
        }
    }

    /// Whether any sample was disturbed.
    pub fn disturbed(&self) -> bool {
        match &self.outcome {
            Outcome::Unsupported { .. } => false,
            Outcome::Cost(cost) => cost.disturbed,
            Outcome::Detach(detach) => detach.disturbed,
        }
    }
}

/// How a round was set up, as far as a reader needs it to compare two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workload {
    /// Devices that the workers share out among themselves.
    pub devices: usize,
    /// The CPU each worker was pinned to; empty where pinning is impossible.
    pub worker_cpus: Vec<usize>,
    /// The CPU the detacher was pinned to, in `detach` only.
    pub detacher_cpu: Option<usize>,
    /// Whether the detacher shared its CPU with a worker.
    pub detacher_shares_cpu: bool,
    /// More threads than CPUs.
    pub oversubscribed: bool,
}

/// What was seen in one measurement, or why nothing was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
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
}

/// The cost of one acquire plus one release.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cost {
    /// Time that one worker needs for one acquire plus one release.
    pub ns_per_op: Estimate,
    /// Acquires (each with its release) per second, all workers together.
    pub ops_per_second: f64,
    /// Slowest worker's rate over the fastest's, 0 to 1; 1 is fair.
    pub fairness: f64,
    /// Which mechanism ran how often.
    pub mechanisms: BTreeMap<String, u64>,
    /// What disturbed the samples.
    pub noise: Noise,
    /// Whether any sample was disturbed.
    pub disturbed: bool,
}

/// The latency of detach, whole and by phase. All phases begin when detach is
/// called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// Which mechanism ran how often.
    pub mechanisms: BTreeMap<String, u64>,
    /// What disturbed the samples.
    pub noise: Noise,
    /// Whether any sample was disturbed.
    pub disturbed: bool,
}

/// A median with its confidence interval, and the samples it stands on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Noise {
    /// Involuntary context switches of the measured threads.
    pub involuntary_switches: Option<u64>,
    /// Milliseconds that the hypervisor took from the CPUs.
    pub steal_ms: Option<u64>,
    /// Microseconds of CPU pressure (some task waited for a CPU).
    pub pressure_us: Option<u64>,
    /// Samples that were disturbed, of all that were taken.
    pub disturbed_samples: u64,
    /// Samples taken.
    pub samples: u64,
}

impl Noise {
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
        self.disturbed_samples = self
            .disturbed_samples
            .saturating_add(other.disturbed_samples);
        self.samples = self.samples.saturating_add(other.samples);
    }
}
