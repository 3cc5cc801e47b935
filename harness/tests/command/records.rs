//! `compare`, `export`, `submit` and `schema`: what is done with recorded runs.
//! Nothing is measured here; the runs are copies of the sample with invented
//! figures.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use detach_results::{Estimate, Measurement, Outcome, Recorded, Run};
use serde_json::Value;

use super::{detach_bench, fails, stderr, stdout, succeeds};

fn fixture(name: &str) -> PathBuf {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results/tests/fixtures");
    fixtures.join(name)
}

/// A copy of the sample run in a folder of that name, changed.
fn copy(
    folder: &Path,
    name: &str,
    change_run: impl FnOnce(&mut Run),
    change: impl Fn(&mut Measurement),
) {
    let Recorded {
        mut run,
        mut measurements,
        ..
    } = Recorded::read(&fixture("sample-run-2")).unwrap();
    change_run(&mut run);
    measurements.iter_mut().for_each(change);
    let dir = folder.join(name);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("run.json"), serde_json::to_vec(&run).unwrap()).unwrap();
    let lines = measurements
        .iter()
        .map(|one| serde_json::to_string(one).unwrap() + "\n");
    fs::write(dir.join("measurements.jsonl"), lines.collect::<String>()).unwrap();
}

fn nothing<T>(_: &mut T) {}

/// Makes refcount need half as much time again.
fn slower(measurement: &mut Measurement) {
    if let Outcome::Cost(cost) = &mut measurement.outcome
        && measurement.strategy == "refcount"
    {
        let samples = cost.ns_per_op.samples.iter().map(|ns| ns * 1.5);
        cost.ns_per_op = Estimate::from_samples(samples.collect(), 0).unwrap();
    }
}

#[test]
fn a_comparison_fails_only_beyond_the_threshold() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path(), "before", nothing, nothing);
    copy(folder.path(), "after", nothing, slower);
    let compare = |arguments: &[&str]| {
        let all = [&["compare", "before", "after"], arguments].concat();
        let output = detach_bench(folder.path(), &all).output().unwrap();
        (output.status.code(), stdout(&output))
    };

    let (code, text) = compare(&[]);
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("slower") && !text.contains("REGRESSED"),
        "{text}"
    );
    // The interval is from 1.25 to 1.8.
    let (code, text) = compare(&["--threshold", "20%"]);
    assert_eq!(code, Some(3), "{text}");
    assert!(text.contains("REGRESSED"), "{text}");
    assert!(text.contains("1 row slower by more than 20%"), "{text}");
    let (code, _) = compare(&["--threshold", "0.3"]);
    assert_eq!(code, Some(0));
    let (code, text) = compare(&["--threshold", "5%", "--strategies", "turnstile"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("refcount"), "{text}");
    let (code, text) = compare(&["--threshold", "5%", "--scenarios", "detach"]);
    assert_eq!(code, Some(0), "{text}");

    // The other way round it is faster.
    let arguments = ["compare", "after", "before", "--threshold", "0%"];
    let text = stdout(&succeeds(folder.path(), &arguments));
    assert!(text.contains("faster"), "{text}");
}

#[test]
fn comparisons_come_in_several_formats() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path(), "before", nothing, nothing);
    copy(folder.path(), "after", nothing, slower);
    let printed = |format: &str| {
        let arguments = ["compare", "before", "after", "--format", format];
        stdout(&succeeds(folder.path(), &arguments))
    };
    let json: Value = serde_json::from_str(&printed("json")).unwrap();
    let rows = json["candidates"][0]["rows"].as_array().unwrap();
    assert!(rows.iter().any(|row| row["verdict"] == "slower"));
    let csv = printed("csv");
    assert!(csv.starts_with("run,scenario,threads,"), "{csv}");
    assert!(csv.lines().count() > rows.len(), "{csv}");
    let markdown = printed("markdown");
    assert!(markdown.contains("| fast_path"), "{markdown}");
}

