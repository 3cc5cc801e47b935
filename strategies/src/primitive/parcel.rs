//! A softc on its way from the last holder to the detacher.
//!
//! The libraries behind some strategies run a destructor once the last holder
//! is gone, on whatever thread that happens. The destructor of a [`Parcel`]
//! puts the softc into a mailbox instead of dropping it, and the detacher waits
//! at the mailbox, as every detacher waits: at a [`Bell`].

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Arc;

use super::bell::Bell;
use super::patience::Patience;
use super::sync::{AtomicBool, Mutex, Ordering, fence, lock};

/// Where the softc arrives. It goes with the last of parcel and delivery, and a
/// softc that nobody wanted goes with it.
#[derive(Debug)]
struct Mailbox<S> {
    content: Mutex<Option<S>>,
    /// Whether the softc is or was there.
    arrived: AtomicBool,
    bell: Bell,
}

/// A softc that is sent off when it is dropped.
#[derive(Debug)]
pub(crate) struct Parcel<S> {
    softc: ManuallyDrop<S>,
    mailbox: Arc<Mailbox<S>>,
}

/// Who waits for the softc.
#[derive(Debug)]
pub(crate) struct Delivery<S> {
    mailbox: Arc<Mailbox<S>>,
}

/// The mailbox for a softc of no size, after the two counts of its `Arc`.
pub(crate) const MAILBOX: usize = size_of::<(usize, usize, Mailbox<()>)>();

/// What the two take besides the softc and the delivery itself: the parcel,
/// which its user puts somewhere, and the mailbox.
pub(crate) const ALLOCATED: usize = size_of::<Parcel<()>>() + MAILBOX;

impl<S> Parcel<S> {
    pub(crate) fn new(softc: S) -> (Self, Delivery<S>) {
        let mailbox = Arc::new(Mailbox {
            content: Mutex::new(None),
            arrived: AtomicBool::new(false),
            bell: Bell::new(),
        });
        let parcel = Parcel {
            softc: ManuallyDrop::new(softc),
            mailbox: Arc::clone(&mailbox),
        };
        (parcel, Delivery { mailbox })
    }
}

impl<S> Deref for Parcel<S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        &self.softc
    }
}

impl<S> Drop for Parcel<S> {
    fn drop(&mut self) {
        // SAFETY: it is taken once, here, and not used afterwards.
        let softc = unsafe { ManuallyDrop::take(&mut self.softc) };
        *lock(&self.mailbox.content) = Some(softc);
        // Ordering: Relaxed; the lock orders the softc, the fence the bell.
        self.mailbox.arrived.store(true, Ordering::Relaxed);
        // Ordering: SeqCst pairs with the fence that `wait` hands to the bell.
        fence(Ordering::SeqCst);
        self.mailbox.bell.ring_if_awaited();
    }
}

impl<S> Delivery<S> {
    /// Waits for the softc; `None` when patience has run out. Where somebody has
    /// to be prodded to let go, `prod` does it, before each look.
    pub(crate) fn wait(&self, patience: Patience, prod: Option<&dyn Fn()>) -> Option<S> {
        let arrived = || {
            if let Some(prod) = prod {
                prod();
            }
            // Ordering: Relaxed; the lock below orders the softc.
            self.mailbox.arrived.load(Ordering::Relaxed)
        };
        // Ordering: SeqCst pairs with the fence in the parcel's `drop`.
        let heavy = || fence(Ordering::SeqCst);
        self.mailbox
            .bell
            .wait(patience, prod.is_none(), heavy, arrived)
            .then(|| lock(&self.mailbox.content).take())?
    }
}
