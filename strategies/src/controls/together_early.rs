//! Dying flag and cross-call for many devices, with the NOP run too early.
//!
//! *Wrong step:* the one cross-call for all devices is made, and answered, when the
//! first has its flag, before the others have theirs. A thread answers the NOP,
//! finds another device alive, and is inside when that is reclaimed.
//!
//! *Who:* whoever puts a loop around what was one device: the flag, the grace
//! period "unless there has been one already", the reclaim. In a kernel, an unlink
//! that has slipped behind the synchronize that it shares with others.
//!
//! *What a caller would see:* a holder whose softc is reclaimed, only where many
//! devices go at once.

use std::cell::OnceCell;
use std::time::Duration;

use super::{Control, Expect};
use crate::dying_xcall::{self, Guard, Registration, answered};
use crate::points::{Points, Undisturbed};
use crate::primitive::patience::Patience;
use crate::primitive::together::detach_together;
use crate::{DetachError, Detached, DeviceRef, Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "together-early",
    wrong: "the grace period of many devices has passed before all have their flags",
    origin: "a loop around a detach, its grace period hoisted",
    symptom: "a holder's softc is reclaimed where many devices go at once",
    expect: Expect::CaughtByTorture,
};

/// A device that goes too early with others; see the [module](self).
#[derive(Debug)]
pub struct TogetherEarly<S, P = Undisturbed> {
    device: dying_xcall::Device<S, P>,
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for TogetherEarly<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    inherit!(dying_xcall::Device<S, P>, properties, register, attach, acquire, detach, detach_timeout, safe_point, offline
    );

    fn detach_all(
        devices: &[&Self],
        registration: &mut Registration,
        tell: impl FnMut(usize, Result<S, Detached>),
    ) {
        let passed = OnceCell::new();
        Self::offline(registration, || {
            detach_together(
                devices,
                |Self { device }| {
                    let tenure = device.condemn(Patience::none())?;
                    // The wrong step: the first device's has to do for all.
                    passed.get_or_init(|| answered::<P>(device.cross_call(), Patience::FOREVER));
                    Ok(tenure)
                },
                || {},
                // SAFETY: not given; a holder may have come after it answered. This
                // is harmless only because a softc that is `Copy` stays readable.
                |_, tenure| Ok(unsafe { dying_xcall::Device::<S, P>::take(tenure) }),
                |Self { device }| {
                    device
                        .detach_within(Patience::FOREVER, || true)
                        .map_err(|_| Detached)
                },
                tell,
            );
        });
    }
}
