//! The committed sample run, as a stranger would find it: read, summed up, and
//! damaged in every way that happens to files.

use std::fs;
use std::path::{Path, PathBuf};

use detach_results::{
    BASELINE, Key, MEASUREMENTS_FILE, Measurement, Outcome, RUN_FILE, Ratio, Recorded, Run,
    StoreError,
};
use tempfile::TempDir;

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-run")
}

/// A copy of the sample run that a test may damage.
fn copy() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in [RUN_FILE, MEASUREMENTS_FILE] {
        fs::copy(sample().join(file), dir.path().join(file)).unwrap();
    }
    dir
}

fn damage(dir: &TempDir, file: &str, change: impl FnOnce(String) -> String) {
    let path = dir.path().join(file);
    let text = fs::read_to_string(&path).unwrap();
    let changed = change(text.clone());
    assert_ne!(text, changed, "the damage must change the file");
    fs::write(path, changed).unwrap();
}

#[test]
fn reads_without_problems() {
    let recorded = Recorded::read(&sample()).unwrap();
    assert_eq!(recorded.problems, []);
    assert_eq!(recorded.measurements.len(), 8);
    assert!(recorded.run.complete);
    assert_eq!(recorded.run.seed, 42);
    assert_eq!(recorded.run.machine.cpu_quota, Some(1.5));
    assert_eq!(recorded.run.warnings[0].kind, "invented");

    let Outcome::Cost(cost) = &recorded.measurements[1].outcome else {
        panic!("the second line holds a cost");
    };
    assert_eq!(cost.ns_per_op.samples, [1.25, 1.0, 1.5]);
    assert_eq!(cost.mechanisms["rseq"], 900);
    let Outcome::Unsupported { unsupported } = &recorded.measurements[2].outcome else {
        panic!("the third line is unsupported");
    };
    assert_eq!(unsupported, "membarrier is refused by the kernel");
    let Outcome::Detach(detach) = &recorded.measurements[7].outcome else {
        panic!("the last line holds a detach");
    };
    assert_eq!(detach.latency_ns.at_ceiling(), 1);
    assert_eq!(detach.last_entry_ns, None);
}

#[test]
fn survives_a_round_trip() {
    let recorded = Recorded::read(&sample()).unwrap();
    let run = serde_json::to_string(&recorded.run).unwrap();
    assert_eq!(serde_json::from_str::<Run>(&run).unwrap(), recorded.run);
    for measurement in &recorded.measurements {
        let line = serde_json::to_string(measurement).unwrap();
        let again: Measurement = serde_json::from_str(&line).unwrap();
        assert_eq!(again, *measurement);
    }
    // Field by field, nothing is lost or renamed on the way.
    let text = fs::read_to_string(sample().join(MEASUREMENTS_FILE)).unwrap();
    for (line, measurement) in text.lines().zip(&recorded.measurements) {
        let found: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_value(measurement).unwrap(), found);
    }
}

#[test]
fn a_file_in_the_folder_names_the_run_too() {
    for file in [RUN_FILE, MEASUREMENTS_FILE] {
        let recorded = Recorded::read(&sample().join(file)).unwrap();
        assert_eq!(recorded.measurements.len(), 8);
    }
}

#[test]
fn a_truncated_last_line_is_told_and_the_rest_kept() {
    let dir = copy();
    damage(&dir, MEASUREMENTS_FILE, |text| {
        text[..text.len() - 40].into()
    });
    let recorded = Recorded::read(dir.path()).unwrap();
    assert_eq!(recorded.measurements.len(), 7);
    let [problem] = recorded.problems.as_slice() else {
        panic!("one problem, not {:?}", recorded.problems);
    };
    assert_eq!(problem.file, dir.path().join(MEASUREMENTS_FILE));
    assert_eq!(problem.line, Some(8));
    assert!(problem.what.contains("cut short"), "{}", problem.what);
    let shown = problem.to_string();
    assert!(shown.contains("measurements.jsonl, line 8: "), "{shown}");
}

#[test]
fn a_last_line_that_lacks_only_its_end_is_kept() {
    let dir = copy();
    damage(&dir, MEASUREMENTS_FILE, |text| text.trim_end().into());
    let recorded = Recorded::read(dir.path()).unwrap();
    assert_eq!(recorded.problems, []);
    assert_eq!(recorded.measurements.len(), 8);
}

