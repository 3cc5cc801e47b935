//! Experiments in a process of their own: those that may hang, or that leave
//! the process in a state in which nothing else can be tested.
//!
//! A test starts its own program again, asks for itself alone, and names the
//! case in the environment. It finds the name there, runs the experiment, and
//! tells the outcome by its exit code.

use std::fmt::Display;
use std::process::Command;

use super::waking::Limit;

/// The variable that names the case.
const CASE: &str = "DETACH_STRATEGIES_TEST_CASE";

/// Exit codes, apart from those of the test harness (0, 101) and of signals.
const SURVIVED: i32 = 42;
const VIOLATED: i32 = 43;

/// How an experiment ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// What was tried did no harm.
    Survived,
    /// It did harm: this.
    Violated(String),
}

/// The case that this process was started for, if it was.
///
/// From then on the process has a time limit.
pub(crate) fn case() -> Option<String> {
    let case = std::env::var(CASE).ok()?;
    std::mem::forget(Limit::of("the experiment"));
    Some(case)
}

/// Starts the test `test` (its path with the name of the program in front) for
/// `case` in a process of its own and waits for the outcome.
///
/// # Panics
///
/// If the experiment itself fails, or hangs.
pub(crate) fn run(test: &str, case: &str) -> Ending {
    let (_, name) = test.split_once("::").expect("a path within the program");
    let output = Command::new(std::env::current_exe().expect("the test program has a path"))
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CASE, case)
        .output()
        .expect("the test program starts again");
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(SURVIVED) => Ending::Survived,
        Some(VIOLATED) => Ending::Violated(said.trim().to_owned()),
        _ => panic!(
            "{name} for {case} ended with {}:\n{}{said}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
        ),
    }
}

/// Ends the process: nothing bad was seen.
pub(crate) fn survived() -> ! {
    exit(SURVIVED)
}

/// Ends the process, from wherever it is: this was seen.
pub(crate) fn violated(what: impl Display) -> ! {
    eprintln!("{what}");
    exit(VIOLATED)
}

/// Ends the process without waiting for anything that other threads hold.
fn exit(code: i32) -> ! {
    #[cfg(unix)]
    // SAFETY: it does not return, and runs nothing of ours.
    unsafe {
        libc::_exit(code)
    }
    #[cfg(not(unix))]
    std::process::exit(code)
}

/// Ends the process in an orderly way, exit handlers and all: nothing bad was
/// seen so far.
pub(crate) fn leave() -> ! {
    std::process::exit(SURVIVED)
}
