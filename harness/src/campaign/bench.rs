//! The engine as the bench of a campaign.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use detach_results::record::Measurement;

use super::Bench;
use crate::engine::{Case, Collector, Engine, Round, RoundError, unsupported};

/// A round that misses its target by more than this factor changes how many
/// iterations the next one gets: the first guess may have been made in a bad
/// moment.
const TOLERANCE: f64 = 2.0;

/// Measures with an [`Engine`]. Time begins when it is made.
#[derive(Debug)]
pub struct EngineBench {
    engine: Engine,
    began: Instant,
    iterations: HashMap<Case, u64>,
    seed: u64,
}

impl EngineBench {
    /// A bench with this engine; `seed` is for the intervals of the records.
    pub fn new(engine: Engine, seed: u64) -> Self {
        EngineBench {
            engine,
            began: Instant::now(),
            iterations: HashMap::new(),
            seed,
        }
    }

    fn round(&mut self, case: &Case, target: Duration) -> Result<Round, RoundError> {
        let iterations = match self.iterations.get(case) {
            Some(iterations) => *iterations,
            None => self.engine.iterations_for(case, target)?,
        };
        let round = self.engine.round(case, iterations)?;
        let scale = target.as_secs_f64() / round.took.as_secs_f64().max(1e-9);
        let next = if (1.0 / TOLERANCE..TOLERANCE).contains(&scale) {
            iterations
        } else {
            ((iterations as f64 * scale) as u64).max(1)
        };
        self.iterations.insert(*case, next);
        Ok(round)
    }
}

impl Bench for EngineBench {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn measure(
        &mut self,
        case: &Case,
        block: u32,
        target: Duration,
    ) -> Result<Measurement, String> {
        let round = match self.round(case, target) {
            Ok(round) => round,
            Err(RoundError::Unsupported(reason)) => {
                return Ok(unsupported(
                    *case,
                    block,
                    self.engine.workload(case),
                    &reason,
                ));
            }
            Err(error) => return Err(error.to_string()),
        };
        let mut collector = Collector::new(*case, block);
        collector.add(&round);
        collector
            .finish(self.seed)
            .ok_or_else(|| "the round has shown nothing".to_owned())
    }
}
