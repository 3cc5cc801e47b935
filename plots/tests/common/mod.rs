//! Invented runs. Nothing here was measured: the numbers are made up so that
//! figures have something plausible to show, and the records say so.

// Each test file uses a part of this.
#![allow(dead_code, unreachable_pub)]

pub mod page;
pub mod scenarios;

use std::collections::BTreeMap;
use std::path::PathBuf;

use detach_results::latency;
use detach_results::{
    Build, Cache, Calibration, Cost, Detach, Estimate, Frequency, Latency, Machine, Measurement,
    Noise, Outcome, Probe, Recorded, Run, SCHEMA_VERSION, Transfers, Warning, Workload,
};

/// The baseline of summaries whose ratios nobody needs: they take long.
pub const NOBODY: &str = "";

/// What distinguishes a strategy in the invented world.
pub struct Character {
    pub id: &'static str,
    /// Time per acquire plus release of a lone worker, ns.
    pub cost: f64,
    /// Whether that time grows with the number of workers on one device.
    pub contended: bool,
    /// Median time of a detach under one worker, ns.
    pub detach: f64,
    /// Whether a detach waits for holders of every device.
    pub waits_for_all: bool,
}

const fn character(id: &'static str, cost: f64, contended: bool, detach: f64) -> Character {
    Character {
        id,
        cost,
        contended,
        detach,
        waits_for_all: false,
    }
}

const fn patient(id: &'static str, cost: f64, detach: f64) -> Character {
    Character {
        waits_for_all: true,
        ..character(id, cost, false, detach)
    }
}

pub const CHARACTERS: [Character; 14] = [
    character("unprotected", 0.4, false, 40.0),
    character("turnstile", 1.1, false, 1_900.0),
    character("turnstile-slots", 0.8, false, 1_700.0),
    character("turnstile-fenced", 6.0, false, 250.0),
    character("gate-rseq", 1.0, false, 2_000.0),
    character("refcount", 12.0, true, 180.0),
    character("fo-restart", 13.0, true, 200.0),
    patient("dying-xcall", 0.6, 3_000.0),
    patient("dying-xcall-ref", 0.7, 3_300.0),
    patient("dying-membarrier", 0.9, 2_100.0),
    patient("epoch", 7.0, 28_000.0),
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
    /// Whether there are records of the scenarios in `scenarios.rs`, too, and
    /// a calibration.
    pub everything: bool,
}

