//! Who notices that a round never ends.
//!
//! A detach that waits for a holder who never leaves does not return, and the
//! thread that it is in cannot be told to give up: detaching *with a time limit*
//! is another algorithm in some strategies, and reads the clock in all of them,
//! so it is not what is measured. The process has to go.

use std::process;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::case::Case;

/// The exit code of a process that gave up: `EX_SOFTWARE` of sysexits.
const GAVE_UP: i32 = 70;

/// The round at work, if one is.
type Round = Mutex<Option<(Case, Instant)>>;

/// Looks now and then for how long the present round has been at work.
#[derive(Debug)]
pub(super) struct Watchdog(Arc<Round>);

/// While it lives, a round is watched.
pub(super) struct Watched<'w>(&'w Round);

impl Watchdog {
    /// One that calls `alarm` when a round has been at work for longer than
    /// `patience`, soon after. It sleeps meanwhile.
    pub(super) fn new(patience: Duration, alarm: fn(&Case, Duration)) -> Self {
        let round = Arc::new(Mutex::new(None));
        let watched: Weak<Round> = Arc::downgrade(&round);
        // Where no thread can be started, rounds say so themselves.
        let _ = thread::Builder::new()
            .name("watchdog".to_owned())
            .spawn(move || {
                while let Some(round) = watched.upgrade() {
                    if let Some((case, began)) = *lock(&round)
                        && began.elapsed() > patience
                    {
                        alarm(&case, patience);
                    }
                    drop(round);
                    thread::sleep(patience / 4);
                }
            });
        Watchdog(round)
    }

    /// Watches a round of the case.
    pub(super) fn watch(&self, case: &Case) -> Watched<'_> {
        *lock(&self.0) = Some((*case, Instant::now()));
        Watched(&self.0)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        *lock(self.0) = None;
    }
}

fn lock(round: &Round) -> std::sync::MutexGuard<'_, Option<(Case, Instant)>> {
    round.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends the process, in which a thread is stuck.
pub(super) fn give_up(case: &Case, patience: Duration) {
    eprintln!(
        "error: {case}: a round has not ended after {} s; a detach that never returns cannot be \
         stopped, so this process ends",
        patience.as_secs()
    );
    process::exit(GAVE_UP);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::engine::Scenario;

    /// Whether it fires at all decides, not when.
    #[test]
    fn a_round_that_does_not_end_raises_the_alarm() {
        static RAISED: AtomicBool = AtomicBool::new(false);
        let watchdog = Watchdog::new(Duration::from_millis(1), |case, _| {
            assert_eq!(case.strategy, "refcount");
            // Ordering: Relaxed; the flag alone matters.
            RAISED.store(true, Ordering::Relaxed);
        });
        let case = Case::new("refcount", Scenario::Detach, 1);
        drop(watchdog.watch(&case));
        assert!(lock(&watchdog.0).is_none());
        let _watched = watchdog.watch(&case);
        // Ordering: Relaxed, as above.
        while !RAISED.load(Ordering::Relaxed) {
            thread::yield_now();
        }
    }
}
