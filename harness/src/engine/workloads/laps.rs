//! What all costs have in common: workers that run laps between two readings
//! of the clock.
//!
//! All workers start together. Those that finish early go on without being
//! timed until the last has finished; otherwise the slowest, of all workers,
//! would run its last laps without contention.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use detach_strategies::DeviceRef;

use crate::engine::Seen;
use crate::engine::crew::{Crew, Trouble};
use crate::engine::noise::ThreadNoise;
use crate::engine::round::Observed;

/// Laps before the clock starts: they bring code and data into the caches.
const WARM_UP_LAPS: u64 = 64;

/// Laps between two looks at whether the others have finished: so many that
/// looking does not slow the company down.
const COMPANY_LAPS: u64 = 256;

/// What a worker did.
pub(super) struct Stint {
    pub(super) elapsed: Duration,
    pub(super) noise: ThreadNoise,
}

/// What the stints of all workers have shown.
impl From<Vec<Stint>> for Seen {
    fn from(stints: Vec<Stint>) -> Self {
        let elapsed: Vec<Duration> = stints.iter().map(|stint| stint.elapsed).collect();
        Seen {
            took: elapsed.iter().max().copied().unwrap_or_default(),
            observed: Observed::Cost {
                elapsed,
                detaches_per_second: None,
            },
            mechanisms: BTreeMap::new(),
            noise: stints.iter().map(|stint| stint.noise).sum(),
        }
    }
}

/// A worker's part: `iterations` laps that are timed, and some before and
/// after. `laps` runs as many as it is told to.
pub(super) fn stint<D: DeviceRef>(
    crew: &Crew,
    iterations: u64,
    mut laps: impl FnMut(&mut D::Registration, u64) -> Result<(), Trouble>,
) -> Result<Stint, Trouble> {
    let mut registration = D::register()?;
    // Laps may be long: no more of them than are measured.
    laps(&mut registration, WARM_UP_LAPS.min(iterations))?;
    crew.meet::<D>(&mut registration)?;

    let noise = ThreadNoise::now();
    let start = Instant::now();
    laps(&mut registration, iterations)?;
    let elapsed = start.elapsed();
    let noise = noise.until_now();

    crew.finish();
    while crew.still_timed() {
        laps(&mut registration, COMPANY_LAPS.min(iterations))?;
    }
    Ok(Stint { elapsed, noise })
}
