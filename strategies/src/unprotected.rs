//! No protection: the floor that every plot stands on.
//!
//! # The scheme
//!
//! ```text
//! acquire   nothing
//! release   nothing
//! detach    returns a copy; the original stays where it is
//! ```
//!
//! # Why it is safe
//!
//! Because it never reclaims. The softc lives as long as its handle, so late
//! arrivals find what they always found. That takes the point out of
//! detaching, and the price of it out of the fast path: whatever another
//! strategy costs beyond this one is the price of protection.
//!
//! # What it forbids
//!
//! Softcs that are not `Copy`, as detach returns a copy.

use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use crate::points::{Points, Undisturbed};
use crate::primitive::attachment::Claims;
use crate::primitive::patience::Patience;
use crate::{
    Count, DetachError, Detached, DeviceRef, FastPath, LateArrival, Memory, Properties, Reclaim,
    Sleepers, Unsupported, WaitsFor,
};

/// A device that never goes away; see the [module](self).
pub type Unprotected<S> = Device<S>;

/// A device that never goes away; `P` is what happens at its
/// [points](crate::points).
#[derive(Debug)]
pub struct Device<S, P = Undisturbed> {
    softc: S,
    claims: Claims,
    _points: PhantomData<P>,
}

/// A thread needs nothing to enter.
#[derive(Debug)]
pub struct Registration {
    _made_by_register: (),
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for Device<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S>;

    const PROPERTIES: Properties = Properties {
        id: "unprotected",
        summary: "no protection, never reclaimed: the floor",
        origin: "-",
        reclaim: Reclaim::Never,
        waits_for: WaitsFor::Nobody,
        late_arrival: LateArrival::Admitted,
        holder_may_sleep: true,
        sleepers: Sleepers::AsOthers,
        release_elsewhere: true,
        nesting: true,
        signal_handlers: true,
        reopens: false,
        fast_path: FastPath {
            locked: Count::Exactly(0),
            fences: 0,
            shared_writes: false,
        },
        memory: Memory {
            fixed: size_of::<Device<()>>(),
            per_cpu: 0,
            per_thread: 0,
        },
    };

    fn register() -> Result<Registration, Unsupported> {
        Ok(Registration {
            _made_by_register: (),
        })
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Ok(Device {
            softc,
            claims: Claims::new(),
            _points: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(&'g self, _: &'g Registration) -> Result<Guard<'g, S>, Detached> {
        Ok(Guard { softc: &self.softc })
    }

    fn detach(&self, _: &mut Registration) -> Result<S, Detached> {
        let claim = self.claims.claim(Patience::FOREVER).map_err(|_| Detached)?;
        claim.finish();
        Ok(self.softc)
    }

    fn detach_timeout(&self, _: &mut Registration, patience: Duration) -> Result<S, DetachError> {
        self.claims.claim(Patience::of(patience))?.finish();
        Ok(self.softc)
    }
}

/// A reference.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'g, S> {
    softc: &'g S,
}

impl<S> Deref for Guard<'_, S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        self.softc
    }
}
