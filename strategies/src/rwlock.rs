//! A readers-writer lock: holders read, the detacher writes.
//!
//! # The scheme
//!
//! ```text
//! acquire   if dying: fail
//!           lock for reading; fail (and unlock) if the softc is gone
//! release   unlock
//! detach    dying = true
//!           lock for writing, take the softc
//! ```
//!
//! # Why it is safe
//!
//! The lock excludes the detacher while anybody reads. The flag is for
//! latecomers' sake: without it they would queue behind the detacher, and
//! after a `detach_timeout` that gave up they would get in again.
//!
//! # Costs
//!
//! Two locked instructions on a shared word, as with a reference count; more
//! when threads have to sleep.
//!
//! # What it forbids
//!
//! A holder must not acquire again: it may queue behind the detacher, who waits
//! for it. Guards belong to their thread. The standard library's lock has no
//! time limit, so `detach_timeout` asks again and again, at first without, then
//! with naps in between.
//!
//! Comes from: the standard library's `RwLock`; illumos and OpenZFS protect
//! file systems against unmounting this way.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, TryLockError};
use std::time::Duration;

use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::Claims;
use crate::primitive::patience::Patience;
use crate::waiting::{Looking, Naps};
use crate::{
    Count, DetachError, Detached, DeviceRef, FastPath, LateArrival, Memory, Properties, Reclaim,
    Sleepers, Unsupported, WaitsFor,
};

/// A device under a lock; see the [module](self).
pub type Rwlock<S> = Device<S>;

/// A device under a lock; `P` is what happens at its
/// [points](crate::points).
#[derive(Debug)]
pub struct Device<S, P = Undisturbed> {
    dying: AtomicBool,
    softc: RwLock<Option<S>>,
    claims: Claims,
    _points: PhantomData<P>,
}

/// A thread needs nothing to enter.
#[derive(Debug)]
pub struct Registration {
    _made_by_register: (),
}

impl<S: Send + Sync + 'static, P: Points> DeviceRef for Device<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: "rwlock",
        summary: "std RwLock: holders read, detach writes",
        origin: "folklore; OpenZFS zfs_enter",
        reclaim: Reclaim::AfterHolders,
        waits_for: WaitsFor::ThisDevice,
        late_arrival: LateArrival::Refused,
        holder_may_sleep: true,
        sleepers: Sleepers::AsOthers,
        release_elsewhere: false,
        nesting: false,
        signal_handlers: false,
        reopens: false,
        fast_path: FastPath {
            locked: Count::Exactly(2),
            fences: 0,
            shared_writes: true,
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
            dying: AtomicBool::new(false),
            softc: RwLock::new(Some(softc)),
            claims: Claims::new(),
            _points: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(&'g self, _: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        P::at(Point::BeforeEnter);
        // Ordering: Relaxed; a latecomer that misses the flag waits for the
        // lock and then finds the softc gone, or the detacher given up.
        if self.dying.load(Ordering::Relaxed) {
            return Err(Detached);
        }
        P::at(Point::Entered);
        // Readers do not poison the lock, and the detacher cannot panic.
        let lock = self.softc.read().unwrap_or_else(PoisonError::into_inner);
        // Ordering: Relaxed; the lock orders it after the flag of a detacher
        // that held the lock before.
        if lock.is_none() || self.dying.load(Ordering::Relaxed) {
            P::at(Point::Refused);
            return Err(Detached);
        }
        P::at(Point::Admitted);
        Ok(Guard {
            lock,
            _points: PhantomData,
        })
    }

    fn detach(&self, _: &mut Registration) -> Result<S, Detached> {
        let claim = self.claims.claim(Patience::FOREVER).map_err(|_| Detached)?;
        // Ordering: Relaxed; see `acquire`.
        self.dying.store(true, Ordering::Relaxed);
        P::at(Point::Closed);
        let softc = self
            .softc
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        claim.finish();
        softc.ok_or(Detached)
    }

    fn detach_timeout(&self, _: &mut Registration, patience: Duration) -> Result<S, DetachError> {
        let patience = Patience::of(patience);
        let claim = self.claims.claim(patience)?;
        // Ordering: Relaxed; see `acquire`.
        self.dying.store(true, Ordering::Relaxed);
        P::at(Point::Closed);
        let (mut looking, mut naps) = (Looking::new(), Naps::new());
        loop {
            let softc = match self.softc.try_write() {
                Ok(mut lock) => lock.take(),
                Err(TryLockError::Poisoned(lock)) => lock.into_inner().take(),
                Err(TryLockError::WouldBlock) => {
                    P::at(Point::Summing);
                    if !looking.again() {
                        let left = patience.left().map_err(|_| DetachError::StillHeld)?;
                        let nap = naps.next();
                        std::thread::sleep(left.map_or(nap, |left| left.min(nap)));
                    }
                    continue;
                }
            };
            claim.finish();
            return softc.ok_or(DetachError::Detached);
        }
    }
}

/// A reader's lock on a device that was found alive.
#[derive(Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    lock: RwLockReadGuard<'g, Option<S>>,
    _points: PhantomData<P>,
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        match &*self.lock {
            Some(softc) => softc,
            // `acquire` looked, and the lock keeps the detacher out.
            None => unreachable!("a device is detached while it is locked for reading"),
        }
    }
}
