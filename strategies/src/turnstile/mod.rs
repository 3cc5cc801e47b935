//! Turnstiles and a gate: David Young's scheme of August 2010, made sound.
//!
//! # The scheme
//!
//! Young wanted to let drivers in and out of their softc without a locked
//! memory transaction, and proposed on NetBSD's tech-kern list to count, on
//! each CPU, the threads that enter and those that leave. He called the
//! counters *turnstiles*: they only increase. Behind the turnstile stands a
//! *gate*. It is open until someone wants to reclaim the softc:
//!
//! ```text
//! acquire   if the gate is not open: wait or fail
//!           entered[here] += 1
//!           light fence
//!           if the gate is open: inside
//!           else: left[here] += 1, and wait or fail
//!
//! release   left[here] += 1
//!
//! detach    seal the gate
//!           heavy fence
//!           until balanced:
//!               L = sum of left over all lanes       all leaves first,
//!               E = sum of entered over all lanes    then all enters
//!               balanced if L == E
//!           reclaim the softc
//! ```
//!
//! # Why it is safe
//!
//! The mail gives no fence and no order of the sums. Both are needed.
//!
//! *The fence.* A reader writes its turnstile and then reads the gate; the
//! detacher writes the gate and then reads the turnstiles. Processors, x86
//! included, let both reads overtake the writes: the reader sees an open gate,
//! the detacher sees nobody. The heavy fence acts as a full fence at some
//! moment in the program order of every thread. If a thread found the gate
//! open, it did so before that moment, as afterwards it can only find it
//! closed; so its enter came before that moment too, and the detacher counts
//! it. **Nobody is inside uncounted.** A thread that was interrupted between
//! enter and test is counted as well, although it will turn back: that costs
//! time, not safety.
//!
//! *The order of the sums.* They are no snapshot: threads go on entering,
//! finding the gate shut, and leaving. Take the enters first, and this happens:
//! a holder is counted (E = 1); a latecomer enters, uncounted, and leaves; its
//! leave is counted (L = 1). The sums agree while the holder is inside. Take
//! the leaves first, and let t be a moment between the two passes. Every leave
//! in L was made before t, and so was its enter, which the second pass
//! therefore finds: a leave is a store-release, its count a load-acquire, so
//! who sees the leave sees the enter, whatever CPU it was made on. Counters
//! never decrease, so E is at least the number of enters by t, that at least
//! the number of leaves by t, and that at least L. If E == L all are equal:
//! **at t nobody was inside**, and nobody has got in since. What holders did
//! happened before the reclaim, by the same pairs of release and acquire.
//!
//! Adding up `entered - left` lane by lane in one pass is unsafe for the same
//! reason, and so is reading leave and enter of each lane together as soon as a
//! holder may leave through another lane than it came by.
//!
//! *What else could go wrong.* A latecomer that knows the device touches its
//! gate and its turnstile long after the balance; both live in the handle,
//! which the latecomer keeps alive. A detacher that sleeps could miss the last
//! leave; see the `bell` module, where leaving and looking for a sleeper meet
//! the same fence again. And latecomers that keep trying could keep the sums
//! apart for ever, if they went through the turnstile each time; they test the
//! gate before, so each thread unbalances the sums at most once after the gate
//! was shut. The counters are of 64 bits and wrap around, and since only
//! differences matter, wrapping does no harm.
//!
//! # Three forms
//!
//! | form | lane | light fence | heavy fence |
//! |---|---|---|---|
//! | [`Turnstile`] | CPU, incremented in a restartable sequence | compiler | membarrier |
//! | [`TurnstileSlots`] | thread, plain stores | compiler | membarrier |
//! | [`TurnstileFenced`] | thread, plain stores | full fence | full fence |
//!
//! The fenced form has no fence in release. Its detacher may therefore miss
//! the ring of the last holder to leave, and looks again every millisecond
//! instead; NetBSD's psref(9) does the same.
//!
//! # Costs
//!
//! Acquire and release: two increments of a line that no other CPU writes, two
//! loads of the gate and one of the bell, which nobody writes as long as nobody
//! detaches. Detach: one heavy fence, two passes over the lanes, and the wait.
//! Memory: 16 bytes per device and lane.
//!
//! # What it forbids
//!
//! Little: holders may sleep, migrate, nest, and (by CPU) hand their guard to
//! another thread or acquire in a signal handler, except while the gate is
//! merely closed, when acquiring may block. With [`Reopen::close`], a holder
//! that acquires again waits at the gate for the closer, and the closer for the
//! holder, until patience runs out.
//!
//! [`Reopen::close`]: crate::Reopen::close

