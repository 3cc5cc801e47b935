//! The `detach-bench` command as its users meet it: run as a process, judged
//! by its exit code, by what it prints, and by the files that it leaves.

mod bad_input;
#[cfg(target_os = "linux")]
mod crippled;
#[cfg(unix)]
mod interrupted;
mod records;
mod run;
mod show;
#[cfg(target_os = "linux")]
mod terminal;

use std::path::Path;
use std::process::{Command, Output};

use detach_results::Recorded;

/// The command, with arguments, in a folder of its own.
fn detach_bench(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_detach-bench"));
    command.current_dir(folder).args(arguments);
    // Help and errors must not depend on who runs the tests.
    command.env_remove("GLIBC_TUNABLES").env("COLUMNS", "100");
    command
}

/// Runs the command to its end.
fn output(folder: &Path, arguments: &[&str]) -> Output {
    detach_bench(folder, arguments).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Runs the command and expects an exit code and words on standard error.
#[track_caller]
fn fails(folder: &Path, arguments: &[&str], code: i32, words: &[&str]) -> String {
    let output = output(folder, arguments);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
    for word in words {
        assert!(
            text.contains(word),
            "{arguments:?} does not say {word:?}: {text}"
        );
    }
    text
}

/// Runs the command and expects success.
#[track_caller]
fn succeeds(folder: &Path, arguments: &[&str]) -> Output {
    let output = output(folder, arguments);
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        stderr(&output)
    );
    output
}

/// The newest run under the usual folder.
#[track_caller]
fn newest(folder: &Path) -> Recorded {
    let recorded = Recorded::read(&folder.join("results/local/latest")).unwrap();
    assert_eq!(recorded.problems, []);
    recorded
}
