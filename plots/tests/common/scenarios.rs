//! Invented records of the scenarios beside cost and detach by number of
//! workers: one block of each.

use detach_results::{Detach, Latency, Measurement, Outcome, Visits, Workload};

use super::{Character, Invented, calm, cost, distribution, latencies, tail, unsupported, wobble};

const HOLDS: [u64; 4] = [0, 100, 1_000, 10_000];

/// The scenarios that are invented here.
pub const SCENARIOS: [&str; 14] = [
    "bulk_detach",
    "bystander",
    "churn",
    "disturbance",
    "hold",
    "hold_detach",
    "hold_file",
    "late_arrivals",
    "late_drain",
    "latency",
    "many_devices",
    "migrating_holders",
    "oversubscribed",
    "sleeping_holders",
];

/// What a record varies.
#[derive(Clone, Copy, Default)]
struct At {
    threads: usize,
    hold_ns: Option<u64>,
    devices: usize,
    skewed: bool,
    together: bool,
    rate: Option<u64>,
}

impl Invented {
    pub(super) fn scenarios(&self, who: &Character) -> Vec<Measurement> {
        let mut all = self.entering(who);
        if who.id != "unprotected" {
            all.extend(self.detaching(who));
        }
        all
    }

    fn record(&self, who: &Character, scenario: &str, at: At, outcome: Outcome) -> Measurement {
        let workload = Workload {
            devices: at.devices.max(1),
            hold_ns: at.hold_ns,
            skewed: at.skewed,
            together: at.together,
            detach_rate: at.rate,
            ..self.workload(at.threads, false)
        };
        Measurement {
            strategy: who.id.to_owned(),
            scenario: scenario.to_owned(),
            threads: at.threads,
            workload,
            block: 0,
            worker_sleeps: None,
            outcome,
        }
    }

    fn entering(&self, who: &Character) -> Vec<Measurement> {
        let all = self.cpus;
        let shared = if who.contended { 8.0 } else { 1.0 };
        let mut records = Vec::new();
        let mut push =
            |scenario: &str, at: At, nanoseconds: f64, fill: (Option<f64>, Option<f64>)| {
                let at = At {
                    threads: at.threads.max(1),
                    ..at
                };
                let mut cost = cost(nanoseconds, at.threads, 0);
                (cost.bytes_per_device, cost.detaches_per_second) = fill;
                records.push(self.record(who, scenario, at, Outcome::Cost(cost)));
            };
        let none = (None, None);
        for hold in HOLDS {
            let at = At {
                threads: all,
                hold_ns: Some(hold),
                ..At::default()
            };
            push("hold", at, 0.4 + hold as f64 + who.cost * shared, none);
        }
        let bytes = 16.0
            + 4.0 * who.cost.round()
            + if who.contended {
                0.0
            } else {
                16.0 * all as f64
            };
        for (skewed, levels) in [
            (false, vec![1, 10, 100, 1_000, 10_000]),
            (true, vec![100, 10_000]),
        ] {
            for devices in levels {
                let at = At {
                    threads: all,
                    devices,
                    skewed,
                    ..At::default()
                };
                let misses = (devices as f64).log10() * if skewed { 0.8 } else { 2.0 };
                let crowd = shared / (devices as f64).min(shared);
                push(
                    "many_devices",
                    at,
                    who.cost * crowd + misses,
                    (Some(bytes), None),
                );
            }
        }
        for rate in [0, 1_000, 10_000, 100_000] {
            let at = At {
                threads: all,
                rate: Some(rate),
                ..At::default()
            };
            let reached = (rate as f64).min(0.4e9 / who.detach);
            let lost = 1.0 + reached * who.detach / 1e9;
            push("disturbance", at, who.cost * lost, (None, Some(reached)));
        }
        for threads in [1, all] {
            let at = At {
                threads,
                ..At::default()
            };
            push("late_arrivals", at, 0.5 + 0.7 * who.cost, none);
        }
        push(
            "churn",
            At {
                threads: all,
                ..At::default()
            },
            21_000.0 + 90.0 * who.cost,
            none,
        );
        for threads in [1, all] {
            let at = At {
                threads,
                ..At::default()
            };
            let visits = Visits {
                visit_ns: distribution(|rank| (24.0 + who.cost) * tail(rank, 1.0)),
                clock_ns: distribution(|rank| 24.0 * tail(rank, 0.1)),
                set_apart: None,
                mechanisms: Default::default(),
                noise: calm(),
                disturbed: false,
            };
            records.push(self.record(who, "latency", at, Outcome::Visits(Box::new(visits))));
        }
        // On a machine with one CPU, the two numbers of workers are one.
        records.dedup_by(|a, b| {
            (&a.scenario, a.threads, &a.workload) == (&b.scenario, b.threads, &b.workload)
        });
        records
    }

