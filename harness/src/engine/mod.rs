//! The engine: everything that measures, and nothing else does.
//!
//! A *case* is a strategy in a scenario with a number of workers. A *round* of
//! it runs so many iterations on a fleet of pinned threads and tells how long
//! they took. Who schedules rounds, and in which order, is not the engine's
//! business: criterion does it behind `cargo bench`, the campaign behind
//! `detach-bench run`, and both get the same rounds from [`Engine::round`]. A
//! [`Collector`] turns the rounds of a case into a record.
//!
//! Strategies are dispatched statically: the loop is compiled once for each,
//! so that acquire and release inline into it.
//!
//! ```
//! use detach_harness::engine::{Case, Collector, Engine, Scenario};
//!
//! let mut engine = Engine::new(vec![0]);
//! let case = Case::new("refcount", Scenario::FastPath, 1);
//! let mut collector = Collector::new(case, 0);
//! for _ in 0..3 {
//!     collector.add(&engine.round(&case, 1_000)?);
//! }
//! let measurement = collector.finish(1).expect("three rounds were added");
//! assert_eq!(measurement.scenario, "fast_path");
//! # Ok::<(), detach_harness::engine::RoundError>(())
//! ```

mod barrier;
mod calibrate;
mod case;
mod collect;
mod crew;
mod fifo;
mod fleet;
mod noise;
mod padded;
mod placement;
mod round;
mod scenario;
mod softc;
mod watchdog;
mod work;
mod workloads;

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Duration;

use detach_results::record::Workload;
use detach_strategies::points::Undisturbed;
use detach_strategies::registry::{self, Visitor};
use detach_strategies::{DeviceRef, Unsupported, platform};

use calibrate::calibrate;
use softc::Payload;
use watchdog::Watchdog;

pub use barrier::{Alarm, Broken, SpinBarrier};
pub use case::{Case, Level, TWIN, cases_of};
pub use collect::{Collector, unsupported};
pub use fifo::FifoWindow;
pub use fleet::{Fleet, Seat, Unpinned};
pub use padded::Padded;
pub use placement::Placement;
pub use round::{Observed, Phases, Round, RoundError, THINNEST_LAP_NS, VisitTimes};
pub use scenario::{MOST_DEVICES, Scenario, Unknown, strategy};
pub use softc::Softc;
pub(crate) use softc::sink;
pub(crate) use work::turn_ns;
pub use workloads::BATCH;

/// How long a round may take. It is meant to take milliseconds, and with a slow
/// machine or at criterion's wish some seconds.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Runs rounds. Owns the threads, which persist between them.
#[derive(Debug)]
pub struct Engine {
    cpus: Vec<usize>,
    fleets: HashMap<(usize, bool), Fleet>,
    /// Whether rounds have the CPUs for themselves where every thread has one.
    fifo: bool,
    /// Where the chance of each fleet begins.
    seed: u64,
    watchdog: Watchdog,
}

/// What a scenario has seen, before the engine adds what it knows.
struct Seen {
    took: Duration,
    observed: Observed,
    mechanisms: BTreeMap<String, u64>,
    noise: noise::ThreadNoise,
}

impl Engine {
    /// An engine for these CPUs, which are in placement order.
    ///
    /// Create it before other threads: it asks the kernel for what the
    /// strategies need of it, and a process with threads waits longer for that.
    ///
    /// # Panics
    ///
    /// When there are no CPUs.
    pub fn new(cpus: Vec<usize>) -> Self {
        assert!(!cpus.is_empty(), "an engine needs a CPU");
        // The answers do not matter here: each strategy asks for itself.
        let _ = platform::membarrier_status();
        let _ = platform::rseq_status();
        Engine {
            cpus,
            fleets: HashMap::new(),
            fifo: false,
            seed: 0,
            watchdog: Watchdog::new(PATIENCE, watchdog::give_up),
        }
    }

    /// Where chance begins, which decides for instance how long after the
    /// arrival of the last worker a device is detached; 0 unless told. To be
    /// called before the first round.
    pub fn seed(&mut self, seed: u64) {
        self.seed = seed;
    }

    /// The CPUs, in placement order.
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// From now on the threads of a round run as `SCHED_FIFO` while they are
    /// measured, where each has a CPU of its own and keeps it: nothing ordinary
    /// gets in between then.
    ///
    /// # Errors
    ///
    /// What the system answers where that is not permitted; rounds go on as
    /// before.
    pub fn demand_fifo(&mut self) -> io::Result<()> {
        FifoWindow::enter()?;
        self.fifo = true;
        Ok(())
    }

    /// Every case of these scenarios that makes sense here.
    pub fn cases(&self, scenarios: &[Scenario]) -> Vec<Case> {
        let of = |scenario: &Scenario| cases_of(*scenario, &[], self.cpus.len());
        scenarios.iter().flat_map(of).collect()
    }

    /// The numbers of workers to measure here, in ascending order; see
    /// [`Scenario::thread_counts`].
    pub fn thread_counts(&self, scenario: Scenario) -> Vec<usize> {
        scenario.thread_counts(self.cpus.len())
    }

    /// How a round of the case is set up, for a record of a case that did not
    /// get to run.
    pub fn workload(&self, case: &Case) -> Workload {
        let seats = Placement::new(case.threads, case.scenario.has_detacher(), &self.cpus);
        let fleet = self.fleets.get(&seats_of(case));
        let pinned = fleet.is_none_or(|fleet| fleet.unpinned().is_none());
        self.described(case, seats.workload(pinned))
    }

