//! A run as it is written: what is on disk at every moment, and what a folder
//! that cannot be written does.

use std::fs;
use std::path::Path;

use detach_results::{
    LATEST, MEASUREMENTS_FILE, Measurement, Outcome, RUN_FILE, Recorded, Recorder, Run, StoreError,
    Warning, ensure_writable, point_latest,
};

fn sample() -> Recorded {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-run");
    Recorded::read(&dir).unwrap()
}

fn sample_run() -> Run {
    Run {
        warnings: vec![],
        ..sample().run
    }
}

fn warning() -> Warning {
    Warning {
        kind: "few-cpus".into(),
        message: "there are 2 CPUs".into(),
        hint: "use a larger machine".into(),
    }
}

#[test]
fn every_moment_of_a_run_can_be_read() {
    let root = tempfile::tempdir().unwrap();
    let measurements = sample().measurements;
    let mut recorder = Recorder::create(root.path(), sample_run()).unwrap();
    let dir = recorder.dir().to_owned();
    assert_eq!(
        dir,
        root.path()
            .join("example-2cpu")
            .join("2026-11-23T20-15-00Z")
    );

    // Nothing is closed or dropped here: this is what a crash would leave.
    for written in 0..=measurements.len() {
        let found = Recorded::read(&dir).unwrap();
        assert!(!found.run.complete);
        assert_eq!(found.problems, []);
        assert_eq!(found.measurements, measurements[..written]);
        if let Some(next) = measurements.get(written) {
            recorder.append(next).unwrap();
        }
    }

    assert_eq!(recorder.finish(vec![warning()]).unwrap(), dir);
    let found = Recorded::read(&dir).unwrap();
    assert!(found.run.complete);
    assert_eq!(found.run.warnings, [warning()]);
    assert_eq!(found.measurements, measurements);
    let mut files: Vec<_> = fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, [MEASUREMENTS_FILE, RUN_FILE]);
}

#[test]
fn an_interrupted_run_stays_incomplete_with_its_warnings() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(root.path(), sample().run).unwrap();
    recorder.append(&sample().measurements[0]).unwrap();
    let found = Recorded::read(&recorder.stop(vec![warning()]).unwrap()).unwrap();
    assert!(!found.run.complete);
    let kinds: Vec<_> = found.run.warnings.iter().map(|w| w.kind.as_str()).collect();
    assert_eq!(kinds, ["invented", "few-cpus"]);
    assert_eq!(found.measurements.len(), 1);
}

/// A full disk left half a line behind. It was reported then, and goes now.
#[test]
fn a_run_goes_on_after_its_last_whole_line() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(root.path(), sample().run).unwrap();
    let measurements = sample().measurements;
    recorder.append(&measurements[0]).unwrap();
    let dir = recorder.stop(vec![warning()]).unwrap();
    let file = dir.join(MEASUREMENTS_FILE);
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, whole.clone() + &whole[..whole.len() / 2]).unwrap();

    let recorded = Recorded::read(&dir).unwrap();
    assert_eq!(recorded.problems.len(), 1);
    let mut recorder = Recorder::resume(&recorded, &["few-cpus"]).unwrap();
    recorder.append(&measurements[1]).unwrap();
    let found = Recorded::read(&recorder.finish(vec![]).unwrap()).unwrap();
    assert_eq!(found.problems, []);
    assert_eq!(found.measurements, measurements[..2]);
    let kinds: Vec<_> = found.run.warnings.iter().map(|w| w.kind.as_str()).collect();
    assert_eq!(kinds, ["invented"]);

    let error = Recorder::resume(&found, &[]).unwrap_err();
    assert!(
        matches!(error, StoreError::AlreadyComplete { .. }),
        "{error:?}"
    );
    let mut old = recorded;
    old.run.schema = 1;
    let error = Recorder::resume(&old, &[]).unwrap_err();
    assert!(
        matches!(error, StoreError::OtherVersion { version: 1, .. }),
        "{error:?}"
    );
}

#[test]
fn runs_of_the_same_second_get_folders_of_their_own() {
    let root = tempfile::tempdir().unwrap();
    let names: Vec<_> = (0..3)
        .map(|_| {
            let recorder = Recorder::create(root.path(), sample_run()).unwrap();
            let dir = recorder.stop(vec![]).unwrap();
            dir.file_name().unwrap().to_str().unwrap().to_owned()
        })
        .collect();
    let expected = [
        "2026-11-23T20-15-00Z",
        "2026-11-23T20-15-00Z-2",
        "2026-11-23T20-15-00Z-3",
    ];
    assert_eq!(names, expected);
}

#[test]
fn the_start_is_named_in_utc() {
    let root = tempfile::tempdir().unwrap();
    let run = Run {
        started: "2026-11-23T22:15:00.7+02:00".into(),
        ..sample_run()
    };
    let recorder = Recorder::create(root.path(), run).unwrap();
    assert!(
        recorder
            .dir()
            .ends_with("example-2cpu/2026-11-23T20-15-00Z")
    );
}

