//! A reference count whose release orders nothing.
//!
//! *Wrong step:* release decrements the count with relaxed ordering, so what
//! the holder did to the softc may become visible after its count has gone.
//! The detacher sees nobody inside and reclaims, and the holder's last store
//! lands in memory that belongs to somebody else.
//!
//! *Who:* OpenBSD's refcnt(9) had no memory barriers at all in its first
//! version.
//!
//! *What a caller would see:* a stray write into memory that was reclaimed, on
//! processors that let a store overtake a later one (Arm, POWER). **Running it
//! on x86 shows nothing:** a locked instruction is a full fence there whatever
//! the source says, and stores stay in order. Only a model of the language's
//! memory shows the defect, loom's for instance, where the softc is a cell that
//! tracks who accesses it. Hence [`Expect::CaughtByModel`].

use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use super::{Control, Expect};
use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::Attachment;
use crate::primitive::bell::Bell;
use crate::primitive::patience::Patience;
use crate::primitive::sync::{AtomicU64, Ordering, fence};
use crate::{DetachError, Detached, DeviceRef, Properties, Refcount, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "refcount-nobarrier",
    wrong: "release decrements with relaxed ordering",
    origin: "OpenBSD refcnt(9), first version",
    symptom: "a holder's last stores land in memory that was reclaimed; never on x86",
    expect: Expect::CaughtByModel,
};

/// The bit that turns newcomers away; the count is below it.
const DYING: u64 = 1 << 63;

/// A device with one reference count; see the [module](self).
#[derive(Debug)]
pub struct RefcountNobarrier<S, P = Undisturbed> {
    word: AtomicU64,
    remaining: AtomicU64,
    drained: Bell,
    attachment: Attachment<S>,
    _points: PhantomData<P>,
}

/// A thread needs nothing to enter.
#[derive(Debug)]
pub struct Registration {
    _made_by_register: (),
}

impl<S, P: Points> RefcountNobarrier<S, P> {
    fn leave(&self) {
        P::at(Point::BeforeLeave);
        // Ordering: Relaxed. This is the wrong step: it has to be Release, to
        // pair with the Acquire in `detach_within`.
        let before = self.word.fetch_sub(1, Ordering::Relaxed);
        P::at(Point::Left);
        // Ordering: Relaxed, and wrong, for the same reason.
        if before & DYING != 0 && self.remaining.fetch_sub(1, Ordering::Relaxed) == 1 {
            // Ordering: SeqCst pairs with the fence that the waiter hands to
            // the bell.
            fence(Ordering::SeqCst);
            self.drained.ring_if_awaited();
        }
    }

    fn detach_within(&self, patience: Patience) -> Result<S, DetachError> {
        let tenure = self.attachment.claim(patience)?;
        // Ordering: Acquire, which finds no Release to pair with.
        let before = self.word.fetch_or(DYING, Ordering::Acquire);
        if before & DYING == 0 {
            // Ordering: Relaxed; who has the claim reads it back.
            self.remaining.fetch_add(before, Ordering::Relaxed);
        }
        P::at(Point::Closed);
        let drained = self.drained.wait(
            patience,
            true,
            // Ordering: SeqCst pairs with the fence in `leave`.
            || fence(Ordering::SeqCst),
            || {
                P::at(Point::Summing);
                // Ordering: Acquire, which finds no Release to pair with.
                self.remaining.load(Ordering::Acquire) == 0
            },
        );
        if !drained {
            return Err(DetachError::StillHeld);
        }
        P::at(Point::Drained);
        // SAFETY: nobody is inside, but what holders did may not have happened
        // yet as far as this thread can tell.
        Ok(unsafe { tenure.take() })
    }
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for RefcountNobarrier<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: CONTROL.id,
        summary: CONTROL.wrong,
        origin: CONTROL.origin,
        ..Refcount::<()>::PROPERTIES
    };

    fn register() -> Result<Registration, Unsupported> {
        Ok(Registration {
            _made_by_register: (),
        })
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Ok(RefcountNobarrier {
            word: AtomicU64::new(0),
            remaining: AtomicU64::new(0),
            drained: Bell::new(),
            attachment: Attachment::new(softc),
            _points: PhantomData,
        })
    }

    fn acquire<'g>(&'g self, _: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        P::at(Point::BeforeEnter);
        // Ordering: Relaxed; the word alone decides.
        let before = self.word.fetch_add(1, Ordering::Relaxed);
        P::at(Point::Entered);
        if before & DYING != 0 {
            P::at(Point::Refused);
            return Err(Detached);
        }
        P::at(Point::Admitted);
        Ok(Guard { device: self })
    }

    fn detach(&self, _: &mut Registration) -> Result<S, Detached> {
        self.detach_within(Patience::FOREVER).map_err(|_| Detached)
    }

    fn detach_timeout(&self, _: &mut Registration, patience: Duration) -> Result<S, DetachError> {
        self.detach_within(Patience::of(patience))
    }
}

/// One count of a [`RefcountNobarrier`].
#[derive(Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    device: &'g RefcountNobarrier<S, P>,
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    fn deref(&self) -> &S {
        // SAFETY: counted before the dying bit, so the detacher waits for it.
        unsafe { self.device.attachment.softc() }
    }
}

impl<S, P: Points> Drop for Guard<'_, S, P> {
    fn drop(&mut self) {
        self.device.leave();
    }
}
