//! What may mislead a reader of measurements from this machine, each with what
//! can be done about it.

use std::fmt;

use detach_results::machine::{Frequency, Machine, UNKNOWN};
use detach_results::record::Warning;
use detach_strategies::platform::topology::parse_cpu_list;

use super::Conditions;

/// Below this many CPUs little can be said about scaling.
const FEW_CPUS: usize = 4;
/// A load that the suite did not make itself.
const BUSY_LOAD: f64 = 0.5;
/// Percentage of time in which threads waited for a CPU.
const BUSY_PRESSURE: f64 = 5.0;
/// Percentage of memory below which the kernel begins to look for more.
const LITTLE_MEMORY: f64 = 5.0;
/// A CPU below this part of its highest frequency has far to go.
const SLOW_PART: f64 = 0.6;
/// What the kernel says of a work-around that makes every entry into it, every
/// return or every indirect call within it take longer.
const TAXES: [&str; 7] = [
    "PTI",
    "Clear CPU buffers",
    "Retpolines",
    "Mitigation: IBRS",
    "Untrained return thunk",
    "Safe RET",
    "IBPB before exit to userspace",
];

/// One thing to know before believing a figure.
#[derive(Clone, Debug, PartialEq)]
pub enum Concern {
    /// Built without optimization.
    DebugBuild,
    /// Too few CPUs to say much about scaling.
    FewCpus(usize),
    /// The machine is made of software.
    VirtualMachine(String),
    /// The control group grants less time than the CPUs have.
    Quota {
        /// CPUs' worth of time.
        granted: f64,
        /// CPUs that may be used.
        cpus: usize,
    },
    /// The control group allows some of the machine's CPUs only.
    Confined {
        /// The CPUs that it allows, as a list.
        cpuset: String,
        /// CPUs of the machine that are online.
        online: usize,
    },
    /// Hardware threads share cores, and others may run on those that this
    /// process does not use.
    Siblings,
    /// Work-arounds for these faults of the processor make system calls slower.
    TaxedSystemCalls(Vec<String>),
    /// A CPU is far below its highest frequency.
    SlowFrequency {
        /// MHz at the time.
        now: u64,
        /// MHz at most.
        max: u64,
    },
    /// Little memory is left, in percent.
    LittleMemory(f64),
    /// The frequency governor is not `performance`.
    Governor(String),
    /// The processor changes its frequency with temperature and load.
    Boost,
    /// Reading the clock is a slow operation.
    SlowClock(String),
    /// Others use the machine.
    Load(f64),
    /// Threads wait for CPUs.
    Pressure(f64),
    /// Threads cannot be pinned.
    NoPinning,
    /// Some CPUs are hardware threads of one core.
    SharedCores {
        /// CPUs that may be used.
        cpus: usize,
        /// Physical cores among them.
        cores: usize,
    },
    /// Cores of several kinds.
    MixedCores(usize),
    /// Something about the CPUs had to be guessed.
    GuessedTopology(String),
    /// No restartable sequences.
    NoRseq(String),
    /// No asymmetric fence.
    NoMembarrier(String),
}

