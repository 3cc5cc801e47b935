//! The contract that every strategy fulfils: [`DeviceRef`], and the smaller
//! [`Reopen`] of those that can change their mind.

use std::error::Error;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::thread;
use std::time::Duration;

use crate::properties::Properties;

/// A handle on something that threads enter and leave, and that one of them
/// will take away.
///
/// The *handle* (NetBSD's `device_t`) is what threads refer to, and Rust keeps
/// it alive for as long as any of them does. The *softc* behind it is what
/// [`detach`](Self::detach) takes away. Splitting the two answers the question
/// that every scheme of this kind has to answer: where do the counters live
/// that a late arrival will still touch? In the handle.
///
/// # What the borrow checker enforces
///
/// A thread enters through its [`Registration`](Self::Registration), the
/// counterpart of a kernel's `curlwp` or `curcpu`. [`acquire`](Self::acquire)
/// borrows it, [`safe_point`](Self::safe_point), [`offline`](Self::offline)
/// and [`detach`](Self::detach) borrow it mutably. So the compiler plays the
/// part of a kernel that cannot be preempted: a guard cannot live across a
/// safe point, and a thread cannot wait in detach for itself. Nor can a reference
/// to the softc outlive the guard it came from, nor can the handle go while
/// somebody is inside; dropping it therefore needs no protocol.
///
/// ```
/// use detach_strategies::{DeviceRef, Refcount};
///
/// let mut registration = Refcount::<u32>::register().unwrap();
/// let device = Refcount::attach(7u32).unwrap();
/// let guard = device.acquire(&registration).unwrap();
/// // Here none of these compiles:
/// // Refcount::<u32>::safe_point(&mut registration);
/// // device.detach(&mut registration);
/// // drop(device);
/// drop(guard);
/// assert_eq!(device.detach(&mut registration), Ok(7));
/// ```
///
/// The package `compile-fail` has each of them, beside a twin that compiles.
pub trait DeviceRef: Sized + Send + Sync {
    /// What detach takes away.
    ///
    /// Holders on several threads share it (`Sync`), and another thread than
    /// the one that attached it may take it away (`Send`).
    type Softc: Send + Sync + 'static;

    /// What a thread needs to enter: a slot, a virtual CPU, an epoch
    /// participant, or nothing. One per thread and strategy, good for every
    /// device of the strategy.
    type Registration;

    /// Proof of being inside. It dereferences to the softc; dropping it
    /// releases. A strategy whose release works from any thread says so by its
    /// guard being [`Send`].
    type Guard<'g>: Deref<Target = Self::Softc>
    where
        Self: 'g;

    /// What the strategy can and cannot do.
    const PROPERTIES: Properties;

    /// Whether this machine can run the strategy.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] says what is missing.
    fn supported() -> Result<(), Unsupported> {
        Ok(())
    }

    /// Registers the calling thread.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] when the machine cannot run the strategy, or when more
    /// threads are registered than it has room for.
    fn register() -> Result<Self::Registration, Unsupported>;

    /// Makes `softc` available behind a new handle.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] as from [`supported`](Self::supported); ask that first
    /// where the softc must not be lost.
    fn attach(softc: Self::Softc) -> Result<Self, Unsupported>;

