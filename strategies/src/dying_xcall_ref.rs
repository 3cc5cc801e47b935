//! A dying flag, a NOP cross-call, and a reference count for those who sleep:
//! the reply with its third paragraph.
//!
//! # The scheme
//!
//! A cross-call waits for CPUs, not for threads. A thread that sleeps in the
//! driver has left its CPU, which answers, and when it wakes up the driver is
//! gone. "To unload the driver", the reply goes on, "you have to ensure that no
//! one has any reference to the device. I think this is done with reference
//! counting." So flag and NOP turn the running threads out, and a count, taken
//! only by holders that sleep or keep the device, says when it may go:
//!
//! ```text
//! acquire   as in dying-xcall: if the device is dying, fail
//! release   nothing
//! keep      kept += 1, then the holder may pass safe points and go off line
//! let go    kept -= 1; the last one out of a dying device wakes the detacher
//! detach    dying = true
//!           cross-call a NOP: those that run have left, or keep the device
//!           kept |= DYING
//!           sleep until the count is zero
//!           reclaim the softc
//! ```
//!
//! # Why it is safe
//!
//! Flag, safe points and cross-call are those of
//! [`dying_xcall`], and so is the argument for holders that
//! run. Only such a holder can keep the device ([`Guard::keep`] takes its
//! guard), and it does so before its next safe point, so the NOP covers the
//! count as it covers everything else in the section: the answer to the
//! cross-call, or going off line, is a store-release after the increment, and
//! the detacher acquires it. Once the NOP has run everywhere, whoever keeps the
//! device is counted, and nobody is left who could begin to keep it. From then
//! on the count only falls. Each decrement is a store-release that the
//! detacher's load of zero acquires.
//!
//! The order of the two is the point. A holder that passes its safe point first
//! and counts itself then is not waited for by the NOP, and may not have been
//! counted yet when the detacher looks: that is the control `kept-late`.
//!
//! No wake-up gets lost: the detacher marks the word before it looks for zero.
//! A decrement that comes before the mark is seen by that look, and the last
//! one that comes after finds the mark, and rings the bell.
//!
//! # Costs
//!
//! Acquire and release: those of `dying-xcall`, a load. A keep and its end are
//! a locked instruction each, on a word of the device that other sleepers write
//! too; so only those pay who sleep. (The word lies beside the flag, so a keep
//! costs the next acquire on each other CPU a line transfer; a sleep is some
//! hundred times as long.) Detach: a locked instruction more. Memory: a word
//! and a bell more.
//!
//! # What it forbids
//!
//! A holder that runs must not span a safe point, nor must a thread block
//! without going off line, or every detach of every device waits for it. A
//! holder that keeps the device may do both, is waited for by the detach of
//! that device alone, and may let go on another thread. As it no longer borrows
//! its thread's registration, the compiler does not see any more that a thread
//! waits for itself in the detach of a device that it keeps; the answer of
//! [`DeviceRef::detach_timeout`] is `StillHeld`.
//!
//! Comes from: the reply as a whole; NetBSD's xcall(9) and localcount(9).
//!
//! # Example
//!
//! ```
//! use detach_strategies::{DeviceRef, DyingXcallRef};
//!
//! let mut me = DyingXcallRef::<u32>::register().unwrap();
//! let device = DyingXcallRef::attach(7u32).unwrap();
//! let kept = device.acquire(&me).unwrap().keep();
//! // While it sleeps, nobody waits for this thread's CPU.
//! let read = DyingXcallRef::<u32>::offline(&mut me, || *kept);
//! drop(kept);
//! assert_eq!(device.detach(&mut me), Ok(read));
//! ```

use std::ops::Deref;
use std::time::Duration;

use crate::contract::sleep_on;
use crate::dying_xcall::{self, Registration, answered};
use crate::points::{Point, Points, Undisturbed};
use crate::primitive::bell::Bell;
use crate::primitive::patience::Patience;
use crate::primitive::sync::{AtomicU64, Ordering, fence};
use crate::primitive::together::detach_together;
use crate::{DetachError, Detached, DeviceRef, Memory, Properties, Sleepers, Unsupported};

