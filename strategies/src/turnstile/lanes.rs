//! Two ways to number the turnstiles: by CPU and by thread.

use crate::Unsupported;
use crate::primitive::area::Record;
use crate::primitive::sync::AtomicU64;

/// The turnstile of one device on one lane: a pair of counters that only
/// increase (and wrap around, which subtraction does not mind).
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Counters {
    pub(super) entered: AtomicU64,
    pub(super) left: AtomicU64,
}

// SAFETY: by default both are zero.
unsafe impl Record for Counters {}

/// The turnstiles of one device.
///
/// # Safety
///
/// A device reclaims its softc on the word of its lanes. An implementation
/// promises: entering and leaving each add one to some counter that only
/// increases; a leave, and what its thread did before, is visible to whoever
/// counts it; and `entered`, called after `left`, counts at least the enter of
/// every leave that `left` counted.
pub unsafe trait Lanes: Sized + Send + Sync {
    /// What a thread needs to enter.
    type Registration;

    /// Whether this machine can count this way.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] says why not.
    fn supported() -> Result<(), Unsupported>;

    /// Registers the calling thread.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] as above, or when there is no room for the thread.
    fn register() -> Result<Self::Registration, Unsupported>;

    /// Turnstiles for a new device, all at zero.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] as above.
    fn install() -> Result<Self, Unsupported>;

    /// Counts an enter.
    fn enter(&self, registration: &Self::Registration);

    /// Counts a leave, with Release semantics.
    fn leave(&self, registration: &Self::Registration);

    /// All leaves so far, with Acquire semantics; wraps around.
    fn left(&self) -> u64;

    /// All enters so far; wraps around.
    fn entered(&self) -> u64;

    /// How enters were counted, and how often each way.
    fn counted(&self) -> Vec<(&'static str, u64)>;
}
