//! Dying flag, cross-call and reference count, with a holder that counts itself
//! when its CPU has answered already.
//!
//! *Wrong step:* the holder goes off line and then takes its count. The NOP no
//! longer covers the count: the cross-call waits for nobody, the detacher finds
//! a count of zero, and reclaims what the sleeper has in hand.
//!
//! *Who:* whoever reads the reply's two halves as independent of each other;
//! any driver that takes its reference "before the sleep", in the path that
//! blocks. The shipped strategy cannot make this mistake, as a guard is what it
//! takes to be counted, and no guard outlives a safe point; here the count is
//! taken without.
//!
//! *What a caller would see:* a thread wakes up in a driver that is gone.

use std::time::Duration;

use super::{Control, Expect};
use crate::contract::sleep_on;
use crate::dying_xcall::Registration;
use crate::dying_xcall_ref::{self, DyingXcallRef, Guard};
use crate::points::{Point, Points, Undisturbed};
use crate::{DetachError, Detached, DeviceRef, Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "kept-late",
    wrong: "a holder that sleeps is counted after its CPU has gone off line",
    origin: "the reply's third paragraph, in the wrong order",
    symptom: "a holder that slept finds its softc reclaimed",
    expect: Expect::CaughtByTorture,
};

/// A device whose sleepers are counted late; see the [module](self).
#[derive(Debug)]
pub struct KeptLate<S, P = Undisturbed> {
    device: dying_xcall_ref::Device<S, P>,
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for KeptLate<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, 'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: CONTROL.id,
        summary: CONTROL.wrong,
        origin: CONTROL.origin,
        ..DyingXcallRef::<()>::PROPERTIES
    };

    fn register() -> Result<Registration, Unsupported> {
        dying_xcall_ref::Device::<S, P>::register()
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Ok(KeptLate {
            device: dying_xcall_ref::Device::attach(softc)?,
        })
    }

    fn acquire<'g>(&'g self, registration: &'g Registration) -> Result<Self::Guard<'g>, Detached> {
        self.device.acquire(registration)
    }

    fn detach(&self, registration: &mut Registration) -> Result<S, Detached> {
        self.device.detach(registration)
    }

    fn detach_timeout(
        &self,
        registration: &mut Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        self.device.detach_timeout(registration, patience)
    }

    fn safe_point(registration: &mut Registration) {
        dying_xcall_ref::Device::<S, P>::safe_point(registration);
    }

    fn offline<R>(registration: &mut Registration, blocked: impl FnOnce() -> R) -> R {
        dying_xcall_ref::Device::<S, P>::offline(registration, blocked)
    }

    fn stay<R>(
        &self,
        registration: &mut Registration,
        inside: impl FnOnce(&S, &dyn Fn(Duration) -> Result<(), Detached>) -> R,
    ) -> Result<R, Detached> {
        // A copy, so that looking at it is harmless.
        let softc = *self.device.acquire(registration)?;
        Ok(Self::offline(registration, || {
            // The wrong step: one statement too late.
            P::at(Point::Admitted);
            let _kept = self.device.count();
            inside(&softc, &sleep_on)
        }))
    }
}
