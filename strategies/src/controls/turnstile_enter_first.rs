//! Turnstiles added up in the wrong order: enters first.
//!
//! *Wrong step:* detach takes the sum of the enters before that of the leaves.
//! A holder is counted (E = 1); a late arrival goes through the turnstile,
//! uncounted, finds the gate shut and leaves; its leave is counted (L = 1). The
//! sums agree while the holder is inside. No fence helps: it goes wrong even
//! if memory is sequentially consistent.
//!
//! *Who:* the mail says only "wait until the sums are equal". Enters first is
//! how one reads it aloud. SRCU's history has a comment of a page on why its
//! scan begins with the unlocks.
//!
//! *What a caller would see:* a softc reclaimed under a long holder, whenever
//! threads arrive while somebody detaches.
//!
//! As in the mail, and unlike the shipped code, nobody looks at the gate before
//! the turnstile: the delay at the head of `enter` stands for a thread that
//! is interrupted there.

use std::marker::PhantomData;

use super::{Control, Expect};
use crate::platform::Membarrier;
use crate::points::{Point, Points, Undisturbed};
use crate::primitive::sync::{AtomicU64, Ordering};
use crate::turnstile::{Device, Form, Lanes, PerThread, SlotLanes, SlotRegistration};
use crate::{Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "turnstile-enter-first",
    wrong: "the enters are added up before the leaves",
    origin: "the mail of 2010, which gives no order",
    symptom: "a holder's softc is reclaimed as soon as late arrivals come and go",
    expect: Expect::CaughtByTorture,
};

/// Turnstiles by thread, added up in the wrong order; see the [module](self).
pub type TurnstileEnterFirst<S, P = Undisturbed> = Device<S, EnterFirst<P>, P>;

/// The form of [`TurnstileEnterFirst`].
#[derive(Clone, Copy, Debug)]
pub struct EnterFirst<P>(PhantomData<P>);

// SAFETY: one of the promises is broken on purpose. A softc that is `Copy` stays
// readable; see `controls`.
unsafe impl<S: Copy, P: Points> Form<S> for EnterFirst<P> {
    type Lanes = EnterFirstLanes<P>;
    type Fence = Membarrier;
    const RINGS: bool = true;
    const PROPERTIES: Properties = Properties {
        id: CONTROL.id,
        summary: CONTROL.wrong,
        origin: CONTROL.origin,
        ..<PerThread as Form<S>>::PROPERTIES
    };
}

/// Lanes whose `left` is late: it adds up the enters first and keeps the sum
/// for the call of `entered` that follows.
#[derive(Debug)]
pub struct EnterFirstLanes<P> {
    lanes: SlotLanes,
    entered: AtomicU64,
    _points: PhantomData<P>,
}

// SAFETY: one of the promises is broken on purpose; see `controls` on what keeps
// memory safe all the same.
unsafe impl<P: Points> Lanes for EnterFirstLanes<P> {
    type Registration = SlotRegistration;

    fn supported() -> Result<(), Unsupported> {
        SlotLanes::supported()
    }

    fn register() -> Result<SlotRegistration, Unsupported> {
        SlotLanes::register()
    }

    fn install() -> Result<Self, Unsupported> {
        Ok(EnterFirstLanes {
            lanes: SlotLanes::install()?,
            entered: AtomicU64::new(0),
            _points: PhantomData,
        })
    }

    fn enter(&self, registration: &SlotRegistration) {
        P::at(Point::BeforeEnter);
        self.lanes.enter(registration);
    }

    fn leave(&self, registration: &SlotRegistration) {
        self.lanes.leave(registration);
    }

    fn left(&self) -> u64 {
        // The wrong step.
        let entered = self.lanes.entered();
        P::at(Point::Summing);
        // Ordering: Relaxed; the same thread reads it back.
        self.entered.store(entered, Ordering::Relaxed);
        self.lanes.left()
    }

    fn entered(&self) -> u64 {
        // Ordering: Relaxed; the same thread has stored it.
        self.entered.load(Ordering::Relaxed)
    }

    fn counted(&self) -> Vec<(&'static str, u64)> {
        self.lanes.counted()
    }
}
