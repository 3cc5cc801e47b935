//! Epochs, with crossbeam-epoch.
//!
//! # The scheme
//!
//! A thread pins itself to the current epoch while it is inside. Detach
//! unlinks the softc, defers its reclamation, and drives the epoch forward
//! until the deferred function has run, which the library allows once every
//! thread that was pinned at the time has unpinned.
//!
//! ```text
//! acquire   pin; load the pointer; fail (and unpin) if it is null
//! release   unpin
//! detach    exchange the pointer for null
//!           defer sending the softc to ourselves
//!           collect garbage until it has arrived
//! ```
//!
//! # Why it is safe
//!
//! By the library's guarantee: what was unlinked before it was deferred is not
//! reclaimed while a thread is pinned that may have loaded it.
//!
//! # Costs
//!
//! Acquire: pinning has a full fence (on x86_64 a locked instruction). Detach:
//! several advances of the epoch, each a scan of all participants; when nobody
//! else collects, the detacher has to prod until the epoch has moved far
//! enough. It looks for the softc after each prod. A thread that stays pinned
//! makes it sleep in naps, as the library has no way to wake it.
//!
//! # What it forbids
//!
//! A pinned thread keeps the epoch from advancing, so a holder that sleeps
//! delays the detach of *every* device of this strategy (they share one
//! collector, of their own: the default one also serves rayon). Guards belong
//! to their thread. Detach waits although an epoch user need not: reclamation
//! would happen by itself some day, but the contract hands the softc back.
//!
//! Comes from: K. Fraser's epoch-based reclamation (2004), in the form of
//! crossbeam-epoch.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::OnceLock;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_epoch::{Atomic, Collector, Guard as Pin, LocalHandle, Owned, Shared};

use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::{Claim, Claims};
use crate::primitive::parcel::{self, Delivery, Parcel};
use crate::primitive::patience::Patience;
use crate::primitive::together::detach_together;
use crate::{
    Count, DetachError, Detached, DeviceRef, FastPath, LateArrival, Memory, Properties, Reclaim,
    Sleepers, Unsupported, WaitsFor,
};

fn collector() -> &'static Collector {
    static COLLECTOR: OnceLock<Collector> = OnceLock::new();
    COLLECTOR.get_or_init(Collector::new)
}

/// A device in epochs; see the [module](self).
pub type Epoch<S> = Device<S>;

/// A device in epochs; `P` is what happens at its
/// [points](crate::points).
#[derive(Debug)]
pub struct Device<S, P = Undisturbed> {
    softc: Atomic<Parcel<S>>,
    delivery: Delivery<S>,
    claims: Claims,
    _points: PhantomData<P>,
}

/// A thread's part in the collector.
#[derive(Debug)]
pub struct Registration {
    participant: LocalHandle,
}

impl<S: Send + Sync + 'static, P: Points> Device<S, P> {
    /// Claims the device and has the library reclaim its softc some time.
    fn retire(&self, me: &Registration, patience: Patience) -> Result<Claim<'_>, DetachError> {
        let claim = self.claims.claim(patience)?;
        let pin = me.participant.pin();
        // Ordering: AcqRel. Acquire pairs with the Release that published the
        // parcel in `attach`, Release with the Acquire in `acquire` of those
        // who find it gone.
        let parcel = self.softc.swap(Shared::null(), Ordering::AcqRel, &pin);
        P::at(Point::Closed);
        if !parcel.is_null() {
            // SAFETY: the swap unlinked it, nobody can load it any more, and
            // of all swaps only this one got it.
            unsafe { pin.defer_destroy(parcel) };
        }
        Ok(claim)
    }

    /// Drives the epoch on until the softc has arrived.
    fn receive(
        &self,
        me: &Registration,
        claim: Claim<'_>,
        patience: Patience,
    ) -> Result<S, DetachError> {
        let prod = || {
            P::at(Point::Summing);
            me.participant.pin().flush();
        };
        let softc = self
            .delivery
            .wait(patience, Some(&prod))
            .ok_or(DetachError::StillHeld)?;
        claim.finish();
        Ok(softc)
    }

    fn detach_within(&self, me: &Registration, patience: Patience) -> Result<S, DetachError> {
        let claim = self.retire(me, patience)?;
        self.receive(me, claim, patience)
    }
}

impl<S, P> Drop for Device<S, P> {
    fn drop(&mut self) {
        let attached = std::mem::replace(&mut self.softc, Atomic::null());
        // SAFETY: `&mut self` proves that nobody is inside, and what a detach
        // has unlinked is not here any more.
        drop(unsafe { attached.try_into_owned() });
    }
}

impl<S: Send + Sync + 'static, P: Points> DeviceRef for Device<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: "epoch",
        summary: "crossbeam-epoch; detach waits until its deferred reclamation has run",
        origin: "Fraser 2004; crossbeam-epoch",
        reclaim: Reclaim::AfterHolders,
        waits_for: WaitsFor::EveryDevice,
        late_arrival: LateArrival::Refused,
        holder_may_sleep: true,
        sleepers: Sleepers::AsOthers,
        release_elsewhere: false,
        nesting: true,
        signal_handlers: false,
        reopens: false,
        fast_path: FastPath {
            locked: Count::Exactly(0),
            fences: 1,
            shared_writes: false,
        },
        memory: Memory {
            fixed: size_of::<Device<()>>() + parcel::ALLOCATED,
            per_cpu: 0,
            per_thread: 0,
        },
    };

    fn register() -> Result<Registration, Unsupported> {
        Ok(Registration {
            participant: collector().register(),
        })
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        let (parcel, delivery) = Parcel::new(softc);
        Ok(Device {
            softc: Atomic::from(Owned::new(parcel)),
            delivery,
            claims: Claims::new(),
            _points: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(&'g self, registration: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        P::at(Point::BeforeEnter);
        let pin = registration.participant.pin();
        P::at(Point::Entered);
        // Ordering: Acquire pairs with the Release of the swap in
        // `detach_within` and with the publication in `attach`.
        let parcel = self.softc.load(Ordering::Acquire, &pin).as_raw();
        if parcel.is_null() {
            P::at(Point::Refused);
            return Err(Detached);
        }
        P::at(Point::Admitted);
        Ok(Guard {
            parcel,
            _pin: pin,
            _device: PhantomData,
        })
    }

    fn detach(&self, registration: &mut Registration) -> Result<S, Detached> {
        // Without a time limit "still held" cannot be the answer.
        self.detach_within(registration, Patience::FOREVER)
            .map_err(|_| Detached)
    }

    fn detach_timeout(
        &self,
        registration: &mut Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        self.detach_within(registration, Patience::of(patience))
    }

    fn detach_all(
        devices: &[&Self],
        me: &mut Registration,
        tell: impl FnMut(usize, Result<S, Detached>),
    ) {
        let me = &*me;
        detach_together(
            devices,
            |device| device.retire(me, Patience::none()),
            // The first wait drives the epoch far enough for all.
            || {},
            |device, claim| {
                let softc = device.receive(me, claim, Patience::FOREVER);
                softc.map_err(|_| Detached)
            },
            |device| {
                let softc = device.detach_within(me, Patience::FOREVER);
                softc.map_err(|_| Detached)
            },
            tell,
        );
    }
}

/// A pinned thread that has found the device alive.
#[derive(Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    parcel: *const Parcel<S>,
    _pin: Pin,
    _device: PhantomData<(&'g Device<S, P>, &'g Registration)>,
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: it was loaded under the pin, which is still in force.
        unsafe { &*self.parcel }
    }
}
