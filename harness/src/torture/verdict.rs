//! What was found, if anything.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// A strategy was seen breaking its contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The strategy's id.
    pub strategy: &'static str,
    /// The seed of the run.
    pub seed: u64,
    /// The number of the batch, from 0.
    pub batch: u64,
    /// What the threads were doing.
    pub scene: &'static str,
    /// What was seen.
    pub seen: String,
    /// How long it took to be seen.
    pub after: Duration,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Violation {
            strategy,
            seed,
            batch,
            scene,
            seen,
            after: _,
        } = self;
        write!(
            f,
            "{strategy}: {seen} (seed {seed}, batch {batch}, scene `{scene}`)"
        )
    }
}

/// The first violation of a run; whoever finds one ends the run.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    guilty: AtomicBool,
    first: Mutex<Option<Violation>>,
}

impl Verdict {
    /// Reports a violation. Only the first counts: what a broken strategy does
    /// after that is no news.
    pub(super) fn report(&self, violation: Violation) {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(violation);
        // Ordering: Relaxed; a hint to stop.
        self.guilty.store(true, Ordering::Relaxed);
    }

    /// Whether something was reported.
    pub(super) fn guilty(&self) -> bool {
        // Ordering: Relaxed; as above.
        self.guilty.load(Ordering::Relaxed)
    }

    /// What was reported.
    pub(super) fn take(&self) -> Option<Violation> {
        self.first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}
