//! How long a detacher is willing to wait.

use std::time::{Duration, Instant};

/// A deadline, or none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    deadline: Option<Instant>,
}

impl Patience {
    /// Waits for ever.
    pub(crate) const FOREVER: Patience = Patience { deadline: None };

    /// Does not wait at all.
    pub(crate) fn none() -> Self {
        Patience {
            deadline: Some(Instant::now()),
        }
    }

    /// Gives up `patience` from now; a time too far away to name is for ever.
    pub(crate) fn of(patience: Duration) -> Self {
        Patience {
            deadline: Instant::now().checked_add(patience),
        }
    }

    /// What is left, as the time limit of a wait: `Ok(None)` waits for ever.
    pub(crate) fn left(self) -> Result<Option<Duration>, OutOfPatience> {
        let Some(deadline) = self.deadline else {
            return Ok(None);
        };
        match deadline.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(OutOfPatience),
        }
    }
}

/// The deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OutOfPatience;