mod closed;
#[cfg(not(loom))]
mod cpus;
mod gate;
mod lanes;
mod slots;
#[cfg(all(test, not(loom)))]
mod tests;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

pub use closed::ClosedDevice;
#[cfg(not(loom))]
pub use cpus::{CpuLanes, CpuRegistration};
pub use lanes::Lanes;
pub use slots::{SlotLanes, SlotRegistration};

use crate::platform::{AsymmetricFence, FullFence, Membarrier};
use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::{Attachment, Tenure};
use crate::primitive::bell::Bell;
use crate::primitive::patience::Patience;
use crate::primitive::sync::{AtomicU64, Ordering};
use crate::primitive::together::detach_together;
use crate::{
    Count, DetachError, Detached, DeviceRef, FastPath, LateArrival, Memory, Properties, Reclaim,
    Sleepers, Unsupported, WaitsFor,
};
use gate::Gate;

/// Turnstiles by CPU, incremented in restartable sequences: the mail's scheme.
#[cfg(not(loom))]
pub type Turnstile<S> = Device<S, PerCpu>;

/// Turnstiles by thread: where restartable sequences are missing.
pub type TurnstileSlots<S> = Device<S, PerThread>;

/// Turnstiles by thread with a full fence in acquire: where membarrier is
/// missing too.
pub type TurnstileFenced<S> = Device<S, PerThreadFenced>;

/// One of the three forms, and the softcs it is good for: any, except for forms
/// that are broken on purpose.
///
/// # Safety
///
/// The fence orders what the lanes count: the `enter` of the lanes and a light
/// fence, the gate closed and a heavy fence, are the two sides of the argument in
/// the [module](self). Where [`RINGS`](Self::RINGS) is true, the light fence also
/// orders a leave before what follows it.
pub unsafe trait Form<S>: Send + Sync + 'static {
    /// What the turnstiles are numbered by.
    type Lanes: Lanes;
    /// How acquire and detach see each other.
    type Fence: AsymmetricFence;
    /// Whether a release always notices that a detacher sleeps.
    const RINGS: bool;
    /// What the form can and cannot do.
    const PROPERTIES: Properties;
}

/// The form of [`Turnstile`].
#[cfg(not(loom))]
#[derive(Clone, Copy, Debug)]
pub struct PerCpu;

// SAFETY: membarrier orders the restartable increments, which are plain stores.
#[cfg(not(loom))]
unsafe impl<S> Form<S> for PerCpu {
    type Lanes = CpuLanes;
    type Fence = Membarrier;
    const RINGS: bool = true;
    const PROPERTIES: Properties = Properties {
        id: "turnstile",
        summary: "per-CPU counts of enters and leaves behind a gate; rseq, membarrier",
        release_elsewhere: true,
        signal_handlers: true,
        memory: Memory {
            fixed: size_of::<Device<(), PerCpu, Undisturbed>>(),
            per_cpu: size_of::<lanes::Counters>(),
            per_thread: 0,
        },
        ..<PerThread as Form<S>>::PROPERTIES
    };
}

/// The form of [`TurnstileSlots`].
#[derive(Clone, Copy, Debug)]
pub struct PerThread;

