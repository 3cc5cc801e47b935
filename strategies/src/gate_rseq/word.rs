//! The one atomic word of a device: who is counted nowhere else, the seal, and,
//! once the counters by CPU are frozen, everybody.

use crate::Detached;
use crate::primitive::sync::{AtomicU64, Ordering};

/// The bit that turns newcomers away; the count is below it.
const SEALED: u64 = 1 << 63;

/// What the count is larger by until the counters by CPU have been added, so
/// that it does not come down to zero before.
const BIAS: u64 = 1 << 62;

#[derive(Debug)]
pub(super) struct Word(AtomicU64);

impl Word {
    pub(super) fn new() -> Self {
        Word(AtomicU64::new(BIAS))
    }

    /// Counts a holder, unless the word is sealed.
    pub(super) fn enter(&self) -> Result<(), Detached> {
        // Ordering: Relaxed, all three; the word has one order of modification,
        // in which this comes before the seal or sees it.
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
                (word & SEALED == 0).then_some(word + 1)
            })
            .map(drop)
            .map_err(|_| Detached)
    }

    /// Discounts a holder, and tells whether it was the last.
    pub(super) fn leave(&self) -> bool {
        // Ordering: Release pairs with the Acquire in `is_empty`.
        self.0.fetch_sub(1, Ordering::Release) == SEALED + 1
    }

    /// Turns newcomers away.
    pub(super) fn seal(&self) {
        // Ordering: Relaxed; see `enter`.
        self.0.fetch_or(SEALED, Ordering::Relaxed);
    }

    /// Whether the counters by CPU are yet to be added. For the holder of the
    /// claim.
    pub(super) fn is_biased(&self) -> bool {
        // Ordering: Relaxed; who adds them held the claim before.
        self.0.load(Ordering::Relaxed) & !SEALED >= BIAS / 2
    }

    /// Takes over what the counters by CPU come to, once.
    pub(super) fn take_over(&self, frozen: u64) {
        // Ordering: Relaxed; it carries on the release sequences of the leaves
        // before it.
        self.0
            .fetch_add(frozen.wrapping_sub(BIAS), Ordering::Relaxed);
    }

    /// Whether it is sealed, has taken over, and nobody is left.
    pub(super) fn is_empty(&self) -> bool {
        // Ordering: Acquire pairs with the Release of every `leave`.
        self.0.load(Ordering::Acquire) == SEALED
    }
}
