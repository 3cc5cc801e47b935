//! A reference count whose sleepers are woken when their device goes: what
//! close does to an open file.
//!
//! # The scheme
//!
//! "I think this is already done for struct file (`fo_restart`)", the reply
//! begins. When a thread closes a descriptor that others are using, NetBSD's
//! `fd_close()` turns newcomers away, sets a closing bit in the word that
//! counts the users, and calls the file's `fo_restart`, which wakes whoever
//! sleeps in the object. They come out with an error (`ERESTART`; the retry
//! finds the descriptor closed, `EBADF`). Then the closer waits for the count
//! to fall to zero. Without the second step it would wait for a read from a
//! terminal at which nobody types.
//!
//! ```text
//! acquire   as in refcount: word += 1; fail if it said dying before
//! release   as in refcount: word -= 1; the last one out of a dying device wakes
//!           the detacher
//! sleep     repeat: say that somebody sleeps
//!                   if what it sleeps for is there: return
//!                   if the word says dying: come out with Detached
//!                   sleep until somebody rings
//! wakeup    ring for those who sleep, if anybody does
//! detach    word |= DYING
//!           ring for those who sleep, if anybody does
//!           sleep until those who were counted have left
//!           reclaim the softc
//! ```
//!
//! The count is that of [`refcount`]: NetBSD, too, has count
//! and closing bit in one word, `ff_refcnt` of the descriptor (the `f_count` of
//! struct file counts descriptors). What is ours is that the strategy does the
//! sleeping. In NetBSD each kind of file brings its own `fo_restart`, because
//! each has its own place to sleep; here there is one place in every device, so
//! that none can be forgotten.
//!
//! # Why it is safe
//!
//! Holders are counted, asleep or not, so the argument is that of `refcount`.
//! Nothing that a woken sleeper does is relied on: one that stays inside is
//! waited for.
//!
//! # No sleeper is left asleep
//!
//! A sleeper says that it sleeps and then looks at the dying bit; a detacher
//! sets the bit and then looks whether anybody sleeps. Each has a full fence
//! between the two, so not both looks miss the other's write: either the
//! sleeper finds the bit and comes out, or the detacher finds it asleep, and
//! rings. A ring between the sleeper's look and its sleep is not lost either,
//! as it sleeps only while the number of rings is what it was before it looked.
//! And whoever begins to sleep later finds the bit, which is never taken back.
//! The same holds between a sleeper and a `wakeup` that follows on a change of
//! what it sleeps for.
//!
//! Flag first, then the ring: sleepers that are woken before the flag is set
//! find nothing, sleep on, and nobody wakes them again. That is the control
//! `restart-early`. NetBSD's pipes are not far from it: a reader looks at the
//! flag only after it has slept, so one that comes to sleep after the wake-up
//! sleeps on, and a comment in `fd_close()` wonders whether `fo_restart` should
//! be called again after a while.
//!
//! # Costs
//!
//! Acquire and release: those of a reference count. A sleep and a wake-up: a
//! full fence each, besides the system calls. Detach: a fence more, and, if
//! somebody sleeps, a wake-up; it does not wait for what the sleepers wait for.
//! Memory: a bell more.
//!
//! # What it forbids
//!
//! No more than `refcount` does. A holder that sleeps in any other way is one
//! that stays long. A sleeper is woken by the detach of the device that it
//! sleeps in, not by that of another one that it holds meanwhile.
//!
//! Comes from: the reply's first paragraph; NetBSD's `fd_close()` in
//! `kern_descrip.c`, 2009, and `pipe_restart()` in `sys_pipe.c`.
//!
//! # Example
//!
//! ```
//! use std::thread;
//! use detach_strategies::{Detached, DeviceRef, FoRestart};
//!
//! let device = FoRestart::attach(7u32).unwrap();
//! let reader = FoRestart::<u32>::register().unwrap();
//! let guard = device.acquire(&reader).unwrap();
//! thread::scope(|scope| {
//!     // It waits for something that never comes.
//!     scope.spawn(move || assert_eq!(guard.sleep(|| false), Err(Detached)));
//!     let mut me = FoRestart::<u32>::register().unwrap();
//!     assert_eq!(device.detach(&mut me), Ok(7));
//! });
//! ```

use std::cell::Cell;
use std::ops::Deref;
use std::time::Duration;

use crate::points::{Points, Undisturbed};
use crate::primitive::bell::Bell;
use crate::primitive::patience::Patience;
use crate::primitive::sync::{Ordering, fence};
use crate::refcount::{self, Registration};
use crate::{DetachError, Detached, DeviceRef, Memory, Properties, Sleepers, Unsupported};