#[test]
fn another_machine_is_refused_unless_forced() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path(), "here", nothing, nothing);
    let elsewhere = |run: &mut Run| run.machine.id = "elsewhere-64cpu".into();
    copy(folder.path(), "there", elsewhere, nothing);
    let arguments = ["compare", "here", "there"];
    fails(
        folder.path(),
        &arguments,
        1,
        &["different machines", "elsewhere-64cpu", "hint:", "--force"],
    );
    let forced = [&arguments[..], &["--force"]].concat();
    let text = stdout(&succeeds(folder.path(), &forced));
    assert!(
        text.contains("warning: compared all the same although"),
        "{text}"
    );
}

#[test]
fn comparisons_that_make_no_sense_are_told() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path(), "one", nothing, nothing);
    fails(folder.path(), &["compare", "one"], 2, &["<RUN>"]);
    fails(
        folder.path(),
        &["compare", "one", "two"],
        1,
        &["there is no run at", "two"],
    );
    fails(
        folder.path(),
        &["compare", "one", "one", "--threshold", "5"],
        2,
        &["write 5%"],
    );
    fails(
        folder.path(),
        &["compare", "one", "one", "--scenarios", "fastpath,detach"],
        1,
        &["nothing of fastpath", "fast_path"],
    );
    // What can be compared is, but the run is not what it was.
    let torn = folder.path().join("one/measurements.jsonl");
    let text = fs::read_to_string(&torn).unwrap();
    fs::write(&torn, &text[..text.len() - 9]).unwrap();
    fails(
        folder.path(),
        &["compare", "one", "one"],
        1,
        &["cut short", "2 lines"],
    );
}

#[test]
fn an_export_has_a_row_for_everything() {
    let folder = tempfile::tempdir().unwrap();
    copy(folder.path(), "run", nothing, nothing);
    let csv = stdout(&succeeds(folder.path(), &["export", "run"]));
    assert!(csv.starts_with("scenario,threads,"), "{csv}");
    let arguments = ["export", "run", "--format", "json", "--out", "rows.json"];
    let output = succeeds(folder.path(), &arguments);
    assert_eq!(stdout(&output), "");
    let json = fs::read(folder.path().join("rows.json")).unwrap();
    let json: Value = serde_json::from_slice(&json).unwrap();
    let rows = json["rows"].as_array().unwrap();
    assert_eq!(csv.lines().count(), rows.len() + 1);
    let find = |json: &Value| {
        let rows = json["rows"].as_array().unwrap();
        let mut rows = rows.iter();
        rows.find(|row| row["scenario"] == "fast_path" && row["strategy"] == "turnstile")
            .unwrap()["ratio"]
            .as_f64()
    };
    assert_eq!(find(&json), Some(0.5));
    let arguments = [
        "export",
        "run",
        "--format",
        "json",
        "--baseline",
        "turnstile",
    ];
    let other = stdout(&succeeds(folder.path(), &arguments));
    assert_eq!(find(&serde_json::from_str(&other).unwrap()), Some(1.0));
    let arguments = ["export", "run", "--format", "markdown"];
    let markdown = stdout(&succeeds(folder.path(), &arguments));
    assert!(markdown.contains("over refcount"), "{markdown}");

    fails(
        folder.path(),
        &["export", "run", "--baseline", "refcnt"],
        1,
        &["\"refcnt\"", "refcount"],
    );
    fails(
        folder.path(),
        &["export", "run", "--out", "none/rows.csv"],
        1,
        &["cannot write none/rows.csv"],
    );
}

/// `submit`, by somebody who is called alice.
fn submit(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = detach_bench(folder, &[&["submit"], arguments].concat());
    command.env("HOME", "/home/alice").env("USER", "alice");
    command.env_remove("LOGNAME").env_remove("USERNAME");
    command.output().unwrap()
}

