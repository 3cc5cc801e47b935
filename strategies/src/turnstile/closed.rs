//! Closing the gate without deciding that the device dies: [`Reopen`].

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use super::{Device, Form};
use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::Tenure;
use crate::primitive::patience::Patience;
use crate::{Closed, DetachError, Reopen};

impl<S: Send + Sync + 'static, F: Form<S>, P: Points> Reopen for Device<S, F, P> {
    type Closed<'c> = ClosedDevice<'c, S, F, P>;

    fn close(
        &self,
        _registration: &mut Self::Registration,
        patience: Duration,
    ) -> Result<ClosedDevice<'_, S, F, P>, DetachError> {
        let patience = Patience::of(patience);
        let tenure = self.attachment.claim(patience)?;
        if self.gate.is_sealed() {
            return Err(DetachError::Detached);
        }
        // Opens the gate again unless it is handed out at the end.
        let closed = ClosedDevice {
            device: self,
            tenure: Some(tenure),
        };
        self.gate.close();
        P::at(Point::Closed);
        self.heavy();
        P::at(Point::Fenced);
        if !self.drain(patience) {
            return Err(DetachError::StillHeld);
        }
        P::at(Point::Drained);
        Ok(closed)
    }
}

/// A [`Device`] that is closed and empty.
pub struct ClosedDevice<'c, S, F: Form<S>, P = Undisturbed>
where
    P: Points,
{
    device: &'c Device<S, F, P>,
    /// `None` only while being dropped.
    tenure: Option<Tenure<'c, S>>,
}

impl<S, F: Form<S>, P: Points> fmt::Debug for ClosedDevice<'_, S, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClosedDevice").field(self.device).finish()
    }
}

impl<S, F: Form<S>, P: Points> Deref for ClosedDevice<'_, S, F, P> {
    type Target = S;

    fn deref(&self) -> &S {
        // SAFETY: the claim is held, so nobody takes it or changes it.
        unsafe { self.device.attachment.softc() }
    }
}

impl<S, F: Form<S>, P: Points> DerefMut for ClosedDevice<'_, S, F, P> {
    fn deref_mut(&mut self) -> &mut S {
        let tenure = self.tenure.as_mut().expect("held until dropped");
        // SAFETY: nobody is inside and the gate is closed, so this is the only
        // way to the softc.
        unsafe { tenure.softc_mut() }
    }
}

impl<S: Send + Sync + 'static, F: Form<S>, P: Points> Closed for ClosedDevice<'_, S, F, P> {
    type Softc = S;

    fn reopen(self) {
        drop(self);
    }

    fn detach(mut self) -> S {
        self.device.gate.seal();
        let tenure = self.tenure.take().expect("held until dropped");
        // SAFETY: nobody is inside, and the gate went from closed to sealed.
        unsafe { tenure.take() }
    }
}

impl<S, F: Form<S>, P: Points> Drop for ClosedDevice<'_, S, F, P> {
    fn drop(&mut self) {
        if self.tenure.is_some() {
            // Before the claim goes, so that the next claimant finds it open.
            self.device.gate.reopen();
        }
    }
}
