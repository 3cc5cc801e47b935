//! Workers that slept: who is told of them, and where it is marked. On copies of
//! the sample in which the records say so.

use std::path::Path;

use detach_results::compare::Options;
use detach_results::export::Export;
use detach_results::{
    BASELINE, Comparison, Measurement, Outcome, Recorded, Row, WHY_SLEEPS_MATTER, sleeps_differ,
};

/// The sample, with how often a worker slept for each call of detach.
fn asleep(sleeps: impl Fn(&Measurement) -> Option<f64>) -> Recorded {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-run-2");
    let mut recorded = Recorded::read(&dir).unwrap();
    for measurement in &mut recorded.measurements {
        // Older records do not tell.
        assert_eq!(measurement.worker_sleeps, None);
        if measurement.scenario == "detach" {
            measurement.worker_sleeps = sleeps(measurement);
        }
    }
    recorded
}

fn turnstiles(sleeps: f64) -> Recorded {
    asleep(|measurement| {
        let turnstile = measurement.strategy == "turnstile";
        Some(if turnstile { sleeps } else { 0.0 })
    })
}

fn row(recorded: &Recorded, strategy: &str) -> Row {
    let summary = recorded.summary(BASELINE).unwrap();
    summary.row(strategy, "detach", 1).unwrap().clone()
}

#[test]
fn a_row_is_of_sleepers_where_they_slept_in_most_detaches() {
    for (sleeps, slept) in [(0.0, false), (0.49, false), (0.5, true), (3.0, true)] {
        let recorded = turnstiles(sleeps);
        let (turnstile, refcount) = (row(&recorded, "turnstile"), row(&recorded, "refcount"));
        assert_eq!(turnstile.worker_sleeps, Some(sleeps));
        assert_eq!(turnstile.workers_slept(), Some(slept));
        assert_eq!(sleeps_differ([&turnstile, &refcount]), slept);
        assert!(!sleeps_differ([&turnstile, &turnstile]));
    }
    let silent = row(&asleep(|_| None), "turnstile");
    assert_eq!(silent.workers_slept(), None);
    // What is not known differs from nothing.
    assert!(!sleeps_differ([
        &silent,
        &row(&turnstiles(1.0), "turnstile")
    ]));
}

#[test]
fn a_count_that_is_none_is_implausible() {
    for (sleeps, plausible) in [(0.0, true), (7.5, true), (-1.0, false), (f64::NAN, false)] {
        let measurements = turnstiles(sleeps).measurements;
        let all_good = measurements.iter().all(|one| one.check().is_ok());
        assert_eq!(all_good, plausible, "{sleeps}");
    }
}

/// The block in which they slept for once, and the one that does not tell, do
/// not decide.
#[test]
fn the_median_block_tells() {
    let recorded = asleep(|measurement| match measurement.block {
        0 => None,
        1 => Some(9.0),
        block => Some(f64::from(block) / 100.0),
    });
    // 9, 0.02, 0.03 and 0.04.
    assert_eq!(row(&recorded, "refcount").worker_sleeps, Some(0.035));
}

/// Those that figures do without do not decide, either.
#[test]
fn blocks_that_are_set_apart_do_not_tell() {
    let mut recorded =
        asleep(|measurement| Some([0.0, 0.0, 1.0, 9.0, 9.0][measurement.block as usize]));
    assert_eq!(row(&recorded, "refcount").worker_sleeps, Some(1.0));
    for measurement in &mut recorded.measurements {
        if let (3.., Outcome::Detach(detach)) = (measurement.block, &mut measurement.outcome) {
            detach.noise.disturbed_samples = detach.noise.samples;
        }
    }
    assert_eq!(row(&recorded, "refcount").worker_sleeps, Some(0.0));
}

#[test]
fn an_export_marks_ratios_between_those_who_slept_and_those_who_did_not() {
    let marked = |recorded: &Recorded| {
        let export = Export::new(recorded, BASELINE).unwrap();
        let rows = export.rows.iter().filter(|row| row.sleeps_differ);
        let rows = rows.map(|row| (row.scenario.clone(), row.strategy.clone()));
        let rows: Vec<(String, String)> = rows.collect();
        let markdown = export.markdown();
        let explained = "- ~: workers slept in most detaches of one of the two";
        assert_eq!(markdown.contains(explained), !rows.is_empty(), "{markdown}");
        assert_eq!(markdown.matches("] ~ ").count(), rows.len(), "{markdown}");
        rows
    };
    assert_eq!(marked(&turnstiles(0.0)), []);
    assert_eq!(marked(&asleep(|_| Some(2.0))), []);
    assert_eq!(marked(&asleep(|_| None)), []);
    let turnstile = ("detach".to_owned(), "turnstile".to_owned());
    assert_eq!(marked(&turnstiles(2.0)), [turnstile]);
}

#[test]
fn a_comparison_marks_runs_of_which_workers_slept_in_one() {
    let options = Options {
        scenarios: vec!["detach".into()],
        ..Options::default()
    };
    let (awake, drowsy) = (turnstiles(0.0), turnstiles(2.0));
    let drowsies = std::slice::from_ref(&drowsy);
    let comparison = Comparison::new(&awake, drowsies, &options).unwrap();
    let rows = &comparison.candidates[0].rows;
    let marked = |strategy: &str| {
        let mut rows = rows.iter();
        rows.find(|row| row.key.strategy == strategy)
            .unwrap()
            .sleeps_differ
    };
    assert!(marked("turnstile") && !marked("refcount"));
    let text = comparison.text();
    assert_eq!(text.matches(" ~ ").count(), 1, "{text}");
    assert!(
        text.contains("~ workers slept in most detaches of one run"),
        "{text}"
    );
    assert!(text.contains(WHY_SLEEPS_MATTER), "{text}");
    assert!(comparison.csv().contains("sleeps_differ"));

    let same = Comparison::new(&drowsy, drowsies, &options).unwrap();
    assert!(!same.text().contains('~'), "{}", same.text());
}
