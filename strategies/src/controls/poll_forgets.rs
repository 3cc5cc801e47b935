//! Dying flag and cross-call, polled: a detach that has run out of patience
//! forgets which NOP it asked for.
//!
//! *Wrong step:* each call makes a cross-call of its own. A call whose patience is
//! shorter than some section ends before that CPU has answered, and what the other
//! CPUs have answered is lost.
//!
//! *Who:* this crate, at first; any "wait for readers, with a timeout" that starts
//! its grace period inside the call, such as a loop around a timed-out
//! synchronize.
//!
//! *What a caller would see:* a device that nobody holds stays "still held", for as
//! long as there is always somebody in some other one.
//!
//! Protection itself is sound.

use std::time::Duration;

use super::{Control, Expect};
use crate::dying_xcall::{self, Guard, Registration};
use crate::points::{Points, Undisturbed};
use crate::primitive::sync::Ordering;
use crate::{DetachError, Detached, DeviceRef, Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "poll-forgets",
    wrong: "each poll of a detach begins a new grace period",
    origin: "a timed-out wait for readers, repeated; this crate, at first",
    symptom: "a device that nobody holds cannot be had by polling",
    expect: Expect::CaughtByTorture,
};

/// A device whose polls do not add up; see the [module](self).
#[derive(Debug)]
pub struct PollForgets<S, P = Undisturbed> {
    device: dying_xcall::Device<S, P>,
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for PollForgets<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    inherit!(dying_xcall::Device<S, P>, properties, register, attach, acquire, detach, safe_point, offline);

    fn detach_timeout(
        &self,
        registration: &mut Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        // Ordering: Relaxed; a number by itself. This is the wrong step.
        self.device.asked.store(0, Ordering::Relaxed);
        self.device.detach_timeout(registration, patience)
    }
}
