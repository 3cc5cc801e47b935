//! Whether two runs may be held against each other.

use serde::Serialize;

use crate::calibration::Calibration;
use crate::read::Recorded;
use crate::record::{Run, Warning};
use crate::show;

/// Calibrations that differ by more than this are told.
const CALIBRATION_TOLERANCE: f64 = 0.10;

/// Which of two runs is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The run that others are compared with.
    Reference,
    /// The run that is compared with it.
    Candidate,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Reference => "the reference",
            Side::Candidate => "the run",
        }
    }
}

/// Why a comparison would say nothing about strategies. The caller may insist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refuse {
    /// The machines go by different names.
    #[error("the runs are from different machines: {reference} and {candidate}")]
    Machine {
        /// Id of the reference's machine.
        reference: String,
        /// Id of the other.
        candidate: String,
    },
    /// The processors differ.
    #[error("the runs are from different processors: {reference} and {candidate}")]
    CpuModel {
        /// Model of the reference.
        reference: String,
        /// Model of the other.
        candidate: String,
    },
    /// The architectures differ.
    #[error("the runs are from different architectures: {reference} and {candidate}")]
    Architecture {
        /// Architecture of the reference.
        reference: String,
        /// Architecture of the other.
        candidate: String,
    },
    /// One was built with optimization, and the other was not.
    #[error("the runs were built differently: {reference} and {candidate}")]
    Profile {
        /// Profile of the reference.
        reference: String,
        /// Profile of the other.
        candidate: String,
    },
}

impl Refuse {
    fn kind(&self) -> &'static str {
        match self {
            Refuse::Machine { .. } => "other-machine",
            Refuse::CpuModel { .. } => "other-cpu",
            Refuse::Architecture { .. } => "other-architecture",
            Refuse::Profile { .. } => "other-profile",
        }
    }

    /// What can be done about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Refuse::Machine { .. } | Refuse::CpuModel { .. } | Refuse::Architecture { .. } => {
                "compare the ratios to a baseline instead, which `export` shows for each run; \
                 times of two machines differ for reasons of the machines"
            }
            Refuse::Profile { .. } => "measure both with `cargo run --release`",
        }
    }
}

/// An elementary operation that a run was calibrated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calibrated {
    /// One reading of the clock.
    Clock,
    /// One turn of the empty measuring loop.
    EmptyLoop,
    /// One plain increment.
    PlainIncrement,
    /// One locked increment.
    LockedIncrement,
    /// The median heavy fence with the other CPUs idle.
    IdleFence,
    /// The median heavy fence with the other CPUs busy.
    BusyFence,
    /// A sleep until another thread ends it.
    Sleep,
    /// The median way of a cache line from CPU to CPU.
    Transfer,
}

impl Calibrated {
    const ALL: [Calibrated; 8] = [
        Calibrated::Clock,
        Calibrated::EmptyLoop,
        Calibrated::PlainIncrement,
        Calibrated::LockedIncrement,
        Calibrated::IdleFence,
        Calibrated::BusyFence,
        Calibrated::Sleep,
        Calibrated::Transfer,
    ];

    fn name(self) -> &'static str {
        match self {
            Calibrated::Clock => "one reading of the clock",
            Calibrated::EmptyLoop => "one turn of the empty loop",
            Calibrated::PlainIncrement => "a plain increment",
            Calibrated::LockedIncrement => "a locked increment",
            Calibrated::IdleFence => "a heavy fence among idle CPUs",
            Calibrated::BusyFence => "a heavy fence among busy CPUs",
            Calibrated::Sleep => "a sleep and a wake-up",
            Calibrated::Transfer => "the transfer of a cache line",
        }
    }

    /// Nanoseconds, where they were found.
    fn of(self, calibration: &Calibration) -> Option<f64> {
        let fence = |latency: &Option<crate::Latency>| latency.as_ref().map(|one| one.p50 as f64);
        match self {
            Calibrated::Clock => Some(calibration.clock_ns.median),
            Calibrated::EmptyLoop => Some(calibration.empty_loop_ns.median),
            Calibrated::PlainIncrement => Some(calibration.plain_increment_ns.median),
            Calibrated::LockedIncrement => Some(calibration.locked_increment_ns.median),
            Calibrated::IdleFence => fence(&calibration.heavy_fence_idle_ns),
            Calibrated::BusyFence => fence(&calibration.heavy_fence_busy_ns),
            Calibrated::Sleep => calibration.sleep_ns,
            Calibrated::Transfer => calibration.transfers.as_ref()?.median(),
        }
    }
}

