//! Dying flag and cross-call, with a holder that blocks on its way.
//!
//! *Wrong step:* a thread that has passed the test of the flag blocks before it
//! is done with the softc, and blocking takes its CPU off line: the NOP runs,
//! or is not even asked for, while the thread is in the middle of the driver.
//! The cross-call has waited for the CPU, not for the thread.
//!
//! *Who:* any driver of the reply's kernel that sleeps; the reply says so itself
//! and asks for a reference count where drivers do. The shipped strategy
//! cannot make this mistake, as its guard borrows the registration that going
//! off line needs; here the registration hides behind a cell.
//!
//! *What a caller would see:* a thread wakes up in a driver that is gone.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use super::{Control, Expect};
use crate::dying_xcall;
use crate::points::{Point, Points, Undisturbed};
use crate::{DetachError, Detached, DeviceRef, Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "xcall-sleepers",
    wrong: "a holder blocks, and its CPU answers the cross-call meanwhile",
    origin: "any sleeping driver under the reply's scheme, as the reply warns",
    symptom: "a holder that slept finds its softc reclaimed",
    expect: Expect::CaughtByTorture,
};

/// A device whose holders block; see the [module](self).
#[derive(Debug)]
pub struct XcallSleepers<S, P = Undisturbed> {
    device: dying_xcall::Device<S, P>,
}

/// A virtual CPU that goes off line behind the borrow checker's back.
#[derive(Debug)]
pub struct Registration {
    cpu: RefCell<dying_xcall::Registration>,
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for XcallSleepers<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: CONTROL.id,
        summary: CONTROL.wrong,
        origin: CONTROL.origin,
        ..dying_xcall::Device::<()>::PROPERTIES
    };

    fn register() -> Result<Registration, Unsupported> {
        Ok(Registration {
            cpu: RefCell::new(dying_xcall::Device::<S, P>::register()?),
        })
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Ok(XcallSleepers {
            device: dying_xcall::Device::attach(softc)?,
        })
    }

    fn acquire<'g>(&'g self, registration: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        let softc = *self.device.acquire(&registration.cpu.borrow())?;
        // The wrong step: the driver has the softc in hand and blocks.
        dying_xcall::Device::<S, P>::offline(&mut registration.cpu.borrow_mut(), || {
            P::at(Point::Admitted);
        });
        Ok(Guard {
            softc,
            _device: PhantomData,
        })
    }

    fn detach(&self, registration: &mut Registration) -> Result<S, Detached> {
        self.device.detach(registration.cpu.get_mut())
    }

    fn detach_timeout(
        &self,
        registration: &mut Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        self.device
            .detach_timeout(registration.cpu.get_mut(), patience)
    }

    fn safe_point(registration: &mut Registration) {
        dying_xcall::Device::<S, P>::safe_point(registration.cpu.get_mut());
    }

    fn offline<R>(registration: &mut Registration, blocked: impl FnOnce() -> R) -> R {
        dying_xcall::Device::<S, P>::offline(registration.cpu.get_mut(), blocked)
    }
}

/// What the holder has in hand: a copy, so that looking at it is harmless.
#[derive(Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    softc: S,
    _device: PhantomData<(&'g XcallSleepers<S, P>, &'g Registration)>,
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.softc
    }
}

impl<S, P: Points> Drop for Guard<'_, S, P> {
    fn drop(&mut self) {
        P::at(Point::BeforeLeave);
    }
}
