//! The latency of detach, under workers that keep entering.
//!
//! # A round
//!
//! A round detaches many devices, one after the other. The workers are inside
//! and outside of the current one in turns: acquire, read the clock, read the
//! softc, release, read the clock, pass a safe point. The detacher waits until
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

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use detach_results::latency;
use detach_strategies::platform::{AsymmetricFence, Membarrier};
use detach_strategies::{DeviceRef, Unsupported};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::crew::{Crew, Trouble, all_well};
use super::fleet::{Fleet, Seat};
use super::noise;
use super::padded::Padded;
use super::round::{Observed, Phases, RoundError};
use super::softc::Softc;
use super::{Seen, count};

/// How long a detach may take before the round is given up.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Devices that are attached at a time: many enough that starting a batch is
/// rare, few enough to stay in the caches.
pub const BATCH: u64 = 128;

/// One heavy fence is timed for so many detaches.
const YARDSTICK_EVERY: usize = 4;

/// Between the arrival of the last worker and the detach, in nanoseconds:
/// several laps, and no multiple of one.
const SETTLE_NS: std::ops::Range<u64> = 500..2_500;

/// Detaches `iterations` devices under the fleet's workers.
pub(super) fn measure<D>(fleet: &Fleet, iterations: u64) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let mut phases = Phases::new();
    let mut took = Duration::ZERO;
    let mut switches = Some(0);
    let mut mechanisms = BTreeMap::new();
    let mut begun = 0;
    while begun < iterations {
        let end = iterations.min(begun + BATCH);
        let devices = (begun..end)
            .map(|serial| D::attach(Softc { serial }).map(Padded))
            .collect::<Result<Vec<_>, Unsupported>>()?;
        let batch = run::<D>(fleet, &devices, begun)?;
        batch.add_to(&mut phases);
        took += batch.took;
        switches = noise::sum([switches, batch.switches]);
        for device in &devices {
            count(&mut mechanisms, device.mechanisms());
        }
        begun = end;
    }
    Ok(Seen {
        took,
        observed: Observed::Detach(Box::new(phases)),
        mechanisms,
        switches,
    })
}

/// Nanoseconds since the start of the batch, comparable between threads.
#[derive(Clone, Copy, Debug)]
struct Clock(Instant);

impl Clock {
    #[inline(always)]
    fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// What the threads of a batch share.
struct Stage<'d, D> {
    crew: Crew,
    clock: Clock,
    devices: &'d [Padded<D>],
    /// Devices that the workers may enter so far.
    published: Padded<AtomicUsize>,
    /// For each worker, the devices that it has been inside of so far.
    arrived: Vec<Padded<AtomicUsize>>,
}

/// A worker's last visit to a device.
#[derive(Clone, Copy, Debug, Default)]
struct Visit {
    last_entry: u64,
    last_leave: u64,
}

/// One detach, as the detacher saw it.
#[derive(Clone, Copy, Debug)]
struct Call {
    called: u64,
    returned: u64,
}

/// What a thread brings home, and how often it was switched out.
enum Report {
    Worker(Vec<Visit>, Option<u64>),
    Detacher {
        calls: Vec<Call>,
        fences: Vec<u64>,
        took: Duration,
        switches: Option<u64>,
    },
}

/// What a batch has shown.
#[derive(Debug, Default)]
struct Batch {
    visits: Vec<Vec<Visit>>,
    calls: Vec<Call>,
    fences: Vec<u64>,
    took: Duration,
    switches: Option<u64>,
}

impl Batch {
    /// Counts every detach and fence of the batch.
    fn add_to(&self, phases: &mut Phases) {
        for (index, call) in self.calls.iter().enumerate() {
            let took = call.returned.saturating_sub(call.called);
            latency::record(&mut phases.latency, took);
            phases.total += Duration::from_nanos(took);
            let visits = || self.visits.iter().map(|visits| visits[index]);
            let phase = |stamp: u64| stamp.saturating_sub(call.called);
            if let Some(stamp) = visits().map(|visit| visit.last_entry).max() {
                latency::record(&mut phases.last_entry, phase(stamp));
            }
            if let Some(stamp) = visits().map(|visit| visit.last_leave).max() {
                latency::record(&mut phases.last_leave, phase(stamp));
            }
        }
        for &fence in &self.fences {
            latency::record(&mut phases.heavy_fence, fence);
        }
    }
}

/// Detaches all `devices`, whose serials count up from `first`.
fn run<D>(fleet: &Fleet, devices: &[Padded<D>], first: u64) -> Result<Batch, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let workers = fleet.placement().workers.len();
    let stage = Stage {
        crew: Crew::new(fleet),
        clock: Clock(Instant::now()),
        devices,
        published: Padded(AtomicUsize::new(1)),
        arrived: (0..workers).map(|_| Padded::default()).collect(),
    };
    let parts = fleet.run(|seat| {
        stage.crew.part(|| match seat {
            Seat::Worker(worker) => stage.work(worker),
            Seat::Detacher => stage.detach_all(first),
        })
    });
    let mut batch = Batch {
        switches: Some(0),
        ..Batch::default()
    };
    for report in all_well(parts)? {
        match report {
            Report::Worker(visits, switches) => {
                batch.visits.push(visits);
                batch.switches = noise::sum([batch.switches, switches]);
            }
            Report::Detacher {
                calls,
                fences,
                took,
                switches,
            } => {
                batch.calls = calls;
                batch.fences = fences;
                batch.took = took;
                batch.switches = noise::sum([batch.switches, switches]);
            }
        }
    }
    Ok(batch)
}

