//! What a campaign will do, decided before it begins.

use std::time::Duration;

use super::protocol::{BlockOrder, OrderedCase};
use crate::engine::{Case, Scenario};

/// Blocks that a campaign should have room for: an interval over fewer is
/// wide, and more of them at the price of shorter rounds gain little.
const FEWEST_BLOCKS: u32 = 12;
const ENOUGH_BLOCKS: u32 = 40;

/// A block that is over sooner spends too much of its time on starting.
const SHORTEST_BLOCK: Duration = Duration::from_millis(800);

/// A block that visits its cases repeatedly tells of them at its end. Whatever
/// kills it takes no more than this with it.
const LONGEST_BLOCK: Duration = Duration::from_secs(4);

/// Shorter rounds would measure how threads are woken.
const SHORTEST_ROUND: Duration = Duration::from_millis(10);

/// Longer rounds are disturbed more often, and gain nothing over more of them.
const LONGEST_ROUND: Duration = Duration::from_millis(50);

/// The round of a smoke run, which is about whether anything breaks.
const SMOKE_ROUND: Duration = Duration::from_millis(1);

/// What a round takes besides what is timed, about: waking the threads,
/// attaching devices, reading the counters of the system.
const OVERHEAD: Duration = Duration::from_millis(3);

/// What a block takes besides its rounds, about: starting a process and its
/// threads, probing.
const BLOCK_OVERHEAD: Duration = Duration::from_millis(60);

/// What a campaign without a time of its own gives each case, and the least and
/// the most that it takes in all.
const SHARE: Duration = Duration::from_millis(480);
const DEFAULT_TIME: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(270));

/// In how many blocks the first one counts that also has to find out how many
/// iterations fill a round.
const FIRST_BLOCK: u32 = 4;

/// The cases of a campaign, how long each round lasts, and when it ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is measured in every block.
    pub cases: Vec<Case>,
    /// The CPUs, in placement order.
    pub cpus: Vec<usize>,
    /// What a round should last.
    pub round: Duration,
    /// How often a block visits each case.
    pub sweeps: u32,
    /// When it is enough.
    pub budget: Budget,
    /// It is enough, too, when the 95% interval of every median is at most this
    /// wide, relative to the median.
    pub precision: Option<f64>,
    /// Seed of the order of the rounds.
    pub seed: u64,
    /// Whether rounds may have the CPUs for themselves (`SCHED_FIFO`).
    pub fifo: bool,
    /// Whether to calibrate first, and to probe before, between and after the
    /// blocks.
    pub calibrated: bool,
}

/// When a campaign has measured enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Budget {
    /// After this time, but not before one block is done.
    Time(Duration),
    /// After so many blocks, however long they take.
    Blocks(u32),
}

impl Budget {
    /// Whether it is enough after so many blocks and so much time.
    pub(super) fn is_spent(self, blocks: u32, elapsed: Duration) -> bool {
        match self {
            Budget::Time(time) => elapsed > time,
            Budget::Blocks(most) => blocks >= most,
        }
    }
}

impl Plan {
    /// A campaign of `cases` on `cpus` that lasts about `time`, or as long as
    /// that many cases deserve.
    pub fn new(cases: Vec<Case>, cpus: Vec<usize>, time: Option<Duration>, seed: u64) -> Self {
        let rounds = rounds(&cases, cpus.len());
        let time = time.unwrap_or_else(|| {
            let (least, most) = DEFAULT_TIME;
            // More CPUs take longer for the same number of rounds.
            let most = most.max(most / 2 * cpus.len().ilog2().max(1));
            (SHARE * rounds).clamp(least, most)
        });
        let blocks = (time.as_secs() as u32 / 2).clamp(FEWEST_BLOCKS, ENOUGH_BLOCKS);
        let block = (time / blocks)
            .clamp(SHORTEST_BLOCK, LONGEST_BLOCK)
            .saturating_sub(BLOCK_OVERHEAD);
        let once = block / rounds;
        // Several visits to each case, if there is room for any more than one.
        let visit = (once / 8).clamp(SHORTEST_ROUND, LONGEST_ROUND);
        let sweeps = (once.as_nanos() / (visit + OVERHEAD).as_nanos()).max(1) as u32;
        let round = match sweeps {
            1 => once
                .saturating_sub(OVERHEAD)
                .clamp(SHORTEST_ROUND, LONGEST_ROUND),
            _ => visit,
        };
        Plan {
            cases,
            cpus,
            round,
            sweeps,
            budget: Budget::Time(time),
            precision: None,
            seed,
            fifo: false,
            calibrated: true,
        }
    }

