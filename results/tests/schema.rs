//! The JSON Schemas that are checked in are those of the types, and say what
//! readers may rely on.
//!
//! With `BLESS=1` in the environment they are written anew instead of compared;
//! `ci/readme` does that.

use std::fs;
use std::path::{Path, PathBuf};

use detach_results::{MEASUREMENTS_FILE, RUN_FILE, schema};
use jsonschema::Validator;
use serde_json::{Value, json};

fn room() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn validator(schema: schemars::Schema) -> Validator {
    jsonschema::validator_for(schema.as_value()).expect("a valid schema")
}

fn run() -> Validator {
    validator(schema::run())
}

fn measurement() -> Validator {
    validator(schema::measurement())
}

/// Every line of a run's measurements.
fn lines(dir: &Path) -> Vec<Value> {
    let text = fs::read_to_string(dir.join(MEASUREMENTS_FILE)).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn sample(name: &str) -> PathBuf {
    room().join("tests/fixtures").join(name)
}

#[test]
fn what_is_checked_in_is_what_the_types_say() {
    for (name, schema) in [
        ("run", schema::run()),
        ("measurement", schema::measurement()),
    ] {
        let path = room().join(format!("schema/{name}.schema.json"));
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("BLESS").is_some() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
        } else {
            let kept = fs::read_to_string(&path).unwrap();
            // Values, not texts: whether fields keep their order is up to the
            // features that other crates of a build ask for.
            let kept: Value = serde_json::from_str(&kept).unwrap();
            assert!(kept == *schema.as_value(), "{name} differs: run ci/readme");
        }
    }
}

#[test]
fn samples_and_recorded_runs_fit() {
    let mut dirs = vec![sample("sample-run"), sample("sample-run-2")];
    for machine in fs::read_dir(room().join("recorded")).unwrap() {
        let machine = machine.unwrap().path();
        if machine.is_dir() {
            let runs = fs::read_dir(machine).unwrap();
            dirs.extend(runs.map(|run| run.unwrap().path()));
        }
    }
    assert!(dirs.len() > 2, "no recorded run was found");
    let (run, measurement) = (run(), measurement());
    for dir in dirs {
        let text = fs::read_to_string(dir.join(RUN_FILE)).unwrap();
        let document: Value = serde_json::from_str(&text).unwrap();
        if let Err(error) = run.validate(&document) {
            panic!("{}: {error} at {}", dir.display(), error.instance_path());
        }
        for (index, line) in lines(&dir).iter().enumerate() {
            if let Err(error) = measurement.validate(line) {
                panic!("{}, line {}: {error}", dir.display(), index + 1);
            }
        }
    }
}

/// Removes a field of a document, by its path.
fn without(document: &Value, path: &[&str]) -> Value {
    let mut changed = document.clone();
    let (last, parents) = path.split_last().unwrap();
    let parent = parents
        .iter()
        .fold(&mut changed, |value, name| &mut value[*name]);
    let removed = parent.as_object_mut().unwrap().remove(*last);
    assert!(removed.is_some(), "{path:?} is not there");
    changed
}

fn with(document: &Value, path: &[&str], value: Value) -> Value {
    let mut changed = document.clone();
    *path
        .iter()
        .fold(&mut changed, |inner, name| &mut inner[*name]) = value;
    assert_ne!(&changed, document);
    changed
}

#[test]
fn a_measurement_that_lacks_or_mistypes_a_field_does_not_fit() {
    let schema = measurement();
    let found = lines(&sample("sample-run-2"));
    let of_kind = |field: &str| {
        let mut lines = found.iter();
        lines
            .find(|line| line.get(field).is_some())
            .unwrap()
            .clone()
    };
    let (cost, detach, visits) = (
        of_kind("ns_per_op"),
        of_kind("latency_ns"),
        of_kind("visit_ns"),
    );
    let unsupported = of_kind("unsupported");
    for good in [&cost, &detach, &visits, &unsupported] {
        assert!(schema.is_valid(good));
    }
    let mut bad = vec![
        without(&cost, &["ns_per_op"]),
        without(&cost, &["fairness"]),
        without(&cost, &["ns_per_op", "samples"]),
        with(&cost, &["fairness"], json!("1.0")),
        with(&cost, &["ns_per_op", "samples"], json!([1.0, null])),
        with(&cost, &["mechanisms"], json!({ "rseq": -1 })),
        without(&detach, &["noise"]),
        without(&detach, &["latency_ns", "p50"]),
        with(&detach, &["latency_ns", "histogram"], json!([[1, 2, 3]])),
        with(&detach, &["round_p50_ns"], json!(5)),
        without(&visits, &["clock_ns"]),
        with(&unsupported, &["unsupported"], json!(7)),
    ];
    for field in ["strategy", "scenario", "threads", "workload", "block"] {
        for good in [&cost, &detach, &visits, &unsupported] {
            bad.push(without(good, &[field]));
            bad.push(with(good, &[field], json!([])));
        }
    }
    bad.push(without(&cost, &["workload", "devices"]));
    bad.push(with(&cost, &["block"], json!(-1)));
    for document in bad {
        assert!(!schema.is_valid(&document), "{document:#}");
    }
}

#[test]
fn a_run_that_lacks_or_mistypes_a_field_does_not_fit() {
    let schema = run();
    let text = fs::read_to_string(sample("sample-run-2").join(RUN_FILE)).unwrap();
    let good: Value = serde_json::from_str(&text).unwrap();
    assert!(schema.is_valid(&good));
    for path in [
        &["schema"][..],
        &["started"],
        &["seed"],
        &["build"],
        &["machine", "id"],
        &["calibration", "clock_ns"],
        &["warnings"],
        &["complete"],
    ] {
        assert!(!schema.is_valid(&without(&good, path)), "{path:?}");
        let mistyped = with(&good, path, json!({ "odd": [] }));
        assert!(!schema.is_valid(&mistyped), "{path:?}");
    }
    // What version 2 added is optional.
    for path in [&["calibration"][..], &["probes"], &["machine", "smt"]] {
        assert!(schema.is_valid(&without(&good, path)), "{path:?}");
    }
    // Fields that nobody knows yet are for later builds of the same version.
    let mut later = good.clone();
    later["mood"] = json!("good");
    assert!(schema.is_valid(&later));
}
