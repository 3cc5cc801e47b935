//! A sequence lock: holders copy the softc and use the copy.
//!
//! # The scheme
//!
//! ```text
//! acquire   copy the softc, again and again until no writer came between;
//!           fail if it is gone
//! release   nothing
//! detach    lock for writing, take the softc
//! ```
//!
//! # Why it is safe
//!
//! A holder has its own copy, so nothing can be taken away from it. For the
//! same reason detach has nobody to wait for, and says nothing about holders:
//! they may be using their copies still. That is enough for plain data, such
//! as a configuration. It is *not* enough for a softc that stands for something
//! outside, a register window or a file descriptor, which is why the types are
//! limited to `Copy` and why `PROPERTIES` says `Snapshots`.
//!
//! By the language's model the crate's read is a data race: it copies what a writer
//! may be writing, with volatile accesses, which are not atomic ones, and finds
//! out afterwards. The compilers and processors at hand do what the crate expects
//! of them; no tool here could prove it.
//!
//! # Costs
//!
//! Acquire: two loads of the sequence number and a copy of the softc. Writers
//! make readers repeat.
//!
//! # What it forbids
//!
//! Softcs that are not `Copy`. Everything else is allowed, and nothing is waited
//! for. (A signal handler may acquire in the middle of an acquire; in the middle
//! of a *detach* of its own thread it would wait for ever, but that is so with
//! most strategies.)
//!
//! Comes from: Linux's seqlocks, in the form of the seqlock crate.

use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use ::seqlock::SeqLock;

use crate::points::{Point, Points, Undisturbed};
use crate::{
    Count, DetachError, Detached, DeviceRef, FastPath, LateArrival, Memory, Properties, Reclaim,
    Sleepers, Unsupported, WaitsFor,
};

/// A device that is copied; see the [module](self).
pub type Seqlock<S> = Device<S>;

/// A device that is copied; `P` is what happens at its
/// [points](crate::points).
pub struct Device<S, P = Undisturbed> {
    softc: SeqLock<Option<S>>,
    _points: PhantomData<P>,
}

impl<S: Copy, P> std::fmt::Debug for Device<S, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Device")
            .field("attached", &self.softc.read().is_some())
            .finish()
    }
}

/// A thread needs nothing to enter.
#[derive(Debug)]
pub struct Registration {
    _made_by_register: (),
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for Device<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: "seqlock",
        summary: "holders copy the softc; detach waits for nobody",
        origin: "Linux seqlock_t; seqlock",
        reclaim: Reclaim::Snapshots,
        waits_for: WaitsFor::Nobody,
        late_arrival: LateArrival::Refused,
        holder_may_sleep: true,
        sleepers: Sleepers::AsOthers,
        release_elsewhere: true,
        nesting: true,
        signal_handlers: true,
        reopens: false,
        fast_path: FastPath {
            locked: Count::Exactly(0),
            fences: 0,
            shared_writes: false,
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
            softc: SeqLock::new(Some(softc)),
            _points: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(&'g self, _: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        P::at(Point::BeforeEnter);
        let softc = self.softc.read().ok_or(Detached)?;
        P::at(Point::Admitted);
        Ok(Guard {
            softc,
            _device: PhantomData,
        })
    }

    fn detach(&self, _: &mut Registration) -> Result<S, Detached> {
        self.softc.lock_write().take().ok_or(Detached)
    }

    fn detach_timeout(
        &self,
        registration: &mut Registration,
        _patience: Duration,
    ) -> Result<S, DetachError> {
        Ok(self.detach(registration)?)
    }
}

/// A copy of the softc.
#[derive(Clone, Copy, Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    softc: S,
    _device: PhantomData<&'g Device<S, P>>,
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        &self.softc
    }
}
