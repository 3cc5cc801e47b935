//! What can be measured: scenarios.
//!
//! A scenario is a question that is put to every strategy, and a file under
//! `workloads` says in prose what it asks and how. What it varies besides the
//! strategy and the number of workers is its [`Level`].

use std::fmt;
use std::str::FromStr;

use detach_results::record::Workload;
use detach_strategies::{Properties, Reclaim, Sleepers, registry};

use super::case::Level;

/// A question that is put to every strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scenario {
    /// What does acquire plus release cost when all workers share a device?
    FastPath,
    /// What does it cost when each worker has a device of its own?
    FastPathPrivate,
    /// How are single visits distributed?
    Latency,
    /// What is left of the cost when holders work inside?
    Hold,
    /// What does it cost when there are many devices?
    ManyDevices,
    /// What do detaches of other devices cost everybody?
    Disturbance,
    /// What does it cost to be refused?
    LateArrivals,
    /// What does it cost threads that enter once in their lives?
    Churn,
    /// How long does detach take while workers keep entering?
    Detach,
    /// How long does it take when holders work inside?
    HoldDetach,
    /// How long does it take to close a file that others are reading?
    HoldFile,
    /// How long does it take when those who were refused keep knocking?
    LateDrain,
    /// Who waits for a holder of another device?
    Bystander,
    /// How long does it take when holders are preempted?
    Oversubscribed,
    /// How long does it take when holders sleep?
    SleepingHolders,
    /// How long does it take when holders move to another CPU?
    MigratingHolders,
    /// How long does it take to detach many devices at once?
    BulkDetach,
}

impl Scenario {
    /// All of them, in the order in which they are shown: first what entering
    /// costs, then what detaching takes.
    pub const ALL: [Scenario; 17] = [
        Scenario::FastPath,
        Scenario::FastPathPrivate,
        Scenario::Latency,
        Scenario::Hold,
        Scenario::ManyDevices,
        Scenario::Disturbance,
        Scenario::LateArrivals,
        Scenario::Churn,
        Scenario::Detach,
        Scenario::HoldDetach,
        Scenario::HoldFile,
        Scenario::LateDrain,
        Scenario::Bystander,
        Scenario::Oversubscribed,
        Scenario::SleepingHolders,
        Scenario::MigratingHolders,
        Scenario::BulkDetach,
    ];

    /// Those that `cargo bench` runs: with criterion's own ways of repeating,
    /// all of them would take a quarter of an hour. The campaign runs them all.
    pub const CORE: [Scenario; 3] = [
        Scenario::FastPath,
        Scenario::FastPathPrivate,
        Scenario::Detach,
    ];