impl<D: DeviceRef<Softc = Softc>> Stage<'_, D> {
    /// A worker's part.
    fn work(&self, worker: usize) -> Result<Report, Trouble> {
        let mut registration = D::register()?;
        let mut visits = Vec::with_capacity(self.devices.len());
        self.crew.meet::<D>(&mut registration)?;
        let switches = noise::involuntary_switches();
        for index in 0..self.devices.len() {
            self.crew.wait_until::<D>(&mut registration, || {
                // Ordering: Acquire pairs with the Release in `detach_all`, so
                // that the detach of the previous device happened before.
                self.published.load(Ordering::Acquire) > index
            })?;
            visits.push(self.visit(worker, index, &mut registration));
        }
        Ok(Report::Worker(visits, noise::since(switches)))
    }

    /// Enters and leaves one device until it is refused.
    fn visit(&self, worker: usize, index: usize, registration: &mut D::Registration) -> Visit {
        let device: &D = &self.devices[index];
        let arrived = &self.arrived[worker];
        let mut visit = Visit::default();
        loop {
            let Ok(guard) = device.acquire(registration) else {
                return visit;
            };
            visit.last_entry = self.clock.now();
            guard.touch();
            drop(guard);
            visit.last_leave = self.clock.now();
            // Ordering: Relaxed load of this thread's own last store; Release
            // pairs with the Acquire in `detach_all`.
            if arrived.load(Ordering::Relaxed) <= index {
                arrived.store(index + 1, Ordering::Release);
            }
            D::safe_point(registration);
        }
    }

    /// The detacher's part.
    fn detach_all(&self, first: u64) -> Result<Report, Trouble> {
        let mut registration = D::register()?;
        let mut jitter = SmallRng::seed_from_u64(first);
        let mut calls = Vec::with_capacity(self.devices.len());
        let mut fences = Vec::new();
        let yardstick = Membarrier::supported().is_ok();
        self.crew.meet::<D>(&mut registration)?;
        let switches = noise::involuntary_switches();
        let start = Instant::now();
        for (index, device) in self.devices.iter().enumerate() {
            self.crew.wait_until::<D>(&mut registration, || {
                // Ordering: Acquire pairs with the Release in `visit`.
                self.arrived
                    .iter()
                    .all(|arrived| arrived.load(Ordering::Acquire) > index)
            })?;
            if yardstick && index % YARDSTICK_EVERY == 0 {
                self.settle(&mut registration, &mut jitter)?;
                fences.push(self.heavy_fence());
            }
            self.settle(&mut registration, &mut jitter)?;

            let called = self.clock.now();
            let softc = device.detach_timeout(&mut registration, PATIENCE);
            let returned = self.clock.now();

            calls.push(Call { called, returned });
            let (expected, found) = (first + index as u64, softc?.serial);
            if found != expected {
                return Err(Trouble::WrongSoftc { expected, found });
            }
            // Ordering: Release pairs with the Acquire in `work`.
            self.published.store(index + 2, Ordering::Release);
        }
        Ok(Report::Detacher {
            calls,
            fences,
            took: start.elapsed(),
            switches: noise::since(switches),
        })
    }

    /// Lets the workers go on for a random while.
    fn settle(
        &self,
        registration: &mut D::Registration,
        jitter: &mut SmallRng,
    ) -> Result<(), Trouble> {
        let until = self.clock.now() + jitter.random_range(SETTLE_NS);
        self.crew
            .wait_until::<D>(registration, || self.clock.now() >= until)?;
        Ok(())
    }

    /// Times one heavy fence alone.
    fn heavy_fence(&self) -> u64 {
        let before = self.clock.now();
        Membarrier::heavy();
        self.clock.now().saturating_sub(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(last_entry: u64, last_leave: u64) -> Visit {
        Visit {
            last_entry,
            last_leave,
        }
    }

    #[test]
    fn phases_count_from_the_call_to_the_latest_worker() {
        let batch = Batch {
            visits: vec![
                vec![visit(90, 120), visit(300, 301)],
                vec![visit(150, 180), visit(280, 290)],
            ],
            calls: vec![
                Call {
                    called: 100,
                    returned: 200,
                },
                Call {
                    called: 400,
                    returned: 410,
                },
            ],
            fences: vec![7],
            ..Batch::default()
        };
        let mut phases = Phases::new();
        batch.add_to(&mut phases);
        let values = |histogram: &hdrhistogram::Histogram<u64>| -> Vec<u64> {
            let recorded = histogram.iter_recorded();
            recorded.map(|bucket| bucket.value_iterated_to()).collect()
        };
        assert_eq!(values(&phases.latency), [10, 100]);
        // In the second detach everything was over before the call.
        assert_eq!(values(&phases.last_entry), [0, 50]);
        assert_eq!(values(&phases.last_leave), [0, 80]);
        assert_eq!(values(&phases.heavy_fence), [7]);
        assert_eq!(phases.total, Duration::from_nanos(110));
    }

    #[test]
    fn an_idle_detach_has_no_phases_of_workers() {
        let batch = Batch {
            calls: vec![Call {
                called: 1,
                returned: 4,
            }],
            ..Batch::default()
        };
        let mut phases = Phases::new();
        batch.add_to(&mut phases);
        assert_eq!(phases.latency.len(), 1);
        assert!(phases.last_entry.is_empty());
        assert!(phases.last_leave.is_empty());
    }
}