impl Concern {
    /// A stable name.
    pub fn kind(&self) -> &'static str {
        match self {
            Concern::DebugBuild => "debug-build",
            Concern::FewCpus(_) => "few-cpus",
            Concern::VirtualMachine(_) => "virtual-machine",
            Concern::Quota { .. } => "cpu-quota",
            Concern::Confined { .. } => "cpuset",
            Concern::Siblings => "smt",
            Concern::TaxedSystemCalls(_) => "mitigations",
            Concern::SlowFrequency { .. } => "frequency",
            Concern::LittleMemory(_) => "memory",
            Concern::Governor(_) => "governor",
            Concern::Boost => "boost",
            Concern::SlowClock(_) => "slow-clock",
            Concern::Load(_) => "load",
            Concern::Pressure(_) => "cpu-pressure",
            Concern::NoPinning => "no-pinning",
            Concern::SharedCores { .. } => "shared-cores",
            Concern::MixedCores(_) => "mixed-cores",
            Concern::GuessedTopology(_) => "guessed-topology",
            Concern::NoRseq(_) => "no-rseq",
            Concern::NoMembarrier(_) => "no-membarrier",
        }
    }

    /// What the reader can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Concern::DebugBuild => "build with --release before believing any figure",
            Concern::FewCpus(_) => {
                "trends across core counts need more CPUs; do not extrapolate from these"
            }
            Concern::VirtualMachine(_) => {
                "interrupts between CPUs cost more here than on bare metal, which heavy fences \
                 feel; compare runs of the same machine only"
            }
            Concern::Quota { .. } => {
                "raise the limit of the control group, or use fewer CPUs with --cpus"
            }
            Concern::Confined { .. } => {
                "others may run on the other CPUs, with which these share caches and memory; \
                 compare runs of the same group only"
            }
            Concern::Siblings => {
                "what others run on the second thread of a core slows down the first; switch \
                 hardware threads off, or make sure that the others are idle"
            }
            Concern::TaxedSystemCalls(_) => {
                "heavy fences and sleeping pay for it, loops do not; compare with machines that \
                 do the same"
            }
            Concern::SlowFrequency { .. } => {
                "if it stays there under load, look for a limit of power or temperature; if not, \
                 the first rounds are slower than the rest"
            }
            Concern::LittleMemory(_) => {
                "stop other programs: when memory runs out, the kernel works on every CPU"
            }
            Concern::Governor(_) => "set the governor to performance while measuring",
            Concern::Boost => "switch boost off if runs differ from one another",
            Concern::SlowClock(_) => {
                "boot with a processor clock (tsc on x86) if the kernel trusts it; \
                 short latencies include the time to read this one"
            }
            Concern::Load(_) | Concern::Pressure(_) => {
                "stop other programs; measure again when the machine is idle"
            }
            Concern::NoPinning => {
                "threads move between CPUs; expect wider intervals, and use Linux for placement"
            }
            Concern::SharedCores { .. } => {
                "counts above the number of cores share cores; name one CPU per core with --cpus \
                 to leave that out"
            }
            Concern::MixedCores(_) => "name cores of one kind with --cpus to compare core counts",
            Concern::GuessedTopology(_) => "name the CPUs with --cpus if the placement is wrong",
            Concern::NoRseq(_) => {
                "strategies that need it are skipped; Linux 4.18 with glibc 2.35 has it, unless \
                 switched off (GLIBC_TUNABLES=glibc.pthread.rseq)"
            }
            Concern::NoMembarrier(_) => {
                "strategies that need it are skipped; Linux 4.14 has it, unless a sandbox \
                 refuses the call"
            }
        }
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Concern::DebugBuild => f.write_str("this is a build without optimization"),
            Concern::FewCpus(1) => f.write_str("only one CPU may be used"),
            Concern::FewCpus(cpus) => write!(f, "only {cpus} CPUs may be used"),
            Concern::VirtualMachine(name) if name == UNKNOWN => {
                f.write_str("this is a virtual machine")
            }
            Concern::VirtualMachine(name) => write!(f, "this is a virtual machine ({name})"),
            Concern::Quota { granted, cpus } => write!(
                f,
                "the control group grants the time of {granted:.1} CPUs, \
                 and {cpus} may be used"
            ),
            Concern::Confined { cpuset, online } => write!(
                f,
                "the control group allows CPUs {cpuset}, and the machine has {online}"
            ),
            Concern::Siblings => f.write_str(
                "the cores have several hardware threads, and this process may use one of each",
            ),
            Concern::TaxedSystemCalls(faults) => write!(
                f,
                "the kernel works around faults of the processor at the expense of system \
                 calls ({})",
                faults.join(", ")
            ),
            Concern::SlowFrequency { now, max } => {
                write!(f, "a CPU runs at {now} MHz of {max}")
            }
            Concern::LittleMemory(percent) => write!(f, "{percent:.0}% of memory is left"),
            Concern::Governor(name) => write!(f, "the frequency governor is {name}"),
            Concern::Boost => f.write_str("the processor may boost its frequency"),
            Concern::SlowClock(name) => write!(f, "the clock source is {name}"),
            Concern::Load(load) => write!(f, "{load:.1} threads were running in the last minute"),
            Concern::Pressure(percent) => {
                write!(
                    f,
                    "threads waited for a CPU {percent:.0}% of the last ten seconds"
                )
            }
            Concern::NoPinning => f.write_str("threads cannot be pinned to CPUs here"),
            Concern::SharedCores { cpus, cores } => {
                write!(f, "the {cpus} CPUs are hardware threads of {cores} cores")
            }
            Concern::MixedCores(kinds) => write!(f, "the cores are of {kinds} kinds"),
            Concern::GuessedTopology(note) => f.write_str(note),
            Concern::NoRseq(reason) => write!(f, "no restartable sequences: {reason}"),
            Concern::NoMembarrier(reason) => write!(f, "no membarrier: {reason}"),
        }
    }
}

