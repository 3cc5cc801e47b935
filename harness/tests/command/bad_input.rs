//! What users get wrong: told clearly, with a proper exit code, and before
//! anything is measured.

use std::fs;
use std::path::{Path, PathBuf};

use super::{fails, newest, stdout, succeeds};

/// Usage is wrong: exit code 2, and nothing was begun.
#[track_caller]
fn refused(arguments: &[&str], words: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    fails(folder.path(), arguments, 2, words);
    let left = fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "{arguments:?} left files behind");
}

#[test]
fn unknown_names_are_answered_with_known_ones() {
    refused(
        &["run", "--strategies", "turnstyle"],
        &[
            "'turnstyle'",
            "a similar value exists: 'turnstile'",
            "refcount, ",
        ],
    );
    refused(
        &["run", "--strategies", "refcount,nonsense"],
        &["'nonsense'", "seqlock"],
    );
    refused(
        &["run", "--scenarios", "detatch"],
        &["'detatch'", "'detach'", "fast_path_private"],
    );
}

#[test]
fn empty_lists_are_refused() {
    refused(&["run", "--strategies", ""], &["--strategies"]);
    refused(&["run", "--scenarios="], &["--scenarios"]);
    refused(&["run", "--threads", ""], &["--threads"]);
    refused(&["run", "--cpus", ""], &["--cpus", "empty"]);
}

#[test]
fn impossible_numbers_are_refused() {
    refused(&["run", "--threads", "0"], &["at least one worker"]);
    refused(&["run", "--threads", "100000"], &["--threads 100000"]);
    refused(&["run", "--time", "0s"], &["needs some time"]);
    refused(&["run", "--time", "30"], &["write 30s"]);
    refused(&["run", "--seed", "one"], &["--seed"]);
    refused(&["run", "--precision", "2"], &["write 2%"]);
    refused(
        &["run", "--resume", "latest", "--threads", "1"],
        &["--resume", "--threads"],
    );
    refused(&["run", "--sysfs", "."], &["--dry-run"]);
}

#[test]
fn cpus_outside_the_mask_are_refused_with_those_inside() {
    let allowed = detach_harness::machine::probe().allowed_cpus;
    let allowed = detach_strategies::platform::topology::format_cpu_list(&allowed);
    refused(
        &["run", "--cpus", "50000"],
        &[
            "may not use CPU 50000",
            "Usage: detach-bench run",
            &format!("it may use {allowed}"),
        ],
    );
    refused(&["run", "--cpus", "zero"], &["`zero` is neither"]);
    refused(&["run", "--cpus", "3-1"], &["ends before it begins"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_found_before_measuring() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "in the way").unwrap();
    // An hour of measuring would not pass unnoticed.
    let arguments = ["run", "--time", "1h", "--out", "file/below"];
    let text = fails(
        folder.path(),
        &arguments,
        1,
        &["cannot write", "file/below"],
    );
    assert!(!text.contains("measuring"), "{text}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A small run, and its folder.
fn small_run(folder: &Path) -> PathBuf {
    let arguments = [
        "run",
        "--smoke",
        "--strategies",
        "refcount",
        "--scenarios",
        "fast_path",
        "--threads",
        "1",
    ];
    succeeds(folder, &arguments);
    newest(folder).dir
}

#[test]
fn a_truncated_line_is_told_and_the_rest_is_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let run = small_run(folder.path());
    let file = run.join("measurements.jsonl");
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 2);
    fs::write(&file, &text[..text.len() - 20]).unwrap();
    fs::remove_dir_all(run.join("plots")).unwrap();
    fails(
        folder.path(),
        &["plot", "latest"],
        1,
        &["measurements.jsonl, line 2", "cut short", "one line"],
    );
    assert!(run.join("plots/index.html").exists());
    // Nothing was changed by reading it.
    assert_eq!(fs::read_to_string(&file).unwrap(), text[..text.len() - 20]);
}

#[test]
fn a_newer_schema_is_refused_by_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let run = small_run(folder.path());
    let file = run.join("run.json");
    let text = fs::read_to_string(&file).unwrap();
    let newer = text.replace("\"schema\": 2,", "\"schema\": 99,");
    assert_ne!(text, newer);
    fs::write(&file, newer).unwrap();
    fails(
        folder.path(),
        &["plot", run.to_str().unwrap()],
        1,
        &["run.json", "schema 99", "update detach-bench"],
    );
    fs::write(&file, &text[..text.len() / 2]).unwrap();
    fails(
        folder.path(),
        &["plot", run.to_str().unwrap()],
        1,
        &["run.json, line "],
    );
}

#[test]
fn a_run_that_is_not_there_is_told() {
    let folder = tempfile::tempdir().unwrap();
    fails(
        folder.path(),
        &["plot", "latest"],
        1,
        &["there is no run at", "results/local/latest"],
    );
    fails(folder.path(), &["plot", "."], 1, &["no run.json"]);
    fails(folder.path(), &["plot"], 2, &["<RUN>"]);
}

#[test]
fn figures_that_cannot_be_written_are_told_by_their_path() {
    let folder = tempfile::tempdir().unwrap();
    small_run(folder.path());
    fs::write(folder.path().join("file"), "in the way").unwrap();
    let arguments = ["plot", "latest", "--out", "file/below"];
    fails(
        folder.path(),
        &arguments,
        1,
        &["cannot write", "file/below"],
    );
}

#[test]
fn what_draws_once_draws_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = small_run(folder.path());
    let text = stdout(&succeeds(folder.path(), &["plot", "latest"]));
    assert!(
        text.contains(run.file_name().unwrap().to_str().unwrap()),
        "{text}"
    );
}
