//! Ctrl-C: the run ends, and what was measured is a valid, smaller run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{detach_bench, fails, newest, stderr, succeeds};

/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn ctrl_c_leaves_a_valid_smaller_run() {
    let folder = tempfile::tempdir().unwrap();
    let child = long_run(folder.path(), "refcount,rwlock", "fast_path");
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    // SAFETY: the process is a child that was not waited for, so the number is
    // still its own.
    assert_eq!(unsafe { libc::kill(pid, libc::SIGINT) }, 0);

    let output = finish(child);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(130), "{text}");
    assert!(text.contains("interrupted after"), "{text}");

    let recorded = newest(folder.path());
    assert!(!recorded.run.complete);
    assert!(!recorded.measurements.is_empty());
    // It draws, and says what it is.
    let plotted = succeeds(folder.path(), &["plot", "latest"]);
    assert!(
        stderr(&plotted).contains("not completed"),
        "{}",
        stderr(&plotted)
    );
    assert!(recorded.dir.join("plots/index.html").exists());

    // It goes on where it left off, and ends when it has had its time.
    let arguments = ["run", "--resume", "latest", "--time", "1s"];
    succeeds(folder.path(), &arguments);
    let resumed = newest(folder.path());
    assert!(resumed.run.complete);
    assert_eq!(resumed.dir, recorded.dir);
    let before = recorded.measurements.len();
    assert_eq!(resumed.measurements[..before], recorded.measurements);
    let last = recorded.measurements.iter().map(|m| m.block).max();
    let new = resumed.measurements[before..].iter().map(|m| m.block).min();
    assert_eq!(new, last.map(|block| block + 1));
    // Once is enough.
    let words = ["is complete"];
    fails(folder.path(), &["run", "--resume", "latest"], 1, &words);
}

/// The campaign is killed: what it has heard of is in its file.
#[test]
fn a_killed_campaign_leaves_a_run_that_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = long_run(folder.path(), "refcount", "detach");
    child.kill().unwrap();
    child.wait().unwrap();
    let run = measurements(&folder.path().join("results/local")).unwrap();
    let run = run.parent().unwrap().display().to_string();
    succeeds(folder.path(), &["run", "--resume", &run, "--time", "1s"]);
    assert!(newest(folder.path()).run.complete);
}

/// Starts a run that nobody has the time for, and waits for its first figures.
fn long_run(folder: &Path, strategies: &str, scenario: &str) -> Child {
    let arguments = [
        "run",
        "--time",
        "1h",
        "--strategies",
        strategies,
        "--scenarios",
        scenario,
        "--threads",
        "1",
    ];
    let mut child = detach_bench(folder, &arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for_a_measurement(folder, &mut child);
    child
}

/// Waits until the run has written a whole line.
fn wait_for_a_measurement(folder: &Path, child: &mut Child) {
    let began = Instant::now();
    loop {
        let lines = measurements(&folder.join("results/local"))
            .and_then(|file| fs::read_to_string(file).ok())
            .map_or(0, |text| text.matches('\n').count());
        if lines > 0 {
            return;
        }
        assert!(
            child.try_wait().unwrap().is_none(),
            "the run ended by itself"
        );
        assert!(
            began.elapsed() < PATIENCE,
            "no measurement within {PATIENCE:?}"
        );
        thread::sleep(Duration::from_millis(5));
    }
}

/// The only `measurements.jsonl` below the folder, as soon as there is one.
fn measurements(folder: &Path) -> Option<PathBuf> {
    let below = |folder: PathBuf| {
        let entries = fs::read_dir(folder).ok()?;
        entries
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.is_dir())
    };
    let run = below(below(folder.to_owned())?)?;
    Some(run.join("measurements.jsonl")).filter(|file| file.exists())
}

fn finish(mut child: Child) -> Output {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            child.kill().unwrap();
            panic!("the run did not end within {PATIENCE:?}");
        }
        thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}
