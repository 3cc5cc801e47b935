//! What one round has shown, and what can go wrong in one.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use detach_results::latency;
use detach_results::record::{Noise, Workload};
use detach_strategies::Unsupported;
use hdrhistogram::Histogram;

use super::case::Case;
use super::scenario::Unknown;

/// What one round has shown.
#[derive(Clone, Debug)]
pub struct Round {
    /// Laps of each worker, or detaches.
    pub iterations: u64,
    /// How long the timed part took by the clock on the wall, without setting
    /// up and clearing away.
    pub took: Duration,
    /// How the round was set up.
    pub workload: Workload,
    /// What was timed.
    pub observed: Observed,
    /// Which mechanism of the strategy ran how often, all devices together that
    /// the scenario is about.
    pub mechanisms: BTreeMap<String, u64>,
    /// How often workers went to sleep while they were timed, where the system
    /// tells.
    pub worker_sleeps: Option<u64>,
    /// What disturbed the round. It counts as one sample.
    pub noise: Noise,
}

/// What was timed.
#[derive(Clone, Debug)]
pub enum Observed {
    /// The time each worker took for its laps of one acquire plus one release.
    Cost {
        /// By worker.
        elapsed: Vec<Duration>,
        /// Detaches of other devices per second meanwhile, where there were any
        /// to be.
        detaches_per_second: Option<f64>,
    },
    /// Every detach on its own.
    Detach(Box<Phases>),
    /// A sample of the visits, each on its own.
    Visits(Box<VisitTimes>),
}

/// Durations of single visits in nanoseconds.
#[derive(Clone, Debug)]
pub struct VisitTimes {
    /// The visits that were timed, with the clock's share.
    pub visits: Histogram<u64>,
    /// Two readings of the clock with nothing between them.
    pub clock: Histogram<u64>,
    /// The time each worker took for all of its laps, timed or not.
    pub elapsed: Vec<Duration>,
}

impl VisitTimes {
    /// Adds what another round or worker has shown.
    pub fn add(&mut self, other: &VisitTimes) {
        for (into, from) in [
            (&mut self.visits, &other.visits),
            (&mut self.clock, &other.clock),
        ] {
            into.add(from).expect("all histograms have the same bounds");
        }
        self.elapsed.extend(&other.elapsed);
    }
}

impl Default for VisitTimes {
    fn default() -> Self {
        VisitTimes {
            visits: latency::histogram(),
            clock: latency::histogram(),
            elapsed: Vec::new(),
        }
    }
}

/// Latencies of detaches in nanoseconds, all from the moment of the call.
#[derive(Clone, Debug)]
pub struct Phases {
    /// Until detach returned.
    pub latency: Histogram<u64>,
    /// Until the last entry that succeeded, over all workers; empty without
    /// workers. Zero when nobody entered after the call.
    pub last_entry: Histogram<u64>,
    /// Until the last holder had left; empty without workers. Zero when nobody
    /// was inside after the call.
    pub last_leave: Histogram<u64>,
    /// One heavy fence of the machine, timed between detaches under the same
    /// workers; empty where the machine has none.
    pub heavy_fence: Histogram<u64>,
    /// Until a late arrival was refused, where late arrivals knock on.
    pub refused: Histogram<u64>,
    /// Detaches that returned before a holder of another device, who was inside
    /// at the call, had left; where it was asked.
    pub overtook: Option<u64>,
    /// All detaches together.
    pub total: Duration,
}

impl Phases {
    /// Nothing yet.
    pub fn new() -> Self {
        Phases {
            latency: latency::histogram(),
            last_entry: latency::histogram(),
            last_leave: latency::histogram(),
            heavy_fence: latency::histogram(),
            refused: latency::histogram(),
            overtook: None,
            total: Duration::ZERO,
        }
    }

    /// Adds what another round has shown.
    pub fn add(&mut self, other: &Phases) {
        let pairs = [
            (&mut self.latency, &other.latency),
            (&mut self.last_entry, &other.last_entry),
            (&mut self.last_leave, &other.last_leave),
            (&mut self.heavy_fence, &other.heavy_fence),
            (&mut self.refused, &other.refused),
        ];
        for (into, from) in pairs {
            into.add(from).expect("all histograms have the same bounds");
        }
        if let Some(overtook) = other.overtook {
            *self.overtook.get_or_insert_default() += overtook;
        }
        self.total += other.total;
    }
}