    /// Seats, with what else the record says of the case.
    fn described(&self, case: &Case, mut seats: Workload) -> Workload {
        // With so few CPUs holders move to the detacher's, too.
        seats.detacher_shares_cpu |=
            case.scenario == Scenario::MigratingHolders && self.cpus.len() < 3;
        case.scenario.describe(&case.level, case.threads, seats)
    }

    /// Whether the machine can run the strategy.
    ///
    /// # Errors
    ///
    /// [`RoundError::Unsupported`] says why it cannot, [`RoundError::Unknown`]
    /// when there is no such strategy.
    pub fn supports(&self, id: &str) -> Result<(), RoundError> {
        struct Supported;

        impl Visitor<Softc> for Supported {
            type Output = Result<(), RoundError>;

            fn visit<D: DeviceRef<Softc = Softc>>(&mut self) -> Self::Output {
                Ok(D::supported()?)
            }
        }

        let known = strategy(id)?;
        dispatch::<Softc, _>(known.id, &mut Supported)
    }

    /// Measures `iterations` laps of each worker, or so many detaches.
    ///
    /// # Errors
    ///
    /// [`RoundError`]; of its kinds, [`Unsupported`](RoundError::Unsupported)
    /// is worth a record (see [`unsupported`]) and the others are not.
    ///
    /// # Panics
    ///
    /// When a strategy panics, after all threads have come to rest.
    pub fn round(&mut self, case: &Case, iterations: u64) -> Result<Round, RoundError> {
        let properties = strategy(case.strategy)?;
        let idle = case.scenario.needs_worker() && case.threads == 0;
        if idle || !case.scenario.applies_to(&properties) {
            return Err(RoundError::Pointless(Box::new(*case)));
        }
        if iterations == 0 {
            return Err(RoundError::NoIterations);
        }
        if let Some(why) = case.scenario.forbidden(&properties) {
            return Err(Unsupported::because(why).into());
        }
        self.start_fleet(seats_of(case))?;
        let fleet = &self.fleets[&seats_of(case)];
        let placement = fleet.placement();
        let pinned = fleet.unpinned().is_none();
        if case.scenario == Scenario::MigratingHolders && (!pinned || self.cpus.len() < 2) {
            return Err(Unsupported::because("there is no other CPU to move to").into());
        }
        let cpus = if pinned { placement.cpus() } else { Vec::new() };

        let gives_up_cpus = placement.oversubscribed || case.scenario.gives_up_cpus();
        fleet.keep_cpus(self.fifo && !gives_up_cpus);

        let watched = self.watchdog.watch(case);
        let before = noise::Machine::now(&cpus);
        let seen = workloads::measure(fleet, case, iterations, &self.cpus)?;
        let after = noise::Machine::now(&cpus);
        drop(watched);
        let cpu_time = seen.took * u32::try_from(placement.threads()).unwrap_or(u32::MAX);

        let round = Round {
            iterations,
            took: seen.took,
            workload: self.described(case, placement.workload(pinned)),
            observed: seen.observed,
            mechanisms: seen.mechanisms,
            worker_sleeps: seen.noise.slept,
            noise: before.until(after, seen.noise, (!gives_up_cpus).then_some(cpu_time)),
        };
        round.judge()?;
        Ok(round)
    }

    /// How many iterations take about `target`, found by doubling; at least 1.
    ///
    /// # Errors
    ///
    /// As [`round`](Self::round).
    pub fn iterations_for(&mut self, case: &Case, target: Duration) -> Result<u64, RoundError> {
        calibrate(target, |iterations| Ok(self.round(case, iterations)?.took))
    }

    /// Memory that one device of the strategy takes besides its softc when
    /// [`MOST_DEVICES`] are attached and every CPU's worker has been inside
    /// each; in bytes. `None` where the system does not tell.
    ///
    /// To be asked once and first of all: memory that was used before and is
    /// used again would not be seen.
    ///
    /// # Errors
    ///
    /// As [`round`](Self::round).
    pub fn weigh(&mut self, id: &str) -> Result<Option<f64>, RoundError> {
        let known = strategy(id)?;
        let seats = (self.cpus.len(), false);
        self.start_fleet(seats)?;
        workloads::weigh(&self.fleets[&seats], known.id, MOST_DEVICES)
    }

    /// Starts a fleet of so many workers, perhaps with a detacher, when it is
    /// first asked for.
    fn start_fleet(&mut self, seats: (usize, bool)) -> Result<(), RoundError> {
        if let Entry::Vacant(place) = self.fleets.entry(seats) {
            let fleet = Fleet::new(seats.0, seats.1, &self.cpus);
            let fleet = fleet.map_err(RoundError::Threads)?;
            fleet.seed(self.seed);
            place.insert(fleet);
        }
        Ok(())
    }
}

/// Visits a strategy that is known to exist, as it ships.
fn dispatch<S, V>(id: &str, visitor: &mut V) -> V::Output
where
    S: Payload,
    V: Visitor<S>,
{
    registry::visit::<S, Undisturbed, V>(id, visitor).expect("the strategy is known")
}

/// Workers, and whether there is a detacher.
fn seats_of(case: &Case) -> (usize, bool) {
    (case.threads, case.scenario.has_detacher())
}

/// Adds up which mechanism ran how often.
fn count(sums: &mut BTreeMap<String, u64>, mechanisms: Vec<(&'static str, u64)>) {
    for (mechanism, times) in mechanisms {
        *sums.entry(mechanism.to_owned()).or_default() += times;
    }
}

#[cfg(test)]
mod tests;