    fn detaching(&self, who: &Character) -> Vec<Measurement> {
        let lone = At {
            threads: (self.cpus - 1).max(1),
            ..At::default()
        };
        let held = |hold: u64| At {
            hold_ns: Some(hold),
            ..lone
        };
        let spread = |median: f64| distribution(|rank| median * tail(rank, 1.0 + wobble(3).abs()));
        let waits = who.id != "seqlock";
        let mut records = Vec::new();
        let mut push = |scenario: &str, at: At, median: f64, more: &dyn Fn(&mut Detach)| {
            let mut detach = latencies(spread(median));
            more(&mut detach);
            records.push(self.record(who, scenario, at, Outcome::Detach(Box::new(detach))));
        };
        let inside = |hold: u64| if waits { 0.6 * hold as f64 } else { 0.0 };
        for hold in HOLDS {
            push(
                "hold_detach",
                held(hold),
                who.detach + inside(hold),
                &|_| {},
            );
        }
        for hold in [100_000, 1_000_000] {
            let median = if who.waits_for_all { inside(hold) } else { 0.0 };
            let overtook = if who.waits_for_all { 0 } else { 997 };
            let at = At {
                threads: 1,
                ..held(hold)
            };
            push("bystander", at, who.detach + median, &|detach| {
                detach.overtook = Some(overtook);
            });
        }
        push("late_drain", lone, 1.3 * who.detach, &|detach| {
            detach.refused_ns = Some(refusals(who));
        });
        for times in [2, 4] {
            let at = At {
                threads: times * self.cpus,
                ..held(50_000)
            };
            push(
                "oversubscribed",
                at,
                who.detach + 30_000.0 * times as f64,
                &|_| {},
            );
        }
        push("migrating_holders", lone, who.detach + 4_000.0, &|_| {});
        for devices in [1, 10, 100, 1_000] {
            let at = At { devices, ..lone };
            push("bulk_detach", at, who.detach * devices as f64, &|_| {});
        }
        for devices in [100, 1_000] {
            let at = At {
                devices,
                together: true,
                ..lone
            };
            push(
                "bulk_detach",
                at,
                who.detach + 60.0 * devices as f64,
                &|_| {},
            );
        }
        if waits {
            push("hold_file", held(2_000), who.detach + 1_500.0, &|_| {});
        }
        if who.id != "dying-xcall" {
            push(
                "sleeping_holders",
                held(200_000),
                who.detach + inside(200_000),
                &|_| {},
            );
        }
        if !waits {
            records.push(unsupported(
                who.id,
                "hold_file",
                "a copy of a file number keeps no file open",
            ));
        }
        if who.id == "dying-xcall" {
            records.push(unsupported(
                who.id,
                "sleeping_holders",
                "its holders may not sleep",
            ));
        }
        records
    }
}

fn refusals(who: &Character) -> Latency {
    distribution(|rank| (20.0 + 3.0 * who.cost) * tail(rank, 2.0))
}
