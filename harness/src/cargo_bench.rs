//! The engine as criterion sees it, and what becomes of the rounds.
//!
//! criterion decides how often and for how many iterations each case is
//! measured, and keeps its own statistics for filters, baselines and the
//! detection of regressions. Its files are its own business, though: the
//! records of this project are made from the same rounds, here.
//!
//! A [`Session`] stands between the two. It answers criterion's question, "how
//! long do so many iterations take?", with a round; it tells the rounds that
//! warm up from those that count; and it writes a record as soon as a case is
//! through, so that an interrupted run keeps what it had.

use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{error, fmt};

use detach_results::record::{Measurement, Run, SCHEMA_VERSION, Warning};
use detach_results::{Recorder, StoreError, ensure_writable, point_latest, utc_now};
use detach_strategies::Unsupported;

use crate::calibration::{calibrate, set_waiting_budget};
use crate::engine::{Case, Collector, Engine, RoundError, Scenario, unsupported};
use crate::machine;

/// Seed of the bootstrap intervals: any will do, and a fixed one makes the same
/// samples give the same interval.
const SEED: u64 = 1;

/// No round that counts is shorter, however few iterations criterion asks for.
/// With `--quick` it begins at 1. And its guess of how many fill a sample rests
/// on the warm-up, which is off by a lot if it was held up once.
const SHORTEST: Duration = Duration::from_millis(1);

/// The same where threads outnumber CPUs: several turns of the scheduler, or
/// each thread would be through before another one gets its CPU.
const SHORTEST_OVERSUBSCRIBED: Duration = Duration::from_millis(20);

/// The shortest round of the case that counts.
fn shortest(case: &Case, oversubscribed: bool) -> Duration {
    match (case.scenario, oversubscribed) {
        // Each detach waits for the scheduler as it is, or it happens not to:
        // one that did not says nothing about how many fill a millisecond.
        (Scenario::Detach, true) => Duration::ZERO,
        (_, true) => SHORTEST_OVERSUBSCRIBED,
        (_, false) => SHORTEST,
    }
}

/// Iterations that fill `time`, when so many `took` so long.
fn filling(time: Duration, iterations: u64, took: Duration) -> u64 {
    let pace = iterations as f64 / took.as_secs_f64().max(1e-9);
    (pace * time.as_secs_f64()).round() as u64
}

/// What criterion was asked to do, as far as the records care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Measure, at length.
    Measure,
    /// Measure, quickly (`--quick`).
    Quick,
    /// Anything else: list the benchmarks, run each once as a test, or run
    /// them under a profiler. Nothing is recorded.
    Rehearse,
}

impl Mode {
    /// Reads it from the arguments, by criterion's own rules: without
    /// `--bench`, which only `cargo bench` passes, everything is a test.
    pub fn from_arguments(arguments: impl IntoIterator<Item = String>) -> Self {
        let (mut bench, mut quick, mut rehearse) = (false, false, false);
        for argument in arguments {
            match argument.split('=').next().unwrap_or_default() {
                "--bench" => bench = true,
                "--quick" => quick = true,
                "--list" | "--test" | "--profile-time" | "--load-baseline" => rehearse = true,
                _ => {}
            }
        }
        match (bench && !rehearse, quick) {
            (false, _) => Mode::Rehearse,
            (true, true) => Mode::Quick,
            (true, false) => Mode::Measure,
        }
    }
}

/// Tells criterion's warm-up from its measurement.
///
/// While it warms up, criterion doubles the number of iterations, from 1, until
/// enough time has passed; then, in flat sampling, it repeats one number. So
/// the first number that is not twice the one before ends the warm-up. Should
/// the number to be repeated happen to be the next in the series, one sample
/// more is taken for warm-up than was.
#[derive(Clone, Copy, Debug, Default)]
struct WarmUp {
    last: u64,
    over: bool,
}

