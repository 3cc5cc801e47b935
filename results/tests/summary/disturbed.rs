//! What figures are made of where some measurements were disturbed.

use super::*;

/// Makes every sample of a measurement a disturbed one.
pub(super) fn all_disturbed(mut measurement: Measurement) -> Measurement {
    let (noise, disturbed) = match &mut measurement.outcome {
        Outcome::Cost(cost) => (&mut cost.noise, &mut cost.disturbed),
        Outcome::Detach(detach) => (&mut detach.noise, &mut detach.disturbed),
        Outcome::Visits(visits) => (&mut visits.noise, &mut visits.disturbed),
        Outcome::Unsupported { .. } => panic!("nothing was sampled"),
    };
    (noise.samples, noise.disturbed_samples) = (3, 3);
    *disturbed = true;
    measurement
}

pub(super) fn fast_path(measurements: &[Measurement], strategy: &str) -> Row {
    let summary = Summary::new(measurements, BASELINE, 0).unwrap();
    summary.row(strategy, "fast_path", 1).unwrap().clone()
}

fn samples(row: &Row) -> Vec<f64> {
    row.cost.as_ref().unwrap().ns_per_op.samples.clone()
}

#[test]
fn disturbed_measurements_are_set_apart_while_three_others_remain() {
    let mut measurements = vec![
        cost("turnstile", 1, 0, &[1.0]),
        cost("turnstile", 1, 2, &[2.0]),
        cost("turnstile", 1, 3, &[3.0]),
        all_disturbed(cost("turnstile", 1, 4, &[90.0])),
        all_disturbed(cost("turnstile", 1, 5, &[80.0])),
    ];
    let row = fast_path(&measurements, "turnstile");
    assert_eq!(samples(&row), [1.0, 2.0, 3.0]);
    assert_eq!((row.set_apart, row.rests_on_disturbed), (2, false));
    assert_eq!((row.records, row.blocks, row.processes), (5, 5, 3));
    // The rate of the disturbed ones is not in the median either.
    assert_eq!(row.cost.as_ref().unwrap().ops_per_second, 5e8);
    // What was set apart is still told.
    assert_eq!((row.noise.samples, row.disturbed_records), (6, 2));

    // With two left of four, all are needed.
    measurements.remove(0);
    let row = fast_path(&measurements, "turnstile");
    assert_eq!(samples(&row), [2.0, 3.0, 90.0, 80.0]);
    assert_eq!((row.set_apart, row.rests_on_disturbed), (0, true));
    assert_eq!(row.processes, 4);
}

#[test]
fn of_two_blocks_one_is_enough() {
    let measurements = [
        cost("turnstile", 1, 0, &[1.0]),
        all_disturbed(cost("turnstile", 1, 1, &[90.0])),
    ];
    let row = fast_path(&measurements, "turnstile");
    assert_eq!(samples(&row), [1.0]);
    assert_eq!((row.set_apart, row.rests_on_disturbed), (1, false));

    let row = fast_path(&measurements[1..], "turnstile");
    assert_eq!(samples(&row), [90.0]);
    assert_eq!((row.set_apart, row.rests_on_disturbed), (0, true));
}

#[test]
fn partly_disturbed_measurements_are_used() {
    let mut partly = all_disturbed(cost("turnstile", 1, 3, &[4.0]));
    let Outcome::Cost(figures) = &mut partly.outcome else {
        panic!("a cost");
    };
    figures.noise.disturbed_samples = 2;
    let mut measurements: Vec<_> = (0..3).map(|b| cost("turnstile", 1, b, &[1.0])).collect();
    measurements.push(partly);
    let row = fast_path(&measurements, "turnstile");
    assert_eq!(samples(&row), [1.0, 1.0, 1.0, 4.0]);
    assert_eq!((row.set_apart, row.rests_on_disturbed), (0, false));
}

/// Both sides have three clean blocks or more, but of different numbers.
#[test]
fn ratios_use_blocks_that_are_clean_on_both_sides() {
    let side = |strategy: &str, ns: f64, disturbed: &[u32]| -> Vec<Measurement> {
        let blocks = (0..5).map(|block| {
            let measurement = cost(strategy, 1, block, &[ns * f64::from(block + 1)]);
            if disturbed.contains(&block) {
                all_disturbed(cost(strategy, 1, block, &[ns * 100.0]))
            } else {
                measurement
            }
        });
        blocks.collect()
    };
    let with = |baseline: &[u32], strategy: &[u32]| {
        let mut measurements = side("refcount", 10.0, baseline);
        measurements.extend(side("turnstile", 1.0, strategy));
        let row = fast_path(&measurements, "turnstile");
        let ratio = row.cost.as_ref().unwrap().to_baseline.unwrap();
        (row, ratio)
    };

    let (row, ratio) = with(&[0], &[1]);
    assert_eq!((ratio.ratio, ratio.ci_low, ratio.ci_high), (0.1, 0.1, 0.1));
    assert!(!row.rests_on_disturbed && !row.ratio_rests_on_disturbed);

    // Blocks 0 to 2 are clean on both sides, and three are enough.
    let (_, ratio) = with(&[3], &[4]);
    assert_eq!((ratio.ci_low, ratio.ci_high), (0.1, 0.1));
    // Each side has three clean blocks, but only 3 and 4 are clean on both.
    let (row, ratio) = with(&[0, 1], &[2]);
    assert_eq!((row.set_apart, row.rests_on_disturbed), (1, false));
    assert!(row.ratio_rests_on_disturbed);
    // Ratios 1/1000, 2/1000, 100/30, 0.1 and 0.1: the median is clean.
    assert_eq!(ratio.ratio, 0.1);
    assert_eq!((ratio.ci_low, ratio.ci_high), (0.001, 100.0 / 30.0));
}

#[test]
fn what_detaches_cost_tells_when_either_side_was_disturbed() {
    let side = |rate: u64, disturbed: bool| {
        (0..4).map(move |block| {
            let measurement = disturbance(rate, block, &[10.0 + rate as f64]);
            match disturbed {
                true => all_disturbed(measurement),
                false => measurement,
            }
        })
    };
    for (calm, busy) in [(false, false), (true, false), (false, true)] {
        let measurements: Vec<Measurement> = side(0, calm).chain(side(10, busy)).collect();
        let figures = cost_at_rate(&measurements, 10);
        assert_eq!(figures.to_calm.unwrap().ratio, 2.0);
        assert_eq!(figures.to_calm_rests_on_disturbed, calm || busy);
    }
    let alone: Vec<Measurement> = side(10, false).collect();
    assert_eq!(cost_at_rate(&alone, 10).to_calm, None);
}