/// What a reader should know before believing a comparison.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Warn {
    /// A refusal that the caller has overridden.
    #[error("compared all the same although {0}")]
    Forced(Refuse),
    /// Neither was built with optimization.
    #[error("both runs were built without optimization")]
    Unoptimized,
    /// The kernels differ.
    #[error("the kernels differ: {reference} and {candidate}")]
    Kernel {
        /// Release under the reference.
        reference: String,
        /// Release under the other.
        candidate: String,
    },
    /// The compilers differ.
    #[error("the compilers differ: {reference} and {candidate}")]
    Rustc {
        /// Compiler of the reference.
        reference: String,
        /// Compiler of the other.
        candidate: String,
    },
    /// The compiler flags differ.
    #[error("the compiler flags differ: {reference:?} and {candidate:?}")]
    Flags {
        /// Flags of the reference.
        reference: String,
        /// Flags of the other.
        candidate: String,
    },
    /// The frequency governors differ.
    #[error("the frequency governors differ: {reference} and {candidate}")]
    Governor {
        /// Governor under the reference.
        reference: String,
        /// Governor under the other.
        candidate: String,
    },
    /// The processes were allowed different numbers of CPUs.
    #[error("the runs had {reference} and {candidate} CPUs")]
    AllowedCpus {
        /// CPUs of the reference.
        reference: usize,
        /// CPUs of the other.
        candidate: usize,
    },
    /// Different schedulers took turns differently.
    #[error("the runs were scheduled differently: by {reference} and by {candidate}")]
    Scheduler {
        /// Scheduler of the reference.
        reference: String,
        /// Scheduler of the other.
        candidate: String,
    },
    /// A run did not measure all that it set out to measure.
    #[error("{} was not completed", .0.name())]
    Incomplete(Side),
    /// More of a run was disturbed than not.
    #[error("{} was mostly disturbed: {sentence}", side.name())]
    MostlyDisturbed {
        /// The run.
        side: Side,
        /// How much of it.
        sentence: String,
    },
    /// An elementary operation took a different time.
    #[error(
        "the machine has changed: {} took {}, then {}",
        what.name(), show::nanoseconds(*reference_ns), show::nanoseconds(*candidate_ns)
    )]
    Calibration {
        /// The operation.
        what: Calibrated,
        /// Nanoseconds at the time of the reference.
        reference_ns: f64,
        /// Nanoseconds at the time of the other.
        candidate_ns: f64,
    },
    /// Nothing tells whether the machine has changed.
    #[error("{} was not calibrated", .0.name())]
    NoCalibration(Side),
}

impl Warn {
    fn kind(&self) -> &'static str {
        match self {
            Warn::Forced(refuse) => refuse.kind(),
            Warn::Unoptimized => "unoptimized",
            Warn::Kernel { .. } => "other-kernel",
            Warn::Rustc { .. } => "other-compiler",
            Warn::Flags { .. } => "other-flags",
            Warn::Governor { .. } => "other-governor",
            Warn::AllowedCpus { .. } => "other-cpu-count",
            Warn::Scheduler { .. } => "other-scheduler",
            Warn::Incomplete(_) => "incomplete",
            Warn::MostlyDisturbed { .. } => "mostly-disturbed",
            Warn::Calibration { .. } => "other-calibration",
            Warn::NoCalibration(_) => "no-calibration",
        }
    }

    /// What can be done about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Warn::Forced(refuse) => refuse.hint(),
            Warn::Unoptimized => "measure with `cargo run --release`",
            Warn::Kernel { .. } => {
                "membarrier, rseq and the scheduler are the kernel's; measure both under one"
            }
            Warn::Rustc { .. } | Warn::Flags { .. } => {
                "if the change under test is not the compiler, build both with the same one"
            }
            Warn::Governor { .. } => "set the same governor for both",
            Warn::AllowedCpus { .. } => {
                "rows with as many threads as CPUs mean different things; give both the same \
                 --cpus"
            }
            Warn::Scheduler { .. } => {
                "compare runs of `detach-bench run`, whose blocks are processes of their own"
            }
            Warn::Incomplete(_) => "rows that it did not reach are missing; measure again",
            Warn::MostlyDisturbed { .. } => {
                "measure again on a quiet machine; `doctor` tells what disturbs"
            }
            Warn::Calibration { .. } => {
                "a difference of this size between figures may be the machine's; \
                 measure both again, one right after the other"
            }
            Warn::NoCalibration(_) => {
                "a change of the machine's speed would pass for one of the strategies; \
                 measure again with this version to have it calibrated"
            }
        }
    }
}

