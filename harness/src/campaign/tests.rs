//! Scheduling, against a bench that only pretends to take time.

mod plan;
mod script;

use std::cell::Cell;

use super::*;
use crate::engine::cases_of;
use script::{Notes, Script, cost, measurement, plain_plan, plan_of, run_all, smoke};

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
