//! What is measured at a time: a strategy in a scenario, with a number of
//! workers and a level of whatever else the scenario varies.

use std::fmt;

use detach_strategies::registry;
use serde::{Deserialize, Serialize};

use super::scenario::Scenario;

/// What a scenario varies besides the strategy and the number of workers. What
/// it does not vary is at its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Level {
    /// How long a holder stays inside, in nanoseconds.
    pub hold_ns: u64,
    /// Devices there are, or that are detached together.
    pub devices: usize,
    /// Whether some devices are picked more often than others.
    pub skewed: bool,
    /// Whether the devices are detached in one call.
    pub together: bool,
    /// Detaches of other devices per second.
    pub detach_rate: u64,
}

impl Default for Level {
    fn default() -> Self {
        Level {
            hold_ns: 0,
            devices: 1,
            skewed: false,
            together: false,
            detach_rate: 0,
        }
    }
}

impl Level {
    pub(super) fn held(hold_ns: u64) -> Self {
        Level {
            hold_ns,
            ..Level::default()
        }
    }

    pub(super) fn of_devices(devices: usize) -> Self {
        Level {
            devices,
            ..Level::default()
        }
    }
}

/// What is behind the id of a strategy that is measured a second time.
pub const TWIN: &str = "-twin";

/// One thing to measure: a strategy in a scenario with so many workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Case {
    /// Id of the strategy.
    pub strategy: &'static str,
    /// Whether it is the second of two measurements of the same strategy, which
    /// goes by a name of its own. What the two differ by, the machine and the
    /// method have made.
    pub twin: bool,
    /// The scenario.
    pub scenario: Scenario,
    /// Workers; the detacher is not one of them.
    pub threads: usize,
    /// What else the scenario varies.
    pub level: Level,
}

impl Case {
    /// A strategy in a scenario with so many workers, at the first level of the
    /// scenario.
    pub fn new(strategy: &'static str, scenario: Scenario, threads: usize) -> Self {
        Case {
            strategy,
            twin: false,
            scenario,
            threads,
            level: scenario.levels()[0],
        }
    }

    /// What the strategy is called in records.
    pub fn label(&self) -> String {
        let twin = if self.twin { TWIN } else { "" };
        format!("{}{twin}", self.strategy)
    }

    /// How much longer a round of it has to be than others on so many CPUs. A
    /// detach among more threads than CPUs waits until each of them has had its
    /// turn on a CPU, which takes milliseconds.
    pub(crate) fn weight(&self, cpus: usize) -> u32 {
        if self.scenario.times_detaches() && self.threads >= cpus {
            6
        } else {
            1
        }
    }

    /// Calls of the strategy behind one detach that is timed.
    pub(crate) fn calls(&self) -> usize {
        match self.scenario {
            Scenario::BulkDetach if !self.level.together => self.level.devices,
            _ => 1,
        }
    }

    /// What all strategies are measured in alike.
    pub(crate) fn setting(&self) -> (Scenario, usize, Level) {
        (self.scenario, self.threads, self.level)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.scenario, self.label(), self.threads)?;
        let Level {
            hold_ns,
            devices,
            skewed,
            together,
            detach_rate,
        } = self.level;
        if hold_ns > 0 {
            write!(f, "/hold={hold_ns}ns")?;
        }
        if devices > 1 {
            write!(f, "/devices={devices}")?;
        }
        if skewed {
            f.write_str("/skewed")?;
        }
        if together {
            f.write_str("/together")?;
        }
        if detach_rate > 0 {
            write!(f, "/rate={detach_rate}")?;
        }
        Ok(())
    }
}

/// Every case of a scenario: by strategy, then workers, then level. `counts`
/// stand for the scenario's own numbers of workers where they are not empty.
pub fn cases_of(scenario: Scenario, counts: &[usize], cpus: usize) -> Vec<Case> {
    let counts = match counts {
        [] => scenario.thread_counts(cpus),
        chosen => chosen.to_vec(),
    };
    let mut cases = Vec::new();
    for properties in registry::all() {
        if !scenario.applies_to(&properties) {
            continue;
        }
        for &threads in &counts {
            cases.extend(scenario.levels().into_iter().map(|level| Case {
                level,
                ..Case::new(properties.id, scenario, threads)
            }));
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use detach_strategies::{Properties, Reclaim};

    use super::*;
    use crate::engine::strategy;

    #[test]
    fn no_two_cases_look_alike() {
        for cpus in [1, 2, 8] {
            let cases = Scenario::ALL.map(|scenario| cases_of(scenario, &[], cpus));
            let mut names: Vec<String> = cases.iter().flatten().map(Case::to_string).collect();
            let all = names.len();
            names.sort();
            names.dedup();
            assert_eq!(names.len(), all);
        }
    }

    #[test]
    fn what_never_reclaims_is_not_asked_for_its_detach() {
        for case in Scenario::ALL
            .into_iter()
            .flat_map(|scenario| cases_of(scenario, &[], 2))
        {
            let properties = strategy(case.strategy).unwrap();
            assert!(
                !case.scenario.times_detaches() || properties.reclaim != Reclaim::Never,
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
        let plain = Case::new("turnstile", Scenario::FastPath, 2);
        assert_eq!(plain.to_string(), "fast_path/turnstile/2");
        let case = Case {
            twin: true,
            level: Level {
                hold_ns: 100,
                devices: 10,
                skewed: true,
                together: true,
                detach_rate: 5,
            },
            ..plain
        };
        assert_eq!(
            case.to_string(),
            "fast_path/turnstile-twin/2/hold=100ns/devices=10/skewed/together/rate=5"
        );
    }
}
