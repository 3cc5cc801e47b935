//! What can be measured: scenarios, and the cases made from them.

use std::fmt;
use std::str::FromStr;

use detach_strategies::{Properties, Reclaim, registry};

/// A question that is put to every strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scenario {
    /// What does acquire plus release cost when all workers share a device?
    FastPath,
    /// What does it cost when each worker has a device of its own?
    FastPathPrivate,
    /// How long does detach take while workers keep entering?
    Detach,
}

impl Scenario {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Scenario; 3] = [
        Scenario::FastPath,
        Scenario::FastPathPrivate,
        Scenario::Detach,
    ];

    /// The name on the command line and in records.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::FastPath => "fast_path",
            Scenario::FastPathPrivate => "fast_path_private",
            Scenario::Detach => "detach",
        }
    }

    /// Whether it makes no sense without a worker. A detach can also be
    /// measured on an idle device.
    pub fn needs_worker(self) -> bool {
        match self {
            Scenario::FastPath | Scenario::FastPathPrivate => true,
            Scenario::Detach => false,
        }
    }

    /// Whether a thread besides the workers takes part, to detach.
    pub fn has_detacher(self) -> bool {
        self == Scenario::Detach
    }

    /// Whether the question can be put to a strategy with these properties. A
    /// strategy that never reclaims has no detach that could be timed.
    pub fn applies_to(self, properties: &Properties) -> bool {
        self != Scenario::Detach || properties.reclaim != Reclaim::Never
    }

    /// The numbers of workers to measure on so many CPUs: 1, 2, 4, ... up to
    /// all CPUs, then twice as many, which is oversubscribed. A detach starts
    /// from 0.
    pub fn thread_counts(self, cpus: usize) -> Vec<usize> {
        let mut counts = Vec::new();
        if !self.needs_worker() {
            counts.push(0);
        }
        counts.extend(
            std::iter::successors(Some(1), |count| Some(count * 2))
                .take_while(|&count| count < cpus),
        );
        counts.extend([cpus, cpus * 2]);
        counts
    }
}

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

/// One thing to measure: a strategy in a scenario with so many workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Case {
    /// Id of the strategy.
    pub strategy: &'static str,
    /// The scenario.
    pub scenario: Scenario,
    /// Workers; the detacher is not one of them.
    pub threads: usize,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.scenario, self.strategy, self.threads)
    }
}

/// Every case that makes sense on so many CPUs: by scenario, then strategy,
/// then threads.
pub fn cases(cpus: usize) -> Vec<Case> {
    let mut cases = Vec::new();
    for scenario in Scenario::ALL {
        for properties in registry::all() {
            if scenario.applies_to(&properties) {
                cases.extend(
                    scenario
                        .thread_counts(cpus)
                        .into_iter()
                        .map(|threads| Case {
                            strategy: properties.id,
                            scenario,
                            threads,
                        }),
                );
            }
        }
    }
    cases
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
            error.contains("fast_path, fast_path_private, detach"),
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
    fn what_never_reclaims_is_not_asked_for_its_detach() {
        for case in cases(2) {
            let properties = strategy(case.strategy).unwrap();
            assert!(
                case.scenario != Scenario::Detach || properties.reclaim != Reclaim::Never,
                "{case}"
            );
        }
        let properties = Properties {
            reclaim: Reclaim::Never,
            ..strategy("refcount").unwrap()
        };
        assert!(!Scenario::Detach.applies_to(&properties));
        assert!(Scenario::FastPath.applies_to(&properties));
    }

    #[test]
    fn a_case_is_named_as_its_benchmark() {
        let case = Case {
            strategy: "turnstile",
            scenario: Scenario::FastPath,
            threads: 2,
        };
        assert_eq!(case.to_string(), "fast_path/turnstile/2");
    }
}
