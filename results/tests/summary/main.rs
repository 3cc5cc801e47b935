//! Pooling and comparing, on measurements made up so that the result can be
//! told by hand.

mod disturbed;

use std::collections::BTreeMap;

use detach_results::{
    BASELINE, Cost, CostSummary, Detach, DetachSummary, Estimate, Latency, Measurement, Noise,
    Outcome, PoolError, Ratio, Row, Spread, Summary, Visits, Workload, latency,
};
use disturbed::{all_disturbed, fast_path};

fn measurement(strategy: &str, threads: usize, block: u32, outcome: Outcome) -> Measurement {
    let scenario = match outcome {
        Outcome::Detach(_) => "detach",
        _ => "fast_path",
    };
    Measurement {
        strategy: strategy.into(),
        scenario: scenario.into(),
        threads,
        workload: Workload {
            devices: 1,
            worker_cpus: (0..threads).collect(),
            oversubscribed: threads > 2,
            ..Workload::default()
        },
        block,
        worker_sleeps: None,
        outcome,
    }
}

fn cost(strategy: &str, threads: usize, block: u32, samples: &[f64]) -> Measurement {
    let ns_per_op = Estimate::from_samples(samples.to_vec(), 0).unwrap();
    let outcome = Outcome::Cost(Cost {
        ops_per_second: threads as f64 * 1e9 / ns_per_op.median,
        ns_per_op,
        set_apart: Vec::new(),
        fairness: 1.0,
        bytes_per_device: None,
        detaches_per_second: None,
        mechanisms: BTreeMap::from([("rseq".into(), 5)]),
        noise: Noise::default(),
        disturbed: block == 1,
    });
    measurement(strategy, threads, block, outcome)
}

fn detach(strategy: &str, block: u32, latencies: &[u64]) -> Measurement {
    let mut counts = latency::histogram();
    for &nanoseconds in latencies {
        latency::record(&mut counts, nanoseconds);
    }
    let outcome = Outcome::Detach(Box::new(Detach {
        latency_ns: Latency::from_histogram(&counts).unwrap(),
        last_entry_ns: None,
        last_leave_ns: Latency::from_histogram(&counts),
        heavy_fence_ns: None,
        refused_ns: None,
        overtook: None,
        round_p50_ns: Vec::new(),
        set_apart: None,
        mechanisms: BTreeMap::new(),
        noise: Noise::default(),
        disturbed: false,
    }));
    measurement(strategy, 1, block, outcome)
}

fn cost_ratio(summary: &Summary, strategy: &str) -> Option<Ratio> {
    let row = summary.row(strategy, "fast_path", 1).unwrap();
    row.cost.as_ref().unwrap().to_baseline
}

fn detach_ratio(summary: &Summary, strategy: &str) -> Option<Ratio> {
    let row = summary.row(strategy, "detach", 1).unwrap();
    row.detach.as_ref().unwrap().to_baseline
}

/// A machine that becomes four times as slow over nine blocks. The ratio is
/// 0.5 in each of them, and the drift must not widen its interval.
#[test]
fn ratios_are_taken_within_blocks() {
    let mut measurements = Vec::new();
    for block in 0..9 {
        let slow = 1.0 + f64::from(block) * 0.375;
        measurements.push(cost(
            "refcount",
            1,
            block,
            &[10.0 * slow, 8.0 * slow, 12.0 * slow],
        ));
        measurements.push(cost(
            "turnstile",
            1,
            block,
            &[5.0 * slow, 4.0 * slow, 30.0 * slow],
        ));
    }
    let summary = Summary::new(&measurements, BASELINE, 7).unwrap();
    let ratio = cost_ratio(&summary, "turnstile").unwrap();
    assert_eq!((ratio.ratio, ratio.ci_low, ratio.ci_high), (0.5, 0.5, 0.5));
    let row = summary.row("turnstile", "fast_path", 1).unwrap();
    let estimate = &row.cost.as_ref().unwrap().ns_per_op;
    assert_eq!(estimate.samples.len(), 9);
    assert_eq!(estimate.median, 12.5);
    assert!(
        estimate.ci_low < 12.0 && estimate.ci_high > 13.0,
        "{estimate:?}"
    );
    assert_eq!(row.mechanisms["rseq"], 45);
    assert_eq!((row.records, row.blocks, row.disturbed_records), (9, 9, 1));
}

