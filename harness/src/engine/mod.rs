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
//! let case = Case { strategy: "refcount", scenario: Scenario::FastPath, threads: 1 };
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
mod collect;
mod crew;
mod detach;
mod fast_path;
mod fleet;
mod noise;
mod padded;
mod placement;
mod round;
mod scenario;
mod softc;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use detach_results::record::Workload;
use detach_strategies::points::Undisturbed;
use detach_strategies::registry::{self, Visitor};
use detach_strategies::{DeviceRef, platform};

use calibrate::calibrate;

pub use barrier::{Alarm, Broken, SpinBarrier};
pub use collect::{Collector, unsupported};
pub use detach::{BATCH, PATIENCE};
pub use fleet::{Fleet, Seat, Unpinned};
pub use padded::Padded;
pub use placement::Placement;
pub use round::{Observed, Phases, Round, RoundError, THINNEST_LAP_NS};
pub use scenario::{Case, Scenario, Unknown, cases, strategy};
pub use softc::Softc;

/// Runs rounds. Owns the threads, which persist between them.
#[derive(Debug)]
pub struct Engine {
    cpus: Vec<usize>,
    fleets: HashMap<(usize, bool), Fleet>,
}

/// What a scenario has seen, before the engine adds what it knows.
struct Seen {
    took: Duration,
    observed: Observed,
    mechanisms: BTreeMap<String, u64>,
    switches: Option<u64>,
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
        }
    }

    /// The CPUs, in placement order.
    pub fn cpus(&self) -> &[usize] {
        &self.cpus
    }

    /// Every case that makes sense here.
    pub fn cases(&self) -> Vec<Case> {
        cases(self.cpus.len())
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
        seats.workload(
            devices(case),
            fleet.is_none_or(|fleet| fleet.unpinned().is_none()),
        )
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
        dispatch(known.id, &mut Supported)
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
            return Err(RoundError::Pointless(*case));
        }
        if iterations == 0 {
            return Err(RoundError::NoIterations);
        }
        let fleet = self.fleet(case)?;
        let placement = fleet.placement();
        let pinned = fleet.unpinned().is_none();
        let cpus = if pinned { placement.cpus() } else { Vec::new() };
        let mut order = Order {
            fleet,
            scenario: case.scenario,
            iterations,
        };

        let before = noise::Machine::now(&cpus);
        let seen = dispatch(case.strategy, &mut order)?;
        let after = noise::Machine::now(&cpus);

        let round = Round {
            iterations,
            took: seen.took,
            workload: placement.workload(devices(case), pinned),
            observed: seen.observed,
            mechanisms: seen.mechanisms,
            noise: before.until(after, seen.switches, placement.oversubscribed),
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

    /// The fleet of a case, started when it is first asked for.
    fn fleet(&mut self, case: &Case) -> Result<&Fleet, RoundError> {
        let (workers, detacher) = seats_of(case);
        if !self.fleets.contains_key(&(workers, detacher)) {
            let fleet = Fleet::new(workers, detacher, &self.cpus)?;
            self.fleets.insert((workers, detacher), fleet);
        }
        Ok(&self.fleets[&(workers, detacher)])
    }
}

/// Visits a strategy that is known to exist, as it ships.
fn dispatch<V: Visitor<Softc>>(id: &str, visitor: &mut V) -> V::Output {
    registry::visit::<Softc, Undisturbed, V>(id, visitor).expect("the strategy is known")
}

/// Workers, and whether there is a detacher.
fn seats_of(case: &Case) -> (usize, bool) {
    (case.threads, case.scenario.has_detacher())
}

/// Devices that the workers share out among themselves.
fn devices(case: &Case) -> usize {
    match case.scenario {
        Scenario::FastPath | Scenario::Detach => 1,
        Scenario::FastPathPrivate => case.threads,
    }
}

/// Adds up which mechanism ran how often.
fn count(sums: &mut BTreeMap<String, u64>, mechanisms: Vec<(&'static str, u64)>) {
    for (mechanism, times) in mechanisms {
        *sums.entry(mechanism.to_owned()).or_default() += times;
    }
}

/// One round to run, with the strategy to be filled in.
struct Order<'e> {
    fleet: &'e Fleet,
    scenario: Scenario,
    iterations: u64,
}

impl Visitor<Softc> for Order<'_> {
    type Output = Result<Seen, RoundError>;

    fn visit<D: DeviceRef<Softc = Softc>>(&mut self) -> Self::Output {
        D::supported()?;
        match self.scenario {
            Scenario::FastPath => fast_path::shared::<D>(self.fleet, self.iterations),
            Scenario::FastPathPrivate => fast_path::private::<D>(self.fleet, self.iterations),
            Scenario::Detach => detach::measure::<D>(self.fleet, self.iterations),
        }
    }
}

#[cfg(test)]
mod faulty;
#[cfg(test)]
mod tests;
