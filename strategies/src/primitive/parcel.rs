//! A softc on its way from the last holder to the detacher.
//!
//! The libraries behind some strategies run a destructor once the last holder
//! is gone, on whatever thread that happens. The destructor of a [`Parcel`]
//! puts the softc into a mailbox instead of dropping it, and the detacher waits
//! at the mailbox.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::patience::Patience;
use super::sync::lock;

/// Where the softc arrives. It goes with the last of parcel and delivery, and a
/// softc that nobody wanted goes with it.
#[derive(Debug)]
struct Mailbox<S> {
    content: Mutex<Content<S>>,
    arrived: Condvar,
}

#[derive(Debug)]
struct Content<S> {
    softc: Option<S>,
    /// Whether somebody sleeps; with nobody to wake, waking would be a system
    /// call for nothing.
    awaited: bool,
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

/// What the two take besides the softc and the delivery itself: the parcel,
/// which its user puts somewhere, and the mailbox after the two counts of its
/// `Arc`.
pub(crate) const ALLOCATED: usize =
    size_of::<Parcel<()>>() + size_of::<(usize, usize, Mailbox<()>)>();

impl<S> Parcel<S> {
    pub(crate) fn new(softc: S) -> (Self, Delivery<S>) {
        let mailbox = Arc::new(Mailbox {
            content: Mutex::new(Content {
                softc: None,
                awaited: false,
            }),
            arrived: Condvar::new(),
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
        let mut content = lock(&self.mailbox.content);
        content.softc = Some(softc);
        if content.awaited {
            self.mailbox.arrived.notify_one();
        }
    }
}

impl<S> Delivery<S> {
    /// Waits for the softc; `None` when patience has run out.
    ///
    /// Where somebody has to be prodded to let go, `prod` does it, with the
    /// given time between one prod and the next.
    pub(crate) fn wait(
        &self,
        patience: Patience,
        prod: Option<(Duration, &dyn Fn())>,
    ) -> Option<S> {
        loop {
            // Without the lock: the destructor may run in here.
            if let Some((_, prod)) = prod {
                prod();
            }
            let mut content = lock(&self.mailbox.content);
            if content.softc.is_some() {
                return content.softc.take();
            }
            content.awaited = true;
            let left = patience.left().ok()?;
            let every = prod.map(|(every, _)| every);
            let limit = match (left, every) {
                (Some(left), Some(every)) => Some(left.min(every)),
                (left, every) => left.or(every),
            };
            // Whatever ends the wait, the next round looks.
            let arrived = &self.mailbox.arrived;
            match limit {
                None => drop(
                    arrived
                        .wait(content)
                        .unwrap_or_else(PoisonError::into_inner),
                ),
                Some(limit) => drop(
                    arrived
                        .wait_timeout(content, limit)
                        .unwrap_or_else(PoisonError::into_inner),
                ),
            }
        }
    }
}
