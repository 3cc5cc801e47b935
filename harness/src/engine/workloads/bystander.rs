//! `bystander`: who waits for strangers?
//!
//! Somebody holds device B for long, and device A, in which nobody is, is to be
//! detached. A strategy that knows which device a holder is in returns at once.
//! One that only knows *that* a thread is inside something, or that has not
//! passed a safe point, waits for the stranger: a grace period is everybody's.
//!
//! The bystander enters B, works there for a given time, leaves, and enters
//! again. The detacher waits until it has just entered, then for a random part
//! of the hold, and detaches an A. Whether the same visit was still going on
//! when detach returned is counted (`overtook`): that says without any clock who
//! waited. (Where several workers stand by, it is the first one's visits.) A
//! strategy that claims to wait for holders of every device and overtakes one
//! does not keep its claim, and the round fails.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use detach_strategies::{DeviceRef, Unsupported, WaitsFor};
use rand::Rng;
use rand::rngs::SmallRng;

use super::detach::BATCH;
use super::stay::{Busy, Stay};
use super::timed::{Clock, Home, Timed, gather, settle};
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
    busy: &'d Busy,
    strange: Padded<D>,
    devices: &'d [Padded<D>],
    /// Odd while the first bystander is inside; goes up at every step of it.
    steps: Padded<AtomicU64>,
    /// Set when there is nothing more to detach.
    over: Padded<AtomicU64>,
}

/// Detaches `iterations` empty devices while a worker holds another one for
/// `nanoseconds` at a time.
pub(super) fn measure<D>(
    fleet: &Fleet,
    iterations: u64,
    nanoseconds: u64,
) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let busy = Busy::new(nanoseconds);
    let mut phases = Phases::new();
    let mut overtook = 0;
    let mut seen = Seen::from(Vec::new());
    let mut begun = 0;
    while begun < iterations {
        let end = iterations.min(begun + BATCH);
        let devices = (begun..end)
            .map(|serial| D::attach(Softc { serial }).map(Padded))
            .collect::<Result<Vec<_>, Unsupported>>()?;
        let stage = Stage {
            crew: Crew::new(fleet),
            busy: &busy,
            strange: Padded(D::attach(Softc { serial: u64::MAX })?),
            devices: &devices,
            steps: Padded::default(),
            over: Padded::default(),
        };
        let chance = fleet.chance();
        let parts = fleet.run(|seat| {
            stage.crew.part(|| match seat {
                Seat::Worker(worker) => stage.stand_by(worker == 0),
                Seat::Detacher => stage.detach_all(begun, chance.clone()),
            })
        });
        overtook += gather(parts, &mut phases, &mut seen)?;
        for device in &devices {
            count(&mut seen.mechanisms, device.mechanisms());
        }
        begun = end;
    }
    phases.overtook = Some(overtook);
    seen.observed = Observed::Detach(Box::new(phases));
    Ok(seen)
}

impl<D: DeviceRef<Softc = Softc>> Stage<'_, D> {
    /// The part of a bystander, who is the first one or not.
    fn stand_by(&self, first: bool) -> Result<Home, Trouble> {
        let step = || {
            if first {
                // Ordering: Release pairs with the Acquire in `detach_all`: who
                // sees the first step knows that the bystander is inside; and it
                // still is at the second, so a detacher that does not see that
                // one yet was faster than it.
                self.steps.fetch_add(1, Ordering::Release);
            }
        };
        let mut registration = D::register()?;
        self.crew.meet::<D>(&mut registration)?;
        let noise = ThreadNoise::now();
        // Ordering: Relaxed; nothing comes with the word that all is over.
        while self.over.load(Ordering::Relaxed) == 0 && !self.crew.barrier.is_broken() {
            let guard = self.strange.acquire(&registration)?;
            step();
            self.busy.stay(&guard, 0)?;
            step();
            drop(guard);
            D::safe_point(&mut registration);
        }
        Ok((None, noise.until_now()))
    }

    /// The detacher's part.
    fn detach_all(&self, first: u64, mut chance: SmallRng) -> Result<Home, Trouble> {
        let mut registration = D::register()?;
        let mut timed = Timed::default();
        self.crew.meet::<D>(&mut registration)?;
        let noise = ThreadNoise::now();
        let (start, clock) = (Instant::now(), Clock::start());
        let mut last = 0;
        for (index, device) in self.devices.iter().enumerate() {
            // Ordering: Acquire pairs with the Release in `stand_by`.
            let step = || self.steps.load(Ordering::Acquire);
            let entered = |step: u64| step % 2 == 1 && step > last;
            self.crew
                .wait_until::<D>(&mut registration, || entered(step()))?;
            last = step();
            let hold = Stay::<Softc>::nanoseconds(self.busy);
            let settling = chance.random_range(0..hold.max(1));
            settle::<D>(&self.crew, clock, &mut registration, settling)?;

            let during = step();
            let called = clock.now();
            let softc = device.detach(&mut registration);
            let returned = clock.now();
            // Read after the return: the visit was going on all the while.
            let overtook = during % 2 == 1 && step() == during;

            let (expected, found) = (first + index as u64, softc?.serial);
            if found != expected {
                return Err(Trouble::WrongSoftc { expected, found });
            }
            if overtook && D::PROPERTIES.waits_for == WaitsFor::EveryDevice {
                return Err(Trouble::Overtaken);
            }
            timed.overtook += u64::from(overtook);
            timed.latencies.push(returned.saturating_sub(called));
        }
        // Ordering: Relaxed; see `stand_by`.
        self.over.store(1, Ordering::Relaxed);
        timed.took = start.elapsed();
        Ok((Some(timed), noise.until_now()))
    }
}