impl From<&Concern> for Warning {
    fn from(concern: &Concern) -> Self {
        Warning {
            kind: concern.kind().to_owned(),
            message: concern.to_string(),
            hint: concern.hint().to_owned(),
        }
    }
}

/// Everything to know about figures from this machine in this state.
pub fn concerns(machine: &Machine, now: &Conditions) -> Vec<Concern> {
    let cpus = machine.allowed_cpus.len();
    let mut found = Vec::new();
    let mut check = |applies: bool, concern: &dyn Fn() -> Concern| {
        if applies {
            found.push(concern());
        }
    };

    check(cfg!(debug_assertions), &|| Concern::DebugBuild);
    check(cpus < FEW_CPUS, &|| Concern::FewCpus(cpus));
    let hypervisor = machine.hypervisor.as_str();
    check(hypervisor != "none" && hypervisor != UNKNOWN, &|| {
        Concern::VirtualMachine(hypervisor.to_owned())
    });
    let granted = machine.cpu_quota.unwrap_or(f64::INFINITY);
    check(granted < cpus as f64, &|| Concern::Quota { granted, cpus });
    if let (Some(cpuset), Some(online)) = (&machine.cpuset, now.online_cpus) {
        let allowed = parse_cpu_list(cpuset).map_or(online, |cpus| cpus.len());
        check(allowed < online, &|| Concern::Confined {
            cpuset: cpuset.clone(),
            online,
        });
    }
    let alone = machine.cores == cpus;
    check(machine.smt == Some(true) && alone, &|| Concern::Siblings);
    let faults = taxing(machine);
    check(!faults.is_empty(), &|| {
        Concern::TaxedSystemCalls(faults.clone())
    });
    if let Some(Frequency {
        max_mhz: Some(max),
        now_mhz: Some(now),
        ..
    }) = machine.frequency
    {
        check((now as f64) < SLOW_PART * max as f64, &|| {
            Concern::SlowFrequency { now, max }
        });
    }
    let memory = now.memory_available_percent.unwrap_or(100.0);
    check(memory < LITTLE_MEMORY, &|| Concern::LittleMemory(memory));
    let governor = machine.governor.as_str();
    check(governor != "performance" && governor != UNKNOWN, &|| {
        Concern::Governor(governor.to_owned())
    });
    check(now.boost == Some(true), &|| Concern::Boost);
    let clock = machine.clock_source.as_str();
    check(
        ["hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"].contains(&clock),
        &|| Concern::SlowClock(clock.to_owned()),
    );
    let load = now.load.unwrap_or(0.0);
    check(load > BUSY_LOAD, &|| Concern::Load(load));
    let pressure = now.pressure_percent.unwrap_or(0.0);
    check(pressure > BUSY_PRESSURE, &|| Concern::Pressure(pressure));
    check(!machine.pinning, &|| Concern::NoPinning);
    let cores = machine.cores;
    check(cores < cpus, &|| Concern::SharedCores { cpus, cores });
    check(now.core_kinds > 1, &|| Concern::MixedCores(now.core_kinds));
    check(machine.rseq != "registered", &|| {
        Concern::NoRseq(machine.rseq.clone())
    });
    check(machine.membarrier != "private expedited", &|| {
        Concern::NoMembarrier(machine.membarrier.clone())
    });
    found.extend(now.notes.iter().cloned().map(Concern::GuessedTopology));
    found
}

/// The faults whose work-around system calls pay for.
fn taxing(machine: &Machine) -> Vec<String> {
    let worked_around = machine.mitigations.iter().filter(|(_, text)| {
        // A fault without its work-around costs nothing, whatever it names.
        text.starts_with("Mitigation") && TAXES.iter().any(|tax| text.contains(tax))
    });
    worked_around.map(|(fault, _)| fault.clone()).collect()
}

/// [`concerns`] about the machine in its present state, as records hold them.
pub fn warnings(machine: &Machine) -> Vec<Warning> {
    concerns(machine, &Conditions::now())
        .iter()
        .map(Warning::from)
        .collect()
}

#[cfg(test)]
mod tests;
