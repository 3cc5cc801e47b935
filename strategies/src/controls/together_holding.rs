//! Dying flag and cross-call for many devices, claimed in the caller's order.
//!
//! *Wrong step:* a device that another caller is detaching is waited for at once,
//! with the claims on all devices before it in hand. Two callers that name the same
//! two devices in different orders wait for each other.
//!
//! *Who:* anybody who takes a list of locks in the order in which it was given.
//!
//! *What a caller would see:* two detaches that never return. Here they do after
//! two seconds, as whoever tests a control wants to have its threads back.
//!
//! Protection itself is sound.

use std::time::Duration;

use super::{Control, Expect};
use crate::dying_xcall::{self, Guard, Registration, answered};
use crate::points::{Points, Undisturbed};
use crate::primitive::patience::Patience;
use crate::primitive::together::detach_together;
use crate::{DetachError, Detached, DeviceRef, Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "together-holding",
    wrong: "a detach of many devices waits for a claim while it holds others",
    origin: "locks taken in the order of a caller's list",
    symptom: "two detaches of the same devices wait for each other",
    expect: Expect::CaughtByTorture,
};

/// How long it waits for a claim.
const LONG: Duration = Duration::from_secs(2);

/// A device that is claimed in any order; see the [module](self).
#[derive(Debug)]
pub struct TogetherHolding<S, P = Undisturbed> {
    device: dying_xcall::Device<S, P>,
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for TogetherHolding<S, P> {
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
        Self::offline(registration, || {
            detach_together(
                devices,
                // The wrong step: this waits, and claims are held.
                |Self { device }| device.condemn(Patience::of(LONG)),
                || {
                    answered::<P>(devices[0].device.cross_call(), Patience::FOREVER);
                },
                // SAFETY: answered, without a limit in time.
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