    /// The name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::FastPath => "fast_path",
            Scenario::FastPathPrivate => "fast_path_private",
            Scenario::Latency => "latency",
            Scenario::Hold => "hold",
            Scenario::ManyDevices => "many_devices",
            Scenario::Disturbance => "disturbance",
            Scenario::LateArrivals => "late_arrivals",
            Scenario::Churn => "churn",
            Scenario::Detach => "detach",
            Scenario::HoldDetach => "hold_detach",
            Scenario::HoldFile => "hold_file",
            Scenario::LateDrain => "late_drain",
            Scenario::Bystander => "bystander",
            Scenario::Oversubscribed => "oversubscribed",
            Scenario::SleepingHolders => "sleeping_holders",
            Scenario::MigratingHolders => "migrating_holders",
            Scenario::BulkDetach => "bulk_detach",
        }
    }

    /// The question, in a sentence.
    pub fn question(self) -> &'static str {
        match self {
            Scenario::FastPath => "acquire plus release, all workers on one device",
            Scenario::FastPathPrivate => "the same with a device for each worker",
            Scenario::Latency => "the distribution of single visits",
            Scenario::Hold => "visits during which holders work for up to 10 us",
            Scenario::ManyDevices => "visits to 1 to 10 000 devices; bytes per device",
            Scenario::Disturbance => "visits while other devices are being detached",
            Scenario::LateArrivals => "what it costs to be refused",
            Scenario::Churn => "threads that live for one visit",
            Scenario::Detach => "how long a detach takes while workers keep entering",
            Scenario::HoldDetach => "the same with holders that work for up to 10 us",
            Scenario::HoldFile => "the device is a file: holders read it, detach closes it",
            Scenario::LateDrain => "a detach while those who were refused keep knocking",
            Scenario::Bystander => "a detach while somebody holds another device for long",
            Scenario::Oversubscribed => "a detach whose holders are preempted",
            Scenario::SleepingHolders => "a detach whose holders sleep",
            Scenario::MigratingHolders => "a detach whose holders change their CPU",
            Scenario::BulkDetach => "detaches of 1 to 1000 devices, one by one and together",
        }
    }

    /// Whether it makes no sense without a worker. A detach can also be
    /// measured on an idle device.
    pub fn needs_worker(self) -> bool {
        self != Scenario::Detach
    }

    /// Whether a thread besides the workers takes part, to detach.
    pub fn has_detacher(self) -> bool {
        self.times_detaches() || self == Scenario::Disturbance
    }

    /// Whether it is detaches that are timed, rather than visits.
    pub fn times_detaches(self) -> bool {
        matches!(
            self,
            Scenario::Detach
                | Scenario::HoldDetach
                | Scenario::HoldFile
                | Scenario::LateDrain
                | Scenario::Bystander
                | Scenario::Oversubscribed
                | Scenario::SleepingHolders
                | Scenario::MigratingHolders
                | Scenario::BulkDetach
        )
    }

    /// Whether threads lose their CPUs as a part of the question, so that it is
    /// no disturbance.
    pub fn gives_up_cpus(self) -> bool {
        matches!(
            self,
            Scenario::Churn
                | Scenario::Oversubscribed
                | Scenario::SleepingHolders
                | Scenario::MigratingHolders
        )
    }

    /// Whether the question can be put to a strategy with these properties. A
    /// strategy that never reclaims has no detach that could be timed, and
    /// refuses nobody.
    pub fn applies_to(self, properties: &Properties) -> bool {
        let detaches = self.has_detacher() || self == Scenario::LateArrivals;
        !detaches || properties.reclaim != Reclaim::Never
    }

    /// Why a strategy must not be put to it: its own rules forbid what holders
    /// do here. Worth a record, as much as a machine that cannot run it.
    pub fn forbidden(self, properties: &Properties) -> Option<&'static str> {
        match self {
            Scenario::SleepingHolders
                if !properties.holder_may_sleep && properties.sleepers == Sleepers::AsOthers =>
            {
                Some("its holders must not sleep")
            }
            Scenario::HoldFile if properties.reclaim == Reclaim::Snapshots => {
                Some("its holders have copies, which keep no file open")
            }
            _ => None,
        }
    }

    /// The numbers of workers to measure on so many CPUs, ascending.
    ///
    /// Where scaling is the question: 1, 2, 4, ... up to all CPUs, then twice
    /// as many, which is oversubscribed. Elsewhere one number or two: all CPUs,
    /// or all but that of the detacher.
    pub fn thread_counts(self, cpus: usize) -> Vec<usize> {
        let beside_the_detacher = (cpus - 1).max(1);
        let mut counts = match self {
            Scenario::FastPath | Scenario::FastPathPrivate | Scenario::Detach => {
                let doublings = std::iter::successors(Some(1), |count| Some(count * 2));
                let mut counts: Vec<usize> = doublings.take_while(|&count| count < cpus).collect();
                counts.extend([cpus, cpus * 2]);
                if !self.needs_worker() {
                    counts.insert(0, 0);
                }
                counts
            }
            Scenario::Latency | Scenario::LateArrivals => vec![1, cpus],
            Scenario::Hold | Scenario::ManyDevices | Scenario::Churn => vec![cpus],
            Scenario::Bystander => vec![1],
            Scenario::Oversubscribed => vec![2 * cpus, 4 * cpus],
            Scenario::Disturbance
            | Scenario::HoldDetach
            | Scenario::HoldFile
            | Scenario::LateDrain
            | Scenario::SleepingHolders
            | Scenario::MigratingHolders
            | Scenario::BulkDetach => vec![beside_the_detacher],
        };
        counts.dedup();
        counts
    }

    /// What it varies, level by level.
    pub fn levels(self) -> Vec<Level> {
        match self {
            Scenario::Hold | Scenario::HoldDetach => {
                [0, 100, 1_000, 10_000].map(Level::held).to_vec()
            }
            Scenario::Bystander => [100_000, 1_000_000].map(Level::held).to_vec(),
            Scenario::Oversubscribed => vec![Level::held(10_000)],
            Scenario::SleepingHolders => vec![Level::held(100_000)],
            Scenario::ManyDevices => {
                let skewed = |devices| Level {
                    skewed: true,
                    ..Level::of_devices(devices)
                };
                let mut levels = [1, 10, 100, 1_000, MOST_DEVICES]
                    .map(Level::of_devices)
                    .to_vec();
                levels.extend([100, MOST_DEVICES].map(skewed));
                levels
            }
            Scenario::BulkDetach => {
                let together = |devices| Level {
                    together: true,
                    ..Level::of_devices(devices)
                };
                let mut levels = [1, 10, 100, 1_000].map(Level::of_devices).to_vec();
                levels.extend([100, 1_000].map(together));
                levels
            }
            Scenario::Disturbance => [0, 1_000, 10_000, 100_000]
                .map(|detach_rate| Level {
                    detach_rate,
                    ..Level::default()
                })
                .to_vec(),
            _ => vec![Level::default()],
        }
    }

    /// What a record says about a level, besides who sat where.
    pub(crate) fn describe(self, level: &Level, threads: usize, seats: Workload) -> Workload {
        let varies_hold = matches!(
            self,
            Scenario::Hold
                | Scenario::HoldDetach
                | Scenario::Bystander
                | Scenario::Oversubscribed
                | Scenario::SleepingHolders
        );
        Workload {
            devices: match self {
                Scenario::FastPathPrivate => threads,
                _ => level.devices,
            },
            hold_ns: varies_hold.then_some(level.hold_ns),
            skewed: level.skewed,
            together: level.together,
            detach_rate: (self == Scenario::Disturbance).then_some(level.detach_rate),
            ..seats
        }
    }
}

