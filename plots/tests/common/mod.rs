//! Invented runs. Nothing here was measured: the numbers are made up so that
//! figures have something plausible to show, and the records say so.

// Each test file uses a part of this.
#![allow(dead_code, unreachable_pub)]

pub mod page;

use std::collections::BTreeMap;
use std::path::PathBuf;

use detach_results::latency;
use detach_results::{
    Build, Cost, Detach, Estimate, Latency, Machine, Measurement, Noise, Outcome, Recorded, Run,
    SCHEMA_VERSION, Warning, Workload,
};

/// What distinguishes a strategy in the invented world.
pub struct Character {
    pub id: &'static str,
    /// Time per acquire plus release of a lone worker, ns.
    pub cost: f64,
    /// Whether that time grows with the number of workers on one device.
    pub contended: bool,
    /// Median time of a detach under one worker, ns.
    pub detach: f64,
}

const fn character(id: &'static str, cost: f64, contended: bool, detach: f64) -> Character {
    Character {
        id,
        cost,
        contended,
        detach,
    }
}

pub const CHARACTERS: [Character; 11] = [
    character("unprotected", 0.4, false, 40.0),
    character("turnstile", 1.1, false, 1_900.0),
    character("turnstile-slots", 0.8, false, 1_700.0),
    character("turnstile-fenced", 6.0, false, 250.0),
    character("refcount", 12.0, true, 180.0),
    character("dying-xcall", 0.6, false, 3_000.0),
    character("dying-membarrier", 0.9, false, 2_100.0),
    character("epoch", 7.0, false, 28_000.0),
    character("rwlock", 14.0, true, 9_000.0),
    character("arc-swap", 8.0, false, 1_200.0),
    character("seqlock", 2.0, false, 90.0),
];

/// How an invented run is made.
pub struct Invented {
    pub strategies: Vec<&'static str>,
    /// Worker counts of the costs; the detaches are at 0 and these.
    pub threads: Vec<usize>,
    pub cpus: usize,
    pub blocks: u32,
    pub cpu_model: &'static str,
}

impl Default for Invented {
    fn default() -> Self {
        Invented {
            strategies: CHARACTERS.iter().map(|character| character.id).collect(),
            threads: vec![1, 2, 4],
            cpus: 2,
            blocks: 2,
            cpu_model: "Invented CPU (no measurement)",
        }
    }
}

impl Invented {
    pub fn recorded(&self) -> Recorded {
        let mut measurements = Vec::new();
        for character in &CHARACTERS {
            if !self.strategies.contains(&character.id) {
                continue;
            }
            for block in 0..self.blocks {
                for threads in &self.threads {
                    for scenario in ["fast_path", "fast_path_private"] {
                        measurements.push(self.cost(character, scenario, *threads, block));
                    }
                    measurements.push(self.detach(character, *threads, block));
                }
                measurements.push(self.detach(character, 0, block));
            }
        }
        Recorded {
            dir: PathBuf::from("invented/run"),
            run: self.run(),
            measurements,
            problems: Vec::new(),
        }
    }

    fn workload(&self, threads: usize, detacher: bool) -> Workload {
        Workload {
            devices: 1,
            worker_cpus: (0..threads).map(|worker| worker % self.cpus).collect(),
            detacher_cpu: detacher.then_some(self.cpus - 1),
            detacher_shares_cpu: detacher && threads >= self.cpus,
            oversubscribed: threads > self.cpus,
        }
    }

    fn cost(&self, who: &Character, scenario: &str, threads: usize, block: u32) -> Measurement {
        let contention = if who.contended && scenario == "fast_path" {
            1.0 + 2.2 * (threads as f64).log2()
        } else {
            1.0 + 0.02 * (threads as f64).log2()
        };
        let turns = (threads as f64 / self.cpus as f64).max(1.0);
        let base = who.cost * contention * turns;
        let mut samples: Vec<f64> = (0..5)
            .map(|sample| base * (1.0 + 0.01 * wobble(sample + 31 * block as usize + threads)))
            .collect();
        samples.sort_by(f64::total_cmp);
        let estimate = Estimate {
            median: samples[2],
            ci_low: samples[0],
            ci_high: samples[4],
            samples,
        };
        let disturbed = who.id == "rwlock" && threads == 2;
        Measurement {
            strategy: who.id.to_owned(),
            scenario: scenario.to_owned(),
            threads,
            workload: self.workload(threads, false),
            block,
            outcome: Outcome::Cost(Cost {
                ops_per_second: threads as f64 * 1e9 / estimate.median,
                ns_per_op: estimate,
                fairness: 0.97,
                mechanisms: BTreeMap::new(),
                noise: Noise::default(),
                disturbed,
            }),
        }
    }