impl Default for Phases {
    fn default() -> Self {
        Self::new()
    }
}

/// No lap can be faster, in nanoseconds: that is less than one cycle of any
/// processor, and even the empty loop needs one.
pub const THINNEST_LAP_NS: f64 = 0.1;

/// With fewer laps, a clock that ticks every microsecond may see no time pass
/// and there is nothing to conclude from that.
const LAPS_TO_JUDGE: u64 = 100_000;

impl Round {
    /// Adds another round of the same case; the two are one sample from now on.
    ///
    /// # Panics
    ///
    /// When the rounds are of different cases.
    pub(crate) fn absorb(&mut self, other: &Round) {
        fn add_up(sums: &mut [Duration], more: &[Duration]) {
            for (sum, one) in sums.iter_mut().zip(more) {
                *sum += *one;
            }
        }

        let iterations = self.iterations + other.iterations;
        match (&mut self.observed, &other.observed) {
            (
                Observed::Cost {
                    elapsed,
                    detaches_per_second,
                },
                Observed::Cost {
                    elapsed: more,
                    detaches_per_second: others,
                },
            ) => {
                add_up(elapsed, more);
                if let (Some(rate), Some(other_rate)) = (detaches_per_second, others) {
                    let share = other.iterations as f64 / iterations as f64;
                    *rate += (other_rate - *rate) * share;
                }
            }
            (Observed::Detach(phases), Observed::Detach(more)) => phases.add(more),
            (Observed::Visits(times), Observed::Visits(more)) => {
                let mut elapsed = std::mem::take(&mut times.elapsed);
                add_up(&mut elapsed, &more.elapsed);
                times.add(more);
                times.elapsed = elapsed;
            }
            _ => panic!("rounds of different cases"),
        }
        self.iterations = iterations;
        self.took += other.took;
        for (mechanism, times) in &other.mechanisms {
            *self.mechanisms.entry(mechanism.clone()).or_default() += times;
        }
        let sleeps = self.worker_sleeps.zip(other.worker_sleeps);
        self.worker_sleeps = sleeps.map(|(sleeps, more)| sleeps + more);
        self.noise.add(&other.noise);
        self.noise.disturbed_samples = self.noise.disturbed_samples.min(1);
        self.noise.samples = 1;
    }

    /// Detaches in it, of whatever devices; about so many where they go on beside
    /// what is timed.
    pub(crate) fn detaches(&self) -> f64 {
        match &self.observed {
            Observed::Detach(phases) => phases.latency.len() as f64,
            Observed::Cost {
                detaches_per_second,
                ..
            } => detaches_per_second.unwrap_or(0.0) * self.took.as_secs_f64(),
            Observed::Visits(_) => 0.0,
        }
    }

    /// Whether something disturbed the round.
    pub fn disturbed(&self) -> bool {
        self.noise.disturbed_samples > 0
    }

    /// The time that stands for the round in a scheduler that wants one: the
    /// mean over workers of their laps, or all detaches together.
    pub fn timed(&self) -> Duration {
        if let Observed::Detach(phases) = &self.observed {
            return phases.total;
        }
        let elapsed = self.elapsed();
        elapsed.iter().sum::<Duration>() / u32::try_from(elapsed.len().max(1)).unwrap_or(u32::MAX)
    }

    /// Nanoseconds that one worker needs for one lap, the mean over workers;
    /// or the mean latency of a detach.
    pub fn ns_per_iteration(&self) -> f64 {
        self.timed().as_secs_f64() * 1e9 / self.iterations as f64
    }

    /// The time each worker took for its laps; empty for detaches.
    fn elapsed(&self) -> &[Duration] {
        match &self.observed {
            Observed::Cost { elapsed, .. } => elapsed,
            Observed::Visits(times) => &times.elapsed,
            Observed::Detach(_) => &[],
        }
    }

    /// Laps per second of each worker; empty for detaches.
    fn rates(&self) -> Vec<f64> {
        self.elapsed()
            .iter()
            .map(|elapsed| self.iterations as f64 / elapsed.as_secs_f64().max(1e-9))
            .collect()
    }

