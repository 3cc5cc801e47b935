//! The campaign: rounds in an order in which a drifting machine treats every
//! strategy alike.
//!
//! A machine is not the same at the end of a run as it was at the beginning:
//! it gets warm, neighbours come and go. Had each strategy its own stretch of
//! time, that would look like a difference between strategies. So a campaign
//! proceeds in *blocks*. Each block visits every case once, for a short round;
//! within a block, the strategies of one setting (scenario and number of
//! workers) follow each other directly, in an order that is shuffled anew each
//! time. Ratios are taken between rounds of the same block, a moment apart, and
//! what drifts from block to block drops out of them.
//!
//! Blocks follow each other until the time is up. Every measurement is handed
//! on the moment it is made, so whatever ends the campaign, nothing measured is
//! lost.
//!
//! The scheduling knows neither threads nor clocks: it asks a [`Bench`] for
//! both, which is the [`EngineBench`] in earnest and a script in tests.

mod bench;
mod plan;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use detach_results::record::{Measurement, Outcome};

pub use bench::EngineBench;
pub use plan::{Budget, Plan};

use crate::engine::Case;

/// What a campaign needs from whatever measures.
pub trait Bench {
    /// Time since the campaign began.
    fn now(&self) -> Duration;

    /// Measures a case once, for about `target`.
    ///
    /// A strategy that cannot run here is a measurement too
    /// ([`Outcome::Unsupported`]).
    ///
    /// # Errors
    ///
    /// Why there is no measurement, in words.
    fn measure(&mut self, case: &Case, block: u32, target: Duration)
    -> Result<Measurement, String>;
}

/// Who follows a campaign: stores its measurements, shows its progress.
pub trait Observer {
    /// Why following failed, which ends the campaign.
    type Error;

    /// A round is about to begin.
    fn round_begins(&mut self, case: &Case, progress: &Progress);

    /// A round gave a measurement.
    ///
    /// # Errors
    ///
    /// When it cannot be kept; the campaign ends.
    fn measured(&mut self, measurement: &Measurement) -> Result<(), Self::Error>;
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

/// How a campaign ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Blocks that visited every case.
    pub blocks: u32,
    /// Measurements that were handed on.
    pub measurements: usize,
    /// Cases that gave no measurement, and why not.
    pub failures: Vec<Failure>,
    /// Whether it was told to stop.
    pub interrupted: bool,
}

impl Report {
    /// Whether everything was measured that was planned.
    pub fn is_complete(&self) -> bool {
        !self.interrupted && self.failures.is_empty() && self.blocks > 0
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

/// Runs a campaign: one block whatever it takes, then more until the time is
/// up. `stop` ends it after the present round.
///
/// A case that is unsupported or that fails is not visited again.
///
/// # Errors
///
/// The first error of the observer.
pub fn run<O: Observer>(
    plan: &Plan,
    bench: &mut impl Bench,
    observer: &mut O,
    stop: &AtomicBool,
) -> Result<Report, O::Error> {
    let mut report = Report {
        blocks: 0,
        measurements: 0,
        failures: Vec::new(),
        interrupted: false,
    };
    let mut settled: Vec<Case> = Vec::new();
    loop {
        let block = report.blocks;
        let began = bench.now();
        let mut order = plan.order(block);
        order.retain(|case| !settled.contains(case));
        if order.is_empty() {
            break;
        }
        for (rounds, case) in order.iter().enumerate() {
            // Ordering: Relaxed; the flag alone matters, nothing comes with it.
            if stop.load(Ordering::Relaxed) {
                report.interrupted = true;
                return Ok(report);
            }
            let elapsed = bench.now();
            if block > 0 && plan.budget.is_spent(block, elapsed) {
                return Ok(report);
            }
            let of_block = rounds as f64 / order.len() as f64;
            let progress = Progress {
                block,
                elapsed,
                done: plan.done(block, of_block, elapsed),
            };
            observer.round_begins(case, &progress);
            match bench.measure(case, block, plan.round) {
                Ok(measurement) => {
                    observer.measured(&measurement)?;
                    report.measurements += 1;
                    if matches!(measurement.outcome, Outcome::Unsupported { .. }) {
                        settled.push(*case);
                    }
                }
                Err(reason) => {
                    settled.push(*case);
                    report.failures.push(Failure {
                        case: *case,
                        reason,
                    });
                }
            }
        }
        report.blocks += 1;
        // The first block also had to find out how long a round is, so it says
        // little about the length of the next.
        let expected = match block {
            0 => plan.block_time(),
            _ => bench.now() - began,
        };
        // A block that would not fit is not begun.
        let end = bench.now() + expected;
        if plan.budget.is_spent(report.blocks, end) {
            break;
        }
    }
    Ok(report)
}
