//! A reference count with a dying bit in one atomic word: what most systems do.
//!
//! # The scheme
//!
//! ```text
//! acquire   if the word says dying: fail
//!           word += 1, and fail (word -= 1) if it says dying now
//! release   word -= 1; the last one out of a dying device wakes the detacher
//! detach    word |= DYING
//!           sleep until the count is zero
//!           reclaim the softc
//! ```
//!
//! # Why it is safe
//!
//! All that matters happens to one word, so there is one order of events that
//! everybody agrees on. An acquire that comes before the dying bit is counted;
//! one that comes after it sees the bit and turns back. Each release is a
//! store-release that the detacher's load of the final count acquires (the
//! decrements in between continue the release sequence), so what holders did
//! happened before the reclaim.
//!
//! The count may rise after the bit was set, by threads that are about to turn
//! back. The test before the increment makes that happen at most once per
//! thread, so latecomers cannot keep the count up for ever.
//!
//! # Costs
//!
//! Two locked instructions on a word that every CPU writes: the line travels
//! from CPU to CPU, and that is the cost that Young set out to avoid. Detach
//! is cheap: one locked instruction and the wait.
//!
//! # What it forbids
//!
//! Nothing: holders may sleep, nest, be interrupted by a signal handler that
//! acquires, and hand their guard to another thread.
//!
//! The count has 63 bits. It would take 2^63 guards at once to carry into the
//! dying bit; leaking one every nanosecond takes 292 years.
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
    Unsupported, WaitsFor,
};

/// The bit that turns newcomers away; the count is below it.
const DYING: u64 = 1 << 63;

/// A device with one reference count; see the [module](self).
#[derive(Debug)]
pub struct Refcount<S, P = Undisturbed> {
    word: AtomicU64,
    drained: Bell,
    attachment: Attachment<S>,
    _points: PhantomData<P>,
}

/// A thread needs nothing to enter.
#[derive(Debug)]
pub struct Registration {
    _made_by_register: (),
}

impl<S, P: Points> Refcount<S, P> {
    #[inline]
    fn leave(&self) {
        P::at(Point::BeforeLeave);
        // Ordering: Release pairs with the Acquire in `detach_within`.
        let before = self.word.fetch_sub(1, Ordering::Release);
        P::at(Point::Left);
        if before == DYING + 1 {
            self.wake();
        }
    }

    #[cold]
    #[inline(never)]
    fn turn_back(&self) {
        P::at(Point::Refused);
        self.leave();
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        // Ordering: SeqCst pairs with the fence that the waiter hands to the
        // bell: either it finds the count at zero, or this finds it waiting.
        fence(Ordering::SeqCst);
        self.drained.ring_if_awaited();
    }

    fn detach_within(&self, patience: Patience) -> Result<S, DetachError> {
        let tenure = self.attachment.claim(patience)?;
        // Ordering: Relaxed; the word has one modification order, in which
        // an acquire comes before or after this whatever the ordering.
        self.word.fetch_or(DYING, Ordering::Relaxed);
        P::at(Point::Closed);
        let drained = self.drained.wait(
            patience,
            None,
            // Ordering: SeqCst pairs with the fence in `wake`.
            || fence(Ordering::SeqCst),
            || {
                P::at(Point::Summing);
                // Ordering: Acquire pairs with the Release in `leave`.
                self.word.load(Ordering::Acquire) == DYING
            },
        );
        if !drained {
            return Err(DetachError::StillHeld);
        }
        P::at(Point::Drained);
        // SAFETY: the count was zero after the dying bit was set; whoever
        // counted itself since then saw the bit and turned back.
        Ok(unsafe { tenure.take() })
    }
}

impl<S: Send + Sync + 'static, P: Points> DeviceRef for Refcount<S, P> {
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
        release_elsewhere: true,
        nesting: true,
        signal_handlers: true,
        reopens: false,
        fast_path: FastPath {
            locked: Count::Exactly(2),
            fences: 0,
            shared_writes: true,
        },
        memory: Memory {
            fixed: size_of::<Refcount<()>>(),
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
        Ok(Refcount {
            word: AtomicU64::new(0),
            drained: Bell::new(),
            attachment: Attachment::new(softc),
            _points: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(&'g self, _: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        P::at(Point::BeforeEnter);
        // Ordering: Relaxed; only to keep latecomers away from the word.
        if self.word.load(Ordering::Relaxed) & DYING != 0 {
            return Err(Detached);
        }
        // Ordering: Relaxed; see the module: the word alone decides.
        let before = self.word.fetch_add(1, Ordering::Relaxed);
        P::at(Point::Entered);
        if before & DYING != 0 {
            self.turn_back();
            return Err(Detached);
        }
        P::at(Point::Admitted);
        Ok(Guard { device: self })
    }

    fn detach(&self, _: &mut Registration) -> Result<S, Detached> {
        // Without a time limit "still held" cannot be the answer.
        self.detach_within(Patience::FOREVER).map_err(|_| Detached)
    }

    fn detach_timeout(&self, _: &mut Registration, patience: Duration) -> Result<S, DetachError> {
        self.detach_within(Patience::of(patience))
    }
}

/// One count of a [`Refcount`].
#[derive(Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    device: &'g Refcount<S, P>,
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