/// The bit that says that a detacher waits for the count; the count is below
/// it. It has 63 bits; leaking one every nanosecond takes 292 years to fill
/// them.
const DYING: u64 = 1 << 63;

/// A device with a dying flag and a count of those who sleep; see the
/// [module](self).
pub type DyingXcallRef<S> = Device<S>;

/// A device with a dying flag and a count of those who sleep; `P` is what
/// happens at its [points](crate::points).
#[derive(Debug)]
pub struct Device<S, P = Undisturbed> {
    xcall: dying_xcall::Device<S, P>,
    kept: AtomicU64,
    drained: Bell,
}

impl<S, P: Points> Device<S, P> {
    /// [`DeviceRef::acquire`], telling the borrows of device and registration
    /// apart: what is [kept](Guard::keep) borrows the device alone.
    ///
    /// # Errors
    ///
    /// [`Detached`] to a late arrival.
    #[inline]
    pub fn acquire<'d, 'r>(
        &'d self,
        registration: &'r Registration,
    ) -> Result<Guard<'d, 'r, S, P>, Detached> {
        self.xcall.enter()?;
        Ok(Guard {
            device: self,
            _registration: registration,
        })
    }

    /// Counts one more who keeps the device. Where nobody is inside who ran
    /// there before, that may be too late.
    pub(crate) fn count(&self) -> Kept<'_, S, P> {
        // Ordering: Relaxed; what follows in this thread before its next safe
        // point is carried to the detacher by the Release of the answer or of
        // going off line.
        self.kept.fetch_add(1, Ordering::Relaxed);
        Kept { device: self }
    }

    #[cold]
    #[inline(never)]
    fn wake(&self) {
        // Ordering: SeqCst pairs with the fence that the waiter hands to the
        // bell: either it finds the count at zero, or this finds it waiting.
        fence(Ordering::SeqCst);
        self.drained.ring_if_awaited();
    }

    /// Waits until nobody keeps the device. The NOP has run everywhere.
    fn drain(&self, patience: Patience) -> bool {
        // Ordering: Relaxed; the word has one modification order, in which a
        // decrement comes before or after this whatever the ordering.
        self.kept.fetch_or(DYING, Ordering::Relaxed);
        self.drained.wait(
            patience,
            true,
            // Ordering: SeqCst pairs with the fence in `wake`.
            || fence(Ordering::SeqCst),
            || {
                P::at(Point::Summing);
                // Ordering: Acquire pairs with the Release in the drop of
                // `Kept`.
                self.kept.load(Ordering::Acquire) == DYING
            },
        )
    }

    /// Detaches; the caller is off line.
    fn detach_within(&self, patience: Patience) -> Result<S, DetachError> {
        self.xcall.detach_within(patience, || self.drain(patience))
    }
}