/// A cost while so many other devices are detached per second.
fn disturbance(rate: u64, block: u32, samples: &[f64]) -> Measurement {
    let mut measurement = cost("turnstile", 1, block, samples);
    measurement.scenario = "disturbance".into();
    measurement.workload.detach_rate = Some(rate);
    measurement
}

fn cost_at_rate(measurements: &[Measurement], rate: u64) -> CostSummary {
    let summary = Summary::new(measurements, BASELINE, 0).unwrap();
    let mut rows = summary.rows.into_iter();
    let row = rows.find(|row| row.key.detach_rate == rate).unwrap();
    row.cost.unwrap()
}

/// The machine becomes four times as slow over nine blocks, and the calm row
/// lacks the slow half of them. An operation takes a quarter more in each.
#[test]
fn a_machine_that_slows_down_does_not_change_what_detaches_cost() {
    let mut measurements = Vec::new();
    for block in 0..9 {
        let slow = 1.0 + f64::from(block) * 0.375;
        if block < 5 {
            measurements.push(disturbance(0, block, &[8.0 * slow]));
        }
        measurements.push(disturbance(1_000, block, &[10.0 * slow]));
    }
    let busy = cost_at_rate(&measurements, 1_000);
    let calm = cost_at_rate(&measurements, 0);
    // The medians alone would say 25 over 14.
    assert_eq!((busy.ns_per_op.median, calm.ns_per_op.median), (25.0, 14.0));
    let ratio = busy.to_calm.unwrap();
    assert_eq!(
        (ratio.ratio, ratio.ci_low, ratio.ci_high),
        (1.25, 1.25, 1.25)
    );
    assert_eq!(ratio.inverse().ratio, 0.8);
    assert!(!busy.to_calm_rests_on_disturbed);
    assert_eq!(calm.to_calm, Some(Ratio::ONE));
    // No other strategy is in it.
    assert_eq!(busy.to_baseline, None);
}

#[test]
fn only_blocks_that_both_sides_have_are_compared() {
    let measurements = [
        cost("refcount", 1, 0, &[10.0]),
        cost("refcount", 1, 1, &[20.0]),
        cost("refcount", 1, 2, &[999.0]),
        cost("turnstile", 1, 0, &[1.0]),
        cost("turnstile", 1, 1, &[2.0]),
        cost("turnstile", 1, 3, &[999.0]),
        cost("rwlock", 1, 7, &[30.0]),
    ];
    let summary = Summary::new(&measurements, BASELINE, 0).unwrap();
    assert_eq!(cost_ratio(&summary, "turnstile").unwrap().ratio, 0.1);
    assert_eq!(cost_ratio(&summary, "rwlock"), None);
}

#[test]
fn one_block_is_compared_by_its_samples() {
    let measurements = [
        cost("refcount", 1, 0, &[10.0, 10.0, 10.0]),
        cost("turnstile", 1, 0, &[4.0, 5.0, 6.0]),
    ];
    let summary = Summary::new(&measurements, BASELINE, 0).unwrap();
    let ratio = cost_ratio(&summary, "turnstile").unwrap();
    assert_eq!((ratio.ratio, ratio.ci_low, ratio.ci_high), (0.5, 0.4, 0.6));
}

#[test]
fn the_only_measurement_keeps_the_interval_that_was_recorded() {
    let mut only = cost("turnstile", 1, 0, &[4.0, 5.0, 6.0]);
    let Outcome::Cost(recorded) = &mut only.outcome else {
        panic!("a cost");
    };
    recorded.ns_per_op.ci_low = 4.5;
    let expected = recorded.ns_per_op.clone();
    let summary = Summary::new(&[only], BASELINE, 0).unwrap();
    let row = summary.row("turnstile", "fast_path", 1).unwrap();
    assert_eq!(row.cost.as_ref().unwrap().ns_per_op, expected);
}