/// A device with a reference count and a place to sleep; see the
/// [module](self).
pub type FoRestart<S> = Device<S>;

/// A device with a reference count and a place to sleep; `P` is what happens at
/// its [points](crate::points).
#[derive(Debug)]
pub struct Device<S, P = Undisturbed> {
    pub(crate) counted: refcount::Device<S, P>,
    sleepers: Bell,
}

impl<S, P: Points> Device<S, P> {
    /// Wakes those who sleep inside, to look again.
    pub(crate) fn wake_sleepers(&self) {
        // Ordering: SeqCst pairs with the fence that a sleeper hands to the
        // bell: either it finds what was changed before, the dying bit above
        // all, or this finds it asleep.
        fence(Ordering::SeqCst);
        self.sleepers.ring_if_awaited();
    }

    fn sleep(&self, patience: Patience, ready: impl Fn() -> bool) -> Result<bool, Detached> {
        let found = Cell::new(false);
        self.sleepers.wait(
            patience,
            true,
            // Ordering: SeqCst pairs with the fence in `wake_sleepers`.
            || fence(Ordering::SeqCst),
            || {
                found.set(ready());
                found.get() || self.counted.is_dying()
            },
        );
        // What was found is not lost because the device goes as well.
        if !found.get() && self.counted.is_dying() {
            return Err(Detached);
        }
        Ok(found.get())
    }

    fn detach_within(&self, patience: Patience) -> Result<S, DetachError> {
        self.counted
            .detach_within(patience, || self.wake_sleepers())
    }
}

impl<S: Send + Sync + 'static, P: Points> DeviceRef for Device<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: "fo-restart",
        summary: "count and dying bit in one atomic word; detach wakes holders that sleep",
        origin: "reply on tech-kern, 2010; NetBSD fd_close, fo_restart",
        sleepers: Sleepers::Woken,
        memory: Memory {
            fixed: size_of::<Device<()>>(),
            per_cpu: 0,
            per_thread: 0,
        },
        ..refcount::Device::<S, P>::PROPERTIES
    };

    fn register() -> Result<Registration, Unsupported> {
        refcount::Device::<S, P>::register()
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Ok(Device {
            counted: refcount::Device::attach(softc)?,
            sleepers: Bell::new(),
        })
    }

    #[inline]
    fn acquire<'g>(&'g self, registration: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        Ok(Guard {
            count: self.counted.acquire(registration)?,
            device: self,
        })
    }

    fn detach(&self, _: &mut Registration) -> Result<S, Detached> {
        // Without a time limit "still held" cannot be the answer.
        self.detach_within(Patience::FOREVER).map_err(|_| Detached)
    }

    fn detach_timeout(&self, _: &mut Registration, patience: Duration) -> Result<S, DetachError> {
        self.detach_within(Patience::of(patience))
    }

    fn stay<R>(
        &self,
        registration: &mut Registration,
        inside: impl FnOnce(&S, &dyn Fn(Duration) -> Result<(), Detached>) -> R,
    ) -> Result<R, Detached> {
        let guard = self.acquire(registration)?;
        Ok(inside(&guard, &|time| {
            guard.sleep_timeout(time, || false).map(drop)
        }))
    }
}

/// One count of a [`Device`].
#[derive(Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    count: refcount::Guard<'g, S, P>,
    device: &'g Device<S, P>,
}

impl<S, P: Points> Guard<'_, S, P> {
    /// Sleeps inside until `ready`, which is asked again at each
    /// [`wakeup`](Self::wakeup).
    ///
    /// # Errors
    ///
    /// [`Detached`] when a detach of the device has begun: the holder should
    /// leave, for the detach waits for it.
    pub fn sleep(&self, ready: impl Fn() -> bool) -> Result<(), Detached> {
        self.device.sleep(Patience::FOREVER, ready).map(drop)
    }

    /// [`sleep`](Self::sleep) for `limit` at most; tells whether it was `ready`.
    ///
    /// # Errors
    ///
    /// As from [`sleep`](Self::sleep).
    pub fn sleep_timeout(
        &self,
        limit: Duration,
        ready: impl Fn() -> bool,
    ) -> Result<bool, Detached> {
        self.device.sleep(Patience::of(limit), ready)
    }

    /// Wakes those who sleep in the device, after having made something
    /// `ready` that they sleep for.
    pub fn wakeup(&self) {
        self.device.wake_sleepers();
    }
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        &self.count
    }
}