impl Default for Invented {
    fn default() -> Self {
        Invented {
            strategies: CHARACTERS.iter().map(|character| character.id).collect(),
            threads: vec![1, 2, 4],
            cpus: 2,
            blocks: 2,
            cpu_model: "Invented CPU (no measurement)",
            everything: false,
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
            if self.everything {
                measurements.extend(self.scenarios(character));
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
            ..Workload::default()
        }
    }

    fn cost(&self, who: &Character, scenario: &str, threads: usize, block: u32) -> Measurement {
        let contention = if who.contended && scenario == "fast_path" {
            1.0 + 2.2 * (threads as f64).log2()
        } else {
            1.0 + 0.02 * (threads as f64).log2()
        };
        let turns = (threads as f64 / self.cpus as f64).max(1.0);
        let mut cost = cost(who.cost * contention * turns, threads, block);
        // Disturbed from the first sample to the last, in every block.
        if who.id == "rwlock" && threads == 2 {
            cost.noise.disturbed_samples = cost.noise.samples;
            cost.disturbed = true;
        }
        Measurement {
            strategy: who.id.to_owned(),
            scenario: scenario.to_owned(),
            threads,
            workload: self.workload(threads, false),
            block,
            worker_sleeps: None,
            outcome: Outcome::Cost(cost),
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
        let part = |share: f64| distribution(|rank| share * median * tail(rank, shared));
        let mut detach = latencies(part(1.0));
        detach.last_entry_ns = (threads > 0).then(|| part(0.1));
        detach.last_leave_ns = (threads > 0).then(|| part(0.6));
        detach.heavy_fence_ns = Some(distribution(|rank| 1_500.0 * load * tail(rank, shared)));
        Measurement {
            strategy: who.id.to_owned(),
            scenario: "detach".to_owned(),
            threads,
            workload: self.workload(threads, true),
            block,
            worker_sleeps: None,
            outcome: Outcome::Detach(Box::new(detach)),
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
                smt: Some(false),
                caches: vec![Cache {
                    level: 1,
                    kind: "Data".to_owned(),
                    size_kib: 48,
                    line_bytes: Some(64),
                    shared_by: "0".to_owned(),
                }],
                cpuset: Some("0-1".to_owned()),
                frequency: Some(Frequency {
                    min_mhz: Some(800),
                    max_mhz: Some(3_600),
                    now_mhz: None,
                }),
                boot_options: vec!["isolcpus=1".to_owned()],
                mitigations: BTreeMap::from([("spectre_v2".to_owned(), "Retpolines".to_owned())]),
                cpu_quota: None,
                memory_mib: Some(16384),
                governor: "performance".to_owned(),
                clock_source: "tsc".to_owned(),
                pinning: true,
                rseq: "registered".to_owned(),
                membarrier: "private expedited".to_owned(),
            },
            calibration: self.everything.then(|| calibration(self.cpus)),
            probes: probes(self.everything),
            elapsed_ms: None,
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
            ..Workload::default()
        },
        block: 0,
        worker_sleeps: None,
        outcome: Outcome::Unsupported {
            unsupported: reason.to_owned(),
        },
    }
}

/// Adds a twin of a strategy, with the same measurements.
pub fn twin(recorded: &mut Recorded, of: &str) {
    let own = |measurement: &&Measurement| measurement.strategy == of;
    let mut twins: Vec<Measurement> = recorded.measurements.iter().filter(own).cloned().collect();
    for measurement in &mut twins {
        measurement.strategy = format!("{of}-twin");
    }
    recorded.measurements.extend(twins);
}

/// The cost of an operation that takes about so long.
fn cost(nanoseconds: f64, threads: usize, block: u32) -> Cost {
    let mut samples: Vec<f64> = (0..5)
        .map(|sample| nanoseconds * (1.0 + 0.01 * wobble(sample + 31 * block as usize + threads)))
        .collect();
    samples.sort_by(f64::total_cmp);
    let estimate = Estimate {
        median: samples[2],
        ci_low: samples[0],
        ci_high: samples[4],
        samples,
    };
    Cost {
        ops_per_second: threads.max(1) as f64 * 1e9 / estimate.median,
        ns_per_op: estimate,
        set_apart: Vec::new(),
        fairness: 0.97,
        bytes_per_device: None,
        detaches_per_second: None,
        mechanisms: BTreeMap::new(),
        noise: calm(),
        disturbed: false,
    }
}

/// A detach of these latencies, of which nothing else is known.
fn latencies(latency_ns: Latency) -> Detach {
    let middle = latency_ns.p50 as f64;
    Detach {
        latency_ns,
        last_entry_ns: None,
        last_leave_ns: None,
        heavy_fence_ns: None,
        refused_ns: None,
        overtook: None,
        round_p50_ns: vec![0.97 * middle, middle, 1.05 * middle],
        set_apart: None,
        mechanisms: BTreeMap::new(),
        noise: calm(),
        disturbed: false,
    }
}

fn calm() -> Noise {
    Noise {
        samples: 5,
        ..Noise::default()
    }
}

/// How much longer than the median the latency of that rank is, of a thousand;
/// the last tenth also by a factor.
fn tail(rank: u64, factor: f64) -> f64 {
    match rank {
        0..900 => 1.0 + rank as f64 / 2000.0,
        900..990 => 2.0 + factor * (rank - 900) as f64 / 90.0,
        _ => 6.0 * factor * (rank - 985) as f64,
    }
}

fn calibration(cpus: usize) -> Calibration {
    let estimate = |middle: f64| cost(middle, 1, 0).ns_per_op;
    let fence = |middle: f64| Some(distribution(|rank| middle * tail(rank, 1.0)));
    let shown = cpus.min(32);
    let way = |a: usize, b: usize| {
        let near = if a / 8 == b / 8 { 28.0 } else { 120.0 };
        (a != b).then(|| near * (1.0 + 0.1 * wobble(a * b + a + b)))
    };
    let row = |a: usize| (0..shown).map(|b| way(a, b)).collect();
    Calibration {
        clock_ns: estimate(24.0),
        clock_step_ns: 10,
        empty_loop_ns: estimate(0.3),
        plain_increment_ns: estimate(1.4),
        locked_increment_ns: estimate(5.1),
        heavy_fence_idle_ns: fence(350.0),
        heavy_fence_busy_ns: if cpus > 1 { fence(3_900.0) } else { None },
        sleep_ns: Some(21_000.0),
        waiting_budget_ns: Some(21_000.0),
        transfers: (cpus > 1).then(|| Transfers {
            cpus: (0..shown).map(|cpu| cpu * cpus / shown).collect(),
            one_way_ns: (0..shown).map(row).collect(),
        }),
        parallelism: (cpus > 1).then_some(0.98),
    }
}

fn probes(any: bool) -> Vec<Probe> {
    let probe = |at: u64| Probe {
        at_ms: 1_000 * at,
        after_block: None,
        parallelism: Some(0.97),
        ping_pong_ns: Some(30.0),
        disturbed: at == 2,
    };
    if any {
        (0..4).map(probe).collect()
    } else {
        Vec::new()
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
