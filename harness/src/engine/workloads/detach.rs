//! The latency of detach, under workers that keep entering: `detach`, and the
//! scenarios that differ from it in what holders do inside or what becomes of
//! those who are refused.
//!
//! # A round
//!
//! A round detaches many devices, one after the other. The workers are inside
//! and outside of the current one in turns: acquire, read the clock, stay a
//! while, release, read the clock, pass a safe point. The detacher waits until
//! every worker has been inside the device, waits a little longer by a random
//! amount (so that detaches do not fall into step with the workers), reads the
//! clock, detaches, and reads the clock again. A worker that is refused is done
//! with this device and waits for the next one, which the detacher publishes
//! when detach has returned. It is the only late arrival of that worker; where
//! late arrivals wait at a gate, the waiting is part of what is measured.
//!
//! Devices are attached before the clock starts and dropped after it stopped,
//! [`BATCH`] at a time.
//!
//! # Variations
//!
//! - `detach`: holders read one word of the softc and leave. This is the cost of
//!   the mechanism.
//! - `hold_detach`: holders work for a given time. A detach cannot return before
//!   the last of them has left; what does it add to that?
//! - `hold_file`: holders read a file that detach closes; see [`super::file`].
//! - `oversubscribed`: several workers to each CPU, who work long enough to be
//!   preempted inside now and then. Detach then waits for the scheduler to let
//!   the holder go on, and so do all who wait for more than that holder. It is
//!   the tail that matters.
//! - `sleeping_holders`: holders sleep inside, in the way of their strategy:
//!   those of `dying-xcall-ref` are counted meanwhile, those of `fo-restart` are
//!   woken by the detach. Strategies whose holders must not sleep are left out,
//!   with that reason.
//! - `migrating_holders`: holders move to another CPU inside, so that they leave
//!   on another one than they entered on: per-CPU counts have to add up all the
//!   same. The worker is pinned elsewhere, which is a system call; what the
//!   scenario asks is whether detach notices.
//! - `late_drain`: a refused worker does not wait for the next device but
//!   knocks on, over and over, until detach has returned. Where late arrivals
//!   announce themselves before they are refused, a detacher that waits for a
//!   balance could wait for long. The time of every refusal is recorded, too.
//!
//! # Phases
//!
//! Every worker notes its last successful entry and its last leave of each
//! device. The latest over all workers, counted from the detacher's call, tell
//! how a detach spent its time: keeping newcomers out, waiting for those
//! inside, and what came after (noticing that they are gone). A phase that was
//! over before the call counts as zero. The stamps are taken right *after* the
//! event, so a phase may be seen to end one clock reading late, and the last
//! leave may even be stamped after detach has returned.
//!
//! # The yardstick
//!
//! Several strategies rest on one system call that makes every CPU execute a
//! fence. What that call costs depends on what the other CPUs are doing, so it
//! is timed alone, between detaches of the same round.
//!
//! # The check
//!
//! Detach has returned once the next device is published. A holder that, just
//! before it leaves, finds that this has happened was overtaken: the strategy
//! does not protect, and the round fails. No clock takes part in that. (Holders
//! of copies are not waited for, and may be overtaken.)

mod batch;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use detach_results::latency;
use detach_strategies::platform::{AsymmetricFence, Membarrier};
use detach_strategies::{Detached, DeviceRef, Reclaim, Unsupported};
use hdrhistogram::Histogram;
use rand::Rng;
use rand::rngs::SmallRng;

use super::stay::Stay;
use super::timed::{Clock, SETTLE_NS, settle};
use crate::engine::crew::{Crew, Trouble, all_well};
use crate::engine::fleet::{Fleet, Seat};
use crate::engine::noise::ThreadNoise;
use crate::engine::padded::Padded;
use crate::engine::round::{Observed, Phases, RoundError};
use crate::engine::softc::Payload;
use crate::engine::{Seen, count};
use batch::{Batch, Call, Visit};

/// Devices that are attached at a time: many enough that starting a batch is
/// rare, few enough to stay in the caches.
pub const BATCH: u64 = 128;

/// One heavy fence is timed for so many detaches.
const YARDSTICK_EVERY: usize = 4;

/// How workers spend their time.
pub(super) struct Manners<S> {
    /// What they do inside.
    pub(super) stay: S,
    /// Whether they knock on after they were refused.
    pub(super) knock: bool,
}

impl<S> Manners<S> {
    /// Those of workers who are content with one refusal.
    pub(super) fn polite(stay: S) -> Self {
        Manners { stay, knock: false }
    }
}

