//! Packing a run: what is taken out, what is refused, and that nothing is ever
//! overwritten.

use std::fs;
use std::path::Path;

use detach_results::submit::{Private, Submission, SubmitError, Unfit};
use detach_results::{Outcome, ReadProblem, Recorded, StoreError, Warning};

fn sample() -> Recorded {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-run-2");
    Recorded::read(&dir).unwrap()
}

fn alice() -> Private {
    Private::new(Some("/home/alice"), ["alice", "workhorse.example.org"])
}

fn prepare(recorded: &Recorded) -> Submission {
    Submission::prepare(recorded, &alice(), false).unwrap()
}

fn reasons(recorded: &Recorded, anyway: bool) -> Vec<Unfit> {
    let error = Submission::prepare(recorded, &alice(), anyway).unwrap_err();
    let shown = error.to_string();
    let SubmitError::Unfit { reasons, .. } = error else {
        panic!("another error: {error}");
    };
    for reason in &reasons {
        assert!(shown.contains(reason.hint()), "{shown}");
    }
    reasons
}

#[test]
fn a_clean_run_is_packed_as_it_is() {
    let mut recorded = sample();
    recorded.run.options.remove("out");
    let submission = prepare(&recorded);
    assert_eq!(submission.removed, [""; 0]);
    let root = tempfile::tempdir().unwrap();
    let dir = submission.write(root.path()).unwrap();
    assert!(dir.ends_with("example-2cpu/2026-11-24T08-30-00Z"));
    let found = Recorded::read(&dir).unwrap();
    assert_eq!(found.problems, []);
    assert_eq!(found.run, recorded.run);
    assert_eq!(found.measurements, recorded.measurements);
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
}

#[test]
fn what_is_there_is_never_overwritten() {
    let submission = prepare(&sample());
    let root = tempfile::tempdir().unwrap();
    let dir = submission.write(root.path()).unwrap();
    fs::write(dir.join("run.json"), "kept").unwrap();
    let error = submission.write(root.path()).unwrap_err();
    assert!(matches!(&error, SubmitError::Exists(path) if *path == dir));
    assert!(error.to_string().contains("--to"), "{error}");
    assert_eq!(fs::read_to_string(dir.join("run.json")).unwrap(), "kept");
}

#[test]
fn private_matters_are_taken_out() {
    let mut recorded = sample();
    let options = &mut recorded.run.options;
    options.insert("arguments".into(), "--bench fast_path/turnstile".into());
    options.insert("exec".into(), "nice -n 5 ../bin/wrap".into());
    options.insert("note".into(), "alice's machine".into());
    recorded.run.build.flags = "-L /home/alice/lib -C target-cpu=native".into();
    recorded.run.warnings.push(Warning {
        kind: "few-cpus".into(),
        message: "WORKHORSE has 2 CPUs".into(),
        hint: "ask alice".into(),
    });
    let unsupported = recorded
        .measurements
        .iter_mut()
        .find_map(|one| match &mut one.outcome {
            Outcome::Unsupported { unsupported } => Some(unsupported),
            _ => None,
        });
    *unsupported.unwrap() = "refused on workhorse.example.org".into();

    let submission = prepare(&recorded);
    let names: Vec<_> = submission.run.options.keys().map(String::as_str).collect();
    assert_eq!(names, ["arguments", "blocks", "note", "threads"]);
    assert_eq!(submission.run.options["note"], "(removed)'s machine");
    assert_eq!(submission.run.build.flags, "-L <path> -C target-cpu=native");
    let warning = &submission.run.warnings[1];
    assert_eq!(warning.message, "(removed) has 2 CPUs");
    assert_eq!(warning.hint, "ask (removed)");
    // Two options, a name in another, the flags, a message, a hint, a reason.
    assert_eq!(submission.removed.len(), 7, "{:?}", submission.removed);

    let root = tempfile::tempdir().unwrap();
    let dir = submission.write(root.path()).unwrap();
    for file in ["run.json", "measurements.jsonl"] {
        let text = fs::read_to_string(dir.join(file)).unwrap().to_lowercase();
        for word in ["alice", "workhorse", "../bin", "somewhere/else"] {
            assert!(!text.contains(word), "{word} is in {file}");
        }
    }
}

#[test]
fn facts_that_name_somebody_are_refused() {
    let mut recorded = sample();
    recorded.run.machine.kernel = "6.1-workhorse".into();
    recorded.measurements[0].strategy = "alice".into();
    let found = reasons(&recorded, true);
    assert_eq!(
        found,
        [
            Unfit::Private("measurements.jsonl, strategy".into()),
            Unfit::Private("run.json, machine, kernel".into()),
        ]
    );
}

#[test]
fn unfit_runs_are_refused_and_some_let_through() {
    type Change = fn(&mut Recorded);
    let tolerable: [(Change, Unfit, &str); 3] = [
        (
            |run| run.run.complete = false,
            Unfit::Incomplete,
            "submitted-incomplete",
        ),
        (
            |run| run.run.build.dirty = Some(true),
            Unfit::Dirty,
            "submitted-dirty",
        ),
        (
            |run| run.run.build.dirty = None,
            Unfit::UnknownRevision,
            "submitted-unknown-revision",
        ),
    ];
    for (change, reason, kind) in tolerable {
        let mut recorded = sample();
        change(&mut recorded);
        assert_eq!(reasons(&recorded, false), [reason]);
        let anyway = Submission::prepare(&recorded, &alice(), true).unwrap();
        let kinds: Vec<_> = anyway.run.warnings.iter().map(|one| &one.kind).collect();
        assert_eq!(kinds, ["invented", kind]);
    }

    let never: [(Change, Unfit); 3] = [
        (|run| run.run.build.profile = "debug".into(), Unfit::Debug),
        (|run| run.measurements.clear(), Unfit::Empty),
        (
            |run| {
                run.problems.push(ReadProblem {
                    file: "measurements.jsonl".into(),
                    line: Some(3),
                    what: "is torn".into(),
                });
            },
            Unfit::Unreadable(1),
        ),
    ];
    for (change, reason) in never {
        let mut recorded = sample();
        change(&mut recorded);
        assert_eq!(reasons(&recorded, true), [reason]);
    }
}

#[test]
fn a_hostile_run_stays_under_the_root() {
    let mut recorded = sample();
    recorded.run.machine.id = "../../elsewhere".into();
    let root = tempfile::tempdir().unwrap();
    let error = prepare(&recorded).write(root.path()).unwrap_err();
    assert!(matches!(
        error,
        SubmitError::Store(StoreError::MachineId { .. })
    ));
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_run_of_version_1_stays_one() {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-run");
    let recorded = Recorded::read(&recorded).unwrap();
    let submission = Submission::prepare(&recorded, &alice(), true).unwrap();
    let root = tempfile::tempdir().unwrap();
    let found = Recorded::read(&submission.write(root.path()).unwrap()).unwrap();
    assert_eq!(found.run.schema, 1);
    assert_eq!(found.measurements, recorded.measurements);
}
