//! Turnstiles added up as net counts, CPU by CPU in one pass.
//!
//! *Wrong step:* detach reads leaves and enters of one CPU, then those of the
//! next, and adds up the differences. A late arrival that enters on a CPU that
//! was read already, is moved, and leaves on one that is still to be read,
//! contributes -1; the holder contributes +1; the sum is zero. Leaves are read
//! before enters on each CPU, which saves the scheme as long as nobody
//! migrates, and no longer.
//!
//! *Who:* everybody's first idea of a per-CPU counter. Linux's percpu_ref keeps
//! net counts too, but freezes them before it adds them up; SRCU gave up net
//! counts for this reason.
//!
//! *What a caller would see:* a softc reclaimed under a long holder, only on
//! machines busy enough for the scheduler to move threads about.

use std::marker::PhantomData;

use super::cpus::Cpus;
pub use super::cpus::Registration;
use super::{Control, Expect};
use crate::platform::{Membarrier, rseq_status};
use crate::points::{Point, Points, Undisturbed};
use crate::primitive::sync::Ordering;
use crate::turnstile::{Device, Form, Lanes, PerCpu};
use crate::{Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "turnstile-net",
    wrong: "one pass over the CPUs adds up enters minus leaves",
    origin: "the obvious per-CPU counter",
    symptom: "a holder's softc is reclaimed when a late arrival migrates at the wrong moment",
    expect: Expect::CaughtByTorture,
};

/// Turnstiles by CPU, added up in one pass; see the [module](self).
pub type TurnstileNet<S, P = Undisturbed> = Device<S, Net<P>, P>;

/// The form of [`TurnstileNet`].
#[derive(Clone, Copy, Debug)]
pub struct Net<P>(PhantomData<P>);

// SAFETY: one of the promises is broken on purpose. A softc that is `Copy` stays
// readable; see `controls`.
unsafe impl<S: Copy, P: Points> Form<S> for Net<P> {
    type Lanes = NetLanes<P>;
    type Fence = Membarrier;
    const RINGS: bool = true;
    const PROPERTIES: Properties = Properties {
        id: CONTROL.id,
        summary: CONTROL.wrong,
        origin: CONTROL.origin,
        ..<PerCpu as Form<S>>::PROPERTIES
    };
}

/// Lanes by CPU whose enters and leaves are added up in one pass.
#[derive(Debug)]
pub struct NetLanes<P> {
    cpus: Cpus,
    _points: PhantomData<P>,
}

// SAFETY: one of the promises is broken on purpose; see `controls` on what keeps
// memory safe all the same.
unsafe impl<P: Points> Lanes for NetLanes<P> {
    type Registration = Registration;

    fn supported() -> Result<(), Unsupported> {
        rseq_status()
    }

    fn register() -> Result<Registration, Unsupported> {
        Registration::new()
    }

    fn install() -> Result<Self, Unsupported> {
        rseq_status()?;
        Ok(NetLanes {
            cpus: Cpus::new(),
            _points: PhantomData,
        })
    }

    fn enter(&self, registration: &Registration) {
        // A thread that is interrupted between its look at the gate and the
        // turnstile.
        P::at(Point::BeforeEnter);
        self.cpus.enter(registration);
    }

    fn leave(&self, registration: &Registration) {
        self.cpus.leave(registration);
    }

    fn left(&self) -> u64 {
        0
    }

    /// Enters minus leaves, so that "nobody inside" compares it with zero.
    fn entered(&self) -> u64 {
        let mut inside = 0u64;
        // The wrong step: each CPU at another time, leaves and enters together.
        for lane in self.cpus.lanes() {
            // Ordering: Acquire pairs with the Release of `leave`.
            let left = lane.left.load(Ordering::Acquire);
            // Ordering: Relaxed; as in the shipped lanes.
            let entered = lane.entered.load(Ordering::Relaxed);
            inside = inside.wrapping_add(entered.wrapping_sub(left));
            P::at(Point::Summing);
        }
        inside
    }

    fn counted(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