// SAFETY: membarrier orders the plain stores of the slots.
unsafe impl<S> Form<S> for PerThread {
    type Lanes = SlotLanes;
    type Fence = Membarrier;
    const RINGS: bool = true;
    const PROPERTIES: Properties = Properties {
        id: "turnstile-slots",
        summary: "per-thread counts of enters and leaves behind a gate; membarrier",
        origin: "D. Young, tech-kern, 2010-08-16",
        reclaim: Reclaim::AfterHolders,
        waits_for: WaitsFor::ThisDevice,
        late_arrival: LateArrival::Refused,
        holder_may_sleep: true,
        sleepers: Sleepers::AsOthers,
        release_elsewhere: false,
        nesting: true,
        signal_handlers: false,
        reopens: true,
        fast_path: FastPath {
            locked: Count::Exactly(0),
            fences: 0,
            shared_writes: false,
        },
        memory: Memory {
            fixed: size_of::<Device<(), PerThread, Undisturbed>>(),
            per_cpu: 0,
            per_thread: size_of::<lanes::Counters>(),
        },
    };
}

/// The form of [`TurnstileFenced`].
#[derive(Clone, Copy, Debug)]
pub struct PerThreadFenced;

// SAFETY: full fences order the plain stores of the slots; a release has none,
// and RINGS says so.
unsafe impl<S> Form<S> for PerThreadFenced {
    type Lanes = SlotLanes;
    type Fence = FullFence;
    const RINGS: bool = false;
    const PROPERTIES: Properties = Properties {
        id: "turnstile-fenced",
        summary: "per-thread counts of enters and leaves behind a gate; a full fence in acquire",
        fast_path: FastPath {
            locked: Count::Exactly(0),
            fences: 1,
            shared_writes: false,
        },
        ..<PerThread as Form<S>>::PROPERTIES
    };
}

/// A device behind turnstiles and a gate; see the [module](self).
pub struct Device<S, F: Form<S>, P = Undisturbed> {
    gate: Gate,
    lanes: F::Lanes,
    drained: Bell,
    /// Heavy fences issued, for the records.
    fences: AtomicU64,
    attachment: Attachment<S>,
    _type: PhantomData<(F, P)>,
}

impl<S, F: Form<S>, P> fmt::Debug for Device<S, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("form", &F::PROPERTIES.id)
            .field("gate", &self.gate)
            .finish_non_exhaustive()
    }
}

impl<S, F: Form<S>, P: Points> Device<S, F, P> {
    /// Whether nobody is inside. Only after the gate was shut and a heavy
    /// fence has followed.
    fn balanced(&self) -> bool {
        // The order is the point; see the module.
        let left = self.lanes.left();
        P::at(Point::Summing);
        let entered = self.lanes.entered();
        left == entered
    }

    fn heavy(&self) {
        F::Fence::heavy();
        // Ordering: Relaxed; statistics.
        self.fences.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until nobody is inside, or patience runs out; tells which.
    fn drain(&self, patience: Patience) -> bool {
        self.drained
            .wait(patience, F::RINGS, || self.heavy(), || self.balanced())
    }

    /// Claims the device and seals its gate. A heavy fence must follow, even if
    /// somebody has sealed it before: their fence may have failed.
    fn seal(&self, patience: Patience) -> Result<Tenure<'_, S>, DetachError> {
        let tenure = self.attachment.claim(patience)?;
        self.gate.seal();
        P::at(Point::Closed);
        Ok(tenure)
    }

    /// Waits until everybody has left, and takes the softc.
    ///
    /// # Safety
    ///
    /// The gate was sealed, and a heavy fence has followed.
    unsafe fn take(&self, tenure: Tenure<'_, S>, patience: Patience) -> Result<S, DetachError> {
        P::at(Point::Fenced);
        if !self.drain(patience) {
            return Err(DetachError::StillHeld);
        }
        P::at(Point::Drained);
        // SAFETY: the gate is sealed and the sums agreed after the heavy
        // fence, so no holder is left and none can come; counting the leaves
        // acquired what holders did. See the module.
        Ok(unsafe { tenure.take() })
    }

    fn detach_within(&self, patience: Patience) -> Result<S, DetachError> {
        let tenure = self.seal(patience)?;
        self.heavy();
        // SAFETY: sealed and fenced just now.
        unsafe { self.take(tenure, patience) }
    }
}

