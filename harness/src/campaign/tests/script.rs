//! A bench that only pretends to take time, and an observer that takes notes.

use std::cell::Cell;
use std::collections::BTreeMap;

use detach_results::record::{Cost, Estimate, Noise, Workload};

use crate::campaign::*;

/// Takes exactly the target for every round, plus `overhead`, and nothing for
/// starting a process.
#[derive(Default)]
pub(super) struct Script<'s> {
    pub(super) now: Duration,
    pub(super) overhead: Duration,
    pub(super) unsupported: Option<&'static str>,
    /// This strategy, from this block on.
    pub(super) failing: Option<(&'static str, u32)>,
    /// Every round of this one is disturbed.
    pub(super) disturbed: Option<&'static str>,
    /// These blocks end in a probe that is disturbed; no others have one.
    pub(super) end_badly: Vec<u32>,
    /// Says so instead of measuring this block.
    pub(super) dies_in: Option<u32>,
    /// Says so instead of calibrating and weighing.
    pub(super) dies_early: bool,
    pub(super) stopped: Option<&'s Cell<bool>>,
    pub(super) visits: Vec<(u32, Case)>,
    pub(super) orders: Vec<Order>,
}

impl Script<'_> {
    fn visit(&mut self, order: &BlockOrder, index: usize) -> Message {
        let ordered = &order.cases[index];
        let case = ordered.case().unwrap();
        self.visits.push((order.block, case));
        self.now += order.round + self.overhead;
        if let Some((strategy, from)) = self.failing
            && case.strategy == strategy
            && order.block >= from
        {
            return Message::Failed {
                case: index,
                reason: "the loop is gone".to_owned(),
            };
        }
        let outcome = if self.unsupported == Some(case.strategy) {
            Outcome::Unsupported {
                unsupported: "no such instruction".to_owned(),
            }
        } else {
            Outcome::Cost(cost(self.disturbed == Some(case.strategy)))
        };
        Message::Measured {
            case: index,
            measurement: Box::new(measurement(&case, order.block, outcome)),
            iterations: Some(ordered.iterations.unwrap_or(0) + 1),
        }
    }
}

pub(super) fn cost(disturbed: bool) -> Cost {
    Cost {
        ns_per_op: Estimate {
            median: 1.0,
            ci_low: 1.0,
            ci_high: 1.0,
            samples: vec![1.0],
        },
        set_apart: Vec::new(),
        ops_per_second: 1e9,
        fairness: 1.0,
        bytes_per_device: None,
        detaches_per_second: None,
        mechanisms: BTreeMap::new(),
        noise: Noise {
            samples: 1,
            disturbed_samples: disturbed.into(),
            ..Noise::default()
        },
        disturbed,
    }
}

pub(super) fn measurement(case: &Case, block: u32, outcome: Outcome) -> Measurement {
    Measurement {
        strategy: case.label(),
        scenario: case.scenario.name().to_owned(),
        threads: case.threads,
        workload: case
            .scenario
            .describe(&case.level, case.threads, Workload::default()),
        block,
        worker_sleeps: None,
        outcome,
    }
}

pub(super) fn probe(after_block: Option<u32>) -> Probe {
    Probe {
        at_ms: 3,
        after_block,
        parallelism: Some(1.0),
        ping_pong_ns: Some(60.0),
        disturbed: false,
    }
}

impl Bench for Script<'_> {
    fn now(&self) -> Duration {
        self.now
    }

    fn carry_out(&mut self, order: &Order, heard: Heard<'_>) -> Result<(), String> {
        self.orders.push(order.clone());
        if self.dies_early && !matches!(order, Order::Block(_)) {
            return Err("it died of signal 9".to_owned());
        }
        let mut tell = |message| heard(message).map_err(|error| error.to_string());
        let block = match order {
            Order::Calibrate { .. } => return Ok(()),
            Order::Weigh { .. } => return tell(Message::Weighed(Ok(Some(48.0)))),
            Order::Block(block) => block,
        };
        if self.dies_in == Some(block.block) {
            return Err("it died of signal 9".to_owned());
        }
        tell(Message::Probed(probe(block.after_block)))?;
        for rounds in 0..block.cases.len() {
            if self.is_stopped() {
                return tell(Message::Done { stopped: true });
            }
            tell(Message::Begun {
                case: rounds,
                rounds,
            })?;
            let message = self.visit(block, rounds);
            tell(message)?;
        }
        if self.end_badly.contains(&block.block) {
            tell(Message::Probed(Probe {
                disturbed: true,
                ..probe(Some(block.block))
            }))?;
        }
        tell(Message::Done { stopped: false })
    }

    fn is_stopped(&self) -> bool {
        self.stopped.is_some_and(Cell::get)
    }
}

/// Keeps what it is told; can be made to fail, or to stop the campaign.
#[derive(Default)]
pub(super) struct Notes<'s> {
    pub(super) kept: Vec<Measurement>,
    pub(super) probes: Vec<Probe>,
    pub(super) lacking: Vec<Lack>,
    /// When nothing was being measured.
    pub(super) rests: Vec<Duration>,
    pub(super) fail_after: Option<usize>,
    pub(super) stop_after: Option<(usize, &'s Cell<bool>)>,
}

impl Observer for Notes<'_> {
    type Error = &'static str;

    fn round_begins(&mut self, _: &Case, progress: &Progress) {
        assert!((0.0..=1.0).contains(&progress.done), "{progress:?}");
    }

    fn measured(&mut self, measurement: &Measurement) -> Result<(), &'static str> {
        if self.fail_after == Some(self.kept.len()) {
            return Err("the disk is full");
        }
        self.kept.push(measurement.clone());
        if let Some((count, stop)) = self.stop_after
            && count == self.kept.len()
        {
            stop.set(true);
        }
        Ok(())
    }

    fn calibrated(&mut self, _: Calibration) -> Result<(), &'static str> {
        Ok(())
    }

    fn probed(&mut self, probe: Probe) -> Result<(), &'static str> {
        self.probes.push(probe);
        Ok(())
    }

    fn rests(&mut self, elapsed: Duration) -> Result<(), &'static str> {
        self.rests.push(elapsed);
        Ok(())
    }

    fn lacks(&mut self, what: Lack, _: &str) {
        self.lacking.push(what);
    }
}

/// Twelve cases.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for scenario in [Scenario::FastPath, Scenario::Detach] {
        for strategy in ["refcount", "rwlock", "epoch"] {
            for threads in [1, 2] {
                cases.push(Case::new(strategy, scenario, threads));
            }
        }
    }
    cases
}

pub(super) fn plan_of(time: Duration) -> Plan {
    Plan::new(cases(), vec![0, 1], Some(time), 1)
}

/// Twelve cases, one round of 50 ms each in a block.
pub(super) fn plain_plan(time: Duration) -> Plan {
    Plan {
        round: Duration::from_millis(50),
        sweeps: 1,
        ..plan_of(time)
    }
}

pub(super) fn smoke() -> Plan {
    Plan::smoke(cases(), vec![0, 1], 1)
}

pub(super) fn run_all<'s>(plan: &Plan, bench: &mut Script<'s>, notes: &mut Notes<'s>) -> Report {
    run(plan, Before::default(), bench, notes).unwrap()
}
