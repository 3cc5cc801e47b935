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
//!           defer a message to ourselves
//!           collect garbage until it has arrived
//!           reclaim the softc
//! ```
//!
//! # Why it is safe
//!
//! By the library's guarantee: a function that is deferred after the softc was
//! unlinked does not run while a thread is pinned that may have loaded it.
//!
//! Whoever collects runs the function, and that may be an innocent thread in an
//! acquire or detach of its own, long after a detach that gave up. So the function
//! carries a message and not the softc, which goes to its detacher or with its
//! handle: its destructor never runs on a thread that did neither.
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
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crossbeam_epoch::{Atomic, Collector, Guard as Pin, LocalHandle, Shared};

use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::{Attachment, Tenure};
use crate::primitive::once_box::OnceBox;
use crate::primitive::parcel::{self, Delivery, Parcel};
use crate::primitive::patience::Patience;
use crate::primitive::sync::lock;
use crate::primitive::together::detach_together;
use crate::{
    Count, DetachError, Detached, DeviceRef, FastPath, LateArrival, Memory, Properties, Reclaim,
    Sleepers, Unsupported, WaitsFor,
};

fn collector() -> &'static Collector {
    static COLLECTOR: OnceBox<Collector> = OnceBox::new();
    COLLECTOR.get_or_init(Collector::new)
}

/// A device in epochs; see the [module](self).
pub type Epoch<S> = Device<S>;

/// A device in epochs; `P` is what happens at its
/// [points](crate::points).
#[derive(Debug)]
pub struct Device<S, P = Undisturbed> {
    /// On the heap, where users of epochs have it.
    attachment: Arc<Attachment<S>>,
    /// Points to the attachment until a detach begins.
    current: Atomic<Attachment<S>>,
    /// The message that nobody is inside any more, until it is deferred.
    message: Mutex<Option<Parcel<()>>>,
    delivery: Delivery<()>,
    _points: PhantomData<P>,
}

/// A thread's part in the collector.
#[derive(Debug)]
pub struct Registration {
    participant: LocalHandle,
}

impl<S: Send + Sync + 'static, P: Points> Device<S, P> {
    /// Claims the device, unlinks the softc, and has the library send the message
    /// once nobody is inside.
    fn retire(&self, me: &Registration, patience: Patience) -> Result<Tenure<'_, S>, DetachError> {
        let tenure = self.attachment.claim(patience)?;
        // Before the message is taken: a thread with more guards than the library
        // can count panics here, and a message that is dropped is delivered.
        let pin = me.participant.pin();
        if let Some(message) = lock(&self.message).take() {
            // Ordering: Relaxed; nothing is published by a null pointer. What is
            // deferred after it runs when nobody can have loaded another.
            self.current.store(Shared::null(), Ordering::Relaxed);
            pin.defer(move || drop(message));
        }
        P::at(Point::Closed);
        Ok(tenure)
    }

    /// Drives the epoch on until the message has arrived, and takes the softc.
    fn receive(
        &self,
        me: &Registration,
        tenure: Tenure<'_, S>,
        patience: Patience,
    ) -> Result<S, DetachError> {
        let prod = || {
            P::at(Point::Summing);
            me.participant.pin().flush();
        };
        self.delivery
            .wait(patience, Some(&prod))
            .ok_or(DetachError::StillHeld)?;
        // SAFETY: the message was deferred after the softc was unlinked, and it
        // has arrived, so no thread is pinned that could have loaded it. The
        // mailbox's lock orders what holders did, whose unpinning the library
        // orders before the message.
        Ok(unsafe { tenure.take() })
    }

    fn detach_within(&self, me: &Registration, patience: Patience) -> Result<S, DetachError> {
        let tenure = self.retire(me, patience)?;
        self.receive(me, tenure, patience)
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
            // The attachment after the two counts of its Arc, and the mailbox.
            fixed: size_of::<Device<()>>()
                + size_of::<(usize, usize, Attachment<()>)>()
                + parcel::MAILBOX,
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
        let attachment = Arc::new(Attachment::new(softc));
        let (message, delivery) = Parcel::new(());
        Ok(Device {
            current: Atomic::from(Arc::as_ptr(&attachment)),
            attachment,
            message: Mutex::new(Some(message)),
            delivery,
            _points: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(&'g self, registration: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        P::at(Point::BeforeEnter);
        let pin = registration.participant.pin();
        P::at(Point::Entered);
        // Ordering: Acquire, as users of epochs need it; here the handle was
        // handed over after the pointer was stored.
        let attachment = self.current.load(Ordering::Acquire, &pin).as_raw();
        if attachment.is_null() {
            P::at(Point::Refused);
            return Err(Detached);
        }
        P::at(Point::Admitted);
        Ok(Guard {
            attachment,
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
        /// Sends what the thread has deferred, on every way out: whoever detaches
        /// what remains after a panic may be another thread.
        struct Sent<'r>(&'r Registration);
        impl Drop for Sent<'_> {
            fn drop(&mut self) {
                self.0.participant.pin().flush();
            }
        }
        let me = &*me;
        let _sent = Sent(me);
        detach_together(
            devices,
            |device| device.retire(me, Patience::none()),
            // The first wait drives the epoch far enough for all.
            || {},
            |device, tenure| {
                let softc = device.receive(me, tenure, Patience::FOREVER);
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
    attachment: *const Attachment<S>,
    _pin: Pin,
    _device: PhantomData<(&'g Device<S, P>, &'g Registration)>,
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: the handle, which is borrowed, keeps the memory alive. The
        // pointer was loaded under the pin, which is still in force, so nobody
        // takes the softc.
        unsafe { (*self.attachment).softc() }
    }
}
