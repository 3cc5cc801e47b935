//! The torture, for a moment: the strategies survive it, the negative controls
//! do not, and the command says so.

use std::process::{Command, Output};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use detach_harness::torture::{Outcome, Report, Torturer};
use detach_strategies::controls::{self, Expect};
use detach_strategies::registry;

/// One torture at a time: its threads want the CPUs for themselves.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn torturer(seed: u64) -> Torturer {
    Torturer {
        seed,
        on_stuck: |violation| {
            eprintln!("{violation}");
            std::process::abort();
        },
    }
}

static NEVER: AtomicBool = AtomicBool::new(false);

/// Processor time of this process so far, where it can be told. Unlike the time
/// on the wall it does not pass while others have the CPUs.
fn worked() -> Duration {
    #[cfg(unix)]
    {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: the pointer is valid for the length of the call.
        let status = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) };
        assert_eq!(status, 0);
        Duration::new(
            time.tv_sec.unsigned_abs(),
            time.tv_nsec.unsigned_abs() as u32,
        )
    }
    #[cfg(not(unix))]
    {
        static BEGUN: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        BEGUN.get_or_init(std::time::Instant::now).elapsed()
    }
}

/// Tortures again and again, each time with another seed and for twice as long,
/// until the report satisfies or so much work has been done.
fn until(
    satisfied: impl Fn(&Report) -> bool,
    first: Duration,
    torture: impl Fn(&Torturer, Duration) -> Option<Report>,
) -> Report {
    let begun = worked();
    for (seed, doubled) in (20100816..).zip(0..) {
        let report = torture(&torturer(seed), first * (1 << doubled)).expect("it exists");
        let supported = !matches!(report.outcome, Outcome::Unsupported(_));
        if !supported || satisfied(&report) || worked() - begun > MOST {
            return report;
        }
    }
    unreachable!("time runs out before seeds do")
}

#[test]
fn every_strategy_survives() {
    let _alone = alone();
    for properties in registry::all() {
        // A violation satisfies, too; something left out does not.
        let report = until(
            |report| !matches!(report.outcome, Outcome::Idle(_)),
            Duration::from_secs(1),
            |torturer, time| torturer.strategy(properties.id, time, &NEVER),
        );
        println!("{}: {:?} {:?}", report.id, report.outcome, report.tally);
        match report.outcome {
            Outcome::Survived => {}
            Outcome::Idle(missing) => panic!("{}: {missing}", report.id),
            Outcome::Violated(violation) => panic!("{violation}"),
            Outcome::Unsupported(_) => {}
        }
    }
}

/// Processor time within which a control has to be caught. On two quiet CPUs it
/// takes a second or two.
const MOST: Duration = Duration::from_secs(60);

/// The controls that a single scene can catch.
const SCENES: [(&str, &str); 4] = [
    ("poll-forgets", "polls"),
    ("together-early", "together"),
    ("together-holding", "together"),
    ("shared-section", "twofold"),
];

#[test]
fn every_control_is_caught() {
    let _alone = alone();
    for control in controls::all() {
        let time = match control.expect {
            Expect::CaughtByTorture => Duration::from_secs(10),
            Expect::CaughtByModel => Duration::from_secs(1),
        };
        let report = until(
            |report| report.outcome.meets(control.expect),
            time,
            |torturer, time| torturer.control(control.id, time, &NEVER),
        );
        println!("{}: {:?} {:?}", report.id, report.outcome, report.tally);
        assert!(report.outcome.meets(control.expect), "{}", control.id);
        let scene = SCENES.iter().find(|(id, _)| *id == control.id);
        if let (Outcome::Violated(violation), Some((_, scene))) = (report.outcome, scene) {
            assert_eq!(violation.scene, *scene, "{violation}");
        }
    }
}

#[test]
fn no_such_strategy_no_torture() {
    assert!(torturer(1).strategy("mutex", MOST, &NEVER).is_none());
    assert!(torturer(1).control("refcount", MOST, &NEVER).is_none());
    assert!(
        torturer(1)
            .strategy("turnstile-nofence", MOST, &NEVER)
            .is_none()
    );
}

#[test]
fn whoever_is_interrupted_stops() {
    let _alone = alone();
    let interrupted = AtomicBool::new(true);
    let report = torturer(1).strategy("refcount", MOST, &interrupted);
    let report = report.unwrap();
    assert!(matches!(report.outcome, Outcome::Idle(_)));
    assert_eq!(report.tally.batches, 0);
}

fn command(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_detach-bench"))
        .arg("torture")
        .args(arguments)
        .output()
        .unwrap()
}

#[test]
fn the_command_prints_a_table() {
    let _alone = alone();
    // A machine that is busy with other things may need more time to do anything.
    let run = |seconds| {
        command(&[
            "--strategies",
            "refcount,rwlock",
            "--seconds",
            seconds,
            "--seed",
            "7",
        ])
    };
    let output = ["0.5", "5", "50"]
        .into_iter()
        .map(run)
        .find(|output| output.status.code() != Some(1))
        .expect("fifty seconds are enough to do something");
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert!(stderr.contains("seed 7"), "{stderr}");
    for word in [
        "attaches", "acquires", "late", "twofold", "detaches", "polled", "together", "aside",
        "refcount", "rwlock", "survived",
    ] {
        assert!(stdout.contains(word), "{word} is missing:\n{stdout}");
    }
    assert!(!stdout.contains("turnstile"), "{stdout}");
}

/// Time is up before the first batch, so that there is nothing to survive.
#[test]
fn a_torture_that_does_nothing_is_a_failure() {
    let _alone = alone();
    let nothing = ["--seconds", "0.000000001"];
    let strategy = [&["--strategies", "refcount"], &nothing[..]].concat();
    let controls = [&["--controls"], &nothing[..]].concat();
    let several_cpus = std::thread::available_parallelism().is_ok_and(|cpus| cpus.get() > 1);
    for (arguments, tortures) in [(strategy, true), (controls, several_cpus)] {
        let output = command(&arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        if tortures {
            assert_eq!(output.status.code(), Some(1), "{stderr}");
            assert!(
                stderr.contains("was not tortured: no batch was played"),
                "{stderr}"
            );
        } else {
            // Controls are skipped where threads cannot meet.
            assert_eq!(output.status.code(), Some(0), "{stderr}");
        }
    }
}

#[test]
fn bad_input_is_refused() {
    for arguments in [
        &["--strategies", "mutex"][..],
        &["--strategies", "turnstile-nofence"],
        &["--seconds", "0"],
        &["--seconds", "soon"],
        &["--seed", "-1"],
        &["--tries", "3"],
        &["--controls", "--tries", "0"],
        &["--controls", "--strategies", "refcount"],
    ] {
        let output = command(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it_with_a_table() {
    use std::io::{BufRead, BufReader, Read};
    use std::process::Stdio;

    let _alone = alone();
    let mut child = Command::new(env!("CARGO_BIN_EXE_detach-bench"))
        .args(["torture", "--strategies", "refcount", "--seconds", "600"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("refcount ...") {
        line.clear();
        assert_ne!(
            stderr.read_line(&mut line).unwrap(),
            0,
            "it ended by itself"
        );
    }
    // SAFETY: plain numbers; the child has not been waited for, so its number
    // is still its own.
    let status = unsafe { libc::kill(child.id().cast_signed(), libc::SIGINT) };
    assert_eq!(status, 0);
    let mut stdout = String::new();
    let mut pipe = child.stdout.take().unwrap();
    pipe.read_to_string(&mut stdout).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(stdout.contains("refcount"), "{stdout}");
    assert!(stdout.contains("stopped"), "{stdout}");
}