#[track_caller]
fn refuses(folder: &Path, arguments: &[&str], words: &[&str]) {
    let output = submit(folder, arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for word in words {
        assert!(text.contains(word), "no {word} in: {text}");
    }
}

#[test]
fn a_submission_holds_nothing_private() {
    let folder = tempfile::tempdir().unwrap();
    let host = gethostname::gethostname().to_string_lossy().into_owned();
    let told = format!("measured by Alice on {host}");
    copy(
        folder.path(),
        "run",
        |run| {
            run.build.flags = "-L/home/alice/lib".into();
            run.warnings[0].message = told;
        },
        nothing,
    );
    fs::create_dir_all(folder.path().join("run/plots")).unwrap();
    let output = submit(folder.path(), &["run"]);
    let text = stdout(&output);
    assert!(output.status.success(), "{}", stderr(&output));
    for words in ["git add ", "pull request", "taken out: the option out"] {
        assert!(text.contains(words), "no {words} in: {text}");
    }

    let dir = folder
        .path()
        .join("results/recorded/example-2cpu/2026-11-24T08-30-00Z");
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 2);
    let recorded = Recorded::read(&dir).unwrap();
    assert_eq!(recorded.problems, []);
    assert_eq!(recorded.run.build.flags, "-L<path>");
    assert!(!recorded.run.options.contains_key("out"));
    let text = fs::read_to_string(dir.join("run.json")).unwrap();
    assert!(!text.to_lowercase().contains("alice"), "{text}");
    let generic = ["localhost", "host", "build", "runner"];
    if !generic.contains(&host.as_str()) {
        assert!(!text.contains(&format!("on {host}")), "{text}");
    }

    // The run stays as it was, and so does what was packed.
    let original = Recorded::read(&folder.path().join("run")).unwrap();
    assert_eq!(original.run.build.flags, "-L/home/alice/lib");
    fs::write(dir.join("run.json"), "kept").unwrap();
    refuses(folder.path(), &["run"], &["exists already", "--to"]);
    assert_eq!(fs::read_to_string(dir.join("run.json")).unwrap(), "kept");
    let output = submit(folder.path(), &["run", "--to", "packed"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(folder.path().join("packed/example-2cpu").is_dir());
}

#[test]
fn a_run_that_is_not_fit_is_not_submitted() {
    let folder = tempfile::tempdir().unwrap();
    let untidy = |run: &mut Run| {
        run.complete = false;
        run.build.dirty = Some(true);
    };
    copy(folder.path(), "untidy", untidy, nothing);
    refuses(
        folder.path(),
        &["untidy"],
        &["not completed", "differed from its revision", "--anyway"],
    );
    assert!(!folder.path().join("results").exists());
    let output = submit(folder.path(), &["untidy", "--anyway"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let text = stdout(&output);
    assert!(
        text.contains("readers will see: submitted although it was not completed"),
        "{text}"
    );

    let debug = |run: &mut Run| run.build.profile = "debug".into();
    copy(folder.path(), "debug", debug, nothing);
    refuses(
        folder.path(),
        &["debug", "--anyway"],
        &["without optimization", "--release"],
    );
    let named = |run: &mut Run| run.machine.kernel = "6.1-alice".into();
    copy(folder.path(), "named", named, nothing);
    refuses(
        folder.path(),
        &["named", "--anyway"],
        &["run.json, machine, kernel", "in a copy"],
    );
}

#[test]
fn the_schemas_are_those_that_are_checked_in() {
    let folder = tempfile::tempdir().unwrap();
    let both = stdout(&succeeds(folder.path(), &["schema"]));
    let both: Value = serde_json::from_str(&both).unwrap();
    for document in ["run", "measurement"] {
        let printed = stdout(&succeeds(folder.path(), &["schema", document]));
        let printed: Value = serde_json::from_str(&printed).unwrap();
        let name = format!("../../schema/{document}.schema.json");
        let kept = fs::read_to_string(fixture(&name)).unwrap();
        let kept: Value = serde_json::from_str(&kept).unwrap();
        assert_eq!(printed, kept, "run ci/readme");
        assert_eq!(both[document], kept);
    }
    fails(folder.path(), &["schema", "machine"], 2, &["measurement"]);
}
