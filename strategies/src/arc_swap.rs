//! A shared pointer that can be exchanged, with arc-swap.
//!
//! # The scheme
//!
//! ```text
//! acquire   load the pointer; fail if it is empty
//! release   drop what was loaded
//! detach    exchange the pointer for an empty one
//!           wait for the last owner to drop the softc into our hands
//! ```
//!
//! # Why it is safe
//!
//! By the library's guarantee, and `Arc`'s: whoever loaded the pointer owns a
//! count of it, or a debt that the exchange turns into a count, and the
//! destructor runs when the last owner has gone. It sends the softc to the
//! detacher.
//!
//! # Costs
//!
//! Acquire and release: an exchange each on a debt slot of the thread's own
//! and a look-up of the thread's slots; eight loads at once per thread, then
//! the reference count itself. Detach: a visit to the debt slots of every
//! thread that ever loaded one.
//!
//! # What it forbids
//!
//! Little: holders may sleep, nest, and hand their guard to another thread. A
//! signal handler must keep out (a thread's first load allocates).
//!
//! Comes from: M. Vaner's arc-swap; the use is the one of its documentation,
//! configuration that is exchanged while threads use it.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard as Loaded};

use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::Claims;
use crate::primitive::parcel::{self, Delivery, Parcel};
use crate::primitive::patience::Patience;
use crate::{
    Count, DetachError, Detached, DeviceRef, FastPath, LateArrival, Memory, Properties, Reclaim,
    Sleepers, Unsupported, WaitsFor,
};

/// A device behind an exchangeable pointer; see the [module](self).
pub type ArcSwap<S> = Device<S>;

/// A device behind an exchangeable pointer; `P` is what happens at its
/// [points](crate::points).
#[derive(Debug)]
pub struct Device<S, P = Undisturbed> {
    softc: ArcSwapOption<Parcel<S>>,
    delivery: Delivery<S>,
    claims: Claims,
    _points: PhantomData<P>,
}

/// A thread needs nothing to enter.
#[derive(Debug)]
pub struct Registration {
    _made_by_register: (),
}

impl<S, P: Points> Device<S, P> {
    fn detach_within(&self, patience: Patience) -> Result<S, DetachError> {
        let claim = self.claims.claim(patience)?;
        // Dropping our own count may be what sends the parcel.
        drop(self.softc.swap(None));
        P::at(Point::Closed);
        let softc = self
            .delivery
            .wait(patience, None)
            .ok_or(DetachError::StillHeld)?;
        claim.finish();
        Ok(softc)
    }
}

impl<S: Send + Sync + 'static, P: Points> DeviceRef for Device<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: "arc-swap",
        summary: "ArcSwapOption; detach swaps in None and waits for the last owner",
        origin: "arc-swap",
        reclaim: Reclaim::AfterHolders,
        waits_for: WaitsFor::ThisDevice,
        late_arrival: LateArrival::Refused,
        holder_may_sleep: true,
        sleepers: Sleepers::AsOthers,
        release_elsewhere: true,
        nesting: true,
        signal_handlers: false,
        reopens: false,
        fast_path: FastPath {
            locked: Count::AtLeast(2),
            fences: 0,
            shared_writes: false,
        },
        memory: Memory {
            // The parcel lies in an Arc, which adds two counts.
            fixed: size_of::<Device<()>>() + parcel::ALLOCATED + 2 * size_of::<usize>(),
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
        let (parcel, delivery) = Parcel::new(softc);
        Ok(Device {
            softc: ArcSwapOption::from(Some(Arc::new(parcel))),
            delivery,
            claims: Claims::new(),
            _points: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(&'g self, _: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        P::at(Point::BeforeEnter);
        let loaded = self.softc.load();
        P::at(Point::Entered);
        if loaded.is_none() {
            P::at(Point::Refused);
            return Err(Detached);
        }
        P::at(Point::Admitted);
        Ok(Guard {
            loaded,
            _device: PhantomData,
        })
    }

    fn detach(&self, _: &mut Registration) -> Result<S, Detached> {
        // Without a time limit "still held" cannot be the answer.
        self.detach_within(Patience::FOREVER).map_err(|_| Detached)
    }

    fn detach_timeout(&self, _: &mut Registration, patience: Duration) -> Result<S, DetachError> {
        self.detach_within(Patience::of(patience))
    }
}

/// A loaded pointer that was found full.
#[derive(Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    loaded: Loaded<Option<Arc<Parcel<S>>>>,
    _device: PhantomData<&'g Device<S, P>>,
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        match &*self.loaded {
            Some(parcel) => parcel,
            // `acquire` looked, and what was loaded does not change.
            None => unreachable!("an empty pointer was loaded"),
        }
    }
}
