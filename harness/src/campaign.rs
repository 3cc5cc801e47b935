//! The campaign: rounds in an order in which a drifting machine treats every
//! strategy alike, and in so many processes that no one process's luck counts.
//!
//! A machine is not the same at the end of a run as it was at the beginning:
//! it gets warm, neighbours come and go. Had each strategy its own stretch of
//! time, that would look like a difference between strategies. So a campaign
//! proceeds in *blocks*. Each block visits every case once or several times,
//! for a short round; within a block, the strategies of one setting (scenario,
//! number of workers, level) follow each other directly, in an order that is
//! shuffled anew each time. Ratios are taken between rounds of the same block, a
//! moment apart, and what drifts from block to block drops out of them.
//!
//! Each block is a *process* of its own. Where a process keeps its memory is
//! decided when it starts and differs from one to the next, and so do its
//! figures; an interval made from the rounds of one process is too narrow by
//! just that difference. The unit of every statistic is therefore the block.
//!
//! Before the first block, elementary operations are measured
//! ([calibration](crate::calibration)) and devices are weighed; before, between
//! and after blocks, a probe asks whether the CPUs are ours.
//!
//! Blocks follow each other until the time is up, or until every interval is
//! narrow enough. A campaign that is told to stop ends the present block and
//! hands on what it has shown. Every measurement is handed on the moment it is
//! heard of; a process that is killed takes with it what it had not told yet, a
//! second's worth of cases, or its block where a block visits cases repeatedly.
//!
//! The scheduling knows neither threads nor clocks nor processes: it asks a
//! [`Bench`] for all that, which is [`Processes`] in earnest and a script in
//! tests.

mod block;
mod plan;
mod precision;
mod process;
mod protocol;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use detach_results::record::{Measurement, Outcome};
use detach_results::{Calibration, Probe};

pub use block::carry_out;
pub use plan::{Budget, Plan};
pub use process::{Interrupt, Processes};
pub use protocol::{BlockOrder, Message, Order, OrderedCase};

use crate::engine::{Case, MOST_DEVICES, Scenario};
use precision::Precision;

/// Whoever listens to what comes of an order; an error ends it.
pub type Heard<'h> = &'h mut dyn FnMut(Message) -> io::Result<()>;

/// What a campaign needs from whatever measures.
pub trait Bench {
    /// Time since the campaign began.
    fn now(&self) -> Duration;

    /// Carries out an order and tells what comes of it.
    ///
    /// # Errors
    ///
    /// Why it was not carried out to the end, in words.
    fn carry_out(&mut self, order: &Order, heard: Heard<'_>) -> Result<(), String>;

    /// Whether the campaign was told to stop.
    fn is_stopped(&self) -> bool;
}

/// Who follows a campaign: stores its measurements, shows its progress.
pub trait Observer {
    /// Why following failed, which ends the campaign.
    type Error;

    /// A round is about to begin, or began lately.
    fn round_begins(&mut self, case: &Case, progress: &Progress);

    /// A round gave a measurement.
    ///
    /// # Errors
    ///
    /// When it cannot be kept; the campaign ends.
    fn measured(&mut self, measurement: &Measurement) -> Result<(), Self::Error>;

    /// The machine was calibrated.
    ///
    /// # Errors
    ///
    /// As [`measured`](Self::measured).
    fn calibrated(&mut self, calibration: Calibration) -> Result<(), Self::Error>;

    /// The CPUs were probed.
    ///
    /// # Errors
    ///
    /// As [`measured`](Self::measured).
    fn probed(&mut self, probe: Probe) -> Result<(), Self::Error>;

    /// Nothing is being measured at the moment: the first block is about to
    /// begin, or a block is over. So much time has passed since the campaign
    /// began.
    ///
    /// # Errors
    ///
    /// As [`measured`](Self::measured).
    fn rests(&mut self, elapsed: Duration) -> Result<(), Self::Error>;

    /// Something that was asked for besides measurements is not to be had.
    fn lacks(&mut self, what: Lack, reason: &str);
}

/// What a campaign may have to do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// What elementary operations cost.
    Calibration,
    /// What a device weighs.
    Weight,
    /// The CPUs for itself.
    Fifo,
}

/// How far a campaign has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// The present block, from 0.
    pub block: u32,
    /// Time since the campaign began.
    pub elapsed: Duration,
    /// How much of the campaign is over, 0 to 1.
    pub done: f64,
}

impl Progress {
    /// How long it will go on, by what it took so far; `None` while there is
    /// nothing to go by.
    pub fn left(&self) -> Option<Duration> {
        let left = self.elapsed.as_secs_f64() * (1.0 / self.done - 1.0);
        (self.done > 0.01 && left.is_finite()).then(|| Duration::from_secs_f64(left.max(0.0)))
    }
}

/// How a campaign ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Blocks that visited every case.
    pub blocks: u32,
    /// Measurements that were handed on.
    pub measurements: usize,
    /// Cases that gave no measurement, and why not.
    pub failures: Vec<Failure>,
    /// Whether it was told to stop.
    pub interrupted: bool,
    /// Whether every interval was narrow enough before the time was up.
    pub precise: bool,
    /// Why no further block could be measured, if that is why it ended.
    pub broken: Option<String>,
}

