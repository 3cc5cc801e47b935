//! A release that looks for a sleeping detacher before its leave is visible.
//!
//! *Wrong step:* release stores its leave and then loads the bell's "awaited",
//! with nothing that keeps the processor from doing the load first. The
//! detacher says "awaited" and then looks at the leaves, with a full fence
//! between. If the leave is still in the store buffer when both look, the
//! holder sees nobody to wake and the detacher sees somebody to wait for. Both
//! are wrong, and the detacher sleeps for ever.
//!
//! *Who:* the mail's "if the gate is not open, wake the detacher", and every
//! futex protocol whose author counted on x86 being strongly ordered; liburcu
//! and libside carry a fence (or a membarrier) for it.
//!
//! *What a caller would see:* a detach that never returns although nobody is
//! inside, once in a great many.
//!
//! Protection itself is sound: enter carries a full fence of its own.

use std::sync::atomic::compiler_fence;

use super::{Control, Expect};
use crate::platform::AsymmetricFence;
use crate::points::Undisturbed;
use crate::primitive::sync::{Ordering, fence};
use crate::turnstile::{Device, Form, Lanes, PerThread, SlotLanes, SlotRegistration};
use crate::{Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "lost-wakeup",
    wrong: "release may look for a sleeping detacher before its leave is visible",
    origin: "the mail's wake-up, taken literally",
    symptom: "a detach sleeps for ever although nobody is inside",
    expect: Expect::CaughtByTorture,
};

/// Turnstiles by thread that forget to wake; see the [module](self).
pub type LostWakeup<S, P = Undisturbed> = Device<S, Unordered, P>;

/// The form of [`LostWakeup`].
#[derive(Clone, Copy, Debug)]
pub struct Unordered;

// SAFETY: one of the promises is broken on purpose. A softc that is `Copy` stays
// readable; see `controls`.
unsafe impl<S: Copy> Form<S> for Unordered {
    type Lanes = FencedEnter;
    type Fence = DetacherOnly;
    // Whoever has to poll is not harmed by a wake-up that gets lost.
    const RINGS: bool = true;
    const PROPERTIES: Properties = Properties {
        id: CONTROL.id,
        summary: CONTROL.wrong,
        origin: CONTROL.origin,
        ..<PerThread as Form<S>>::PROPERTIES
    };
}

/// A fence on the detacher's side only.
#[derive(Clone, Copy, Debug)]
pub struct DetacherOnly;

// SAFETY: one of the promises is broken on purpose; see `controls` on what keeps
// memory safe all the same.
unsafe impl AsymmetricFence for DetacherOnly {
    const NAME: &'static str = "fence of the detacher alone";

    fn supported() -> Result<(), Unsupported> {
        Ok(())
    }

    #[inline(always)]
    fn light() {
        // Ordering: SeqCst for the compiler alone. In release this is the wrong
        // step; in acquire, `FencedEnter` makes up for it.
        compiler_fence(Ordering::SeqCst);
    }

    fn heavy() {
        // Ordering: SeqCst pairs with the fence in `FencedEnter::enter`, and
        // with nothing in release.
        fence(Ordering::SeqCst);
    }
}

/// Slots whose enter is a full fence as well.
#[derive(Debug)]
pub struct FencedEnter(SlotLanes);

// SAFETY: one of the promises is broken on purpose; see `controls` on what keeps
// memory safe all the same.
unsafe impl Lanes for FencedEnter {
    type Registration = SlotRegistration;

    fn supported() -> Result<(), Unsupported> {
        SlotLanes::supported()
    }

    fn register() -> Result<SlotRegistration, Unsupported> {
        SlotLanes::register()
    }

    fn install() -> Result<Self, Unsupported> {
        SlotLanes::install().map(FencedEnter)
    }

    fn enter(&self, registration: &SlotRegistration) {
        self.0.enter(registration);
        // Ordering: SeqCst pairs with the fence in `DetacherOnly::heavy`.
        fence(Ordering::SeqCst);
    }

    fn leave(&self, registration: &SlotRegistration) {
        self.0.leave(registration);
    }

    fn left(&self) -> u64 {
        self.0.left()
    }

    fn entered(&self) -> u64 {
        self.0.entered()
    }

    fn counted(&self) -> Vec<(&'static str, u64)> {
        self.0.counted()
    }
}
