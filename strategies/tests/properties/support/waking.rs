//! Waits that have to end because somebody ends them.
//!
//! A waiter with a time limit looks once more when time is up. If the wake-up got
//! lost, that look saves it: the test takes a minute longer and says ok. So a
//! detach that must come through goes through [`InTime`], which takes no success
//! from the last look; a sleeper is counted asleep, look by look, by
//! [`Watched::is_woken`]; and a test that waits without a limit has one by
//! [`Limit`].

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use detach_strategies::{DetachError, DeviceRef, Reopen};

use super::cue::{Watched, within};
use super::long;

/// Detaching and closing what nobody holds for long.
pub(crate) trait InTime: DeviceRef {
    /// [`detach_timeout`](DeviceRef::detach_timeout), which has to come through
    /// before patience runs out.
    #[track_caller]
    fn detach_in_time(&self, me: &mut Self::Registration) -> Result<Self::Softc, DetachError> {
        in_time(|patience| self.detach_timeout(me, patience))
    }

    /// [`close`](Reopen::close), the same.
    #[track_caller]
    fn close_in_time(&self, me: &mut Self::Registration) -> Result<Self::Closed<'_>, DetachError>
    where
        Self: Reopen,
    {
        in_time(|patience| self.close(me, patience))
    }
}

impl<D: DeviceRef> InTime for D {}

#[track_caller]
fn in_time<R>(wait: impl FnOnce(Duration) -> Result<R, DetachError>) -> Result<R, DetachError> {
    let begin = Instant::now();
    let result = wait(long());
    let saved = result.is_ok() && begin.elapsed() >= long();
    assert!(
        !saved,
        "nobody woke it: it was the last look that found nobody inside"
    );
    result
}

/// How often in a row a thread is found in one and the same sleep before it is
/// taken to be there for good: some seconds.
const LOOKS: u32 = 10_000;

impl Watched {
    /// Waits until `done`, which the thread brings about once it is woken. All
    /// that ought to wake it has happened.
    #[track_caller]
    pub(crate) fn is_woken(&self, what: &str, done: impl Fn() -> bool) {
        let (mut last, mut looks) = (None, 0);
        let in_time = within(long(), || {
            let sleep = self.sleep();
            looks = if sleep == last { looks + 1 } else { 0 };
            last = sleep;
            if sleep.is_some() && looks == LOOKS && !done() {
                give_up(format_args!("{what}: nobody wakes it"));
            }
            done()
        });
        assert!(in_time, "{what}: not done");
    }
}

/// What takes longer never ends.
const LIMIT: Duration = Duration::from_secs(300);

/// Ends the process unless it is dropped in time.
#[derive(Debug)]
pub(crate) struct Limit {
    _done: mpsc::Sender<()>,
}

impl Limit {
    pub(crate) fn of(what: &'static str) -> Self {
        let (done, wait) = mpsc::channel();
        thread::spawn(move || {
            if wait.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
                give_up(format_args!("{what} hangs"));
            }
        });
        Limit { _done: done }
    }
}

/// Ends the process, as threads that nobody wakes keep a test from failing. What is
/// wrong goes past the harness, which would show it at the end of the test only.
fn give_up(what: impl Display) -> ! {
    let _ = writeln!(io::stderr(), "{what}");
    std::process::abort()
}
