//! From rounds to a record.

use std::collections::BTreeMap;

use detach_results::latency;
use detach_results::record::{
    Cost, Detach, Estimate, Latency, Measurement, Noise, Outcome, Visits, Workload,
};
use detach_results::stats;
use detach_strategies::Unsupported;

use super::case::Case;
use super::round::{Observed, Phases, Round, VisitTimes};

/// Turns the rounds of one case into one record.
///
/// Rounds that were disturbed are kept apart from the others: the figures are
/// those of undisturbed rounds, unless there are none.
#[derive(Clone, Debug)]
pub struct Collector {
    case: Case,
    block: u32,
    workload: Option<Workload>,
    undisturbed: Rounds,
    disturbed: Rounds,
    mechanisms: BTreeMap<String, u64>,
    /// Of workers, while so many detaches took place.
    sleeps: Option<u64>,
    detaches: f64,
    noise: Noise,
}

/// What rounds of one kind have shown.
#[derive(Clone, Debug, Default)]
struct Rounds {
    ns_per_op: Vec<f64>,
    ops_per_second: Vec<f64>,
    fairness: Vec<f64>,
    detaches_per_second: Vec<f64>,
    phases: Option<Phases>,
    medians: Vec<f64>,
    visits: Option<VisitTimes>,
}

impl Rounds {
    fn add(&mut self, round: &Round) {
        match &round.observed {
            Observed::Cost {
                detaches_per_second,
                ..
            } => {
                self.ns_per_op.push(round.ns_per_iteration());
                self.ops_per_second.push(round.ops_per_second());
                self.fairness.push(round.fairness());
                self.detaches_per_second.extend(detaches_per_second);
            }
            Observed::Detach(phases) => {
                self.medians.extend(latency::median(&phases.latency));
                self.phases.get_or_insert_default().add(phases);
            }
            Observed::Visits(times) => self.visits.get_or_insert_default().add(times),
        }
    }

    fn is_empty(&self) -> bool {
        self.ns_per_op.is_empty() && self.phases.is_none() && self.visits.is_none()
    }
}

impl Collector {
    /// Nothing yet, for one case in one block of a campaign (0 elsewhere).
    pub fn new(case: Case, block: u32) -> Self {
        Collector {
            case,
            block,
            workload: None,
            undisturbed: Rounds::default(),
            disturbed: Rounds::default(),
            mechanisms: BTreeMap::new(),
            sleeps: Some(0),
            detaches: 0.0,
            noise: Noise::default(),
        }
    }

    /// Whether no round was added yet.
    pub fn is_empty(&self) -> bool {
        self.workload.is_none()
    }

    /// Adds one round of the case.
    pub fn add(&mut self, round: &Round) {
        if round.disturbed() {
            self.disturbed.add(round);
        } else {
            self.undisturbed.add(round);
        }
        for (mechanism, times) in &round.mechanisms {
            *self.mechanisms.entry(mechanism.clone()).or_default() += times;
        }
        let sleeps = self.sleeps.zip(round.worker_sleeps);
        self.sleeps = sleeps.map(|(sleeps, more)| sleeps + more);
        self.detaches += round.detaches();
        if self.is_empty() {
            self.workload = Some(round.workload.clone());
            self.noise = round.noise.clone();
        } else {
            self.noise.add(&round.noise);
        }
    }

    /// Counts every round so far as disturbed, for a reason that the rounds
    /// themselves could not see. The figures remain those of the rounds that
    /// saw nothing: of a disturbed lot they are the best.
    pub fn disturb(&mut self) {
        self.noise.disturbed_samples = self.noise.samples;
    }

