//! Net counters handed over to a central count one by one.
//!
//! *Wrong step:* each lane's count is added to the central one as it is read,
//! although holders that leave through a lane that was handed over already
//! count the central one down, and who brings it to zero declares the device
//! drained. With one holder in each of two lanes: the first lane's 1 is added,
//! its holder leaves, the count is zero, and the second lane's holder has not
//! even been looked at. The lanes have to be added up first; or the central
//! count has to start from a bias so large that it cannot come down to zero
//! before the bias is taken off with the last lane.
//!
//! *Who:* nobody for long. Linux's percpu_ref does it right and has a comment
//! ("crucial") at the very line, and NetBSD's localcount holds the interlock for
//! as long as it adds.
//!
//! *What a caller would see:* a softc reclaimed under a holder, when another
//! holder leaves during the hand-over.
//!
//! The rest is simple rather than fast: a mutex per lane stands for "preemption
//! is off on this CPU".

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::AtomicUsize as Numbers;
use std::time::Duration;

use super::{Control, Expect};
use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::Attachment;
use crate::primitive::bell::Bell;
use crate::primitive::patience::Patience;
use crate::primitive::sync::{AtomicBool, AtomicU64, Mutex, Ordering, fence, lock};
use crate::{
    Count, DetachError, Detached, DeviceRef, FastPath, LateArrival, Memory, Properties, Reclaim,
    Sleepers, Unsupported, WaitsFor,
};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "percpu-add-before-sum",
    wrong: "each lane is added to the central count before all are summed",
    origin: "percpu_ref, localcount: each without its precaution",
    symptom: "a holder's softc is reclaimed when another holder leaves during the hand-over",
    expect: Expect::CaughtByTorture,
};

const LANES: usize = if cfg!(loom) { 2 } else { 8 };

/// Threads registered so far; deals out lanes.
static REGISTERED: Numbers = Numbers::new(0);

/// A device with net counters; see the [module](self).
#[derive(Debug)]
pub struct PercpuAddBeforeSum<S, P = Undisturbed> {
    lanes: [Mutex<Lane>; LANES],
    /// Those inside, of the lanes handed over so far.
    central: AtomicU64,
    /// Whether the central count was seen at zero.
    zero: AtomicBool,
    drained: Bell,
    attachment: Attachment<S>,
    _points: PhantomData<P>,
}

#[derive(Debug, Default)]
struct Lane {
    /// Those inside who came through this lane.
    inside: u64,
    /// Whether the central count has taken over.
    handed_over: bool,
}

/// A thread's lane, which several threads may share.
#[derive(Debug)]
pub struct Registration {
    lane: usize,
    _not_sync: PhantomData<Cell<()>>,
}

impl<S: Copy, P: Points> PercpuAddBeforeSum<S, P> {
    fn hand_over(&self) {
        for lane in &self.lanes {
            let mut lane = lock(lane);
            if !lane.handed_over {
                lane.handed_over = true;
                // Ordering: Relaxed; one modification order is enough. This is
                // the wrong step.
                self.central.fetch_add(lane.inside, Ordering::Relaxed);
            }
            drop(lane);
            P::at(Point::Summing);
        }
    }

    fn detach_within(&self, patience: Patience) -> Result<S, DetachError> {
        let tenure = self.attachment.claim(patience)?;
        P::at(Point::Closed);
        self.hand_over();
        let drained = self.drained.wait(
            patience,
            true,
            // Ordering: SeqCst pairs with the fence in `leave`.
            || fence(Ordering::SeqCst),
            // Ordering: Acquire pairs with the Release in `leave`, twice.
            || self.zero.load(Ordering::Acquire) || self.central.load(Ordering::Acquire) == 0,
        );
        if !drained {
            return Err(DetachError::StillHeld);
        }
        P::at(Point::Drained);
        // SAFETY: not given, if the count came to zero too early. A softc that
        // is `Copy` stays readable.
        Ok(unsafe { tenure.take() })
    }

    fn leave(&self, registration: &Registration) {
        P::at(Point::BeforeLeave);
        let mut lane = lock(&self.lanes[registration.lane]);
        if !lane.handed_over {
            lane.inside -= 1;
            return;
        }
        drop(lane);
        // Ordering: Release pairs with the Acquire in `detach_within`.
        if self.central.fetch_sub(1, Ordering::Release) == 1 {
            // Ordering: Release; the same.
            self.zero.store(true, Ordering::Release);
            // Ordering: SeqCst pairs with the fence that the waiter hands to
            // the bell.
            fence(Ordering::SeqCst);
            self.drained.ring_if_awaited();
        }
    }
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for PercpuAddBeforeSum<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: CONTROL.id,
        summary: CONTROL.wrong,
        origin: CONTROL.origin,
        reclaim: Reclaim::AfterHolders,
        waits_for: WaitsFor::ThisDevice,
        late_arrival: LateArrival::Refused,
        holder_may_sleep: true,
        sleepers: Sleepers::AsOthers,
        release_elsewhere: false,
        nesting: true,
        signal_handlers: false,
        reopens: false,
        fast_path: FastPath {
            locked: Count::AtLeast(2),
            fences: 0,
            shared_writes: true,
        },
        memory: Memory {
            fixed: size_of::<PercpuAddBeforeSum<()>>(),
            per_cpu: 0,
            per_thread: 0,
        },
    };

    fn register() -> Result<Registration, Unsupported> {
        Ok(Registration {
            // Ordering: Relaxed; only to spread threads over lanes.
            lane: REGISTERED.fetch_add(1, Ordering::Relaxed) % LANES,
            _not_sync: PhantomData,
        })
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Ok(PercpuAddBeforeSum {
            lanes: std::array::from_fn(|_| Mutex::new(Lane::default())),
            central: AtomicU64::new(0),
            zero: AtomicBool::new(false),
            drained: Bell::new(),
            attachment: Attachment::new(softc),
            _points: PhantomData,
        })
    }

    fn acquire<'g>(&'g self, registration: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        P::at(Point::BeforeEnter);
        let mut lane = lock(&self.lanes[registration.lane]);
        if lane.handed_over {
            drop(lane);
            P::at(Point::Refused);
            return Err(Detached);
        }
        lane.inside += 1;
        drop(lane);
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

/// One count of a [`PercpuAddBeforeSum`].
#[derive(Debug)]
pub struct Guard<'g, S: Copy, P: Points = Undisturbed> {
    device: &'g PercpuAddBeforeSum<S, P>,
    registration: &'g Registration,
}

impl<S: Copy, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    fn deref(&self) -> &S {
        // SAFETY: nothing keeps the softc if the count came to zero too early;
        // a `Copy` one is readable anyway.
        unsafe { self.device.attachment.softc() }
    }
}

impl<S: Copy, P: Points> Drop for Guard<'_, S, P> {
    fn drop(&mut self) {
        self.device.leave(self.registration);
    }
}
