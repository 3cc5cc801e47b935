//! Membarrier taken for a grace period.
//!
//! *Wrong step:* detach sets the dying flag, calls membarrier, and reclaims.
//! Membarrier makes every running thread execute a fence. It waits for nobody:
//! a thread that is inside stays inside, whether it runs or not.
//!
//! *Who:* anybody who reads "interrupts every CPU, as the cross-call did". The
//! kernel's cross-call waits because its threads cannot be preempted; the
//! membarrier manual page had to say that the call is not a grace period.
//!
//! *What a caller would see:* a softc reclaimed under any holder at all.

use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use super::{Control, Expect};
use crate::platform::{AsymmetricFence, Membarrier};
use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::Attachment;
use crate::primitive::patience::Patience;
use crate::primitive::sync::{AtomicBool, Ordering};
use crate::{DetachError, Detached, DeviceRef, DyingMembarrier, Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "dying-membarrier-only",
    wrong: "detach reclaims after membarrier, which waits for nobody",
    origin: "the reply's cross-call, moved to user space without a second thought",
    symptom: "a holder's softc is reclaimed, any holder's",
    expect: Expect::CaughtByTorture,
};

/// A device with a dying flag and nothing else; see the [module](self).
#[derive(Debug)]
pub struct DyingMembarrierOnly<S, P = Undisturbed> {
    dying: AtomicBool,
    attachment: Attachment<S>,
    _points: PhantomData<P>,
}

/// A thread needs nothing to enter.
#[derive(Debug)]
pub struct Registration {
    _made_by_register: (),
}

impl<S: Copy, P: Points> DyingMembarrierOnly<S, P> {
    fn detach_within(&self, patience: Patience) -> Result<S, DetachError> {
        let tenure = self.attachment.claim(patience)?;
        // Ordering: Relaxed; the heavy fence makes it known.
        self.dying.store(true, Ordering::Relaxed);
        P::at(Point::Closed);
        Membarrier::heavy();
        P::at(Point::Fenced);
        // SAFETY: not given; holders may be inside. This is the wrong step, and
        // harmless only because a softc that is `Copy` stays readable.
        Ok(unsafe { tenure.take() })
    }
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for DyingMembarrierOnly<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: CONTROL.id,
        summary: CONTROL.wrong,
        origin: CONTROL.origin,
        ..DyingMembarrier::<()>::PROPERTIES
    };

    fn supported() -> Result<(), Unsupported> {
        Membarrier::supported()
    }

    fn register() -> Result<Registration, Unsupported> {
        Membarrier::supported()?;
        Ok(Registration {
            _made_by_register: (),
        })
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Membarrier::supported()?;
        Ok(DyingMembarrierOnly {
            dying: AtomicBool::new(false),
            attachment: Attachment::new(softc),
            _points: PhantomData,
        })
    }

    fn acquire<'g>(&'g self, _: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        P::at(Point::BeforeEnter);
        // Ordering: Relaxed; who sees it is up to the heavy fence.
        if self.dying.load(Ordering::Relaxed) {
            P::at(Point::Refused);
            return Err(Detached);
        }
        P::at(Point::Admitted);
        Ok(Guard { device: self })
    }

    fn detach(&self, _: &mut Registration) -> Result<S, Detached> {
        self.detach_within(Patience::FOREVER).map_err(|_| Detached)
    }

    fn detach_timeout(&self, _: &mut Registration, patience: Duration) -> Result<S, DetachError> {
        self.detach_within(Patience::of(patience))
    }
}

/// No proof of anything.
#[derive(Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    device: &'g DyingMembarrierOnly<S, P>,
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    fn deref(&self) -> &S {
        // SAFETY: nothing keeps the softc; a `Copy` one is readable anyway.
        unsafe { self.device.attachment.softc() }
    }
}

impl<S, P: Points> Drop for Guard<'_, S, P> {
    fn drop(&mut self) {
        P::at(Point::BeforeLeave);
    }
}
