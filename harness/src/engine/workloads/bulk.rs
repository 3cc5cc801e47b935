//! `bulk_detach`: how long it takes to detach 1, 10, 100 or 1000 devices at
//! once.
//!
//! A bus goes, and everything on it; a server shuts down. One thread detaches
//! all devices while the workers go round entering them: one after the other,
//! or *together*, in one call of `detach_all`. One latency is recorded for all
//! devices of a *group*, from the first call to the last return; the cost of one
//! is that over their number. Fixed costs that a strategy pays for every detach,
//! such as a heavy fence, are paid as often one by one, and once together where
//! one grace period will do for all. How many workers are awake matters as much:
//! a heavy fence skips the CPU of one that sleeps.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use detach_strategies::{Detached, DeviceRef, Reclaim, Unsupported};
use rand::Rng;
use rand::rngs::SmallRng;

use super::detach::BATCH;
use super::timed::{Clock, Home, SETTLE_NS, Timed, gather, settle};
use crate::engine::crew::{Crew, Trouble};
use crate::engine::fleet::{Fleet, Seat};
use crate::engine::noise::ThreadNoise;
use crate::engine::padded::Padded;
use crate::engine::round::{Observed, Phases, RoundError};
use crate::engine::softc::Softc;
use crate::engine::{Seen, count};

/// What the threads of a batch share.
struct Stage<'d, D> {
    crew: Crew,
    groups: &'d [Vec<Padded<D>>],
    /// Whether a group is detached in one call.
    together: bool,
    /// Groups that the workers may enter so far.
    published: Padded<AtomicUsize>,
    /// For each worker, the groups that it has been inside of so far.
    arrived: Vec<Padded<AtomicUsize>>,
}

/// Detaches `iterations` groups of `size` devices, each in one call or one by one.
pub(super) fn measure<D>(
    fleet: &Fleet,
    iterations: u64,
    size: usize,
    together: bool,
) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let at_a_time = (BATCH / size as u64).max(1);
    let mut phases = Phases::new();
    let mut seen = Seen::from(Vec::new());
    let mut begun = 0;
    while begun < iterations {
        let end = iterations.min(begun + at_a_time);
        let groups = (begun..end)
            .map(|group| attach::<D>(group, size))
            .collect::<Result<Vec<_>, Unsupported>>()?;
        let workers = fleet.placement().workers.len();
        let stage = Stage {
            crew: Crew::new(fleet),
            groups: &groups,
            together,
            published: Padded(AtomicUsize::new(1)),
            arrived: (0..workers).map(|_| Padded::default()).collect(),
        };
        let chance = fleet.chance();
        let parts = fleet.run(|seat| {
            stage.crew.part(|| match seat {
                Seat::Worker(worker) => stage.work(worker),
                Seat::Detacher => stage.detach_groups(begun, chance.clone()),
            })
        });
        gather(parts, &mut phases, &mut seen)?;
        for device in groups.iter().flatten() {
            count(&mut seen.mechanisms, device.mechanisms());
        }
        begun = end;
    }
    seen.observed = Observed::Detach(Box::new(phases));
    Ok(seen)
}

/// The serial number of a device of a group.
fn serial(group: u64, index: usize, size: usize) -> u64 {
    group * size as u64 + index as u64
}

fn attach<D>(group: u64, size: usize) -> Result<Vec<Padded<D>>, Unsupported>
where
    D: DeviceRef<Softc = Softc>,
{
    let serials = (0..size).map(|index| serial(group, index, size));
    serials
        .map(|serial| D::attach(Softc { serial }).map(Padded))
        .collect()
}

impl<D: DeviceRef<Softc = Softc>> Stage<'_, D> {
    /// A worker's part: goes round each group until all of it is gone.
    fn work(&self, worker: usize) -> Result<Home, Trouble> {
        let protects = D::PROPERTIES.reclaim == Reclaim::AfterHolders;
        let mut registration = D::register()?;
        self.crew.meet::<D>(&mut registration)?;
        let noise = ThreadNoise::now();
        for (number, group) in self.groups.iter().enumerate() {
            self.crew.wait_until::<D>(&mut registration, || {
                // Ordering: Acquire pairs with the Release in `detach_groups`.
                self.published.load(Ordering::Acquire) > number
            })?;
            // Ordering: Relaxed; whoever finds itself overtaken only reports it.
            let gone = || self.published.load(Ordering::Relaxed) > number + 1;
            // Each worker begins elsewhere.
            let mut next = worker * group.len() / self.arrived.len().max(1);
            while !gone() && !self.crew.barrier.is_broken() {
                let device: &D = &group[next % group.len()];
                next += 1;
                if let Ok(guard) = device.acquire(&registration) {
                    guard.touch();
                    if protects && gone() {
                        return Err(Trouble::Overtaken);
                    }
                }
                // Ordering: Release pairs with the Acquire in `detach_groups`.
                self.arrived[worker].store(number + 1, Ordering::Release);
                D::safe_point(&mut registration);
            }
        }
        Ok((None, noise.until_now()))
    }

    /// The detacher's part.
    fn detach_groups(&self, first: u64, mut chance: SmallRng) -> Result<Home, Trouble> {
        let mut registration = D::register()?;
        let mut timed = Timed::default();
        self.crew.meet::<D>(&mut registration)?;
        let noise = ThreadNoise::now();
        let (start, clock) = (Instant::now(), Clock::start());
        for (number, group) in self.groups.iter().enumerate() {
            self.crew.wait_until::<D>(&mut registration, || {
                // Ordering: Acquire pairs with the Release in `work`.
                self.arrived
                    .iter()
                    .all(|arrived| arrived.load(Ordering::Acquire) > number)
            })?;
            let devices: Vec<&D> = group.iter().map(|device| &device.0).collect();
            // A device that nobody tells of counts as one that was refused.
            let mut found = vec![Err(Detached); devices.len()];
            let settling = chance.random_range(SETTLE_NS);
            settle::<D>(&self.crew, clock, &mut registration, settling)?;

            let called = clock.now();
            if self.together {
                D::detach_all(&devices, &mut registration, |index, outcome| {
                    found[index] = outcome.map(|softc| softc.serial);
                });
            } else {
                for (device, found) in devices.iter().zip(&mut found) {
                    *found = device.detach(&mut registration).map(|softc| softc.serial);
                }
            }
            timed.latencies.push(clock.now().saturating_sub(called));
            for (index, found) in found.into_iter().enumerate() {
                let expected = serial(first + number as u64, index, devices.len());
                let found = found?;
                if found != expected {
                    return Err(Trouble::WrongSoftc { expected, found });
                }
            }
            // Ordering: Release pairs with the Acquire in `work`.
            self.published.store(number + 2, Ordering::Release);
        }
        timed.took = start.elapsed();
        Ok((Some(timed), noise.until_now()))
    }
}