impl WarmUp {
    /// Whether a round of so many iterations, the next one, is warm-up.
    fn is(&mut self, iterations: u64) -> bool {
        if !self.over && iterations == (self.last * 2).max(1) {
            self.last = iterations;
        } else {
            self.over = true;
        }
        !self.over
    }
}

/// Why a session cannot go on.
#[derive(Debug)]
pub enum SessionError {
    /// A round failed.
    Round(Box<Case>, RoundError),
    /// A record could not be written.
    Store(StoreError),
}

impl fmt::Display for SessionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SessionError::Round(case, error) => write!(f, "{case}: {error}"),
            SessionError::Store(error) => error.fmt(f),
        }
    }
}

impl error::Error for SessionError {}

impl From<StoreError> for SessionError {
    fn from(error: StoreError) -> Self {
        SessionError::Store(error)
    }
}

/// One run of `cargo bench`.
#[derive(Debug)]
pub struct Session {
    engine: Engine,
    mode: Mode,
    root: PathBuf,
    arguments: String,
    recorder: Option<Recorder>,
    present: Option<Present>,
    unsupported: Vec<(Case, Unsupported)>,
    recorded: Vec<Scenario>,
}

/// The case that is being measured.
#[derive(Debug)]
struct Present {
    case: Case,
    warm_up: WarmUp,
    /// The shortest round that counts.
    shortest: Duration,
    /// Iterations that fill it.
    fewest: u64,
    collector: Collector,
}

impl Session {
    /// A session that records under `root`. `arguments` are those of the
    /// command line, for the record.
    pub fn new(engine: Engine, mode: Mode, root: &Path, arguments: &str) -> Self {
        Session {
            engine,
            mode,
            root: root.to_owned(),
            arguments: arguments.to_owned(),
            recorder: None,
            present: None,
            unsupported: Vec::new(),
            recorded: Vec::new(),
        }
    }

    /// The cases to be asked of criterion, by scenario. What the machine cannot
    /// run is left out and kept for the record.
    pub fn cases(&mut self) -> Vec<Case> {
        let mut cases = self.engine.cases(&Scenario::CORE);
        cases.retain(|case| match self.engine.supports(case.strategy) {
            Err(RoundError::Unsupported(reason)) => {
                self.unsupported.push((*case, reason));
                false
            }
            _ => true,
        });
        cases
    }