    /// A campaign that visits every case twice, as briefly as possible.
    pub fn smoke(cases: Vec<Case>, cpus: Vec<usize>, seed: u64) -> Self {
        Plan {
            round: SMOKE_ROUND,
            sweeps: 1,
            budget: Budget::Blocks(2),
            ..Plan::new(cases, cpus, None, seed)
        }
    }

    /// What a block should last.
    pub fn block_time(&self) -> Duration {
        let rounds = rounds(&self.cases, self.cpus.len()) * self.sweeps;
        BLOCK_OVERHEAD + (self.round + OVERHEAD) * rounds
    }

    /// Blocks that fit, about; the first one takes longer than the others.
    pub fn blocks(&self) -> u32 {
        match self.budget {
            Budget::Blocks(blocks) => blocks,
            Budget::Time(time) => {
                let fit = time.as_nanos() / self.block_time().as_nanos();
                (fit as u32).saturating_sub(FIRST_BLOCK - 1).max(1)
            }
        }
    }

    /// How long it will take, about: the time that it was given, and at least
    /// the first block.
    pub fn expected(&self) -> Duration {
        let first = self.block_time() * FIRST_BLOCK;
        match self.budget {
            Budget::Blocks(blocks) => first + self.block_time() * blocks.saturating_sub(1),
            Budget::Time(time) => time.max(first),
        }
    }

    /// Whether one block alone needs more time than there is.
    pub fn is_overfull(&self) -> bool {
        match self.budget {
            Budget::Time(time) => self.block_time() > time,
            Budget::Blocks(_) => false,
        }
    }

    /// The scenarios, in order, each with its number of cases.
    pub fn scenarios(&self) -> Vec<(Scenario, usize)> {
        let of = |scenario| {
            self.cases
                .iter()
                .filter(move |case| case.scenario == scenario)
        };
        Scenario::ALL
            .into_iter()
            .map(|scenario| (scenario, of(scenario).count()))
            .filter(|(_, cases)| *cases > 0)
            .collect()
    }

    /// How much is done, 0 to 1, when so many of the rounds of a block are over
    /// after so much time.
    pub(super) fn done(&self, block: u32, rounds: f64, elapsed: Duration) -> f64 {
        let done = match self.budget {
            Budget::Blocks(blocks) => (f64::from(block) + rounds) / f64::from(blocks),
            // The first block is finished whatever it takes, so it may say
            // more than the clock.
            Budget::Time(time) if block == 0 && elapsed > time => rounds,
            Budget::Time(time) => elapsed.as_secs_f64() / time.as_secs_f64(),
        };
        done.clamp(0.0, 1.0)
    }

    /// The order for a block of some of the cases, without a calibration, and
    /// after none.
    pub(super) fn block(&self, block: u32, cases: Vec<OrderedCase>) -> BlockOrder {
        BlockOrder {
            block,
            after_block: None,
            cpus: self.cpus.clone(),
            seed: self.seed,
            round: self.round,
            sweeps: self.sweeps,
            fifo: self.fifo,
            calibration: None,
            cases,
        }
    }
}

/// Rounds of usual length that visiting all cases takes; at least one.
fn rounds(cases: &[Case], cpus: usize) -> u32 {
    cases
        .iter()
        .map(|case| case.weight(cpus))
        .sum::<u32>()
        .max(1)
}