    /// The record; `None` without rounds.
    ///
    /// A cost is the median over rounds, with an interval from a bootstrap
    /// with this `seed`; latencies of all rounds are counted together.
    pub fn finish(self, seed: u64) -> Option<Measurement> {
        let disturbed = self.noise.disturbed_samples > 0;
        let (main, apart) = if self.undisturbed.is_empty() {
            (self.disturbed, Rounds::default())
        } else {
            (self.undisturbed, self.disturbed)
        };
        // For each of the workers in each call.
        let chances = self.detaches * (self.case.calls() * self.case.threads) as f64;
        let sleeps = self.sleeps.filter(|_| chances > 0.0);
        let latency = |phases: &Phases| Latency::from_histogram(&phases.latency);
        let outcome = if let Some(phases) = main.phases {
            Outcome::Detach(Box::new(Detach {
                latency_ns: latency(&phases)?,
                last_entry_ns: Latency::from_histogram(&phases.last_entry),
                last_leave_ns: Latency::from_histogram(&phases.last_leave),
                heavy_fence_ns: Latency::from_histogram(&phases.heavy_fence),
                refused_ns: Latency::from_histogram(&phases.refused),
                overtook: phases.overtook,
                round_p50_ns: main.medians,
                set_apart: apart.phases.as_ref().and_then(latency),
                mechanisms: self.mechanisms,
                noise: self.noise,
                disturbed,
            }))
        } else if let Some(times) = main.visits {
            Outcome::Visits(Box::new(Visits {
                visit_ns: Latency::from_histogram(&times.visits)?,
                clock_ns: Latency::from_histogram(&times.clock)?,
                set_apart: apart
                    .visits
                    .and_then(|times| Latency::from_histogram(&times.visits)),
                mechanisms: self.mechanisms,
                noise: self.noise,
                disturbed,
            }))
        } else {
            Outcome::Cost(Cost {
                ns_per_op: Estimate::from_samples(main.ns_per_op, seed).ok()?,
                set_apart: apart.ns_per_op,
                ops_per_second: stats::median(&main.ops_per_second).ok()?,
                fairness: stats::median(&main.fairness).ok()?,
                bytes_per_device: None,
                detaches_per_second: stats::median(&main.detaches_per_second).ok(),
                mechanisms: self.mechanisms,
                noise: self.noise,
                disturbed,
            })
        };
        Some(Measurement {
            strategy: self.case.label(),
            scenario: self.case.scenario.name().to_owned(),
            threads: self.case.threads,
            workload: self.workload?,
            block: self.block,
            worker_sleeps: sleeps.map(|sleeps| sleeps as f64 / chances),
            outcome,
        })
    }
}