impl Report {
    /// Whether everything was measured that was planned.
    pub fn is_complete(&self) -> bool {
        let disturbed = self.interrupted || self.broken.is_some();
        !disturbed && self.failures.is_empty() && self.blocks > 0
    }
}

/// A case that gave no measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The case.
    pub case: Case,
    /// Why not.
    pub reason: String,
}

/// What is known before the first block, of a run that is resumed.
#[derive(Clone, Debug, Default)]
pub struct Before {
    /// Blocks that were begun.
    pub blocks: u32,
    /// Time that was spent.
    pub elapsed: Duration,
    /// What was measured, as it is [judged](detach_results::Recorded::judged).
    pub measurements: Vec<Measurement>,
    /// The calibration, if it was made.
    pub calibration: Option<Calibration>,
}

/// Runs a campaign: one block whatever it takes, then more until the time is
/// up or the intervals are narrow enough.
///
/// A case that is unsupported or that fails is not visited again.
///
/// # Errors
///
/// The first error of the observer.
pub fn run<O: Observer>(
    plan: &Plan,
    before: Before,
    bench: &mut impl Bench,
    observer: &mut O,
) -> Result<Report, O::Error> {
    let mut campaign = Campaign {
        plan,
        observer,
        report: Report::default(),
        iterations: HashMap::new(),
        settled: Vec::new(),
        resumed_at: before.elapsed,
        weights: HashMap::new(),
        calibration: before.calibration,
        precision: Precision::new(&before.measurements),
        error: None,
    };
    let first = before.blocks;
    campaign.prepare(bench, &before.measurements);
    campaign.rest(bench);
    let mut block = first;
    let mut longest = Duration::ZERO;
    loop {
        if campaign.ends(bench) {
            break;
        }
        let began = bench.now();
        if !campaign.block(block, bench) {
            break;
        }
        block += 1;
        campaign.report.blocks += 1;
        let took = bench.now().saturating_sub(began);
        // The first block also had to find out how long a round is, so it says
        // little about the length of the next.
        let expected = match campaign.report.blocks {
            1 => plan.block_time().min(took),
            _ => took,
        };
        longest = longest.max(expected);
        // A block that would not fit is not begun.
        let end = campaign.resumed_at + bench.now() + longest;
        if plan.budget.is_spent(block, end) {
            break;
        }
        if plan
            .precision
            .is_some_and(|width| campaign.precision.is_within(width))
        {
            campaign.report.precise = true;
            break;
        }
    }
    let Campaign { report, error, .. } = campaign;
    match error {
        Some(error) => Err(error),
        None => Ok(report),
    }
}

/// A campaign on its way.
struct Campaign<'c, O: Observer> {
    plan: &'c Plan,
    observer: &'c mut O,
    report: Report,
    /// Iterations that fill a round.
    iterations: HashMap<Case, u64>,
    /// Cases that are not visited again.
    settled: Vec<Case>,
    /// Time that was spent before it was resumed.
    resumed_at: Duration,
    /// Bytes of a device, by strategy.
    weights: HashMap<&'static str, f64>,
    calibration: Option<Calibration>,
    precision: Precision,
    /// Why following failed.
    error: Option<O::Error>,
}