    fn detach(&self, who: &Character, threads: usize, block: u32) -> Measurement {
        let load = if threads == 0 {
            0.5
        } else {
            1.0 + 0.4 * (threads as f64).log2()
        };
        let shared = if threads >= self.cpus { 40.0 } else { 1.0 };
        let median = who.detach * load;
        let tail = move |sample: u64| -> f64 {
            match sample {
                0..900 => 1.0 + sample as f64 / 2000.0,
                900..990 => 2.0 + shared * (sample - 900) as f64 / 90.0,
                _ => 6.0 * shared * (sample - 985) as f64,
            }
        };
        let part = |share: f64| distribution(|sample| share * median * tail(sample));
        Measurement {
            strategy: who.id.to_owned(),
            scenario: "detach".to_owned(),
            threads,
            workload: self.workload(threads, true),
            block,
            outcome: Outcome::Detach(Box::new(Detach {
                latency_ns: part(1.0),
                last_entry_ns: (threads > 0).then(|| part(0.1)),
                last_leave_ns: (threads > 0).then(|| part(0.6)),
                heavy_fence_ns: Some(distribution(|sample| 1_500.0 * load * tail(sample))),
                mechanisms: BTreeMap::new(),
                noise: Noise::default(),
                disturbed: false,
            })),
        }
    }

    fn run(&self) -> Run {
        Run {
            schema: SCHEMA_VERSION,
            started: "2026-11-23T12:34:56Z".to_owned(),
            scheduler: "campaign".to_owned(),
            options: BTreeMap::from([("time".to_owned(), "30s".to_owned())]),
            seed: 42,
            build: Build {
                revision: "0000000".to_owned(),
                dirty: Some(false),
                rustc: "rustc 1.88.0".to_owned(),
                target: "x86_64-unknown-linux-gnu".to_owned(),
                profile: "release".to_owned(),
                flags: String::new(),
                crates: BTreeMap::new(),
            },
            machine: Machine {
                id: format!("invented-{}cpu", self.cpus),
                cpu_model: self.cpu_model.to_owned(),
                architecture: "x86_64".to_owned(),
                os: "Linux".to_owned(),
                kernel: "6.18".to_owned(),
                libc: "glibc 2.36".to_owned(),
                hypervisor: "none".to_owned(),
                possible_cpus: self.cpus,
                allowed_cpus: (0..self.cpus).collect(),
                cores: self.cpus,
                packages: 1,
                numa_nodes: 1,
                last_level_caches: 1,
                cpu_quota: None,
                memory_mib: Some(16384),
                governor: "performance".to_owned(),
                clock_source: "tsc".to_owned(),
                pinning: true,
                rseq: "registered".to_owned(),
                membarrier: "private expedited".to_owned(),
            },
            warnings: vec![Warning {
                kind: "invented".to_owned(),
                message: "No number of this run was measured <at all>.".to_owned(),
                hint: "Conclude nothing.".to_owned(),
            }],
            complete: true,
        }
    }
}

/// A strategy that could not run.
pub fn unsupported(strategy: &str, scenario: &str, reason: &str) -> Measurement {
    Measurement {
        strategy: strategy.to_owned(),
        scenario: scenario.to_owned(),
        threads: 1,
        workload: Workload {
            devices: 1,
            worker_cpus: Vec::new(),
            detacher_cpu: None,
            detacher_shares_cpu: false,
            oversubscribed: false,
        },
        block: 0,
        outcome: Outcome::Unsupported {
            unsupported: reason.to_owned(),
        },
    }
}

/// A thousand latencies, given by rank.
fn distribution(latency_of: impl Fn(u64) -> f64) -> Latency {
    let mut histogram = latency::histogram();
    for rank in 0..1000 {
        latency::record(&mut histogram, latency_of(rank) as u64);
    }
    Latency::from_histogram(&histogram).expect("latencies")
}

/// Something between -1 and 1 that looks irregular and is always the same.
fn wobble(step: usize) -> f64 {
    (step as f64 * 12.9898).sin()
}
