//! The cost of acquire plus release, nobody detaching.
//!
//! Each worker runs a number of *laps*: acquire, read one word of the softc,
//! release, pass a safe point. It reads the clock before the first and after
//! the last lap, so the clock costs nothing per lap, and a lap includes one
//! turn of the loop (what `unprotected` takes).
//!
//! All workers start together. Those that finish early go on without being
//! timed until the last has finished; otherwise the slowest, of all workers,
//! would run its last laps without contention.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use detach_strategies::{Detached, DeviceRef};

use super::crew::{Crew, Trouble, all_well};
use super::fleet::Fleet;
use super::noise;
use super::padded::Padded;
use super::round::{Observed, RoundError};
use super::softc::Softc;
use super::{Seen, count};

/// Laps before the clock starts: they bring code and data into the caches.
const WARM_UP_LAPS: u64 = 64;

/// Laps between two looks at whether the others have finished: so many that
/// looking does not slow the company down.
const COMPANY_LAPS: u64 = 256;

/// One device, which all workers share.
pub(super) fn shared<D>(fleet: &Fleet, iterations: u64) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let device = Padded(D::attach(Softc { serial: 1 })?);
    let crew = Crew::new(fleet);
    let stints = fleet.run(|_| crew.part(|| work::<D>(&crew, &device, iterations)));
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
            let stint = work::<D>(&crew, &device, iterations)?;
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

/// What a worker did.
struct Stint {
    elapsed: Duration,
    switches: Option<u64>,
}

impl From<Vec<Stint>> for Seen {
    fn from(stints: Vec<Stint>) -> Self {
        let elapsed: Vec<Duration> = stints.iter().map(|stint| stint.elapsed).collect();
        Seen {
            took: elapsed.iter().max().copied().unwrap_or_default(),
            observed: Observed::Cost { elapsed },
            mechanisms: BTreeMap::new(),
            switches: noise::sum(stints.iter().map(|stint| stint.switches)),
        }
    }
}

/// A worker's part.
fn work<D>(crew: &Crew, device: &D, iterations: u64) -> Result<Stint, Trouble>
where
    D: DeviceRef<Softc = Softc>,
{
    // The compiler must not know that a private device is private.
    let device = black_box(device);
    let mut registration = D::register()?;
    laps(device, &mut registration, WARM_UP_LAPS)?;
    crew.meet::<D>(&mut registration)?;

    let switches = noise::involuntary_switches();
    let start = Instant::now();
    laps(device, &mut registration, iterations)?;
    let elapsed = start.elapsed();
    let switches = noise::since(switches);

    crew.finish();
    while crew.still_timed() {
        laps(device, &mut registration, COMPANY_LAPS)?;
    }
    Ok(Stint { elapsed, switches })
}

/// The measured loop. Not inlined, so that there is one of it per strategy and
/// it can be found by name in the emitted code.
#[inline(never)]
fn laps<D>(device: &D, registration: &mut D::Registration, laps: u64) -> Result<(), Detached>
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