impl<O: Observer> Campaign<'_, O> {
    /// Calibrates and weighs. Neither is worth giving up a campaign for.
    fn prepare(&mut self, bench: &mut impl Bench, before: &[Measurement]) {
        if self.plan.calibrated && self.calibration.is_none() && !bench.is_stopped() {
            let order = Order::Calibrate {
                cpus: self.plan.cpus.clone(),
            };
            let mut found = None;
            let result = bench.carry_out(&order, &mut |message| {
                if let Message::Calibrated(calibration) = message {
                    found = Some(*calibration);
                }
                Ok(())
            });
            if let Err(reason) = result {
                self.observer.lacks(Lack::Calibration, &reason);
            }
            if let Some(calibration) = found {
                self.calibration = Some(calibration.clone());
                let kept = self.observer.calibrated(calibration);
                self.keep(kept);
            }
        }
        let weighed = |strategy: &str| {
            before.iter().any(|measurement| match &measurement.outcome {
                Outcome::Cost(cost) => {
                    cost.bytes_per_device.is_some() && measurement.strategy == strategy
                }
                _ => false,
            })
        };
        let heavy = |case: &&Case| {
            case.scenario == Scenario::ManyDevices && !case.twin && !weighed(case.strategy)
        };
        let mut strategies: Vec<&'static str> = self
            .plan
            .cases
            .iter()
            .filter(heavy)
            .map(|case| case.strategy)
            .collect();
        strategies.dedup();
        for strategy in strategies {
            if self.ends(bench) {
                return;
            }
            let order = Order::Weigh {
                cpus: self.plan.cpus.clone(),
                strategy: strategy.to_owned(),
            };
            let result = bench.carry_out(&order, &mut |message| {
                // Why a strategy cannot run is told when it is measured.
                if let Message::Weighed(Ok(Some(bytes))) = message {
                    self.weights.insert(strategy, bytes);
                }
                Ok(())
            });
            if let Err(reason) = result {
                let reason = format!("{strategy}: {reason}");
                self.observer.lacks(Lack::Weight, &reason);
            }
        }
    }

    /// Whether there is a reason not to go on; notes an interruption.
    fn ends(&mut self, bench: &impl Bench) -> bool {
        self.report.interrupted |= bench.is_stopped();
        self.report.interrupted || self.report.broken.is_some() || self.error.is_some()
    }

    fn keep(&mut self, result: Result<(), O::Error>) {
        if let Err(error) = result {
            self.error.get_or_insert(error);
        }
    }

    /// Lets the observer write down what has been heard.
    fn rest(&mut self, bench: &impl Bench) {
        let kept = self.observer.rests(self.resumed_at + bench.now());
        self.keep(kept);
    }

    /// Measures a block; returns whether it came to its end and there is more
    /// to measure.
    fn block(&mut self, block: u32, bench: &mut impl Bench) -> bool {
        let cases: Vec<Case> = self
            .plan
            .cases
            .iter()
            .filter(|case| !self.settled.contains(case))
            .copied()
            .collect();
        if cases.is_empty() {
            return false;
        }
        let ordered = cases
            .iter()
            .map(|case| OrderedCase::new(case, self.iterations.get(case).copied()));
        let mut order = self.plan.block(block, ordered.collect());
        order.calibration = self.calibration.clone();
        order.after_block = block.checked_sub(1).filter(|_| self.report.blocks > 0);
        let rounds_in_all = cases.len() * self.plan.sweeps as usize;
        let began = self.resumed_at + bench.now();
        let mut stopped = false;
        let mut ended_badly = false;
        let result = {
            // The clock of the bench cannot be asked while it is at work.
            let watch = std::time::Instant::now();
            bench.carry_out(&Order::Block(Box::new(order)), &mut |message| {
                let elapsed = began + watch.elapsed();
                match message {
                    Message::Begun { case, rounds } => {
                        let of_block = rounds as f64 / rounds_in_all as f64;
                        let progress = Progress {
                            block,
                            elapsed,
                            done: self.plan.done(block, of_block, elapsed),
                        };
                        self.observer.round_begins(&cases[case], &progress);
                    }
                    Message::Measured {
                        case,
                        measurement,
                        iterations,
                    } => self.measured(cases[case], *measurement, iterations),
                    Message::Failed { case, reason } => {
                        self.precision.forget(&cases[case]);
                        self.settled.push(cases[case]);
                        self.report.failures.push(Failure {
                            case: cases[case],
                            reason,
                        });
                    }
                    Message::Probed(mut probe) => {
                        probe.at_ms += began.as_millis() as u64;
                        ended_badly = probe.disturbed && probe.after_block == Some(block);
                        self.learn(&probe);
                        let kept = self.observer.probed(probe);
                        self.keep(kept);
                    }
                    Message::NoFifo { reason } => self.observer.lacks(Lack::Fifo, &reason),
                    Message::Done { stopped: early } => stopped = early,
                    Message::Calibrated(_) | Message::Weighed(_) => {}
                }
                match self.error {
                    Some(_) => Err(io::Error::other("what was measured cannot be kept")),
                    None => Ok(()),
                }
            })
        };
        self.precision.end_block(ended_badly);
        self.rest(bench);
        self.report.interrupted |= stopped;
        if self.ends(bench) {
            return false;
        }
        self.report.broken = result.err();
        self.report.broken.is_none()
    }

    /// Holds later probes against the best that the machine has shown. It may
    /// have been calibrated in a bad moment, while a hypervisor ran two CPUs on
    /// one core; the record keeps what was found then.
    fn learn(&mut self, probe: &Probe) {
        if let Some(calibration) = &mut self.calibration
            && let (Some(known), Some(found)) = (calibration.parallelism, probe.parallelism)
            && !probe.disturbed
        {
            calibration.parallelism = Some(known.max(found.min(1.0)));
        }
    }

    fn measured(&mut self, case: Case, mut measurement: Measurement, iterations: Option<u64>) {
        if matches!(measurement.outcome, Outcome::Unsupported { .. }) {
            self.settled.push(case);
        }
        if let Some(iterations) = iterations {
            self.iterations.insert(case, iterations);
        }
        let weighed = case.scenario == Scenario::ManyDevices
            && case.level.devices == MOST_DEVICES
            && !case.level.skewed;
        if let Outcome::Cost(cost) = &mut measurement.outcome
            && weighed
        {
            cost.bytes_per_device = self.weights.get(case.strategy).copied();
        }
        self.precision.add(&measurement);
        self.report.measurements += 1;
        let kept = self.observer.measured(&measurement);
        self.keep(kept);
    }
}