#[test]
fn bad_lines_are_told_by_number_and_reason_and_the_rest_kept() {
    let cases: [(&str, &str, &str); 9] = [
        ("\"strategy\":\"turnstile\"", "!", "column 2"),
        (
            "\"strategy\":\"turnstile\",",
            "",
            "missing field `strategy`",
        ),
        ("\"fairness\":1.0,", "", "missing field `fairness`"),
        ("\"fairness\":1.0", "\"fairness\":1.5", "fairness: is 1.5"),
        ("\"median\":1.25", "\"median\":null", "invalid type: null"),
        ("\"median\":1.25", "\"median\":7.0", "outside its interval"),
        (
            "\"samples\":[1.25,1.0,1.5]",
            "\"samples\":[]",
            "has no samples",
        ),
        ("\"ns_per_op\"", "\"ns_per_yard\"", "one of ns_per_op"),
        ("\"block\":0", "\"block\":-1", "block"),
    ];
    for (from, to, expected) in cases {
        let dir = copy();
        damage(&dir, MEASUREMENTS_FILE, |text| {
            let second = text.find('\n').unwrap() + 1;
            let (first, rest) = text.split_at(second);
            first.to_owned() + &rest.replacen(from, to, 1)
        });
        let recorded = Recorded::read(dir.path()).unwrap();
        assert_eq!(recorded.measurements.len(), 7, "{to}");
        assert_eq!(recorded.problems.len(), 1, "{to}");
        let problem = &recorded.problems[0];
        assert_eq!(problem.line, Some(2), "{to}");
        // A whole line must not pass for a truncated one.
        assert!(!problem.what.contains("cut short"), "{}", problem.what);
        if expected != "block" {
            assert!(
                problem.what.contains(expected),
                "{}: {expected}",
                problem.what
            );
        }
    }
}

#[test]
fn garbage_between_the_lines_costs_only_itself() {
    let dir = copy();
    let path = dir.path().join(MEASUREMENTS_FILE);
    let mut bytes = b"\xff\xfe\x00\n\n[1,2]\n\"text\"\n".to_vec();
    bytes.extend(fs::read(&path).unwrap());
    fs::write(path, bytes).unwrap();
    let recorded = Recorded::read(dir.path()).unwrap();
    assert_eq!(recorded.measurements.len(), 8);
    let lines: Vec<_> = recorded.problems.iter().map(|p| p.line).collect();
    assert_eq!(lines, [Some(1), Some(3), Some(4)]);
}

#[test]
fn latencies_that_contradict_themselves_are_told() {
    let dir = copy();
    damage(&dir, MEASUREMENTS_FILE, |text| {
        text.replacen("[1150,2]", "[1150,1]", 1)
    });
    let recorded = Recorded::read(dir.path()).unwrap();
    assert_eq!(recorded.measurements.len(), 7);
    let problem = &recorded.problems[0];
    assert_eq!(problem.line, Some(6));
    assert_eq!(
        problem.what,
        "heavy_fence_ns: the histogram holds 3 latencies, but count is 4"
    );
}

#[test]
fn unknown_fields_are_skipped() {
    let dir = copy();
    damage(&dir, RUN_FILE, |text| {
        text.replacen("\"seed\": 42,", "\"seed\": 42, \"mood\": [\"good\"],", 1)
    });
    damage(&dir, MEASUREMENTS_FILE, |text| {
        text.replace("\"block\":", "\"weather\":{\"sky\":null},\"block\":")
            .replace("\"fairness\":", "\"taste\":3,\"fairness\":")
    });
    let mut found = Recorded::read(dir.path()).unwrap();
    found.dir = sample();
    assert_eq!(found, Recorded::read(&sample()).unwrap());
}

#[test]
fn a_newer_schema_is_refused_whatever_else_is_in_it() {
    let dir = copy();
    fs::write(dir.path().join(RUN_FILE), "{\"schema\": 3, \"begun\": 17}").unwrap();
    let error = Recorded::read(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::Schema { .. }), "{error:?}");
    let shown = error.to_string();
    for part in [
        "run.json",
        "schema 3",
        "newer than 2",
        "update detach-bench",
    ] {
        assert!(shown.contains(part), "{part} is missing in: {shown}");
    }
}

