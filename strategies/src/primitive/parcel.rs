//! A softc on its way from the last holder to the detacher.
//!
//! The libraries behind some strategies run a destructor once the last holder
//! is gone, on whatever thread that happens. The destructor of a [`Parcel`]
//! sends the softc to the detacher instead of dropping it.

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use super::patience::Patience;
use super::sync::lock;

/// A softc that is sent off when it is dropped.
#[derive(Debug)]
pub(crate) struct Parcel<S> {
    softc: ManuallyDrop<S>,
    sender: SyncSender<S>,
}

/// Where the softc arrives.
#[derive(Debug)]
pub(crate) struct Delivery<S> {
    receiver: Mutex<Receiver<S>>,
}

impl<S> Parcel<S> {
    pub(crate) fn new(softc: S) -> (Self, Delivery<S>) {
        let (sender, receiver) = sync_channel(1);
        let parcel = Parcel {
            softc: ManuallyDrop::new(softc),
            sender,
        };
        let delivery = Delivery {
            receiver: Mutex::new(receiver),
        };
        (parcel, delivery)
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
        // The channel has room for the one softc that is ever sent. If the
        // handle is gone, nobody wants the softc and it is dropped here.
        let _ = self.sender.try_send(softc);
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
        let receiver = lock(&self.receiver);
        loop {
            if let Some((_, prod)) = prod {
                prod();
            }
            if let Ok(softc) = receiver.try_recv() {
                return Some(softc);
            }
            let left = patience.left().ok()?;
            let every = prod.map(|(every, _)| every);
            let limit = match (left, every) {
                (Some(left), Some(every)) => Some(left.min(every)),
                (left, every) => left.or(every),
            };
            let received = match limit {
                None => receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(limit) => receiver.recv_timeout(limit),
            };
            match received {
                Ok(softc) => return Some(softc),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    unreachable!("a parcel is sent before its sender goes")
                }
            }
        }
    }
}
