//! Orders carried out by processes of their own.
//!
//! Where a process has its stack, heap and code is decided anew for each, and
//! some of it decides how fast a loop runs or which counters share a cache
//! line. One process, however long it measures, tells of one such layout. So
//! every block of a campaign is a fresh process of this same program.

use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::protocol::{Message, Order};
use super::{Bench, Heard};

/// A way to tell a campaign to stop, from another thread.
#[derive(Debug, Default)]
pub struct Interrupt {
    raised: AtomicBool,
    /// The input of the process at work; it stops when this is closed.
    input: Mutex<Option<ChildStdin>>,
}

impl Interrupt {
    /// Nobody has told it to stop.
    pub const fn new() -> Self {
        Interrupt {
            raised: AtomicBool::new(false),
            input: Mutex::new(None),
        }
    }

    /// Tells it to stop; returns whether it had been told before.
    pub fn raise(&self) -> bool {
        // Ordering: Relaxed; the flag alone matters, and whoever puts an input
        // into the mutex looks at the flag afterwards.
        let before = self.raised.swap(true, Ordering::Relaxed);
        self.hold(None);
        before
    }

    /// Whether it was told to stop.
    pub fn is_raised(&self) -> bool {
        // Ordering: Relaxed; see `raise`.
        self.raised.load(Ordering::Relaxed)
    }

    /// Keeps the input open until told to stop.
    fn hold(&self, input: Option<ChildStdin>) {
        *self.input.lock().unwrap_or_else(PoisonError::into_inner) = input;
    }
}

/// Carries out orders by starting this program with some arguments.
#[derive(Debug)]
pub struct Processes<'i> {
    program: PathBuf,
    arguments: Vec<String>,
    began: Instant,
    interrupt: &'i Interrupt,
}

impl<'i> Processes<'i> {
    /// Processes of `program` with these arguments, which make it read an
    /// [`Order`]. Time begins now.
    pub fn new(program: PathBuf, arguments: &[&str], interrupt: &'i Interrupt) -> Self {
        Processes {
            program,
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            began: Instant::now(),
            interrupt,
        }
    }

    fn listen(&self, order: &Order, heard: Heard<'_>) -> io::Result<()> {
        let mut line = serde_json::to_vec(order)?;
        line.push(b'\n');
        let mut child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().expect("it is a pipe");
        let output = child.stdout.take().expect("it is a pipe");
        // A process that dies at once says so with its exit code, below.
        let _ = input.write_all(&line);
        self.interrupt.hold(Some(input));
        if self.interrupt.is_raised() {
            self.interrupt.hold(None);
        }
        let answers = hear(output, heard);
        if answers.is_err() {
            let _ = child.kill();
        }
        self.interrupt.hold(None);
        let status = child.wait()?;
        if answers? && status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!(
                "the process that measured ended early: {status}"
            )))
        }
    }
}

/// Listens to the end; returns whether the order was said to be carried out.
fn hear(output: ChildStdout, heard: Heard<'_>) -> io::Result<bool> {
    let mut done = false;
    for line in BufReader::new(output).lines() {
        let message = serde_json::from_str(&line?)?;
        done |= matches!(message, Message::Done { .. });
        heard(message)?;
    }
    Ok(done)
}

impl Bench for Processes<'_> {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn carry_out(&mut self, order: &Order, heard: Heard<'_>) -> Result<(), String> {
        self.listen(order, heard).map_err(|error| error.to_string())
    }

    fn is_stopped(&self) -> bool {
        self.interrupt.is_raised()
    }
}
