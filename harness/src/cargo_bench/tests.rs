use detach_results::{Outcome, Recorded};

use super::*;

fn case() -> Case {
    Case::new("refcount", Scenario::FastPath, 1)
}

fn mode(arguments: &[&str]) -> Mode {
    Mode::from_arguments(arguments.iter().map(|argument| argument.to_string()))
}

#[test]
fn only_a_real_measurement_is_recorded() {
    assert_eq!(mode(&["--bench"]), Mode::Measure);
    assert_eq!(mode(&["turnstile", "--bench"]), Mode::Measure);
    assert_eq!(mode(&["--quick", "--bench"]), Mode::Quick);
    assert_eq!(mode(&["--save-baseline", "x", "--bench"]), Mode::Measure);
    // `cargo test` passes nothing, nextest asks for a list.
    assert_eq!(mode(&[]), Mode::Rehearse);
    assert_eq!(mode(&["--list", "--format", "terse"]), Mode::Rehearse);
    assert_eq!(mode(&["--bench", "--test"]), Mode::Rehearse);
    assert_eq!(mode(&["--bench", "--profile-time=2"]), Mode::Rehearse);
    assert_eq!(mode(&["--bench", "--load-baseline", "x"]), Mode::Rehearse);
}

#[test]
fn warm_up_is_the_series_of_doublings() {
    let counted = |asked: &[u64]| -> Vec<u64> {
        let mut warm_up = WarmUp::default();
        asked.iter().copied().filter(|&n| !warm_up.is(n)).collect()
    };
    assert_eq!(counted(&[1, 2, 4, 8, 5, 5, 5]), [5, 5, 5]);
    assert_eq!(counted(&[1, 1, 1]), [1, 1]);
    assert_eq!(counted(&[1, 2, 100, 100]), [100, 100]);
    // The number to be repeated is the next of the series.
    assert_eq!(counted(&[1, 2, 4, 4, 4]), [4, 4]);
}

fn session(mode: Mode, root: &Path) -> Session {
    Session::new(Engine::new(vec![0]), mode, root, "--bench")
}

fn measure(session: &mut Session, case: &Case, asked: &[u64]) {
    for &iterations in asked {
        session.time(case, iterations).unwrap();
    }
    session.end_case().unwrap();
}

#[test]
fn records_hold_what_followed_the_warm_up() {
    let root = tempfile::tempdir().unwrap();
    let mut session = session(Mode::Measure, root.path());
    measure(&mut session, &case(), &[1, 2, 4, 9, 9, 9]);
    let dir = session.finish().unwrap().unwrap();
    let recorded = Recorded::read(&dir).unwrap();
    assert!(recorded.run.complete);
    assert_eq!(recorded.run.scheduler, "criterion");
    let [measurement] = recorded.measurements.as_slice() else {
        panic!("one case was measured");
    };
    assert_eq!(measurement.scenario, "fast_path");
    let Outcome::Cost(cost) = &measurement.outcome else {
        panic!("the fast path has a cost");
    };
    // Whether the machine disturbed any of them is not the test's business.
    assert_eq!(cost.noise.samples, 3);
}

#[test]
fn no_round_that_counts_is_too_short_to_say_anything() {
    assert_eq!(shortest(&case(), false), SHORTEST);
    assert_eq!(shortest(&case(), true), SHORTEST_OVERSUBSCRIBED);
    let detach = Case {
        scenario: Scenario::Detach,
        ..case()
    };
    assert_eq!(shortest(&detach, false), SHORTEST);
    assert_eq!(shortest(&detach, true), Duration::ZERO);

    let took = Duration::from_micros(5);
    assert_eq!(filling(Duration::from_millis(1), 1_000, took), 200_000);
    assert_eq!(filling(Duration::ZERO, 1_000, took), 0);
    // A clock that saw no time pass does not ask for infinitely many.
    assert_eq!(filling(SHORTEST, 1, Duration::ZERO), 1_000_000);
}

#[test]
fn quick_rounds_all_count() {
    let root = tempfile::tempdir().unwrap();
    let mut session = session(Mode::Quick, root.path());
    measure(&mut session, &case(), &[1, 2, 4]);
    let dir = session.finish().unwrap().unwrap();
    let recorded = Recorded::read(&dir).unwrap();
    let Outcome::Cost(cost) = &recorded.measurements[0].outcome else {
        panic!("the fast path has a cost");
    };
    // Whether the machine disturbed any of them is not the test's business.
    assert_eq!(cost.noise.samples, 3);
}

#[test]
fn nothing_measured_leaves_nothing_behind() {
    let root = tempfile::tempdir().unwrap();
    let mut idle = session(Mode::Measure, root.path());
    assert!(!idle.cases().is_empty());
    assert_eq!(idle.finish().unwrap(), None);
    let mut rehearsal = session(Mode::Rehearse, root.path());
    measure(&mut rehearsal, &case(), &[1]);
    assert_eq!(rehearsal.finish().unwrap(), None);
    assert_eq!(root.path().read_dir().unwrap().count(), 0);
}

#[test]
fn an_early_end_keeps_what_was_measured_and_says_why() {
    let root = tempfile::tempdir().unwrap();
    let mut session = session(Mode::Measure, root.path());
    measure(&mut session, &case(), &[1, 5, 5]);
    let pointless = Case {
        threads: 0,
        ..case()
    };
    let error = session.time(&pointless, 1).unwrap_err();
    let dir = session.give_up(&error).unwrap().unwrap();
    let recorded = Recorded::read(&dir).unwrap();
    assert!(!recorded.run.complete);
    assert_eq!(recorded.measurements.len(), 1);
    let warning = recorded.run.warnings.last().unwrap();
    assert_eq!(warning.kind, "stopped-early");
    assert!(
        warning.message.contains("fast_path/refcount/0"),
        "{}",
        warning.message
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_found_before_measuring() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let error = session(Mode::Measure, &file).time(&case(), 1).unwrap_err();
    assert!(matches!(error, SessionError::Store(_)), "{error}");
}

#[test]
fn what_cannot_run_is_recorded_beside_what_could() {
    let root = tempfile::tempdir().unwrap();
    let mut session = session(Mode::Measure, root.path());
    for scenario in [Scenario::FastPath, Scenario::Detach] {
        let case = Case::new("turnstile", scenario, 1);
        session
            .unsupported
            .push((case, Unsupported::because("no such call")));
    }
    assert_eq!(session.skipped().len(), 1);
    measure(&mut session, &case(), &[1, 5]);
    let dir = session.finish().unwrap().unwrap();
    let recorded = Recorded::read(&dir).unwrap();
    let lacking: Vec<_> = recorded
        .measurements
        .iter()
        .filter(|measurement| matches!(measurement.outcome, Outcome::Unsupported { .. }))
        .map(|measurement| measurement.scenario.as_str())
        .collect();
    // No detach was asked for, so none is missing.
    assert_eq!(lacking, ["fast_path"]);
}