    /// Laps per second, all workers together; 0 for detaches.
    pub fn ops_per_second(&self) -> f64 {
        self.rates().iter().sum()
    }

    /// Slowest worker's rate over the fastest's, 0 to 1; 1 for detaches.
    pub fn fairness(&self) -> f64 {
        let rates = self.rates();
        let slowest = rates.iter().copied().fold(f64::INFINITY, f64::min);
        let fastest = rates.iter().copied().fold(0.0, f64::max);
        if rates.is_empty() {
            1.0
        } else {
            slowest / fastest
        }
    }

    /// Refuses a round whose loop did less than a loop can do.
    ///
    /// # Errors
    ///
    /// [`RoundError::TooThin`] when a worker took less than
    /// [`THINNEST_LAP_NS`] a lap: the compiler removed what was to be measured.
    pub fn judge(&self) -> Result<(), RoundError> {
        if self.iterations < LAPS_TO_JUDGE {
            return Ok(());
        }
        for elapsed in self.elapsed() {
            let ns = elapsed.as_secs_f64() * 1e9 / self.iterations as f64;
            if ns < THINNEST_LAP_NS {
                return Err(RoundError::TooThin { ns });
            }
        }
        Ok(())
    }
}

/// Why there is no round.
#[derive(Debug)]
pub enum RoundError {
    /// No strategy has that id.
    Unknown(Unknown),
    /// The machine cannot run the strategy: worth a record.
    Unsupported(Unsupported),
    /// The scenario cannot be asked of the strategy, or not without a worker.
    Pointless(Box<Case>),
    /// A round of no iterations was asked for.
    NoIterations,
    /// The system refused to start the threads.
    Threads(io::Error),
    /// The loop was removed by the compiler.
    TooThin {
        /// Nanoseconds per lap.
        ns: f64,
    },
    /// An attached device refused entry, or was detached by nobody knows whom.
    Refused,
    /// A detach handed over another softc than was attached.
    WrongSoftc {
        /// What was attached.
        expected: u64,
        /// What came back.
        found: u64,
    },
    /// A detach returned while a holder was inside that it has to wait for.
    Overtaken,
    /// A detached device let somebody in.
    Admitted,
    /// A holder read from another file than its device's.
    WrongFile {
        /// The serial number of the holder's device.
        expected: u64,
        /// What the file said.
        found: u64,
    },
    /// The system refused something that is no strategy's business.
    Io(io::Error),
}

impl fmt::Display for RoundError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RoundError::Unknown(unknown) => unknown.fmt(f),
            RoundError::Unsupported(unsupported) => unsupported.fmt(f),
            RoundError::Pointless(case) if case.scenario.needs_worker() && case.threads == 0 => {
                write!(f, "{} needs at least one worker", case.scenario)
            }
            RoundError::Pointless(case) => write!(
                f,
                "{} cannot be asked of {}, which never reclaims",
                case.scenario, case.strategy
            ),
            RoundError::NoIterations => f.write_str("a round needs at least one iteration"),
            RoundError::Threads(error) => write!(f, "cannot start the threads: {error}"),
            RoundError::TooThin { ns } => write!(
                f,
                "the compiler removed the measured loop: {ns:.3} ns per acquire and release \
                 is less than the {THINNEST_LAP_NS} ns that the loop alone takes"
            ),
            RoundError::Refused => {
                f.write_str("an attached device refused entry or was detached by nobody")
            }
            RoundError::WrongSoftc { expected, found } => write!(
                f,
                "a detach of device {expected} handed over the softc of device {found}"
            ),
            RoundError::Overtaken => f.write_str(
                "a detach returned while a holder was inside: the strategy does not protect",
            ),
            RoundError::Admitted => f.write_str("a detached device let somebody in"),
            RoundError::WrongFile { expected, found } => write!(
                f,
                "a holder of device {expected} read from a file that says {found}: its own was \
                 closed while it was inside"
            ),
            RoundError::Io(error) => write!(f, "the system refused: {error}"),
        }
    }
}

impl Error for RoundError {}

impl From<Unknown> for RoundError {
    fn from(unknown: Unknown) -> Self {
        RoundError::Unknown(unknown)
    }
}

impl From<Unsupported> for RoundError {
    fn from(unsupported: Unsupported) -> Self {
        RoundError::Unsupported(unsupported)
    }
}
