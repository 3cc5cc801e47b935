//! The gate tested inside the restartable sequence, and the wrong membarrier.
//!
//! # The scheme
//!
//! ```text
//! acquire   restartable { if the gate is closed: fail; entered[cpu] += 1 }
//! release   left[cpu] += 1
//! detach    close the gate
//!           make every CPU restart its sequence
//!           E = sum of entered            nobody adds to it any more
//!           wait until the sum of left is E
//! ```
//!
//! Once no sequence that saw the gate open can still commit, the enters stand
//! still and need to be added up only once. tcmalloc stops its CPUs like this.
//!
//! *Wrong step* of [`GateRseqPlain`]: it calls membarrier's `PRIVATE_EXPEDITED`,
//! which is a fence and lets the sequence go on. A thread between the test and
//! the increment commits after the enters were added up: it is inside and
//! nobody knows. The right call is `PRIVATE_EXPEDITED_RSEQ`, which restarts
//! it; [`GateRseq`] makes that call, is sound, and stands here for contrast.
//!
//! *Who:* the call without `_RSEQ` is the one that everybody knows, is five years
//! older (Linux 4.14, against 5.10), and passes every test: the window is three
//! instructions long.
//!
//! *What a caller would see:* a softc reclaimed under a holder, so rarely that
//! no benchmark shows it. To be caught here the window is stretched by a loop
//! inside the sequence, in both twins alike.
//!
//! A sequence that does not get through is counted under a mutex that closing
//! the gate takes as well, so those enters stand still too.

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod os;
#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
#[path = "elsewhere.rs"]
mod os;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

pub use super::cpus::Registration;
use super::cpus::{Cpus, Lane, SHIFT};
use super::{Control, Expect};
use crate::platform::{AsymmetricFence, Membarrier, rseq_status};
use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::Attachment;
use crate::primitive::bell::Bell;
use crate::primitive::patience::Patience;
use crate::primitive::sync::{AtomicU32, Mutex, Ordering, lock};
use crate::turnstile::{Form, PerCpu};
use crate::{DetachError, Detached, DeviceRef, LateArrival, Memory, Properties, Unsupported};

/// What is wrong with [`GateRseqPlain`].
pub const PLAIN: Control = Control {
    id: "gate-rseq-plain",
    wrong: "membarrier without the RSEQ command does not restart a sequence",
    origin: "the membarrier that everybody knows, in tcmalloc's scheme",
    symptom: "a holder that committed late has its softc reclaimed",
    expect: Expect::CaughtByTorture,
};

/// [`GateRseq`]: nothing is wrong with it.
pub const RESTARTING: Control = Control {
    id: "gate-rseq",
    wrong: "nothing: membarrier with the RSEQ command, the twin of gate-rseq-plain",
    origin: "tcmalloc, which stops its CPUs this way",
    symptom: "none",
    expect: Expect::Survives,
};

/// With the membarrier that is only a fence.
pub type GateRseqPlain<S, P = Undisturbed> = Device<S, Plain, P>;

/// With the membarrier that restarts sequences.
pub type GateRseq<S, P = Undisturbed> = Device<S, Restarting, P>;

/// Laps of the loop that stretches the window: some microseconds, so that a
/// detacher meets it often, and yet far less than the time that the scheduler
/// grants a thread at once.
const STRETCH: u64 = 10_000;

/// How often the sequence is tried before the mutex.
const ATTEMPTS: usize = 16;

const OPEN: u32 = 0;
const CLOSED: u32 = 1;

/// Which membarrier to call.
pub trait Barrier: Send + Sync + 'static {
    /// What is wrong with it, if anything.
    const CONTROL: Control;

    /// Whether the kernel has it.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] says why not.
    fn supported() -> Result<(), Unsupported>;

    /// Calls it.
    fn call();
}

/// `PRIVATE_EXPEDITED`: a fence on every CPU.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Barrier for Plain {
    const CONTROL: Control = PLAIN;

    fn supported() -> Result<(), Unsupported> {
        Membarrier::supported()
    }

    fn call() {
        Membarrier::heavy();
    }
}

/// `PRIVATE_EXPEDITED_RSEQ`: a fence and a restart on every CPU.
#[derive(Clone, Copy, Debug)]
pub struct Restarting;

impl Barrier for Restarting {
    const CONTROL: Control = RESTARTING;

    fn supported() -> Result<(), Unsupported> {
        os::restarting_status()
    }

    fn call() {
        os::restart();
    }
}

/// A device behind a gate that is tested inside the sequence; see the
/// [module](self).
pub struct Device<S, B, P = Undisturbed> {
    gate: AtomicU32,
    cpus: Cpus,
    /// Enters that went through the mutex.
    entered: Mutex<u64>,
    drained: Bell,
    attachment: Attachment<S>,
    _type: PhantomData<(B, P)>,
}

impl<S, B: Barrier, P> fmt::Debug for Device<S, B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(B::CONTROL.id).finish_non_exhaustive()
    }
}

