//! A reference count with a dying bit in one atomic word: what most systems do.
//!
//! # The scheme
//!
//! ```text
//! acquire   word += 1; fail if it said dying before
//! release   word -= 1; if it said dying before:
//!               remaining -= 1; the last one wakes the detacher
//! detach    word |= DYING, which tells the count of holders
//!           remaining += that count
//!           sleep until remaining is zero
//!           reclaim the softc
//! ```
//!
//! # Why it is safe
//!
//! While the device lives all that matters happens to one word, so there is one
//! order of events that everybody agrees on. An acquire that comes before the
//! dying bit is in the count that the detacher gets; one that comes after it
//! sees the bit. A release before the bit is out of that count, and one after it
//! sees the bit and counts itself off `remaining`, once for each holder. So
//! `remaining` is zero when every one of them has left, and a release that comes
//! before the detacher's addition only takes it below zero meanwhile.
//!
//! Each release is a store-release on the word, and on `remaining` if it comes
//! late. The exchange that sets the bit acquires the former (the changes in
//! between continue the release sequence), and the look at `remaining` the
//! latter, so what holders did happened before the reclaim.
//!
//! A late arrival needs not take its count back: after the bit nobody reads it.
//! Nor can late arrivals keep the detacher waiting, as `remaining` does not know
//! them. That is why acquire does not look at the word before it counts: a load
//! of a word that a locked instruction is about to write is not free (on an Intel
//! Xeon a lap takes 12.0 ns with it and 8.8 without), and nobody needs it.
//!
//! # Costs
//!
//! Two locked instructions on a word that every CPU writes: the line travels
//! from CPU to CPU, and that is the cost that Young set out to avoid. A refusal
//! takes one of them. Detach is cheap: two locked instructions and the wait.
//!
//! # What it forbids
//!
//! Nothing: holders may sleep, nest, be interrupted by a signal handler that
//! acquires, and hand their guard to another thread.
//!
//! A signal handler may release where waking a sleeper is a system call, as on
//! Linux; elsewhere it takes a mutex.
//!
//! The count has 63 bits. It would take 2^63 guards at once, or refusals, to
//! carry into the dying bit or out of it; at one a nanosecond that takes 292
//! years.
//!
//! Comes from: the reply's third paragraph; FreeBSD's `refcount(9)`, OpenBSD's
//! `refcnt_finalize(9)`, kernfs.

use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::Attachment;
use crate::primitive::bell::Bell;
use crate::primitive::patience::Patience;
use crate::primitive::sync::{AtomicU64, Ordering, fence};
use crate::{
    Count, DetachError, Detached, DeviceRef, FastPath, LateArrival, Memory, Properties, Reclaim,
    Sleepers, Unsupported, WaitsFor,
};

/// The bit that turns newcomers away; the count is below it.
const DYING: u64 = 1 << 63;

/// A device with one reference count; see the [module](self).
pub type Refcount<S> = Device<S>;

/// A device with one reference count; `P` is what happens at its
/// [points](crate::points).
#[derive(Debug)]
pub struct Device<S, P = Undisturbed> {
    word: AtomicU64,
    /// Holders that a detach found and that have not left since; wraps below
    /// zero until the detach has added them.
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

impl<S, P: Points> Device<S, P> {
    #[inline]
    fn leave(&self) {
        P::at(Point::BeforeLeave);
        // Ordering: Release pairs with the Acquire of the exchange in
        // `detach_within`, if that comes later.
        let before = self.word.fetch_sub(1, Ordering::Release);
        P::at(Point::Left);
        if before & DYING != 0 {
            self.leave_late();
        }
    }

    #[cold]
    #[inline(never)]
    fn leave_late(&self) {
        // Ordering: Release pairs with the Acquire of the look in
        // `detach_within`.
        if self.remaining.fetch_sub(1, Ordering::Release) == 1 {
            // Ordering: SeqCst pairs with the fence that the waiter hands to the
            // bell: either it finds nobody, or this finds it waiting.
            fence(Ordering::SeqCst);
            self.drained.ring_if_awaited();
        }
    }

    /// Whether a detach has begun.
    pub(crate) fn is_dying(&self) -> bool {
        // Ordering: Relaxed; a caller that goes to sleep over it has a fence.
        self.word.load(Ordering::Relaxed) & DYING != 0
    }

    /// Detaches; `closed` runs between setting the dying bit and waiting.
    pub(crate) fn detach_within(
        &self,
        patience: Patience,
        closed: impl FnOnce(),
    ) -> Result<S, DetachError> {
        let tenure = self.attachment.claim(patience)?;
        // Ordering: Acquire pairs with the Release in `leave`.
        let before = self.word.fetch_or(DYING, Ordering::Acquire);
        if before & DYING == 0 {
            // Ordering: Relaxed; who has the claim reads it back.
            self.remaining.fetch_add(before, Ordering::Relaxed);
        }
        P::at(Point::Closed);
        closed();
        let drained = self.drained.wait(
            patience,
            true,
            // Ordering: SeqCst pairs with the fence in `leave_late`.
            || fence(Ordering::SeqCst),
            || {
                P::at(Point::Summing);
                // Ordering: Acquire pairs with the Release in `leave_late`.
                self.remaining.load(Ordering::Acquire) == 0
            },
        );
        if !drained {
            return Err(DetachError::StillHeld);
        }
        P::at(Point::Drained);
        // SAFETY: all holders that were counted before the dying bit have left;
        // whoever counted itself since then saw the bit and was refused.
        Ok(unsafe { tenure.take() })
    }
}

impl<S: Send + Sync + 'static, P: Points> DeviceRef for Device<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: "refcount",
        summary: "count and dying bit in one atomic word",
        origin: "reply on tech-kern, 2010; refcount(9)",
        reclaim: Reclaim::AfterHolders,
        waits_for: WaitsFor::ThisDevice,
        late_arrival: LateArrival::Refused,
        holder_may_sleep: true,
        sleepers: Sleepers::AsOthers,
        release_elsewhere: true,
        nesting: true,
        signal_handlers: cfg!(target_os = "linux"),
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
            word: AtomicU64::new(0),
            remaining: AtomicU64::new(0),
            drained: Bell::new(),
            attachment: Attachment::new(softc),
            _points: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(&'g self, _: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        P::at(Point::BeforeEnter);
        // Ordering: Relaxed; see the module: the word alone decides.
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
        // Without a time limit "still held" cannot be the answer.
        self.detach_within(Patience::FOREVER, || ())
            .map_err(|_| Detached)
    }

    fn detach_timeout(&self, _: &mut Registration, patience: Duration) -> Result<S, DetachError> {
        self.detach_within(Patience::of(patience), || ())
    }
}

/// One count of a [`Device`].
#[derive(Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    device: &'g Device<S, P>,
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: counted before the dying bit, so the detacher waits for it.
        unsafe { self.device.attachment.softc() }
    }
}

impl<S, P: Points> Drop for Guard<'_, S, P> {
    #[inline]
    fn drop(&mut self) {
        self.device.leave();
    }
}
