//! A reference count whose sleepers are woken before the flag is set.
//!
//! *Wrong step:* detach rings for those who sleep inside, and then sets the
//! dying bit. Who is quick to wake up finds no bit, takes it for one of the
//! wake-ups that come for no reason, and sleeps on. The detacher waits for the
//! count, and nobody rings again.
//!
//! *Who:* any close that broadcasts first and marks afterwards. NetBSD's pipes
//! mark first, but their readers look at the mark only after they have slept,
//! which leaves the same hole on the other side; a comment in `fd_close()`
//! wonders whether `fo_restart` should be called again after a while.
//!
//! *What a caller would see:* a detach that takes as long as whatever the
//! sleepers wait for.
//!
//! Protection itself is sound: sleepers are counted.

use std::time::Duration;

use super::{Control, Expect};
use crate::fo_restart::{self, FoRestart, Guard};
use crate::points::{Point, Points, Undisturbed};
use crate::refcount::Registration;
use crate::{DetachError, Detached, DeviceRef, Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "restart-early",
    wrong: "detach wakes those who sleep inside before it sets the flag",
    origin: "a close that broadcasts, then marks",
    symptom: "a detach waits for a sleeper that nobody wakes",
    expect: Expect::CaughtByTorture,
};

/// A device whose sleepers are woken early; see the [module](self).
#[derive(Debug)]
pub struct RestartEarly<S, P = Undisturbed> {
    device: fo_restart::Device<S, P>,
}

impl<S, P: Points> RestartEarly<S, P> {
    /// The wrong step: the flag comes after this.
    fn restart(&self) {
        self.device.wake_sleepers();
        P::at(Point::Closed);
    }
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for RestartEarly<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: CONTROL.id,
        summary: CONTROL.wrong,
        origin: CONTROL.origin,
        ..FoRestart::<()>::PROPERTIES
    };

    fn register() -> Result<Registration, Unsupported> {
        fo_restart::Device::<S, P>::register()
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Ok(RestartEarly {
            device: fo_restart::Device::attach(softc)?,
        })
    }

    fn acquire<'g>(&'g self, registration: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        self.device.acquire(registration)
    }

    fn detach(&self, registration: &mut Registration) -> Result<S, Detached> {
        self.restart();
        self.device.counted.detach(registration)
    }

    fn detach_timeout(
        &self,
        registration: &mut Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        self.restart();
        self.device.counted.detach_timeout(registration, patience)
    }

    fn stay<R>(
        &self,
        registration: &mut Registration,
        inside: impl FnOnce(&S, &dyn Fn(Duration) -> Result<(), Detached>) -> R,
    ) -> Result<R, Detached> {
        self.device.stay(registration, inside)
    }
}
