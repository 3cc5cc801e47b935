//! `latency`: how single visits are distributed.
//!
//! A mean hides what a reader with a deadline wants to know. So one lap in
//! [`EVERY`] is timed on its own: clock, acquire, read a word, release, safe
//! point, clock.
//! The clock takes longer than most visits do, and its readings overlap with
//! what they enclose, so small durations are mostly clock. Two readings with
//! nothing between them are timed just as often, and their distribution is
//! recorded beside the other: what a reader may conclude from is how the two
//! differ, above all far out.
//!
//! The laps between the timed ones keep the caches and the other workers in the
//! state that a busy program has them in.

use std::time::Instant;

use detach_results::latency;
use detach_strategies::DeviceRef;

use super::fast_path::laps;
use super::laps::stint;
use crate::engine::crew::{Crew, Trouble, all_well};
use crate::engine::fleet::Fleet;
use crate::engine::padded::Padded;
use crate::engine::round::{Observed, RoundError, VisitTimes};
use crate::engine::softc::Softc;
use crate::engine::{Seen, count};

/// One visit in so many is timed. Not a power of two, so that it does not fall
/// into step with whatever does something every so many visits.
const EVERY: u64 = 31;

/// Times a sample of the workers' visits to one device.
pub(super) fn measure<D>(fleet: &Fleet, iterations: u64) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let device = Padded(D::attach(Softc { serial: 1 })?);
    let crew = Crew::new(fleet);
    let parts = fleet.run(|_| {
        crew.part(|| {
            let (mut times, mut others) = (VisitTimes::default(), VisitTimes::default());
            let mut stretch = 0;
            let stint = stint::<D>(&crew, iterations, |registration, n| {
                stretch += 1;
                // The second stretch is the timed one; before it come the laps
                // that warm up, after it those that keep the others company.
                let into = if stretch == 2 {
                    &mut times
                } else {
                    &mut others
                };
                timed_laps::<D>(&device, registration, n, into)
            })?;
            times.elapsed.push(stint.elapsed);
            Ok((stint, times))
        })
    });
    let (stints, parts): (Vec<_>, Vec<_>) = all_well(parts)?.into_iter().unzip();
    let mut times = VisitTimes::default();
    for part in &parts {
        times.add(part);
    }
    let mut seen = Seen::from(stints);
    seen.observed = Observed::Visits(Box::new(times));
    count(&mut seen.mechanisms, device.mechanisms());
    Ok(seen)
}

fn timed_laps<D>(
    device: &D,
    registration: &mut D::Registration,
    count: u64,
    times: &mut VisitTimes,
) -> Result<(), Trouble>
where
    D: DeviceRef<Softc = Softc>,
{
    let mut left = count;
    while left > 0 {
        let between = left.min(EVERY) - 1;
        laps(device, registration, between)?;

        let before = Instant::now();
        let guard = device.acquire(registration)?;
        guard.touch();
        drop(guard);
        // Where a release takes effect at the next safe point, it is a part of
        // the visit; elsewhere it is nothing.
        D::safe_point(registration);
        let visit = before.elapsed();

        let before = Instant::now();
        let nothing = before.elapsed();
        latency::record(&mut times.visits, visit.as_nanos() as u64);
        latency::record(&mut times.clock, nothing.as_nanos() as u64);
        left -= between + 1;
    }
    Ok(())
}
