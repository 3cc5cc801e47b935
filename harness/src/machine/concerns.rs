//! What may mislead a reader of measurements from this machine, each with what
//! can be done about it.

use std::fmt;

use detach_results::machine::{Machine, UNKNOWN};
use detach_results::record::Warning;

use super::Conditions;

/// Below this many CPUs little can be said about scaling.
const FEW_CPUS: usize = 4;
/// A load that the suite did not make itself.
const BUSY_LOAD: f64 = 0.5;
/// Percentage of time in which threads waited for a CPU.
const BUSY_PRESSURE: f64 = 5.0;

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

/// [`concerns`] about the machine in its present state, as records hold them.
pub fn warnings(machine: &Machine) -> Vec<Warning> {
    concerns(machine, &Conditions::now())
        .iter()
        .map(Warning::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine that gives no reason to worry.
    fn quiet() -> (Machine, Conditions) {
        let text = |text: &str| text.to_owned();
        let machine = Machine {
            id: text("x-8cpu"),
            cpu_model: text("X"),
            architecture: text("x86_64"),
            os: text("linux"),
            kernel: text("6.1"),
            libc: text("glibc 2.36"),
            hypervisor: text("none"),
            possible_cpus: 8,
            allowed_cpus: (0..8).collect(),
            cores: 8,
            packages: 1,
            numa_nodes: 1,
            last_level_caches: 1,
            cpu_quota: None,
            memory_mib: Some(1024),
            governor: text("performance"),
            clock_source: text("tsc"),
            pinning: true,
            rseq: text("registered"),
            membarrier: text("private expedited"),
        };
        let now = Conditions {
            load: Some(0.0),
            pressure_percent: Some(0.0),
            boost: Some(false),
            core_kinds: 1,
            notes: Vec::new(),
        };
        (machine, now)
    }

    fn kinds(machine: &Machine, now: &Conditions) -> Vec<&'static str> {
        let all = concerns(machine, now);
        let kinds = all.iter().map(Concern::kind);
        // Whether the tests are optimized is not what is tested.
        kinds.filter(|kind| *kind != "debug-build").collect()
    }

    #[test]
    fn a_quiet_machine_gives_no_reason_to_worry() {
        let (machine, now) = quiet();
        assert_eq!(kinds(&machine, &now), [""; 0]);
    }

    #[test]
    fn what_nobody_knows_is_no_reason_to_worry() {
        let (mut machine, _) = quiet();
        for field in [
            &mut machine.hypervisor,
            &mut machine.governor,
            &mut machine.clock_source,
        ] {
            *field = UNKNOWN.to_owned();
        }
        let now = Conditions {
            core_kinds: 1,
            ..Conditions::default()
        };
        assert_eq!(kinds(&machine, &now), [""; 0]);
    }

    #[test]
    fn each_trouble_is_told_by_its_name() {
        type Spoil = fn(&mut Machine, &mut Conditions);
        let cases: [(&str, Spoil); 14] = [
            ("few-cpus", |m, _| {
                m.allowed_cpus.truncate(3);
                m.cores = 3;
            }),
            ("virtual-machine", |m, _| m.hypervisor = "KVM".into()),
            ("cpu-quota", |m, _| m.cpu_quota = Some(7.5)),
            ("governor", |m, _| m.governor = "powersave".into()),
            ("slow-clock", |m, _| m.clock_source = "hpet".into()),
            ("no-pinning", |m, _| m.pinning = false),
            ("shared-cores", |m, _| m.cores = 4),
            ("no-rseq", |m, _| m.rseq = "switched off".into()),
            ("no-membarrier", |m, _| m.membarrier = "refused".into()),
            ("boost", |_, now| now.boost = Some(true)),
            ("load", |_, now| now.load = Some(1.5)),
            ("cpu-pressure", |_, now| now.pressure_percent = Some(20.0)),
            ("mixed-cores", |_, now| now.core_kinds = 2),
            ("guessed-topology", |_, now| {
                now.notes.push("guessed".into())
            }),
        ];
        for (kind, spoil) in cases {
            let (mut machine, mut now) = quiet();
            spoil(&mut machine, &mut now);
            assert_eq!(kinds(&machine, &now), [kind]);
            let warnings: Vec<Warning> =
                concerns(&machine, &now).iter().map(Warning::from).collect();
            assert!(
                warnings
                    .iter()
                    .all(|w| !w.message.is_empty() && !w.hint.is_empty())
            );
        }
    }

    #[test]
    fn a_quota_that_covers_all_cpus_is_no_trouble() {
        let (mut machine, now) = quiet();
        machine.cpu_quota = Some(8.0);
        assert_eq!(kinds(&machine, &now), [""; 0]);
    }
}