#[test]
fn a_measurement_that_cannot_be_true_is_refused_and_harms_nothing() {
    let root = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::create(root.path(), sample_run()).unwrap();
    let good = sample().measurements.remove(0);
    let with_rate = |rate| {
        let mut bad: Measurement = good.clone();
        let Outcome::Cost(cost) = &mut bad.outcome else {
            panic!("the first line of the sample holds a cost");
        };
        cost.ops_per_second = rate;
        bad
    };
    recorder.append(&good).unwrap();
    for rate in [f64::NAN, f64::INFINITY, 0.0, -1.0] {
        let error = recorder.append(&with_rate(rate)).unwrap_err();
        let shown = error.to_string();
        for part in ["refcount", "fast_path", "ops_per_second", "not recorded"] {
            assert!(shown.contains(part), "{part} is missing in: {shown}");
        }
    }
    recorder.append(&with_rate(f64::MIN_POSITIVE)).unwrap();
    let found = Recorded::read(recorder.dir()).unwrap();
    assert_eq!(found.problems, []);
    assert_eq!(
        found.measurements,
        [good.clone(), with_rate(f64::MIN_POSITIVE)]
    );
}

#[test]
fn runs_that_cannot_name_a_folder_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let mut run = sample_run();
    run.machine.id = "../elsewhere".into();
    let error = Recorder::create(root.path(), run).unwrap_err();
    assert!(matches!(error, StoreError::MachineId { .. }), "{error:?}");

    let mut run = sample_run();
    run.started = "yesterday".into();
    let error = Recorder::create(root.path(), run).unwrap_err();
    assert!(matches!(error, StoreError::Started { .. }), "{error:?}");
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_that_can_be_written_is_left_empty() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("a").join("b");
    ensure_writable(&root).unwrap();
    ensure_writable(&root).unwrap();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_with_the_cause() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "kept").unwrap();
    for root in [file.clone(), file.join("below")] {
        let cause = fs::create_dir_all(&root).unwrap_err().to_string();
        let shown = ensure_writable(&root).unwrap_err().to_string();
        assert!(shown.contains(root.to_str().unwrap()), "{shown}");
        assert!(shown.contains(&cause), "{shown}");
        Recorder::create(&root, sample_run()).unwrap_err();
    }
    assert_eq!(fs::read_to_string(file).unwrap(), "kept");
}

/// /proc exists, lists and even belongs to the user in parts, but nobody can
/// make a file in it.
#[cfg(target_os = "linux")]
#[test]
fn only_writing_shows_that_a_folder_cannot_be_written() {
    let error = ensure_writable(Path::new("/proc/self")).unwrap_err();
    assert!(matches!(error, StoreError::NotWritable { .. }), "{error:?}");
}

#[test]
fn latest_names_the_newest_run_and_moves_with_its_root() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("local");
    for seed in [1, 2] {
        let run = Run {
            seed,
            ..sample_run()
        };
        let dir = Recorder::create(&root, run)
            .unwrap()
            .finish(vec![])
            .unwrap();
        point_latest(&root, &dir).unwrap();
        let found = Recorded::read(&root.join(LATEST)).unwrap();
        assert_eq!(found.run.seed, seed);
        assert_eq!(found.dir, dir);
    }
    let names = |root: &Path| -> Vec<_> {
        let mut names: Vec<_> = fs::read_dir(root)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(&root), ["example-2cpu", LATEST]);

    let moved = parent.path().join("moved");
    fs::rename(&root, &moved).unwrap();
    assert_eq!(Recorded::read(&moved.join(LATEST)).unwrap().run.seed, 2);

    fs::remove_dir_all(moved.join("example-2cpu")).unwrap();
    let error = Recorded::read(&moved.join(LATEST)).unwrap_err();
    assert!(matches!(error, StoreError::Dangling { .. }), "{error:?}");
}

#[test]
fn latest_can_point_outside_its_root() {
    let root = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let recorder = Recorder::create(elsewhere.path(), sample_run()).unwrap();
    let dir = recorder.finish(vec![]).unwrap();
    point_latest(root.path(), &dir).unwrap();
    assert_eq!(Recorded::read(&root.path().join(LATEST)).unwrap().dir, dir);
}

#[test]
fn a_real_folder_named_latest_is_not_replaced() {
    let root = tempfile::tempdir().unwrap();
    let precious = root.path().join(LATEST).join("precious");
    fs::create_dir_all(&precious).unwrap();
    let dir = Recorder::create(root.path(), sample_run())
        .unwrap()
        .finish(vec![])
        .unwrap();
    let error = point_latest(root.path(), &dir).unwrap_err();
    assert!(error.to_string().contains(LATEST), "{error}");
    assert!(precious.is_dir());
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 2);
}