/// Detaches `iterations` devices under the fleet's workers.
pub(super) fn measure<D, S>(
    fleet: &Fleet,
    iterations: u64,
    manners: &Manners<S>,
) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc: Payload>,
    S: Stay<D::Softc>,
{
    let mut phases = Phases::new();
    let mut took = Duration::ZERO;
    let mut noise = ThreadNoise::NONE;
    let mut mechanisms = BTreeMap::new();
    let mut begun = 0;
    while begun < iterations {
        let end = iterations.min(begun + BATCH);
        let softcs = Softcs::<D::Softc>::make(begun..end)?;
        let devices = softcs
            .0
            .iter()
            .map(|&softc| D::attach(softc).map(Padded))
            .collect::<Result<Vec<_>, Unsupported>>()?;
        let batch = run::<D, S>(fleet, &devices, manners, begun)?;
        for device in &devices {
            count(&mut mechanisms, device.mechanisms());
        }
        batch.add_to(&mut phases);
        took += batch.took;
        noise = [noise, batch.noise].into_iter().sum();
        begun = end;
    }
    Ok(Seen {
        took,
        observed: Observed::Detach(Box::new(phases)),
        mechanisms,
        noise,
    })
}

/// The softcs of a batch, which are buried however the batch ends.
struct Softcs<P: Payload>(Vec<P>);

impl<P: Payload> Softcs<P> {
    fn make(serials: Range<u64>) -> Result<Self, Trouble> {
        let mut softcs = Softcs(Vec::new());
        for serial in serials {
            softcs.0.push(P::make(serial)?);
        }
        Ok(softcs)
    }
}

impl<P: Payload> Drop for Softcs<P> {
    fn drop(&mut self) {
        for softc in self.0.drain(..) {
            softc.bury();
        }
    }
}

/// What the threads of a batch share.
struct Stage<'d, D, S> {
    crew: Crew,
    clock: Clock,
    manners: &'d Manners<S>,
    devices: &'d [Padded<D>],
    /// Devices that the workers may enter so far.
    published: Padded<AtomicUsize>,
    /// For each worker, the devices that it has been inside of so far.
    arrived: Vec<Padded<AtomicUsize>>,
}

/// What a thread brings home, and what disturbed it.
enum Report {
    Worker {
        visits: Vec<Visit>,
        refusals: Histogram<u64>,
        noise: ThreadNoise,
    },
    Detacher {
        calls: Vec<Call>,
        fences: Vec<u64>,
        took: Duration,
        noise: ThreadNoise,
    },
}

/// Detaches all `devices`, whose serials count up from `first`.
fn run<D, S>(
    fleet: &Fleet,
    devices: &[Padded<D>],
    manners: &Manners<S>,
    first: u64,
) -> Result<Batch, RoundError>
where
    D: DeviceRef<Softc: Payload>,
    S: Stay<D::Softc>,
{
    let workers = fleet.placement().workers.len();
    let stage = Stage {
        crew: Crew::new(fleet),
        clock: Clock::start(),
        manners,
        devices,
        published: Padded(AtomicUsize::new(1)),
        arrived: (0..workers).map(|_| Padded::default()).collect(),
    };
    let chance = fleet.chance();
    let parts = fleet.run(|seat| {
        stage.crew.part(|| match seat {
            Seat::Worker(worker) => stage.work(worker),
            Seat::Detacher => stage.detach_all(first, chance.clone()),
        })
    });
    let mut batch = Batch::default();
    for report in all_well(parts)? {
        match report {
            Report::Worker {
                visits,
                refusals,
                noise,
            } => {
                batch.visits.push(visits);
                batch.refusals.push(refusals);
                batch.noise = [batch.noise, noise].into_iter().sum();
            }
            Report::Detacher {
                calls,
                fences,
                took,
                noise,
            } => {
                batch.calls = calls;
                batch.fences = fences;
                batch.took = took;
                batch.noise = [batch.noise, noise.of_detacher()].into_iter().sum();
            }
        }
    }
    Ok(batch)
}

