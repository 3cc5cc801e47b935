//! Detaching many devices with one grace period.
//!
//! Claim and close every device, let one grace period pass for all, then take
//! them one by one. Two callers with the same devices in another order must not
//! wait for each other's claims, so a claim that somebody else holds is left for
//! last, when this caller holds none. That also settles a device that is named
//! twice: by then its first mention has taken it.

use crate::{DetachError, Detached};

/// Calls `begin` for each device, then `grace` once, then `finish` for each, and
/// last `alone` for those whose claim somebody else held; `begin` says so with
/// `StillHeld`. Each outcome is told as soon as it is known, so that a panic on
/// the way loses no softc that was taken before. The claims that `begin` made
/// are given up by it, and the devices stay closed.
pub(crate) fn detach_together<'d, D, C, S>(
    devices: &[&'d D],
    begin: impl Fn(&'d D) -> Result<C, DetachError>,
    grace: impl FnOnce(),
    finish: impl Fn(&'d D, C) -> Result<S, Detached>,
    alone: impl Fn(&'d D) -> Result<S, Detached>,
    mut tell: impl FnMut(usize, Result<S, Detached>),
) {
    let mut claimed = Vec::with_capacity(devices.len());
    let mut busy = Vec::new();
    for (place, device) in devices.iter().enumerate() {
        match begin(device) {
            Ok(claim) => claimed.push((place, claim)),
            Err(DetachError::StillHeld) => busy.push(place),
            Err(DetachError::Detached) => tell(place, Err(Detached)),
        }
    }
    if !claimed.is_empty() {
        grace();
    }
    for (place, claim) in claimed {
        tell(place, finish(devices[place], claim));
    }
    for place in busy {
        tell(place, alone(devices[place]));
    }
}