impl<S: Send + Sync + 'static, P: Points> DeviceRef for Device<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, 'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: "dying-xcall-ref",
        summary: "dying flag and NOP cross-call, and a count of the holders that sleep",
        origin: "reply on tech-kern, 2010; NetBSD xcall(9), localcount(9)",
        sleepers: Sleepers::Counted,
        memory: Memory {
            fixed: size_of::<Device<()>>(),
            per_cpu: 0,
            per_thread: 0,
        },
        ..dying_xcall::Device::<S, P>::PROPERTIES
    };

    fn register() -> Result<Registration, Unsupported> {
        dying_xcall::Device::<S, P>::register()
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Ok(Device {
            xcall: dying_xcall::Device::attach(softc)?,
            kept: AtomicU64::new(0),
            drained: Bell::new(),
        })
    }

    #[inline]
    fn acquire<'g>(
        &'g self,
        registration: &'g Registration,
    ) -> Result<Guard<'g, 'g, S, P>, Detached> {
        Device::acquire(self, registration)
    }

    fn detach(&self, registration: &mut Registration) -> Result<S, Detached> {
        // Off line, lest two detachers wait for each other to answer. Without
        // a time limit "still held" cannot be the answer.
        Self::offline(registration, || self.detach_within(Patience::FOREVER)).map_err(|_| Detached)
    }

    fn detach_timeout(
        &self,
        registration: &mut Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        Self::offline(registration, || self.detach_within(Patience::of(patience)))
    }

    fn detach_all(
        devices: &[&Self],
        registration: &mut Registration,
        tell: impl FnMut(usize, Result<S, Detached>),
    ) {
        Self::offline(registration, || {
            detach_together(
                devices,
                |device| device.xcall.condemn(Patience::none()),
                || {
                    answered::<P>(devices[0].xcall.cross_call(), Patience::FOREVER);
                },
                |device, tenure| {
                    device.drain(Patience::FOREVER);
                    // SAFETY: answered, and let go of, without a limit in time.
                    Ok(unsafe { dying_xcall::Device::<S, P>::take(tenure) })
                },
                |device| {
                    device
                        .detach_within(Patience::FOREVER)
                        .map_err(|_| Detached)
                },
                tell,
            );
        });
    }

    #[inline]
    fn safe_point(registration: &mut Registration) {
        dying_xcall::Device::<S, P>::safe_point(registration);
    }

    fn offline<R>(registration: &mut Registration, blocked: impl FnOnce() -> R) -> R {
        dying_xcall::Device::<S, P>::offline(registration, blocked)
    }

    fn stay<R>(
        &self,
        registration: &mut Registration,
        inside: impl FnOnce(&S, &dyn Fn(Duration) -> Result<(), Detached>) -> R,
    ) -> Result<R, Detached> {
        let kept = self.acquire(registration)?.keep();
        Ok(Self::offline(registration, || inside(&kept, &sleep_on)))
    }

    fn mechanisms(&self) -> Vec<(&'static str, u64)> {
        self.xcall.mechanisms()
    }
}

/// Proof of running inside a [`Device`]: between two safe points of a thread
/// that found it alive.
#[derive(Debug)]
pub struct Guard<'d, 'r, S, P: Points = Undisturbed> {
    device: &'d Device<S, P>,
    /// Keeps the thread from passing a safe point.
    _registration: &'r Registration,
}

impl<'d, S, P: Points> Guard<'d, '_, S, P> {
    /// Stays inside across safe points, off line and on other threads: for a
    /// holder that is about to sleep, or to put the device away.
    pub fn keep(self) -> Kept<'d, S, P> {
        // Counted first: after the guard's end a safe point may come.
        self.device.count()
    }
}

impl<S, P: Points> Deref for Guard<'_, '_, S, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: the thread found the device alive, and the borrowed
        // registration keeps it from passing a safe point.
        unsafe { self.device.xcall.softc() }
    }
}

impl<S, P: Points> Drop for Guard<'_, '_, S, P> {
    #[inline]
    fn drop(&mut self) {
        // Nothing to do: the next safe point speaks for it.
        P::at(Point::BeforeLeave);
        P::at(Point::Left);
    }
}

/// Proof of keeping a [`Device`]: one count of it.
#[derive(Debug)]
pub struct Kept<'d, S, P: Points = Undisturbed> {
    device: &'d Device<S, P>,
}

impl<S, P: Points> Deref for Kept<'_, S, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: counted before the NOP ran on the CPU of the guard that it
        // was made of, so the detacher waits for it.
        unsafe { self.device.xcall.softc() }
    }
}

impl<S, P: Points> Drop for Kept<'_, S, P> {
    fn drop(&mut self) {
        P::at(Point::BeforeLeave);
        // Ordering: Release pairs with the Acquire in `drain`.
        let before = self.device.kept.fetch_sub(1, Ordering::Release);
        P::at(Point::Left);
        if before == DYING + 1 {
            self.device.wake();
        }
    }
}