#[test]
fn several_measurements_in_a_block_are_one() {
    let measurements = [
        cost("refcount", 1, 0, &[1.0, 2.0]),
        cost("refcount", 1, 0, &[3.0, 4.0, 5.0]),
    ];
    let summary = Summary::new(&measurements, BASELINE, 0).unwrap();
    let row = summary.row("refcount", "fast_path", 1).unwrap();
    let estimate = &row.cost.as_ref().unwrap().ns_per_op;
    assert_eq!(estimate.samples, [1.0, 2.0, 3.0, 4.0, 5.0]);
    assert_eq!((estimate.median, row.records, row.blocks), (3.0, 2, 1));
}

#[test]
fn any_strategy_can_be_the_baseline_and_none_need_be_there() {
    let measurements = [
        cost("refcount", 1, 0, &[10.0]),
        cost("turnstile", 1, 0, &[1.0, 2.0, 3.0]),
    ];
    let summary = Summary::new(&measurements, "turnstile", 0).unwrap();
    assert_eq!(summary.baseline, "turnstile");
    assert_eq!(cost_ratio(&summary, "refcount").unwrap().ratio, 5.0);
    assert_eq!(cost_ratio(&summary, "turnstile"), Some(Ratio::ONE));
    let summary = Summary::new(&measurements, "absent", 0).unwrap();
    assert_eq!(cost_ratio(&summary, "refcount"), None);
}

#[test]
fn detach_latencies_of_all_blocks_are_in_the_pool() {
    let measurements = [
        detach("refcount", 0, &[100, 100, 100]),
        detach("refcount", 1, &[200]),
        detach("turnstile", 0, &[300, 310, 290]),
        detach("turnstile", 1, &[800, 800]),
    ];
    let summary = Summary::new(&measurements, BASELINE, 0).unwrap();
    let row = summary.row("turnstile", "detach", 1).unwrap();
    let pooled = row.detach.as_ref().unwrap();
    let counts = [(290, 1), (300, 1), (310, 1), (800, 2)];
    assert_eq!(pooled.latency_ns.histogram, counts);
    assert_eq!(pooled.last_leave_ns.as_ref().unwrap().histogram, counts);
    assert_eq!(pooled.last_entry_ns, None);
    // 3 in block 0 and 4 in block 1.
    let ratio = pooled.to_baseline.unwrap();
    assert_eq!((ratio.ratio, ratio.ci_low, ratio.ci_high), (3.5, 3.0, 4.0));
}

#[test]
fn detach_latencies_of_one_block_are_resampled() {
    let refcount: Vec<u64> = (0..1_000).map(|i| 900 + i % 200).collect();
    let turnstile: Vec<u64> = refcount.iter().map(|latency| latency * 2).collect();
    let measurements = [
        detach("refcount", 0, &refcount),
        detach("turnstile", 0, &turnstile),
    ];
    let summary = Summary::new(&measurements, BASELINE, 0).unwrap();
    let ratio = detach_ratio(&summary, "turnstile").unwrap();
    assert!((ratio.ratio - 2.0).abs() < 0.01, "{ratio:?}");
    assert!(ratio.ci_low < 2.0 && 2.0 < ratio.ci_high, "{ratio:?}");
    assert!(ratio.ci_high - ratio.ci_low < 0.1, "{ratio:?}");
    assert_eq!(detach_ratio(&summary, "refcount"), Some(Ratio::ONE));
}

#[test]
fn a_clock_that_shows_no_time_gives_no_ratio() {
    let measurements = [
        detach("refcount", 0, &[0, 0, 0]),
        detach("turnstile", 0, &[0, 5, 9]),
    ];
    let summary = Summary::new(&measurements, BASELINE, 0).unwrap();
    assert_eq!(detach_ratio(&summary, "turnstile"), None);
}

#[test]
fn what_could_not_run_in_one_block_keeps_the_others() {
    let unsupported = Outcome::Unsupported {
        unsupported: "no slots left".into(),
    };
    let measurements = [
        cost("turnstile", 4, 0, &[2.0]),
        measurement("turnstile", 4, 1, unsupported),
    ];
    let summary = Summary::new(&measurements, BASELINE, 0).unwrap();
    let row = summary.row("turnstile", "fast_path", 4).unwrap();
    assert_eq!(row.unsupported.as_deref(), Some("no slots left"));
    assert_eq!(row.cost.as_ref().unwrap().ns_per_op.median, 2.0);
    assert!(row.oversubscribed);
}