/// As records and reports hold it.
impl From<Warn> for Warning {
    fn from(warn: Warn) -> Warning {
        Warning {
            kind: warn.kind().to_owned(),
            message: warn.to_string(),
            hint: warn.hint().to_owned(),
        }
    }
}

impl Serialize for Warn {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Warning::from(self.clone()).serialize(serializer)
    }
}

/// Everything that makes a comparison of the two meaningless.
pub(super) fn refusals(reference: &Run, candidate: &Run) -> Vec<Refuse> {
    let (a, b) = (&reference.machine, &candidate.machine);
    let mut found = Vec::new();
    if a.id != b.id {
        found.push(Refuse::Machine {
            reference: a.id.clone(),
            candidate: b.id.clone(),
        });
    }
    if a.cpu_model != b.cpu_model {
        found.push(Refuse::CpuModel {
            reference: a.cpu_model.clone(),
            candidate: b.cpu_model.clone(),
        });
    }
    if a.architecture != b.architecture {
        found.push(Refuse::Architecture {
            reference: a.architecture.clone(),
            candidate: b.architecture.clone(),
        });
    }
    if reference.build.is_debug() != candidate.build.is_debug() {
        found.push(Refuse::Profile {
            reference: reference.build.profile.clone(),
            candidate: candidate.build.profile.clone(),
        });
    }
    found
}

/// Everything that a reader of the comparison should know.
pub(super) fn warnings(reference: &Recorded, candidate: &Recorded) -> Vec<Warn> {
    let (a, b) = (&reference.run, &candidate.run);
    let mut found = Vec::new();
    if a.build.is_debug() && b.build.is_debug() {
        found.push(Warn::Unoptimized);
    }
    let mut differ = |one: &str, other: &str, warn: fn(String, String) -> Warn| {
        if one != other {
            found.push(warn(one.to_owned(), other.to_owned()));
        }
    };
    differ(
        &a.machine.kernel,
        &b.machine.kernel,
        |reference, candidate| Warn::Kernel {
            reference,
            candidate,
        },
    );
    differ(&a.build.rustc, &b.build.rustc, |reference, candidate| {
        Warn::Rustc {
            reference,
            candidate,
        }
    });
    differ(&a.build.flags, &b.build.flags, |reference, candidate| {
        Warn::Flags {
            reference,
            candidate,
        }
    });
    differ(
        &a.machine.governor,
        &b.machine.governor,
        |reference, candidate| Warn::Governor {
            reference,
            candidate,
        },
    );
    differ(&a.scheduler, &b.scheduler, |reference, candidate| {
        Warn::Scheduler {
            reference,
            candidate,
        }
    });
    let (cpus, others) = (a.machine.allowed_cpus.len(), b.machine.allowed_cpus.len());
    if cpus != others {
        found.push(Warn::AllowedCpus {
            reference: cpus,
            candidate: others,
        });
    }
    for (side, recorded) in [(Side::Reference, reference), (Side::Candidate, candidate)] {
        if !recorded.run.complete {
            found.push(Warn::Incomplete(side));
        }
        let disturbance = recorded.disturbance();
        if disturbance.is_mostly() {
            found.push(Warn::MostlyDisturbed {
                side,
                sentence: disturbance.facts(),
            });
        }
        if recorded.run.calibration.is_none() {
            found.push(Warn::NoCalibration(side));
        }
    }
    if let (Some(a), Some(b)) = (&a.calibration, &b.calibration) {
        found.extend(drifts(a, b));
    }
    found
}

/// What took another time in one calibration than in the other.
fn drifts(reference: &Calibration, candidate: &Calibration) -> Vec<Warn> {
    let drift = |what: Calibrated| {
        let (reference_ns, candidate_ns) = (what.of(reference)?, what.of(candidate)?);
        let (low, high) = (
            reference_ns.min(candidate_ns),
            reference_ns.max(candidate_ns),
        );
        (high > low * (1.0 + CALIBRATION_TOLERANCE)).then_some(Warn::Calibration {
            what,
            reference_ns,
            candidate_ns,
        })
    };
    Calibrated::ALL.into_iter().filter_map(drift).collect()
}
