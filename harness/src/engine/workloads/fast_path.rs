//! The cost of acquire plus release, nobody detaching: `fast_path`,
//! `fast_path_private` and `hold`.
//!
//! Each worker runs a number of *laps*: acquire, read one word of the softc,
//! release, pass a safe point. It reads the clock before the first and after
//! the last lap, so the clock costs nothing per lap, and a lap includes one
//! turn of the loop (what `unprotected` takes). In `fast_path` all workers
//! share one device; in `fast_path_private` each has its own.
//!
//! `hold` asks what is left of the difference when holders do something. A
//! holder works for 0, 0.1, 1 or 10 microseconds inside (a chain of
//! multiplications; see [`work`](crate::engine::work)), and an out-of-order
//! processor hides behind that what it can. What `unprotected` takes for the
//! same is the work itself; what a strategy takes more is its price, and where
//! all workers share one device, part of that price is waiting for a line.

use std::hint::black_box;

use detach_strategies::DeviceRef;

use super::laps::{Stint, stint};
use super::stay::{Busy, Stay};
use crate::engine::crew::{Crew, Trouble, all_well};
use crate::engine::fleet::Fleet;
use crate::engine::padded::Padded;
use crate::engine::round::RoundError;
use crate::engine::softc::Softc;
use crate::engine::{Seen, count};

/// One device, which all workers share.
pub(super) fn shared<D>(fleet: &Fleet, iterations: u64) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    together::<D>(fleet, |crew, device| {
        stint::<D>(crew, iterations, |registration, n| {
            laps(device, registration, n)
        })
    })
}

/// One device, and holders that work inside for so many nanoseconds.
pub(super) fn hold<D>(fleet: &Fleet, iterations: u64, nanoseconds: u64) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let busy = Busy::new(nanoseconds);
    together::<D>(fleet, |crew, device| {
        stint::<D>(crew, iterations, |registration, n| {
            busy_laps(device, registration, n, &busy)
        })
    })
}

/// Runs a worker's part on every thread of the fleet, with a device for all.
fn together<D>(
    fleet: &Fleet,
    part: impl Fn(&Crew, &D) -> Result<Stint, Trouble> + Sync,
) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let device = Padded(D::attach(Softc { serial: 1 })?);
    let crew = Crew::new(fleet);
    let stints = fleet.run(|_| crew.part(|| part(&crew, &device)));
    let mut seen = Seen::from(all_well(stints)?);
    count(&mut seen.mechanisms, device.mechanisms());
    Ok(seen)
}

/// A device for each worker, attached by the worker: on its own stack, and
/// with whatever the strategy allocates from the worker's own arena, so that
/// neighbours share no cache line.
pub(super) fn private<D>(fleet: &Fleet, iterations: u64) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let crew = Crew::new(fleet);
    let parts = fleet.run(|_| {
        crew.part(|| {
            let device = Padded(D::attach(Softc { serial: 1 })?);
            // The compiler must not know that a private device is private.
            let shown: &D = black_box(&device);
            let stint = stint::<D>(&crew, iterations, |registration, n| {
                laps(shown, registration, n)
            })?;
            Ok((stint, device.mechanisms()))
        })
    });
    let (stints, mechanisms): (Vec<_>, Vec<_>) = all_well(parts)?.into_iter().unzip();
    let mut seen = Seen::from(stints);
    for mechanisms in mechanisms {
        count(&mut seen.mechanisms, mechanisms);
    }
    Ok(seen)
}

/// The measured loop. Not inlined, so that there is one of it per strategy and
/// it can be found by name in the emitted code.
#[inline(never)]
pub(super) fn laps<D>(
    device: &D,
    registration: &mut D::Registration,
    laps: u64,
) -> Result<(), Trouble>
where
    D: DeviceRef<Softc = Softc>,
{
    for _ in 0..laps {
        let guard = device.acquire(registration)?;
        guard.touch();
        drop(guard);
        D::safe_point(registration);
    }
    Ok(())
}

/// The same with work inside.
#[inline(never)]
fn busy_laps<D>(
    device: &D,
    registration: &mut D::Registration,
    laps: u64,
    busy: &Busy,
) -> Result<(), Trouble>
where
    D: DeviceRef<Softc = Softc>,
{
    for visit in 0..laps {
        let guard = device.acquire(registration)?;
        busy.stay(&guard, visit as usize)?;
        drop(guard);
        D::safe_point(registration);
    }
    Ok(())
}