/// The record of a case that cannot run here.
pub fn unsupported(
    case: Case,
    block: u32,
    workload: Workload,
    reason: &Unsupported,
) -> Measurement {
    Measurement {
        strategy: case.label(),
        scenario: case.scenario.name().to_owned(),
        threads: case.threads,
        workload,
        block,
        worker_sleeps: None,
        outcome: Outcome::Unsupported {
            unsupported: reason.reason().to_owned(),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::{Level, Placement, Scenario};

    fn case(scenario: Scenario) -> Case {
        Case::new("refcount", scenario, 2)
    }

    fn round(observed: Observed, disturbed: u64) -> Round {
        Round {
            iterations: 1_000,
            took: Duration::from_micros(1),
            workload: Placement::new(2, false, &[0, 1]).workload(true),
            observed,
            mechanisms: BTreeMap::from([(String::from("rseq"), 10)]),
            worker_sleeps: Some(3),
            noise: Noise {
                involuntary_switches: Some(disturbed),
                steal_ms: None,
                pressure_us: Some(5),
                waited_us: None,
                foreign_ms: None,
                disturbed_samples: disturbed,
                samples: 1,
            },
        }
    }

    fn cost(first_us: u64, second_us: u64) -> Observed {
        Observed::Cost {
            elapsed: vec![
                Duration::from_micros(first_us),
                Duration::from_micros(second_us),
            ],
            detaches_per_second: None,
        }
    }

    #[test]
    fn costs_are_medians_over_rounds() {
        let mut collector = Collector::new(case(Scenario::FastPath), 3);
        assert!(collector.is_empty());
        // 1000 laps: 3 ns and 5 ns a lap, mean 4; then 10; then 2.
        collector.add(&round(cost(3, 5), 0));
        collector.add(&round(cost(10, 10), 0));
        collector.add(&round(cost(2, 2), 0));
        // 99, disturbed: it is in the record, but not in the median.
        collector.add(&round(cost(99, 99), 1));
        let measurement = collector.finish(7).unwrap();
        assert_eq!(measurement.strategy, "refcount");
        assert_eq!(measurement.scenario, "fast_path");
        assert_eq!(measurement.threads, 2);
        assert_eq!(measurement.block, 3);
        assert_eq!(measurement.workload.worker_cpus, [0, 1]);
        let Outcome::Cost(cost) = measurement.outcome else {
            panic!("not a cost");
        };
        let near = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-9;
        assert!(near(cost.ns_per_op.median, 4.0));
        assert_eq!(cost.ns_per_op.samples.len(), 3);
        assert!(cost.ns_per_op.ci_low <= 4.0 + 1e-9 && cost.ns_per_op.ci_high >= 4.0 - 1e-9);
        // 1/3 + 1/5 laps per ns in the median round.
        assert!(near(cost.ops_per_second, 1e9 / 3.0 + 1e9 / 5.0));
        // 0.6, 1 and 1.
        assert!(near(cost.fairness, 1.0));
        assert!(matches!(cost.set_apart[..], [apart] if near(apart, 99.0)));
        assert_eq!(cost.mechanisms["rseq"], 40);
        assert!(cost.disturbed);
        assert_eq!(cost.noise.samples, 4);
        assert_eq!(cost.noise.disturbed_samples, 1);
        assert_eq!(cost.noise.involuntary_switches, Some(1));
        assert_eq!(cost.noise.pressure_us, Some(20));
        assert_eq!(cost.noise.steal_ms, None);
    }

    #[test]
    fn where_all_rounds_were_disturbed_they_are_what_there_is() {
        let mut collector = Collector::new(case(Scenario::FastPath), 0);
        collector.add(&round(cost(4, 4), 1));
        let Outcome::Cost(cost) = collector.finish(7).unwrap().outcome else {
            panic!("not a cost");
        };
        assert_eq!((cost.ns_per_op.samples.len(), cost.set_apart.len()), (1, 0));
        assert!(cost.noise.all_disturbed());
    }

    #[test]
    fn what_disturbed_a_whole_block_disturbed_each_round_of_it() {
        let mut collector = Collector::new(case(Scenario::FastPath), 0);
        for (us, disturbed) in [(4, 0), (99, 1), (4, 0)] {
            collector.add(&round(cost(us, us), disturbed));
        }
        collector.disturb();
        let Outcome::Cost(cost) = collector.finish(7).unwrap().outcome else {
            panic!("not a cost");
        };
        assert!(cost.noise.all_disturbed());
        // The best of a bad lot.
        assert_eq!((cost.ns_per_op.samples.len(), cost.set_apart.len()), (2, 1));
    }

    fn detaches(latencies: &[u64]) -> Observed {
        let mut phases = Phases::new();
        for &ns in latencies {
            latency::record(&mut phases.latency, ns);
        }
        Observed::Detach(Box::new(phases))
    }

    #[test]
    fn latencies_are_counted_together() {
        let mut collector = Collector::new(case(Scenario::Detach), 0);
        collector.add(&round(detaches(&[100, 300]), 0));
        collector.add(&round(detaches(&[200]), 0));
        collector.add(&round(detaches(&[7_000]), 1));
        let measurement = collector.finish(7).unwrap();
        let Outcome::Detach(detach) = measurement.outcome else {
            panic!("not a detach");
        };
        assert_eq!(detach.latency_ns.count, 3);
        assert_eq!(detach.latency_ns.min, 100);
        assert_eq!(detach.latency_ns.p50, 200);
        assert_eq!(detach.latency_ns.histogram, [(100, 1), (200, 1), (300, 1)]);
        assert_eq!(detach.last_entry_ns, None);
        assert_eq!(detach.heavy_fence_ns, None);
        assert_eq!(detach.round_p50_ns, [200.0, 200.0]);
        assert_eq!(detach.set_apart.map(|apart| apart.count), Some(1));
        assert_eq!(detach.mechanisms["rseq"], 30);
    }

    /// 3 sleeps of 2 workers in each round.
    #[test]
    fn workers_sleep_so_often_for_each_call_of_detach() {
        let sleeps = |case: Case, observed: Observed| {
            let mut collector = Collector::new(case, 0);
            collector.add(&round(observed.clone(), 0));
            // Asleep, a worker sees no disturbance.
            collector.add(&round(observed, 1));
            collector.finish(7).unwrap().worker_sleeps
        };
        let of = |scenario| sleeps(case(scenario), detaches(&[100, 300]));
        assert_eq!(of(Scenario::Detach), Some(0.75));
        let bulk = |devices, together| {
            let level = Level {
                devices,
                together,
                ..Level::default()
            };
            let case = Case {
                level,
                ..case(Scenario::BulkDetach)
            };
            sleeps(case, detaches(&[100, 300]))
        };
        assert_eq!(bulk(10, false), Some(0.075));
        assert_eq!(bulk(10, true), Some(0.75));

        // A round lasts for a microsecond.
        let beside = |rate| Observed::Cost {
            elapsed: vec![Duration::from_micros(1); 2],
            detaches_per_second: rate,
        };
        let beside = |rate| sleeps(case(Scenario::Disturbance), beside(rate));
        assert_eq!(beside(Some(1e6)), Some(1.5));
        assert_eq!(beside(Some(0.0)), None);
        assert_eq!(beside(None), None);
        let idle = Case::new("refcount", Scenario::Detach, 0);
        assert_eq!(sleeps(idle, detaches(&[100])), None);

        // What one round does not tell, all do not.
        let mut collector = Collector::new(case(Scenario::Detach), 0);
        let silent = Round {
            worker_sleeps: None,
            ..round(detaches(&[100]), 0)
        };
        collector.add(&silent);
        collector.add(&round(detaches(&[100]), 0));
        assert_eq!(collector.finish(7).unwrap().worker_sleeps, None);
    }

    #[test]
    fn pieces_together_are_one_sample() {
        let mut whole = round(cost(3, 5), 0);
        whole.absorb(&round(cost(5, 9), 0));
        assert_eq!((whole.iterations, whole.noise.samples), (2_000, 1));
        assert_eq!(whole.mechanisms["rseq"], 20);
        assert_eq!(whole.worker_sleeps, Some(6));
        assert_eq!(whole.noise.pressure_us, Some(10));
        let Observed::Cost { elapsed, .. } = &whole.observed else {
            panic!("not a cost");
        };
        // Of each worker on its own.
        assert_eq!(elapsed[..], [8, 14].map(Duration::from_micros));

        let mut whole = round(detaches(&[100, 300]), 0);
        whole.absorb(&round(detaches(&[200]), 0));
        let Observed::Detach(phases) = &whole.observed else {
            panic!("not a detach");
        };
        assert_eq!(phases.latency.len(), 3);
    }

    #[test]
    fn no_rounds_make_no_record() {
        let collector = Collector::new(case(Scenario::FastPath), 0);
        assert_eq!(collector.finish(1), None);
    }

    #[test]
    fn what_cannot_run_is_a_record_with_its_reason() {
        let case = case(Scenario::FastPath);
        let workload = Placement::new(2, false, &[0]).workload(true);
        let reason = Unsupported::because("no such call");
        let measurement = unsupported(case, 2, workload, &reason);
        assert_eq!(
            measurement.outcome,
            Outcome::Unsupported {
                unsupported: String::from("no such call")
            }
        );
        assert!(measurement.workload.oversubscribed);
    }
}
