//! Ctrl-C: the run ends, and what was measured is a valid, smaller run.

use std::fs;
use std::path::Path;
use std::process::{Child, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use detach_results::Recorded;

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
    // Its first probe comes too late for the block that was interrupted.
    let probes = recorded.run.probes.len();
    assert_eq!(resumed.run.probes[..probes], recorded.run.probes);
    assert_eq!(resumed.run.probes[probes].after_block, None);
    // Once is enough.
    let words = ["is complete"];
    fails(folder.path(), &["run", "--resume", "latest"], 1, &words);
}

/// The campaign is killed: what it has heard of is in its file, and nobody goes
/// on measuring for it.
#[test]
fn a_killed_campaign_leaves_a_run_that_can_be_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = long_run(folder.path(), "refcount", "detach");
    #[cfg(target_os = "linux")]
    let measuring = children(child.id());
    child.kill().unwrap();
    child.wait().unwrap();
    #[cfg(target_os = "linux")]
    measuring.into_iter().for_each(wait_for_the_end_of);

    // It is known how long it took to calibrate, although no block has ended.
    let elapsed = newest(folder.path()).run.elapsed_ms.unwrap();
    assert!(elapsed > 100, "{elapsed} ms");

    let run_file = newest(folder.path()).dir.join("run.json");
    let before = fs::read_to_string(&run_file).unwrap();
    // By another build it is not gone on with, and not touched.
    let rustc = newest(folder.path()).run.build.rustc;
    let other = before.replace(&rustc, "rustc 1.0.0");
    assert_ne!(other, before);
    fs::write(&run_file, &other).unwrap();
    let resume = ["run", "--resume", "latest", "--time", "1s"];
    fails(folder.path(), &resume, 1, &["another compiler"]);
    assert_eq!(fs::read_to_string(&run_file).unwrap(), other);

    fs::write(&run_file, before).unwrap();
    succeeds(folder.path(), &resume);
    let resumed = newest(folder.path()).run;
    assert!(resumed.complete);
    assert!(resumed.elapsed_ms > Some(elapsed));
}

/// Processes that were started by process `parent` and have not ended.
#[cfg(target_os = "linux")]
fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").unwrap().flatten();
    let processes = all.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    processes
        .filter(|&process| living(process) == Some(parent))
        .collect()
}

/// The parent of a process that has not ended.
#[cfg(target_os = "linux")]
fn living(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name is in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    (state != "Z").then(|| fields.next()?.parse().ok())?
}

#[cfg(target_os = "linux")]
fn wait_for_the_end_of(process: u32) {
    let began = Instant::now();
    while living(process).is_some() {
        assert!(
            began.elapsed() < PATIENCE,
            "process {process} goes on measuring for nobody"
        );
        thread::sleep(Duration::from_millis(5));
    }
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
        let run = Recorded::read(&folder.join("results/local/latest"));
        if run.is_ok_and(|run| !run.measurements.is_empty()) {
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
