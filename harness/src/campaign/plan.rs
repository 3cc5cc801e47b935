//! What a campaign will do, decided before it begins.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use crate::engine::{Case, Scenario};

/// Blocks that a campaign should have room for: an interval over fewer is
/// wide, and more of them at the price of shorter rounds gain little.
const BLOCKS: u32 = 10;

/// Shorter rounds would measure how threads are woken.
const SHORTEST_ROUND: Duration = Duration::from_millis(5);

/// Longer rounds gain nothing over more blocks.
const LONGEST_ROUND: Duration = Duration::from_millis(100);

/// The round of a smoke run, which is about whether anything breaks.
const SMOKE_ROUND: Duration = Duration::from_millis(1);

/// The cases of a campaign, how long each round lasts, and when it ends.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What is measured in every block.
    pub cases: Vec<Case>,
    /// What a round should last.
    pub round: Duration,
    /// When it is enough.
    pub budget: Budget,
    /// Seed of the order of the rounds.
    pub seed: u64,
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
    /// A campaign of `cases` that lasts about `time`.
    pub fn new(cases: Vec<Case>, time: Duration, seed: u64) -> Self {
        let rounds = u32::try_from(cases.len()).unwrap_or(u32::MAX).max(1);
        let fair = time / rounds / BLOCKS;
        Plan {
            cases,
            round: fair.clamp(SHORTEST_ROUND, LONGEST_ROUND),
            budget: Budget::Time(time),
            seed,
        }
    }

    /// A campaign that visits every case twice, as briefly as possible.
    pub fn smoke(cases: Vec<Case>, seed: u64) -> Self {
        Plan {
            cases,
            round: SMOKE_ROUND,
            budget: Budget::Blocks(2),
            seed,
        }
    }

    /// What a block should last.
    pub fn block_time(&self) -> Duration {
        let rounds = u32::try_from(self.cases.len()).unwrap_or(u32::MAX);
        self.round.saturating_mul(rounds)
    }

    /// Whether one block alone needs more time than there is.
    pub fn is_overfull(&self) -> bool {
        match self.budget {
            Budget::Time(time) => self.block_time() > time,
            Budget::Blocks(_) => false,
        }
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

    /// The cases in the order in which a block visits them: settings in random
    /// order, and the strategies of each setting together, in random order.
    pub fn order(&self, block: u32) -> Vec<Case> {
        let mut random = StdRng::seed_from_u64(self.seed.wrapping_add(u64::from(block)));
        let mut settings: Vec<((Scenario, usize), Vec<Case>)> = Vec::new();
        for case in &self.cases {
            let setting = (case.scenario, case.threads);
            match settings.iter_mut().find(|(known, _)| *known == setting) {
                Some((_, cases)) => cases.push(*case),
                None => settings.push((setting, vec![*case])),
            }
        }
        settings.shuffle(&mut random);
        for (_, cases) in &mut settings {
            cases.shuffle(&mut random);
        }
        settings.into_iter().flat_map(|(_, cases)| cases).collect()
    }
}