#[test]
fn rows_are_sorted_and_independent_of_the_order_of_measuring() {
    let mut measurements = vec![
        cost("turnstile", 10, 0, &[2.0, 3.0, 5.0]),
        cost("turnstile", 2, 0, &[2.0, 3.0, 4.0]),
        cost("refcount", 2, 0, &[20.0, 30.0, 31.0]),
        detach("refcount", 0, &[1, 2, 3]),
    ];
    let summary = Summary::new(&measurements, BASELINE, 3).unwrap();
    assert_eq!(summary.threads("fast_path"), [2, 10]);
    let curve = summary.curve("turnstile", "fast_path");
    let threads: Vec<_> = curve.iter().map(|row| row.key.threads).collect();
    assert_eq!(threads, [2, 10]);
    for row in &summary.rows {
        assert_eq!(summary.get(&row.key), Some(row));
    }
    measurements.reverse();
    assert_eq!(Summary::new(&measurements, BASELINE, 3).unwrap(), summary);
    let json = serde_json::to_string(&summary).unwrap();
    assert_eq!(serde_json::from_str::<Summary>(&json).unwrap(), summary);
}

#[test]
fn nothing_measured_is_an_empty_summary() {
    let summary = Summary::new(&[], BASELINE, 0).unwrap();
    assert!(summary.rows.is_empty() && summary.scenarios().is_empty());
}

#[test]
fn impossible_measurements_are_named() {
    let mut bad = detach("turnstile", 0, &[5]);
    let Outcome::Detach(latencies) = &mut bad.outcome else {
        panic!("a detach");
    };
    latencies.latency_ns.count = 9;
    let error = Summary::new(&[bad], BASELINE, 0).unwrap_err();
    assert!(matches!(error.cause, PoolError::Latency(_)));
    let shown = error.to_string();
    assert!(
        shown.starts_with("turnstile, detach, 1 threads: "),
        "{shown}"
    );

    let mut bad = cost("turnstile", 1, 0, &[5.0]);
    let Outcome::Cost(cost) = &mut bad.outcome else {
        panic!("a cost");
    };
    cost.ops_per_second = f64::NAN;
    let error = Summary::new(&[bad], BASELINE, 0).unwrap_err();
    assert!(matches!(error.cause, PoolError::Stats(_)));
}

fn detach_of(row: &Row) -> &DetachSummary {
    row.detach.as_ref().unwrap()
}

#[test]
fn the_median_of_detach_stands_on_blocks() {
    let measurements: Vec<_> = [300, 100, 200, 700, 500]
        .into_iter()
        .zip(0..)
        .map(|(p50, block)| detach("turnstile", block, &[1, p50, 9_000]))
        .collect();
    let summary = Summary::new(&measurements, "", 0).unwrap();
    let figures = detach_of(summary.row("turnstile", "detach", 1).unwrap()).clone();
    assert_eq!(figures.p50_ns.samples, [300.0, 100.0, 200.0, 700.0, 500.0]);
    let p50 = &figures.p50_ns;
    assert_eq!((p50.ci_low, p50.median, p50.ci_high), (100.0, 300.0, 700.0));
    // Quartiles 200 and 500.
    assert_eq!(
        figures.spread,
        Spread {
            within: None,
            between: Some(0.5)
        }
    );
    assert_eq!(figures.to_baseline, None);
}

#[test]
fn the_only_block_of_detach_is_told_by_its_rounds() {
    let rounds = |strategy: &str, medians: &[f64]| {
        let mut measurement = detach(strategy, 0, &[1, 40, 900]);
        let Outcome::Detach(figures) = &mut measurement.outcome else {
            panic!("a detach");
        };
        figures.round_p50_ns = medians.to_vec();
        measurement
    };
    let measurements = [
        rounds("turnstile", &[10.0, 20.0, 30.0, 40.0]),
        rounds("refcount", &[5.0, 5.0, 5.0]),
        detach("rwlock", 0, &[1, 40, 900]),
    ];
    let summary = Summary::new(&measurements, BASELINE, 0).unwrap();
    let turnstile = detach_of(summary.row("turnstile", "detach", 1).unwrap());
    assert_eq!(turnstile.p50_ns.samples, [10.0, 20.0, 30.0, 40.0]);
    assert_eq!(turnstile.p50_ns.median, 25.0);
    assert_eq!(turnstile.spread.within, Some(0.3));
    assert_eq!(turnstile.spread.between, None);
    let ratio = turnstile.to_baseline.unwrap();
    assert_eq!((ratio.ratio, ratio.ci_low, ratio.ci_high), (5.0, 2.0, 8.0));
    let rwlock = detach_of(summary.row("rwlock", "detach", 1).unwrap());
    assert_eq!(rwlock.p50_ns.samples, [40.0]);
}