impl<D, S> Stage<'_, D, S>
where
    D: DeviceRef<Softc: Payload>,
    S: Stay<D::Softc>,
{
    /// A worker's part.
    fn work(&self, worker: usize) -> Result<Report, Trouble> {
        let mut registration = D::register()?;
        let mut visits = Vec::with_capacity(self.devices.len());
        let mut refusals = latency::histogram();
        // Workers that count visits from different numbers do not do the same
        // thing at the same time.
        let mut visited = worker;
        self.crew.meet::<D>(&mut registration)?;
        let noise = ThreadNoise::now();
        for index in 0..self.devices.len() {
            self.crew.wait_until::<D>(&mut registration, || {
                // Ordering: Acquire pairs with the Release in `detach_all`, so
                // that the detach of the previous device happened before.
                self.published.load(Ordering::Acquire) > index
            })?;
            visits.push(self.visit(worker, index, &mut visited, &mut registration)?);
            if self.manners.knock {
                self.knock(index, &mut refusals, &mut registration)?;
            }
        }
        Ok(Report::Worker {
            visits,
            refusals,
            noise: noise.until_now(),
        })
    }

    /// Enters and leaves one device until it is refused.
    fn visit(
        &self,
        worker: usize,
        index: usize,
        visited: &mut usize,
        registration: &mut D::Registration,
    ) -> Result<Visit, Trouble> {
        let protects = D::PROPERTIES.reclaim == Reclaim::AfterHolders;
        let device: &D = &self.devices[index];
        let arrived = &self.arrived[worker];
        let mut visit = Visit::default();
        let stay = &self.manners.stay;
        let still_there = || match protects && self.is_detached(index) {
            true => Err(Trouble::Overtaken),
            false => Ok(()),
        };
        loop {
            if let Some(time) = stay.asleep() {
                let stayed = device.stay(registration, |softc, sleep| {
                    visit.last_entry = self.clock.now();
                    stay.stay(softc, *visited)?;
                    // Whether it was woken is for detach to show.
                    let _woken = sleep(time);
                    stay.stay(softc, *visited)?;
                    still_there()
                });
                match stayed {
                    Ok(inside) => inside?,
                    Err(Detached) => return Ok(visit),
                }
            } else {
                let Ok(guard) = device.acquire(registration) else {
                    return Ok(visit);
                };
                visit.last_entry = self.clock.now();
                stay.stay(&guard, *visited)?;
                still_there()?;
                drop(guard);
            }
            visit.last_leave = self.clock.now();
            *visited += 1;
            // Ordering: Relaxed load of this thread's own last store; Release
            // pairs with the Acquire in `detach_all`.
            if arrived.load(Ordering::Relaxed) <= index {
                arrived.store(index + 1, Ordering::Release);
            }
            D::safe_point(registration);
            // A thread that failed may be the one to turn us away.
            if self.crew.barrier.is_broken() {
                return Err(Trouble::Broken);
            }
        }
    }

    /// Tries to enter a device that refuses, until its detach has returned.
    fn knock(
        &self,
        index: usize,
        refusals: &mut Histogram<u64>,
        registration: &mut D::Registration,
    ) -> Result<(), Trouble> {
        let device: &D = &self.devices[index];
        while !self.is_detached(index) && !self.crew.barrier.is_broken() {
            let before = self.clock.now();
            if device.acquire(registration).is_ok() {
                return Err(Trouble::Admitted);
            }
            latency::record(refusals, self.clock.now() - before);
            D::safe_point(registration);
        }
        Ok(())
    }

    /// Whether the detach of a device has returned.
    #[inline(always)]
    fn is_detached(&self, index: usize) -> bool {
        // Ordering: Relaxed; whoever finds itself overtaken only reports it,
        // and nobody reads on the strength of the answer.
        self.published.load(Ordering::Relaxed) > index + 1
    }

    /// The detacher's part.
    fn detach_all(&self, first: u64, mut chance: SmallRng) -> Result<Report, Trouble> {
        let mut registration = D::register()?;
        let settle_ns = SETTLE_NS.start..SETTLE_NS.end + 2 * self.manners.stay.nanoseconds();
        let mut settle = |registration: &mut D::Registration| {
            let range = settle_ns.clone();
            settle::<D>(
                &self.crew,
                self.clock,
                registration,
                chance.random_range(range),
            )
        };
        let mut calls = Vec::with_capacity(self.devices.len());
        let mut fences = Vec::new();
        let yardstick = Membarrier::supported().is_ok();
        self.crew.meet::<D>(&mut registration)?;
        let noise = ThreadNoise::now();
        let start = Instant::now();
        for (index, device) in self.devices.iter().enumerate() {
            self.crew.wait_until::<D>(&mut registration, || {
                // Ordering: Acquire pairs with the Release in `visit`.
                self.arrived
                    .iter()
                    .all(|arrived| arrived.load(Ordering::Acquire) > index)
            })?;
            if yardstick && index % YARDSTICK_EVERY == 0 {
                settle(&mut registration)?;
                fences.push(self.heavy_fence());
            }
            settle(&mut registration)?;

            let called = self.clock.now();
            let softc = device.detach(&mut registration);
            let returned = self.clock.now();

            calls.push(Call { called, returned });
            let softc = softc?;
            let (expected, found) = (first + index as u64, softc.serial());
            if found != expected {
                return Err(Trouble::WrongSoftc { expected, found });
            }
            softc.reclaim()?;
            // Ordering: Release pairs with the Acquire in `work`.
            self.published.store(index + 2, Ordering::Release);
        }
        Ok(Report::Detacher {
            calls,
            fences,
            took: start.elapsed(),
            noise: noise.until_now(),
        })
    }

    /// Times one heavy fence alone.
    fn heavy_fence(&self) -> u64 {
        let before = self.clock.now();
        Membarrier::heavy();
        self.clock.now().saturating_sub(before)
    }
}