impl<S: Send + Sync + 'static, F: Form<S>, P: Points> DeviceRef for Device<S, F, P> {
    type Softc = S;
    type Registration = <F::Lanes as Lanes>::Registration;
    type Guard<'g> = Guard<'g, S, F, P>;

    const PROPERTIES: Properties = F::PROPERTIES;

    fn supported() -> Result<(), Unsupported> {
        F::Fence::supported()?;
        F::Lanes::supported()
    }

    fn register() -> Result<Self::Registration, Unsupported> {
        F::Fence::supported()?;
        F::Lanes::register()
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        F::Fence::supported()?;
        Ok(Device {
            gate: Gate::new(),
            lanes: F::Lanes::install()?,
            drained: Bell::new(),
            fences: AtomicU64::new(0),
            attachment: Attachment::new(softc),
            _type: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(
        &'g self,
        registration: &'g Self::Registration,
    ) -> Result<Guard<'g, S, F, P>, Detached> {
        loop {
            P::at(Point::BeforeEnter);
            if self.gate.is_open() {
                self.lanes.enter(registration);
                // From here on the turnstile counts us, and every way out,
                // that of a refusal included, is through the guard's drop.
                let guard = Guard {
                    device: self,
                    registration,
                };
                F::Fence::light();
                P::at(Point::Entered);
                if self.gate.is_open() {
                    P::at(Point::Admitted);
                    return Ok(guard);
                }
                turn_back(guard);
            }
            self.gate.wait()?;
        }
    }

    fn detach(&self, _registration: &mut Self::Registration) -> Result<S, Detached> {
        // Without a time limit "still held" cannot be the answer.
        self.detach_within(Patience::FOREVER).map_err(|_| Detached)
    }

    fn detach_timeout(
        &self,
        _registration: &mut Self::Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        self.detach_within(Patience::of(patience))
    }

    fn detach_all(
        devices: &[&Self],
        _registration: &mut Self::Registration,
        tell: impl FnMut(usize, Result<S, Detached>),
    ) {
        detach_together(
            devices,
            |device| device.seal(Patience::none()),
            || devices[0].heavy(),
            |device, tenure| {
                // SAFETY: `seal` has sealed it, and `heavy` followed.
                let taken = unsafe { device.take(tenure, Patience::FOREVER) };
                taken.map_err(|_| Detached)
            },
            |device| {
                device
                    .detach_within(Patience::FOREVER)
                    .map_err(|_| Detached)
            },
            tell,
        );
    }

    fn mechanisms(&self) -> Vec<(&'static str, u64)> {
        let mut mechanisms = self.lanes.counted();
        // Ordering: Relaxed; statistics.
        mechanisms.push((F::Fence::NAME, self.fences.load(Ordering::Relaxed)));
        mechanisms
    }
}

/// A latecomer leaves. Out of line, to keep the fast path short.
#[cold]
#[inline(never)]
fn turn_back<S, F: Form<S>, P: Points>(guard: Guard<'_, S, F, P>) {
    P::at(Point::Refused);
    drop(guard);
}

/// Proof of being inside a [`Device`].
pub struct Guard<'g, S, F: Form<S>, P = Undisturbed>
where
    P: Points,
{
    device: &'g Device<S, F, P>,
    registration: &'g <F::Lanes as Lanes>::Registration,
}

impl<S, F: Form<S>, P: Points> fmt::Debug for Guard<'_, S, F, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(self.device).finish()
    }
}

impl<S, F: Form<S>, P: Points> Deref for Guard<'_, S, F, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: a guard that the caller got to see found the gate open after
        // it was counted, so the balance waits for it; see the module.
        unsafe { self.device.attachment.softc() }
    }
}

impl<S, F: Form<S>, P: Points> Drop for Guard<'_, S, F, P> {
    #[inline]
    fn drop(&mut self) {
        P::at(Point::BeforeLeave);
        self.device.lanes.leave(self.registration);
        if F::RINGS {
            F::Fence::light();
        }
        P::at(Point::Left);
        self.device.drained.ring_if_awaited();
    }
}