    /// Enters the device.
    ///
    /// # Errors
    ///
    /// [`Detached`] to a late arrival: the kernel's `ENXIO`.
    fn acquire<'g>(
        &'g self,
        registration: &'g Self::Registration,
    ) -> Result<Self::Guard<'g>, Detached>;

    /// Turns new entries away, waits until every holder has left, and returns
    /// the softc.
    ///
    /// Of several callers exactly one gets the softc; the others return once
    /// it is gone. When the winner returns, no guard exists and none can be
    /// made, and everything that the holders did happened before.
    ///
    /// It waits forever for a guard that is never dropped; see
    /// [`detach_timeout`](Self::detach_timeout).
    ///
    /// # Errors
    ///
    /// [`Detached`] when another caller took the softc.
    fn detach(&self, registration: &mut Self::Registration) -> Result<Self::Softc, Detached>;

    /// [`detach`](Self::detach) that gives up waiting after `patience`.
    ///
    /// # Errors
    ///
    /// [`DetachError::StillHeld`] when holders remained. Nothing is lost: the
    /// device stays closed to new entries, and the call can be repeated: what one
    /// call has seen leave, the next one need not wait for. The same when another
    /// caller had the device all the time, to detach it or in [`Reopen::close`];
    /// then it is up to that one whether the device opens again.
    /// [`DetachError::Detached`] as from `detach`.
    fn detach_timeout(
        &self,
        registration: &mut Self::Registration,
        patience: Duration,
    ) -> Result<Self::Softc, DetachError>;

    /// Detaches many devices, in one grace period where the strategy has one.
    ///
    /// `tell` gets the place of each device in `devices` and its outcome, as from
    /// [`detach`](Self::detach), in any order and each as soon as it is known: a
    /// panic on the way, in `tell` or where a strategy may panic, loses nothing
    /// that was not told. The devices that remain are closed and can be detached
    /// again. A device that another caller is detaching is waited for when this
    /// one holds no other, so two callers cannot wait for each other. `tell` must
    /// not detach devices of the set, nor wait for somebody who does, for those
    /// that it was not told of are held meanwhile: put the softcs aside, and drop
    /// them later if their `Drop` may. What polls of
    /// [`detach_timeout`](Self::detach_timeout) have seen leave is waited for
    /// again. It waits forever for a guard that is never dropped.
    fn detach_all(
        devices: &[&Self],
        registration: &mut Self::Registration,
        mut tell: impl FnMut(usize, Result<Self::Softc, Detached>),
    ) {
        for (place, device) in devices.iter().enumerate() {
            tell(place, device.detach(registration));
        }
    }

    /// Declares that the calling thread holds nothing: the moment at which a
    /// kernel would run a pending cross-call. Does nothing for the strategies
    /// that need none; with the others every registered thread owes one now
    /// and then, or detaches wait.
    #[inline]
    fn safe_point(_registration: &mut Self::Registration) {}

    /// Runs `blocked` with the thread taken off line: a thread that sleeps
    /// reaches no safe point, so it must say beforehand that nobody needs to
    /// wait for it. Just runs it for the strategies that need no safe points.
    fn offline<R>(_registration: &mut Self::Registration, blocked: impl FnOnce() -> R) -> R {
        blocked()
    }

    /// Enters the device for a stay in which the holder sleeps, runs `inside`,
    /// and leaves.
    ///
    /// `inside` is given the softc and a way to sleep for some time. With most
    /// strategies that is plain sleep, and a holder that sleeps is waited for
    /// like any other (so that where holders must not sleep, all detaches of
    /// the strategy wait for it). Two have something better to offer, and
    /// [`Properties::sleepers`] tells: with `dying-xcall-ref` the holder is
    /// counted and its thread off line meanwhile; with `fo-restart` sleep ends
    /// early, with [`Detached`], when a detach begins.
    ///
    /// # Errors
    ///
    /// [`Detached`] to a late arrival, which is not inside and runs nothing.
    fn stay<R>(
        &self,
        registration: &mut Self::Registration,
        inside: impl FnOnce(&Self::Softc, &dyn Fn(Duration) -> Result<(), Detached>) -> R,
    ) -> Result<R, Detached> {
        let guard = self.acquire(registration)?;
        Ok(inside(&guard, &sleep_on))
    }

    /// Which mechanisms served this device so far, and how often: counted
    /// where they ran, so that a fast path that silently fell back shows.
    /// Empty for strategies that have only one way to go.
    fn mechanisms(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

/// The sleep of a holder that nobody wakes.
pub(crate) fn sleep_on(time: Duration) -> Result<(), Detached> {
    thread::sleep(time);
    Ok(())
}

/// A device whose gate can be closed without deciding that it dies.
///
/// Young's closed gate and NetBSD's `config_detach()`, which backs out when
/// the driver says `EBUSY`, both allow it: threads that arrive meanwhile wait
/// at the gate, and go through if it opens again.
pub trait Reopen: DeviceRef {
    /// A device that is closed and empty.
    type Closed<'c>: Closed<Softc = Self::Softc>
    where
        Self: 'c;

    /// Closes the gate and waits until every holder has left.
    ///
    /// # Errors
    ///
    /// [`DetachError::StillHeld`] when holders remain after `patience`; the
    /// gate is open again by then. (There is no version without a time limit:
    /// a holder that enters a second time would wait at the gate for ever, and
    /// this call for the holder.) [`DetachError::Detached`] when the device is
    /// gone or a [`detach_timeout`](DeviceRef::detach_timeout) has already
    /// sealed it.
    fn close(
        &self,
        registration: &mut Self::Registration,
        patience: Duration,
    ) -> Result<Self::Closed<'_>, DetachError>;
}

/// A closed and empty device: its owner may look at the softc and change it.
/// Dropping it opens the gate again.
pub trait Closed: DerefMut<Target = Self::Softc> {
    /// What can be taken away.
    type Softc;

    /// Opens the gate; whoever waited goes through.
    fn reopen(self);

    /// Seals the gate and takes the softc; whoever waited gets [`Detached`].
    fn detach(self) -> Self::Softc;
}

/// The device is gone, or going: the kernel's `ENXIO`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Detached;

impl fmt::Display for Detached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the device is detached")
    }
}

impl Error for Detached {}

/// Why a detach returned without the softc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DetachError {
    /// Another caller took the softc.
    Detached,
    /// Holders remained when patience ran out.
    StillHeld,
}

impl fmt::Display for DetachError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DetachError::Detached => Detached.fmt(f),
            DetachError::StillHeld => f.write_str("the device is still held"),
        }
    }
}

impl Error for DetachError {}

impl From<Detached> for DetachError {
    fn from(_: Detached) -> Self {
        DetachError::Detached
    }
}

/// Why a strategy cannot run here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    reason: String,
}

impl Unsupported {
    /// An answer with its reason, a phrase that completes "cannot run: ...".
    pub fn because(reason: impl Into<String>) -> Self {
        Unsupported {
            reason: reason.into(),
        }
    }

    /// The reason.
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot run: {}", self.reason)
    }
}

impl Error for Unsupported {}
