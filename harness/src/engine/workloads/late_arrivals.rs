//! `late_arrivals`: what it costs to be refused.
//!
//! A device has been detached, and threads that have not heard of it yet keep
//! trying to enter. Each lap is one acquire that fails, and a safe point. How
//! long a *detach* lasts under such threads, `late_drain` asks.

use detach_strategies::DeviceRef;

use super::laps::stint;
use crate::engine::crew::{Crew, Trouble, all_well};
use crate::engine::fleet::Fleet;
use crate::engine::padded::Padded;
use crate::engine::round::RoundError;
use crate::engine::softc::Softc;
use crate::engine::{Seen, count};

/// All workers try to enter one device that is gone.
pub(super) fn measure<D>(fleet: &Fleet, iterations: u64) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let device = Padded(D::attach(Softc { serial: 1 })?);
    let detached = device.detach(&mut D::register()?);
    detached.map_err(|error| RoundError::from(Trouble::from(error)))?;
    let crew = Crew::new(fleet);
    let stints = fleet.run(|_| {
        crew.part(|| {
            stint::<D>(&crew, iterations, |registration, n| {
                refused_laps::<D>(&device, registration, n)
            })
        })
    });
    let mut seen = Seen::from(all_well(stints)?);
    count(&mut seen.mechanisms, device.mechanisms());
    Ok(seen)
}

#[inline(never)]
fn refused_laps<D>(device: &D, registration: &mut D::Registration, laps: u64) -> Result<(), Trouble>
where
    D: DeviceRef<Softc = Softc>,
{
    for _ in 0..laps {
        if device.acquire(registration).is_ok() {
            return Err(Trouble::Admitted);
        }
        D::safe_point(registration);
    }
    Ok(())
}