/// The most devices that `many_devices` has; so many are weighed, too.
pub const MOST_DEVICES: usize = 10_000;

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scenario {
    type Err = Unknown;

    fn from_str(name: &str) -> Result<Self, Unknown> {
        let found = Scenario::ALL
            .into_iter()
            .find(|scenario| scenario.name() == name);
        found.ok_or_else(|| Unknown {
            what: "scenario",
            name: name.to_owned(),
            known: Scenario::ALL.map(Scenario::name).to_vec(),
        })
    }
}

/// A name that nothing has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    what: &'static str,
    name: String,
    known: Vec<&'static str>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unknown { what, name, known } = self;
        write!(
            f,
            "unknown {what} `{name}`; known are: {}",
            known.join(", ")
        )
    }
}

impl std::error::Error for Unknown {}

/// The properties of the strategy of that id.
///
/// # Errors
///
/// [`Unknown`] lists the strategies that exist.
pub fn strategy(id: &str) -> Result<Properties, Unknown> {
    let all = registry::all();
    let found = all.iter().find(|properties| properties.id == id);
    found.copied().ok_or_else(|| Unknown {
        what: "strategy",
        name: id.to_owned(),
        known: all.iter().map(|properties| properties.id).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_parse_back() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.name().parse(), Ok(scenario));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "fastpath".parse::<Scenario>().unwrap_err().to_string();
        assert!(error.contains("`fastpath`"), "{error}");
        assert!(
            error.contains("fast_path, fast_path_private, latency"),
            "{error}"
        );
        let error = strategy("mutex").unwrap_err().to_string();
        assert!(error.contains("`mutex`"), "{error}");
        assert!(error.contains("refcount"), "{error}");
        assert_eq!(strategy("refcount").unwrap().id, "refcount");
    }

    #[test]
    fn thread_counts_double_up_to_all_cpus_and_once_more() {
        assert_eq!(Scenario::FastPath.thread_counts(1), [1, 2]);
        assert_eq!(Scenario::FastPath.thread_counts(2), [1, 2, 4]);
        assert_eq!(Scenario::FastPathPrivate.thread_counts(6), [1, 2, 4, 6, 12]);
        assert_eq!(Scenario::Detach.thread_counts(2), [0, 1, 2, 4]);
        assert_eq!(Scenario::Detach.thread_counts(8), [0, 1, 2, 4, 8, 16]);
    }

    #[test]
    fn no_two_levels_of_a_scenario_are_recorded_alike() {
        for scenario in Scenario::ALL {
            let recorded = |level: &Level| scenario.describe(level, 1, Workload::default());
            let levels: Vec<Workload> = scenario.levels().iter().map(recorded).collect();
            for (index, level) in levels.iter().enumerate() {
                assert!(!levels[..index].contains(level), "{scenario}: {level:?}");
            }
        }
    }

    #[test]
    fn every_count_is_there_once_and_in_order() {
        for cpus in [1, 2, 3, 8, 256] {
            for scenario in Scenario::ALL {
                let counts = scenario.thread_counts(cpus);
                assert!(counts.is_sorted_by(|a, b| a < b), "{scenario}: {counts:?}");
                assert!(!scenario.needs_worker() || counts[0] > 0, "{scenario}");
            }
        }
    }
}
