//! `list`, `doctor`, help.

use std::process::Stdio;

use detach_strategies::registry;
use serde_json::Value;

use super::{detach_bench, stdout, succeeds};

#[test]
fn the_list_names_every_strategy() {
    let folder = tempfile::tempdir().unwrap();
    let text = stdout(&succeeds(folder.path(), &["list"]));
    let json = stdout(&succeeds(folder.path(), &["list", "--json"]));
    let json: Vec<Value> = serde_json::from_str(&json).unwrap();
    let all = registry::all();
    assert_eq!(json.len(), all.len());
    for (properties, value) in all.iter().zip(&json) {
        assert!(
            text.contains(properties.id),
            "no {} in {text}",
            properties.id
        );
        assert_eq!(value["id"], properties.id);
        assert_eq!(value["nesting"], properties.nesting);
        // A strategy either runs here or says why not.
        assert_eq!(
            value["supported"].as_bool().unwrap(),
            value["unsupported"].is_null()
        );
    }
}

#[test]
fn the_doctor_tells_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let text = stdout(&succeeds(folder.path(), &["doctor"]));
    for words in [
        "rseq",
        "membarrier",
        "placement",
        "governor",
        "clock source",
        "load",
        "SMT",
    ] {
        assert!(text.contains(words), "no {words} in {text}");
    }
}

#[test]
fn the_doctor_measures_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let text = stdout(&succeeds(folder.path(), &["doctor"]));
    assert!(!text.contains("a locked increment"), "{text}");
    let text = stdout(&succeeds(folder.path(), &["doctor", "--calibrate"]));
    for words in ["a clock reading", "a locked increment", "a heavy fence"] {
        assert!(text.contains(words), "no {words} in {text}");
    }
}

#[test]
fn help_has_examples() {
    let folder = tempfile::tempdir().unwrap();
    let commands = ["run", "plot", "compare", "export", "submit", "schema"];
    let commands = commands.map(|command| vec![command, "--help"]);
    for arguments in commands.into_iter().chain([vec!["--help"]]) {
        let text = stdout(&succeeds(folder.path(), &arguments));
        assert!(text.contains("Examples:"), "{text}");
        assert!(text.contains("detach-bench"), "{text}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = detach_bench(folder.path(), &["list"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", super::stderr(&output));
}
