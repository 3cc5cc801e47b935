//! What a campaign and the process that measures a block tell each other.
//!
//! The process gets one [`Order`] as a line of JSON on its standard input, and
//! answers with [`Message`]s, a line each, on its standard output. When its
//! input ends, it stops after the present round: whoever sent the order has
//! been told to stop, or is gone.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use detach_results::record::Measurement;
use detach_results::{Calibration, Probe};
use serde::{Deserialize, Serialize};

use crate::engine::{Case, Level, Unknown, strategy};

/// What a process is to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Order {
    /// Measure what elementary operations cost.
    Calibrate {
        /// The CPUs, in placement order.
        cpus: Vec<usize>,
    },
    /// Find out what a device of a strategy weighs.
    Weigh {
        /// The CPUs, in placement order.
        cpus: Vec<usize>,
        /// Id of the strategy.
        strategy: String,
    },
    /// Measure a block.
    Block(Box<BlockOrder>),
}

/// One block of a campaign: every case so many times, in an order of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BlockOrder {
    /// Number of the block, from 0.
    pub block: u32,
    /// The block that has just ended, if one has: of an interrupted block that
    /// a resumed campaign goes on after, a probe now would say nothing.
    pub after_block: Option<u32>,
    /// The CPUs, in placement order.
    pub cpus: Vec<usize>,
    /// Seed of the order of the rounds, and of intervals.
    pub seed: u64,
    /// What a round should last.
    pub round: Duration,
    /// How often each case is visited.
    pub sweeps: u32,
    /// Whether rounds may have the CPUs for themselves (`SCHED_FIFO`).
    pub fifo: bool,
    /// What probes are held against; none are made without.
    pub calibration: Option<Calibration>,
    /// The cases.
    pub cases: Vec<OrderedCase>,
}

/// A case by name, with what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OrderedCase {
    strategy: String,
    twin: bool,
    scenario: String,
    threads: usize,
    level: Level,
    /// Iterations that filled a round in the block before.
    pub iterations: Option<u64>,
}

impl OrderedCase {
    /// The case as it is ordered.
    pub fn new(case: &Case, iterations: Option<u64>) -> Self {
        OrderedCase {
            strategy: case.strategy.to_owned(),
            twin: case.twin,
            scenario: case.scenario.name().to_owned(),
            threads: case.threads,
            level: case.level,
            iterations,
        }
    }

    /// The case that was ordered.
    ///
    /// # Errors
    ///
    /// [`Unknown`] when another build knew a strategy or scenario that this one
    /// does not.
    pub fn case(&self) -> Result<Case, Unknown> {
        let scenario = self.scenario.parse()?;
        Ok(Case {
            strategy: strategy(&self.strategy)?.id,
            twin: self.twin,
            scenario,
            threads: self.threads,
            level: self.level,
        })
    }
}

/// What a process answers. Cases go by their position in the order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Message {
    /// What elementary operations cost.
    Calibrated(Box<Calibration>),
    /// Bytes that a device weighs, where the system tells; or why the strategy
    /// cannot be weighed.
    Weighed(Result<Option<f64>, String>),
    /// Whether the CPUs were ours.
    Probed(Probe),
    /// A round of a case begins.
    Begun {
        /// The case.
        case: usize,
        /// Rounds of the block that are over.
        rounds: usize,
    },
    /// A case has been measured.
    Measured {
        /// The case.
        case: usize,
        /// What was seen.
        measurement: Box<Measurement>,
        /// Iterations that fill a round of it.
        iterations: Option<u64>,
    },
    /// A case could not be measured.
    Failed {
        /// The case.
        case: usize,
        /// Why not.
        reason: String,
    },
    /// The wish for `SCHED_FIFO` was refused; the rounds went on without.
    NoFifo {
        /// What the system says.
        reason: String,
    },
    /// The order has been carried out, or was stopped.
    Done {
        /// Whether it was stopped.
        stopped: bool,
    },
}

/// Between two deliveries.
const PAUSE: Duration = Duration::from_secs(1);

/// After a delivery nothing is measured for so long: whoever reads it needs a
/// CPU for a moment, and that would be one of ours.
const READING: Duration = Duration::from_millis(3);

/// Sends messages, seldom and all at once.
#[derive(Debug)]
pub(super) struct Mailbox<W> {
    sink: W,
    waiting: Vec<u8>,
    delivered: Instant,
}

impl<W: Write> Mailbox<W> {
    /// A mailbox that delivers to `sink`.
    pub(super) fn new(sink: W) -> Self {
        Mailbox {
            sink,
            waiting: Vec::new(),
            delivered: Instant::now(),
        }
    }

    /// Leaves a message for the next delivery, which may be now.
    ///
    /// # Errors
    ///
    /// When nobody reads any more.
    pub(super) fn post(&mut self, message: &Message) -> io::Result<()> {
        serde_json::to_writer(&mut self.waiting, message)?;
        self.waiting.push(b'\n');
        if self.delivered.elapsed() < PAUSE {
            return Ok(());
        }
        self.deliver()?;
        std::thread::sleep(READING);
        Ok(())
    }

    /// Delivers what waits.
    ///
    /// # Errors
    ///
    /// When nobody reads any more.
    pub(super) fn deliver(&mut self) -> io::Result<()> {
        self.sink.write_all(&self.waiting)?;
        self.sink.flush()?;
        self.waiting.clear();
        self.delivered = Instant::now();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Scenario, cases_of};

    #[test]
    fn every_case_survives_the_journey() {
        for case in Scenario::ALL
            .into_iter()
            .flat_map(|scenario| cases_of(scenario, &[], 2))
        {
            let twin = Case { twin: true, ..case };
            for case in [case, twin] {
                let line = serde_json::to_string(&OrderedCase::new(&case, Some(3))).unwrap();
                let back: OrderedCase = serde_json::from_str(&line).unwrap();
                assert_eq!(back.case().unwrap(), case);
                assert_eq!(back.iterations, Some(3));
            }
        }
    }

    #[test]
    fn a_strategy_that_only_another_build_knows_is_an_error() {
        let case = Case::new("refcount", Scenario::Detach, 1);
        let mut ordered = OrderedCase::new(&case, None);
        ordered.strategy = "quantum".to_owned();
        assert!(ordered.case().unwrap_err().to_string().contains("quantum"));
    }

    #[test]
    fn messages_wait_for_a_delivery_and_none_is_lost() {
        let mut mailbox = Mailbox::new(Vec::new());
        for rounds in 0..3 {
            mailbox.post(&Message::Begun { case: 0, rounds }).unwrap();
        }
        mailbox.deliver().unwrap();
        let text = String::from_utf8(mailbox.sink).unwrap();
        let messages: Vec<Message> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(messages[2], Message::Begun { case: 0, rounds: 2 });
        assert_eq!(messages.len(), 3);
    }
}
