//! What counts holders by CPU until it is frozen.

use crate::{Properties, Unsupported};

/// The counters of one device, and the gate that they count behind.
///
/// # Safety
///
/// A device reclaims its softc on the word of its counters. An implementation
/// promises: [`enter`](Self::enter) and [`leave`](Self::leave) either add one to,
/// or take one from, what [`sum`](Self::sum) adds up, and return `true`, or change
/// nothing. Let a [`restart`](Self::restart) be called after a
/// [`seal`](Self::seal). A call that counts and has not by the time the former
/// returns does not count at all; and one that has, happened before that return
/// with all that its thread did before.
pub unsafe trait Counts: Sized + Send + Sync {
    /// What a thread needs to enter.
    type Registration;

    /// What the strategy on these counters can and cannot do.
    const PROPERTIES: Properties;

    /// What [`restart`](Self::restart) is called in records.
    const RESTART: &'static str;

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
    /// [`Unsupported`] as above.
    fn register() -> Result<Self::Registration, Unsupported>;

    /// Counters for a new device, all at zero, behind an open gate.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] as above.
    fn install() -> Result<Self, Unsupported>;

    /// Counts a holder, if the gate is open and the attempt gets through.
    fn enter(&self, registration: &Self::Registration) -> bool;

    /// Discounts a holder, if the gate is open and the attempt gets through.
    fn leave(&self, registration: &Self::Registration) -> bool;

    /// Shuts the gate, for good.
    fn seal(&self);

    /// Whether the gate is shut.
    fn is_sealed(&self) -> bool;

    /// Restarts every attempt that has begun, and is a heavy fence.
    ///
    /// # Panics
    ///
    /// If the kernel refuses what it granted before.
    fn restart();

    /// What the counters come to; they wrap around.
    fn sum(&self) -> u64;
}
