//! Scheduling, against a bench that only pretends to take time.

use std::cell::Cell;
use std::collections::BTreeMap;

use detach_results::record::{Cost, Estimate, Noise, Workload};

use super::*;
use crate::engine::cases_of;

/// Takes exactly the target for every round, plus `overhead`, and nothing for
/// starting a process.
#[derive(Default)]
struct Script<'s> {
    now: Duration,
    overhead: Duration,
    unsupported: Option<&'static str>,
    /// This strategy, from this block on.
    failing: Option<(&'static str, u32)>,
    /// Every round of this one is disturbed.
    disturbed: Option<&'static str>,
    /// These blocks end in a probe that is disturbed; no others have one.
    end_badly: Vec<u32>,
    /// Says so instead of measuring this block.
    dies_in: Option<u32>,
    /// Says so instead of calibrating and weighing.
    dies_early: bool,
    stopped: Option<&'s Cell<bool>>,
    visits: Vec<(u32, Case)>,
    orders: Vec<Order>,
}

impl Script<'_> {
    fn visit(&mut self, order: &BlockOrder, index: usize) -> Message {
        let ordered = &order.cases[index];
        let case = ordered.case().unwrap();
        self.visits.push((order.block, case));
        self.now += order.round + self.overhead;
        if let Some((strategy, from)) = self.failing
            && (case.strategy == strategy && order.block >= from)
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

fn cost(disturbed: bool) -> Cost {
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

fn measurement(case: &Case, block: u32, outcome: Outcome) -> Measurement {
    Measurement {
        strategy: case.label(),
        scenario: case.scenario.name().to_owned(),
        threads: case.threads,
        workload: case
            .scenario
            .describe(&case.level, case.threads, Workload::default()),
        block,
        outcome,
    }
}

fn probe(after_block: Option<u32>) -> Probe {
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
struct Notes<'s> {
    kept: Vec<Measurement>,
    probes: Vec<Probe>,
    lacking: Vec<Lack>,
    /// When nothing was being measured.
    rests: Vec<Duration>,
    fail_after: Option<usize>,
    stop_after: Option<(usize, &'s Cell<bool>)>,
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
fn cases() -> Vec<Case> {
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

fn plan_of(time: Duration) -> Plan {
    Plan::new(cases(), vec![0, 1], Some(time), 1)
}

/// Twelve cases, one round of 50 ms each in a block.
fn plain_plan(time: Duration) -> Plan {
    Plan {
        round: Duration::from_millis(50),
        sweeps: 1,
        ..plan_of(time)
    }
}

fn smoke() -> Plan {
    Plan::smoke(cases(), vec![0, 1], 1)
}

fn run_all<'s>(plan: &Plan, bench: &mut Script<'s>, notes: &mut Notes<'s>) -> Report {
    run(plan, Before::default(), bench, notes).unwrap()
}

#[test]
fn blocks_fill_the_time_and_no_more() {
    let plan = plain_plan(Duration::from_secs(6));
    let (mut bench, mut notes) = (Script::default(), Notes::default());
    let report = run_all(&plan, &mut bench, &mut notes);
    assert_eq!((report.blocks, report.measurements), (10, 120));
    assert!(report.is_complete());
    assert_eq!(bench.now, Duration::from_secs(6));
    assert!(notes.kept.iter().all(|kept| kept.block < 10));
    let rests = (0..=10).map(|block| Duration::from_millis(600) * block);
    assert_eq!(notes.rests, rests.collect::<Vec<_>>());
}

#[test]
fn a_block_that_would_not_fit_is_not_begun() {
    let plan = plain_plan(Duration::from_secs(6));
    let mut bench = Script {
        overhead: Duration::from_millis(20), // 840 ms a block
        ..Script::default()
    };
    let report = run_all(&plan, &mut bench, &mut Notes::default());
    assert_eq!((report.blocks, report.measurements), (7, 7 * 12));
    assert!(bench.now <= Duration::from_secs(6));
}

#[test]
fn one_block_is_measured_however_short_the_time() {
    let plan = plan_of(Duration::from_millis(1));
    assert!(plan.is_overfull());
    let report = run_all(&plan, &mut Script::default(), &mut Notes::default());
    assert_eq!((report.blocks, report.measurements), (1, 12));
    assert!(report.is_complete());
}

#[test]
fn a_smoke_run_is_two_blocks_on_the_slowest_machine() {
    let plan = smoke();
    assert!(!plan.is_overfull());
    let mut bench = Script {
        overhead: Duration::from_secs(100),
        ..Script::default()
    };
    let report = run_all(&plan, &mut bench, &mut Notes::default());
    assert_eq!((report.blocks, report.measurements), (2, 24));
}

#[test]
fn what_a_block_has_found_out_the_next_one_knows() {
    let mut bench = Script::default();
    run_all(&smoke(), &mut bench, &mut Notes::default());
    let iterations: Vec<Option<u64>> = bench
        .orders
        .iter()
        .filter_map(|order| match order {
            Order::Block(block) => Some(block.cases[0].iterations),
            _ => None,
        })
        .collect();
    assert_eq!(iterations, [None, Some(1)]);
}

#[test]
fn what_is_unsupported_is_told_once_and_not_asked_again() {
    let mut bench = Script {
        unsupported: Some("rwlock"),
        ..Script::default()
    };
    let mut notes = Notes::default();
    let report = run_all(&smoke(), &mut bench, &mut notes);
    assert!(report.is_complete());
    let told = notes.kept.iter().filter(|kept| kept.strategy == "rwlock");
    assert_eq!(told.count(), 4);
    assert_eq!(notes.kept.len(), 4 + 2 * 8);
    let later = bench.visits.iter().filter(|(block, _)| *block == 1);
    assert!(later.clone().all(|(_, case)| case.strategy != "rwlock"));
    assert_eq!(later.count(), 8);
}

#[test]
fn nothing_supported_is_a_short_campaign() {
    let mut plan = plan_of(Duration::from_secs(60));
    plan.cases.retain(|case| case.strategy == "rwlock");
    let mut bench = Script {
        unsupported: Some("rwlock"),
        ..Script::default()
    };
    let report = run_all(&plan, &mut bench, &mut Notes::default());
    assert_eq!((report.blocks, report.measurements), (1, 4));
    assert!(report.is_complete());
}

#[test]
fn a_case_that_fails_leaves_the_others_alone() {
    let mut bench = Script {
        failing: Some(("epoch", 0)),
        ..Script::default()
    };
    let report = run_all(&smoke(), &mut bench, &mut Notes::default());
    assert!(!report.is_complete());
    assert_eq!(report.failures.len(), 4);
    let strategies = report.failures.iter().map(|failure| failure.case.strategy);
    assert!(strategies.into_iter().all(|strategy| strategy == "epoch"));
    assert_eq!(report.measurements, 2 * 8);
}

#[test]
fn a_process_that_dies_ends_it_and_loses_nothing() {
    let mut bench = Script {
        dies_in: Some(1),
        ..Script::default()
    };
    let mut notes = Notes::default();
    let report = run_all(&smoke(), &mut bench, &mut notes);
    assert!(!report.is_complete());
    assert_eq!(report.broken.as_deref(), Some("it died of signal 9"));
    assert_eq!((report.blocks, notes.kept.len()), (1, 12));
}

#[test]
fn a_stop_ends_it_after_the_round() {
    let stop = Cell::new(false);
    let mut bench = Script {
        stopped: Some(&stop),
        ..Script::default()
    };
    let mut notes = Notes {
        stop_after: Some((17, &stop)),
        ..Notes::default()
    };
    let report = run_all(&plain_plan(Duration::from_secs(60)), &mut bench, &mut notes);
    assert!(report.interrupted && !report.is_complete());
    assert_eq!((report.blocks, report.measurements), (1, 17));
    assert_eq!(bench.visits.len(), 17);
}

#[test]
fn a_measurement_that_cannot_be_kept_ends_it() {
    let mut bench = Script::default();
    let mut notes = Notes {
        fail_after: Some(5),
        ..Notes::default()
    };
    let plan = plan_of(Duration::from_secs(60));
    let error = run(&plan, Before::default(), &mut bench, &mut notes).unwrap_err();
    assert_eq!(error, "the disk is full");
    assert_eq!(notes.kept.len(), 5);
    assert_eq!(bench.visits.len(), 6);
}

#[test]
fn a_resumed_campaign_counts_on_from_where_it_was() {
    let plan = plain_plan(Duration::from_secs(6));
    let before = Before {
        blocks: 4,
        elapsed: Duration::from_millis(2_400),
        ..Before::default()
    };
    let (mut bench, mut notes) = (Script::default(), Notes::default());
    let report = run(&plan, before, &mut bench, &mut notes).unwrap();
    assert_eq!(report.blocks, 6);
    let blocks = bench.visits.iter().map(|(block, _)| *block);
    assert_eq!(blocks.clone().min(), Some(4));
    assert_eq!(blocks.max(), Some(9));
    assert!(notes.probes.iter().all(|probe| probe.at_ms >= 2_403));
    assert_eq!(notes.rests.first(), Some(&Duration::from_millis(2_400)));
    assert_eq!(notes.rests.last(), Some(&Duration::from_secs(6)));
}

/// Block 3 was interrupted: what the machine does when the campaign is resumed
/// says nothing about it.
#[test]
fn the_first_probe_of_a_resumed_campaign_does_not_close_a_block() {
    let before = Before {
        blocks: 4,
        ..Before::default()
    };
    let plan = Plan {
        budget: Budget::Blocks(6),
        ..smoke()
    };
    let (mut bench, mut notes) = (Script::default(), Notes::default());
    run(&plan, before, &mut bench, &mut notes).unwrap();
    let after: Vec<Option<u32>> = notes.probes.iter().map(|p| p.after_block).collect();
    assert_eq!(after, [None, Some(4)]);
}

#[test]
fn narrow_intervals_end_it_early() {
    let plan = Plan {
        precision: Some(0.01),
        ..plain_plan(Duration::from_secs(60))
    };
    // Every median is 1: the intervals have no width, but eight blocks are the
    // least.
    let report = run_all(&plan, &mut Script::default(), &mut Notes::default());
    assert!(report.precise && report.is_complete());
    assert_eq!(report.blocks, 8);

    // Of those that were measured before the campaign was resumed, too.
    let measured = |case| measurement(case, 0, Outcome::Cost(cost(false)));
    let before = Before {
        blocks: 1,
        measurements: plan.cases.iter().map(measured).collect(),
        ..Before::default()
    };
    let (mut bench, mut notes) = (Script::default(), Notes::default());
    let report = run(&plan, before, &mut bench, &mut notes).unwrap();
    assert_eq!((report.precise, report.blocks), (true, 7));

    // A block that was disturbed at its end has narrowed nothing.
    let mut bench = Script {
        end_badly: vec![2, 5],
        ..Script::default()
    };
    let report = run_all(&plan, &mut bench, &mut Notes::default());
    assert_eq!((report.precise, report.blocks), (true, 10));
}

#[test]
fn a_case_that_is_always_disturbed_is_never_known_well_enough() {
    let plan = Plan {
        precision: Some(0.01),
        budget: Budget::Blocks(12),
        ..smoke()
    };
    let mut bench = Script {
        disturbed: Some("epoch"),
        ..Script::default()
    };
    let report = run_all(&plan, &mut bench, &mut Notes::default());
    assert_eq!((report.precise, report.blocks), (false, 12));
}

#[test]
fn a_case_that_fails_is_not_waited_for() {
    let plan = Plan {
        precision: Some(0.01),
        budget: Budget::Blocks(12),
        ..smoke()
    };
    let mut bench = Script {
        failing: Some(("epoch", 3)),
        ..Script::default()
    };
    let report = run_all(&plan, &mut bench, &mut Notes::default());
    assert_eq!((report.precise, report.blocks), (true, 8));
    assert_eq!(report.failures.len(), 4);
}

#[test]
fn devices_are_weighed_first_and_their_weight_is_recorded_once_a_block() {
    let cases: Vec<Case> = cases_of(Scenario::ManyDevices, &[], 2)
        .into_iter()
        .filter(|case| ["refcount", "epoch"].contains(&case.strategy))
        .collect();
    let plan = Plan::smoke(cases, vec![0, 1], 1);
    let (mut bench, mut notes) = (Script::default(), Notes::default());
    run_all(&plan, &mut bench, &mut notes);
    let weighed = |order: &&Order| matches!(order, Order::Weigh { .. });
    assert_eq!(bench.orders.iter().filter(weighed).count(), 2);
    assert!(matches!(bench.orders[0], Order::Calibrate { .. }));
    let heavy: Vec<&Measurement> = notes
        .kept
        .iter()
        .filter(|kept| match &kept.outcome {
            Outcome::Cost(cost) => cost.bytes_per_device == Some(48.0),
            _ => false,
        })
        .collect();
    assert_eq!(heavy.len(), 2 * 2);
    assert!(
        heavy
            .iter()
            .all(|kept| kept.workload.devices == MOST_DEVICES)
    );
}

#[test]
fn what_comes_before_the_blocks_is_not_worth_the_campaign() {
    let cases = cases_of(Scenario::ManyDevices, &[], 2);
    let strategies = cases.iter().filter(|case| case.level.devices == 1).count();
    let plan = Plan::smoke(cases, vec![0, 1], 1);
    let mut bench = Script {
        dies_early: true,
        ..Script::default()
    };
    let mut notes = Notes::default();
    let report = run_all(&plan, &mut bench, &mut notes);
    assert!(report.is_complete());
    assert_eq!(notes.lacking[0], Lack::Calibration);
    assert_eq!(notes.lacking[1..], vec![Lack::Weight; strategies]);
}

#[test]
fn rounds_are_neither_too_short_nor_too_long() {
    for (milliseconds, cases) in [(1, 12), (2_400, 12), (600_000, 12), (240_000, 500)] {
        let many = std::iter::repeat_n(Case::new("refcount", Scenario::Detach, 1), cases);
        let time = Some(Duration::from_millis(milliseconds));
        let plan = Plan::new(many.collect(), vec![0, 1], time, 1);
        assert!(plan.round >= Duration::from_millis(10), "{plan:?}");
        assert!(plan.round <= Duration::from_millis(50), "{plan:?}");
    }
}

#[test]
fn a_long_campaign_has_many_blocks_and_a_short_one_enough() {
    for (seconds, least) in [(10, 8), (60, 20), (180, 30)] {
        let plan = plan_of(Duration::from_secs(seconds));
        assert!(
            plan.blocks() >= least,
            "{seconds} s: {} blocks",
            plan.blocks()
        );
    }
}

#[test]
fn a_campaign_with_a_time_of_its_own_ends_in_time() {
    for (cpus, minutes) in [(1, 5), (2, 5), (8, 10), (256, 20)] {
        let all = Scenario::ALL.into_iter();
        let cases: Vec<Case> = all
            .flat_map(|scenario| cases_of(scenario, &[], cpus))
            .collect();
        let plan = Plan::new(cases, (0..cpus).collect(), None, 1);
        let expected = plan.expected();
        assert!(
            expected <= Duration::from_secs(60 * minutes - 30),
            "{cpus}: {expected:?}"
        );
        assert!(plan.blocks() >= 8, "{cpus} CPUs: {} blocks", plan.blocks());
    }
}

#[test]
fn progress_follows_the_clock_once_the_first_block_is_done() {
    let seconds = Duration::from_secs;
    let timed = plan_of(seconds(60));
    let done = |block, rounds, elapsed| timed.done(block, rounds, elapsed);
    assert_eq!(done(0, 0.5, seconds(3)), 0.05);
    assert_eq!(done(0, 0.5, seconds(90)), 0.5);
    assert_eq!(done(3, 0.5, seconds(30)), 0.5);
    assert_eq!(done(3, 0.5, seconds(90)), 1.0);
    let smoke = smoke();
    assert_eq!(smoke.done(0, 0.5, seconds(90)), 0.25);
    assert_eq!(smoke.done(1, 0.5, seconds(90)), 0.75);
}

#[test]
fn the_time_left_is_what_the_pace_so_far_says() {
    let progress = |done| Progress {
        block: 0,
        elapsed: Duration::from_secs(30),
        done,
    };
    assert_eq!(progress(0.25).left(), Some(Duration::from_secs(90)));
    assert_eq!(progress(1.0).left(), Some(Duration::ZERO));
    assert_eq!(progress(0.0).left(), None);
}