impl<S, B: Barrier, P: Points> Device<S, B, P> {
    fn enter(&self) -> Result<(), Detached> {
        for _ in 0..ATTEMPTS {
            let lanes = self.cpus.by_cpu();
            // SAFETY: without restartable sequences there were no registration;
            // there is a lane of 1 << SHIFT bytes for every possible CPU, and
            // the enters come first in it.
            let outcome = unsafe {
                os::enter_if_open::<SHIFT>(
                    self.gate.as_ptr(),
                    lanes.as_ptr().cast_mut().cast(),
                    lanes.len(),
                    STRETCH,
                )
            };
            match outcome {
                os::Outcome::Entered => return Ok(()),
                os::Outcome::Closed => return Err(Detached),
                os::Outcome::Aborted => {}
            }
        }
        let mut entered = lock(&self.entered);
        // Ordering: Relaxed; the gate is closed under the same mutex.
        if self.gate.load(Ordering::Relaxed) != OPEN {
            return Err(Detached);
        }
        *entered += 1;
        Ok(())
    }

    fn leave(&self, registration: &Registration) {
        P::at(Point::BeforeLeave);
        self.cpus.leave(registration);
        Membarrier::light();
        P::at(Point::Left);
        self.drained.ring_if_awaited();
    }

    fn everybody_left(&self, entered: u64) -> bool {
        // Ordering: Acquire pairs with the Release of `leave`.
        let left = |lane: &Lane| lane.left.load(Ordering::Acquire);
        self.cpus.lanes().map(left).fold(0, u64::wrapping_add) == entered
    }

    fn detach_within(&self, patience: Patience) -> Result<S, DetachError> {
        let tenure = self.attachment.claim(patience)?;
        let mut entered = {
            let entered = lock(&self.entered);
            // Ordering: Relaxed; the barrier orders it for sequences, the
            // mutex for the others.
            self.gate.store(CLOSED, Ordering::Relaxed);
            *entered
        };
        P::at(Point::Closed);
        B::call();
        P::at(Point::Fenced);
        for lane in self.cpus.by_cpu() {
            // Ordering: Relaxed; the barrier has made visible what committed.
            entered = entered.wrapping_add(lane.entered.load(Ordering::Relaxed));
        }
        let drained = self.drained.wait(patience, true, Membarrier::heavy, || {
            P::at(Point::Summing);
            self.everybody_left(entered)
        });
        if !drained {
            return Err(DetachError::StillHeld);
        }
        P::at(Point::Drained);
        // SAFETY: with a barrier that restarts, the enters stood still when
        // they were added up and all have left. With the other one it is not
        // so, and harmless only because a softc that is `Copy` stays readable.
        Ok(unsafe { tenure.take() })
    }
}

impl<S: Copy + Send + Sync + 'static, B: Barrier, P: Points> DeviceRef for Device<S, B, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, B, P>;

    const PROPERTIES: Properties = Properties {
        id: B::CONTROL.id,
        summary: B::CONTROL.wrong,
        origin: B::CONTROL.origin,
        late_arrival: LateArrival::Refused,
        reopens: false,
        memory: Memory {
            fixed: size_of::<Device<(), B, Undisturbed>>(),
            per_cpu: size_of::<Lane>(),
            per_thread: 0,
        },
        ..PerCpu::PROPERTIES
    };

    fn supported() -> Result<(), Unsupported> {
        rseq_status()?;
        os::sequence_status()?;
        Membarrier::supported()?;
        B::supported()
    }

    fn register() -> Result<Registration, Unsupported> {
        Self::supported()?;
        Registration::new()
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Self::supported()?;
        Ok(Device {
            gate: AtomicU32::new(OPEN),
            cpus: Cpus::new(),
            entered: Mutex::new(0),
            drained: Bell::new(),
            attachment: Attachment::new(softc),
            _type: PhantomData,
        })
    }

    fn acquire<'g>(
        &'g self,
        registration: &'g Registration,
    ) -> Result<Guard<'g, S, B, P>, Detached> {
        P::at(Point::BeforeEnter);
        if let Err(late) = self.enter() {
            P::at(Point::Refused);
            return Err(late);
        }
        P::at(Point::Admitted);
        Ok(Guard {
            device: self,
            registration,
        })
    }

    fn detach(&self, _: &mut Registration) -> Result<S, Detached> {
        self.detach_within(Patience::FOREVER).map_err(|_| Detached)
    }

    fn detach_timeout(&self, _: &mut Registration, patience: Duration) -> Result<S, DetachError> {
        self.detach_within(Patience::of(patience))
    }
}

/// An enter that has committed.
pub struct Guard<'g, S, B: Barrier, P: Points = Undisturbed> {
    device: &'g Device<S, B, P>,
    registration: &'g Registration,
}

impl<S, B: Barrier, P: Points> fmt::Debug for Guard<'_, S, B, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(self.device).finish()
    }
}

impl<S, B: Barrier, P: Points> Deref for Guard<'_, S, B, P> {
    type Target = S;

    fn deref(&self) -> &S {
        // SAFETY: as good as the count; a `Copy` softc is readable anyway.
        unsafe { self.device.attachment.softc() }
    }
}

impl<S, B: Barrier, P: Points> Drop for Guard<'_, S, B, P> {
    fn drop(&mut self) {
        self.device.leave(self.registration);
    }
}