#[test]
fn a_missing_or_broken_run_json_is_an_error_that_says_where() {
    let dir = copy();
    damage(&dir, RUN_FILE, |text| text[..text.len() / 2].into());
    let error = Recorded::read(dir.path()).unwrap_err();
    assert!(
        matches!(error, StoreError::Malformed { line: 25.., .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("EOF"), "{error}");

    fs::remove_file(dir.path().join(RUN_FILE)).unwrap();
    let error = Recorded::read(dir.path()).unwrap_err();
    assert!(matches!(error, StoreError::NotARun { .. }), "{error:?}");
    let shown = error.to_string();
    assert!(shown.contains(dir.path().to_str().unwrap()), "{shown}");
    assert!(shown.contains("holds no run.json"), "{shown}");
}

#[test]
fn a_path_to_nothing_is_told_apart_from_a_folder_that_is_no_run() {
    let dir = copy();
    for path in [
        dir.path().join("none"),
        dir.path().join(RUN_FILE).join("below"),
    ] {
        let error = Recorded::read(&path).unwrap_err();
        assert!(matches!(error, StoreError::NoSuchRun { .. }), "{error:?}");
    }
    fs::write(dir.path().join("notes.txt"), "").unwrap();
    let error = Recorded::read(&dir.path().join("notes.txt")).unwrap_err();
    assert!(matches!(error, StoreError::NotARun { .. }), "{error:?}");
}

#[test]
fn missing_measurements_are_a_problem_of_the_whole_file() {
    let dir = copy();
    fs::remove_file(dir.path().join(MEASUREMENTS_FILE)).unwrap();
    let recorded = Recorded::read(dir.path()).unwrap();
    assert_eq!(recorded.measurements, []);
    assert_eq!(recorded.problems.len(), 1);
    assert_eq!(recorded.problems[0].line, None);
    assert!(recorded.problems[0].to_string().contains("missing"));
}

#[test]
fn sums_up_as_by_hand() {
    let summary = Recorded::read(&sample())
        .unwrap()
        .summary(BASELINE)
        .unwrap();
    assert_eq!(summary.scenarios(), ["detach", "fast_path"]);
    assert_eq!(
        summary.strategies("fast_path"),
        ["dying-membarrier", "refcount", "turnstile"]
    );
    assert_eq!(summary.threads("detach"), [0, 1]);

    let turnstile = summary.row("turnstile", "fast_path", 1).unwrap();
    assert_eq!((turnstile.records, turnstile.blocks), (2, 2));
    assert_eq!(turnstile.disturbed_records, 1);
    assert_eq!(turnstile.mechanisms["rseq"], 2000);
    assert_eq!(turnstile.mechanisms["fallback"], 1);
    assert_eq!(turnstile.noise.involuntary_switches, Some(1));
    assert_eq!(turnstile.noise.steal_ms, None);
    assert_eq!(turnstile.noise.pressure_us, Some(25));
    assert_eq!(turnstile.noise.disturbed_samples, 1);
    assert_eq!(turnstile.noise.samples, 6);
    let cost = turnstile.cost.as_ref().unwrap();
    // Medians of the blocks are 1.25 and 2.0; those of refcount 10 and 20.
    assert_eq!(cost.ns_per_op.samples, [1.25, 2.0]);
    assert_eq!(cost.ns_per_op.median, 1.625);
    assert_eq!(cost.ops_per_second, 650_000_000.0);
    let ratio = cost.to_baseline.unwrap();
    assert_eq!(
        (ratio.ratio, ratio.ci_low, ratio.ci_high),
        (0.1125, 0.1, 0.125)
    );

    let refcount = summary.row("refcount", "fast_path", 1).unwrap();
    assert_eq!(
        refcount.cost.as_ref().unwrap().to_baseline,
        Some(Ratio::ONE)
    );

    let missing = summary.row("dying-membarrier", "fast_path", 1).unwrap();
    assert_eq!(
        missing.unsupported.as_deref(),
        Some("membarrier is refused by the kernel")
    );
    assert_eq!((&missing.cost, &missing.detach), (&None, &None));

    let busy = summary.row("turnstile", "detach", 1).unwrap();
    let detach = busy.detach.as_ref().unwrap();
    assert_eq!(detach.latency_ns.count, 5);
    assert_eq!(detach.heavy_fence_ns.as_ref().unwrap().p50, 1150);
    assert_eq!(detach.to_baseline.unwrap().ratio, 10.0);
    let idle = summary.row("turnstile", "detach", 0).unwrap();
    assert_eq!(idle.detach.as_ref().unwrap().to_baseline, None);
    assert_eq!(idle.detach.as_ref().unwrap().last_entry_ns, None);

    assert_eq!(summary.row("turnstile", "detach", 7), None);
    let key = Key::of(&Recorded::read(&sample()).unwrap().measurements[0]);
    assert_eq!(summary.get(&key), Some(refcount));
}