    /// The strategies that cannot run here, each with the reason.
    pub fn skipped(&self) -> Vec<(&'static str, &Unsupported)> {
        let mut skipped: Vec<(&'static str, &Unsupported)> = Vec::new();
        for (case, reason) in &self.unsupported {
            if !skipped
                .iter()
                .any(|(strategy, _)| *strategy == case.strategy)
            {
                skipped.push((case.strategy, reason));
            }
        }
        skipped
    }

    /// Answers criterion: how long `asked` iterations of the case take, for
    /// one worker on average, or for all detaches together.
    ///
    /// # Errors
    ///
    /// [`SessionError`]; what was recorded before is kept.
    pub fn time(&mut self, case: &Case, asked: u64) -> Result<Duration, SessionError> {
        self.begin(case)?;
        let present = self.present.as_mut().expect("the case has begun");
        // Quick mode has no warm-up of its own; finding out how long a round
        // has to be was one.
        let counts = self.mode == Mode::Quick || !present.warm_up.is(asked);
        let iterations = if counts {
            asked.max(present.fewest)
        } else {
            asked
        };
        let round = self
            .engine
            .round(case, iterations)
            .map_err(|error| SessionError::Round(Box::new(*case), error))?;
        if counts {
            present.collector.add(&round);
        }
        if self.mode == Mode::Measure {
            // By the fastest pace so far; a round that was held up shows none.
            let fewest = filling(present.shortest, iterations, round.took);
            present.fewest = present.fewest.max(fewest);
        }
        Ok(round.timed().mul_f64(asked as f64 / iterations as f64))
    }

    /// Makes ready for the first round of a case.
    fn begin(&mut self, case: &Case) -> Result<(), SessionError> {
        if self
            .present
            .as_ref()
            .is_some_and(|present| present.case == *case)
        {
            return Ok(());
        }
        // Only now is it known that the filter selects anything, and nothing
        // has been measured yet that could be lost.
        if self.mode != Mode::Rehearse && self.recorder.is_none() {
            ensure_writable(&self.root)?;
            let run = self.describe();
            if let Some(calibration) = &run.calibration {
                set_waiting_budget(calibration);
            }
            let recorder = Recorder::create(&self.root, run)?;
            // At once: a run that is killed is the newest all the same.
            point_latest(&self.root, recorder.dir())?;
            self.recorder = Some(recorder);
        }
        let shortest = shortest(case, self.engine.workload(case).oversubscribed);
        let fewest = match self.mode {
            Mode::Quick => self
                .engine
                .iterations_for(case, shortest)
                .map_err(|error| SessionError::Round(Box::new(*case), error))?,
            Mode::Measure | Mode::Rehearse => 1,
        };
        self.present = Some(Present {
            case: *case,
            warm_up: WarmUp::default(),
            shortest,
            fewest,
            collector: Collector::new(*case, 0),
        });
        Ok(())
    }

    /// Records the case that has been measured, if one has. To be called when
    /// criterion is through with it.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] when the record cannot be written.
    pub fn end_case(&mut self) -> Result<(), SessionError> {
        let Some(present) = self.present.take() else {
            return Ok(());
        };
        if let (Some(recorder), Some(measurement)) =
            (&mut self.recorder, present.collector.finish(SEED))
        {
            recorder.append(&measurement)?;
            if !self.recorded.contains(&present.case.scenario) {
                self.recorded.push(present.case.scenario);
            }
        }
        Ok(())
    }

    /// Ends the session and returns the folder of the run, if there is one.
    ///
    /// What cannot run here is recorded beside what could, in every scenario of
    /// which anything was.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] when the run cannot be completed.
    pub fn finish(mut self) -> Result<Option<PathBuf>, SessionError> {
        self.end_case()?;
        let lacking = self.lacking();
        let Some(mut recorder) = self.recorder.take() else {
            return Ok(None);
        };
        for measurement in lacking {
            recorder.append(&measurement)?;
        }
        Ok(Some(recorder.finish(Vec::new())?))
    }

    /// Ends the run after an error; it stays incomplete and says why. Returns
    /// its folder, if there is one.
    ///
    /// # Errors
    ///
    /// [`SessionError::Store`] when not even that can be written.
    pub fn give_up(&mut self, reason: &SessionError) -> Result<Option<PathBuf>, SessionError> {
        let Some(recorder) = self.recorder.take() else {
            return Ok(None);
        };
        let dir = recorder.stop(vec![Warning {
            kind: String::from("stopped-early"),
            message: reason.to_string(),
            hint: String::from("the records before it are not affected"),
        }])?;
        Ok(Some(dir))
    }

    /// Records of what cannot run here.
    fn lacking(&self) -> Vec<Measurement> {
        let asked = self.unsupported.iter();
        asked
            .filter(|(case, _)| self.recorded.contains(&case.scenario))
            .map(|(case, reason)| unsupported(*case, 0, self.engine.workload(case), reason))
            .collect()
    }

    fn describe(&self) -> Run {
        let machine = machine::probe();
        Run {
            schema: SCHEMA_VERSION,
            started: utc_now(),
            scheduler: String::from("criterion"),
            options: [(String::from("arguments"), self.arguments.clone())].into(),
            seed: SEED,
            build: machine::build_info(),
            warnings: machine::warnings(&machine),
            machine,
            calibration: Some(calibrate(self.engine.cpus())),
            probes: Vec::new(),
            elapsed_ms: None,
            complete: false,
        }
    }
}

#[cfg(test)]
mod tests;