#[test]
fn new_figures_of_detach_are_pooled() {
    let with = |block, overtook, refused: &[u64]| {
        let mut measurement = detach("dying-xcall", block, &[100]);
        let Outcome::Detach(figures) = &mut measurement.outcome else {
            panic!("a detach");
        };
        figures.overtook = overtook;
        figures.refused_ns = latencies(refused);
        measurement
    };
    let measurements = [
        with(0, Some(2), &[10, 20]),
        with(1, None, &[]),
        with(2, Some(3), &[20]),
    ];
    let summary = Summary::new(&measurements, BASELINE, 0).unwrap();
    let figures = detach_of(summary.row("dying-xcall", "detach", 1).unwrap());
    assert_eq!(figures.overtook, Some(5));
    let refused = figures.refused_ns.as_ref().unwrap();
    assert_eq!(refused.histogram, [(10, 1), (20, 2)]);
    let summary = Summary::new(&measurements[1..2], BASELINE, 0).unwrap();
    let figures = detach_of(summary.row("dying-xcall", "detach", 1).unwrap());
    assert_eq!((figures.overtook, &figures.refused_ns), (None, &None));
}

#[test]
fn new_figures_of_costs_are_medians_of_those_that_have_them() {
    let with = |block, bytes, rate| {
        let mut measurement = cost("turnstile", 1, block, &[2.0]);
        let Outcome::Cost(figures) = &mut measurement.outcome else {
            panic!("a cost");
        };
        (figures.bytes_per_device, figures.detaches_per_second) = (bytes, rate);
        measurement
    };
    let measurements = [
        with(0, Some(80.0), None),
        with(1, Some(96.0), None),
        with(2, None, None),
        with(3, Some(81.0), None),
    ];
    let row = fast_path(&measurements, "turnstile");
    let figures = row.cost.as_ref().unwrap();
    assert_eq!(figures.bytes_per_device, Some(81.0));
    assert_eq!(figures.detaches_per_second, None);
    assert_eq!(figures.spread.between, Some(0.0));
}

fn latencies(values: &[u64]) -> Option<Latency> {
    let mut counts = latency::histogram();
    for &nanoseconds in values {
        latency::record(&mut counts, nanoseconds);
    }
    Latency::from_histogram(&counts)
}

fn visits(strategy: &str, block: u32, values: &[u64]) -> Measurement {
    let outcome = Outcome::Visits(Box::new(Visits {
        visit_ns: latencies(values).unwrap(),
        clock_ns: latencies(&[20, 21]).unwrap(),
        set_apart: None,
        mechanisms: BTreeMap::new(),
        noise: Noise::default(),
        disturbed: false,
    }));
    measurement(strategy, 1, block, outcome)
}

#[test]
fn visits_are_pooled_like_detaches() {
    let measurements = [
        visits("turnstile", 0, &[30, 31, 32]),
        visits("turnstile", 1, &[40, 50, 60]),
        visits("turnstile", 2, &[33]),
        all_disturbed(visits("turnstile", 3, &[900, 900, 900, 900])),
        visits("refcount", 0, &[62]),
        visits("refcount", 1, &[50]),
        visits("refcount", 2, &[99]),
    ];
    let row = fast_path(&measurements, "turnstile");
    let figures = row.visits.as_ref().unwrap();
    assert_eq!(figures.visit_ns.count, 7);
    assert_eq!(figures.clock_ns.histogram, [(20, 3), (21, 3)]);
    assert_eq!(figures.p50_ns.samples, [31.0, 50.0, 33.0]);
    assert_eq!(row.set_apart, 1);
    // 0.5, 1 and a third.
    let ratio = figures.to_baseline.unwrap();
    assert_eq!((ratio.ratio, ratio.ci_high), (0.5, 1.0));
}
