//! The turnstile as mailed: no fence between closing the gate and counting.
//!
//! *Wrong step:* detach closes the gate and adds up the turnstiles without a
//! full fence on the readers' CPUs in between. A reader's increment may still
//! sit in its CPU's store buffer when the reader finds the gate open, which is
//! when the detacher adds up without it. x86 does this; so does every other
//! processor in use.
//!
//! *Who:* the mail of August 2010 gives no fence. The reply's cross-call
//! happens to be one.
//!
//! *What a caller would see:* a holder whose softc is reclaimed under its
//! hands, once in some thousand detaches if somebody enters at that very
//! moment, and never in a debugger.
//!
//! Everything else is the shipped code. The detacher polls (it has a nap), so
//! that the missing fence costs no wake-up as well.

use std::sync::atomic::{Ordering, compiler_fence};

use super::{Control, Expect};
use crate::platform::AsymmetricFence;
use crate::points::Undisturbed;
use crate::turnstile::{Device, Form, PerThread, SlotLanes};
use crate::{Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "turnstile-nofence",
    wrong: "no heavy fence between closing the gate and adding up the turnstiles",
    origin: "the mail of 2010, taken literally",
    symptom: "a holder's softc is reclaimed while the holder is inside",
    expect: Expect::CaughtByTorture,
};

/// Turnstiles by thread without fences; see the [module](self).
pub type TurnstileNofence<S, P = Undisturbed> = Device<S, Nofence, P>;

/// The form of [`TurnstileNofence`].
#[derive(Clone, Copy, Debug)]
pub struct Nofence;

// SAFETY: one of the promises is broken on purpose. A softc that is `Copy` stays
// readable; see `controls`.
unsafe impl<S: Copy> Form<S> for Nofence {
    type Lanes = SlotLanes;
    type Fence = CompilerOnly;
    const RINGS: bool = false;
    const PROPERTIES: Properties = Properties {
        id: CONTROL.id,
        summary: CONTROL.wrong,
        origin: CONTROL.origin,
        ..<PerThread as Form<S>>::PROPERTIES
    };
}

/// Fences that the processor never hears of.
#[derive(Clone, Copy, Debug)]
pub struct CompilerOnly;

// SAFETY: one of the promises is broken on purpose; see `controls` on what keeps
// memory safe all the same.
unsafe impl AsymmetricFence for CompilerOnly {
    const NAME: &'static str = "no fence";

    fn supported() -> Result<(), Unsupported> {
        Ok(())
    }

    #[inline(always)]
    fn light() {
        // Ordering: SeqCst for the compiler alone, and nothing pairs with it.
        compiler_fence(Ordering::SeqCst);
    }

    fn heavy() {
        // Ordering: as above. This is the wrong step.
        compiler_fence(Ordering::SeqCst);
    }
}
