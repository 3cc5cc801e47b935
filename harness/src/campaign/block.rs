//! The process that measures: carries out one order and ends.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

use super::protocol::{BlockOrder, Mailbox, Message, Order};
use crate::calibration::{self, Prober};
use crate::engine::{
    Case, Collector, Engine, Level, Round, RoundError, Scenario, Unknown, turn_ns, unsupported,
};

/// A round that misses its target by more than this factor changes how many
/// iterations the next one gets: the first guess may have been made in a bad
/// moment.
const TOLERANCE: f64 = 2.0;

/// A probe is so short that a passing service can spoil it, so only so many in a
/// row count. Whoever stays on a CPU spoils them all.
const PROBES: u32 = 3;

/// A round that a stranger disturbed is measured again in so many pieces of
/// this length, at the most: a scheduler gives turns of some milliseconds, and
/// some pieces fall between two turns. All threads of a piece are running when
/// it begins.
const PIECES: u32 = 16;
const PIECE: Duration = Duration::from_micros(500);
/// With so many pieces undisturbed it is enough.
const ENOUGH_PIECES: u32 = 4;
/// A piece of fewer iterations says more about beginnings than about them.
const FEWEST_ITERATIONS: u64 = 10;

/// Carries out an order, and tells `out` what comes of it. `stop` ends it after
/// the present round.
///
/// # Errors
///
/// When nobody reads any more, or when the order names what this build does not
/// know.
pub fn carry_out(order: Order, out: impl Write, stop: &AtomicBool) -> io::Result<()> {
    let mut mailbox = Mailbox::new(out);
    let mut stopped = false;
    match order {
        Order::Calibrate { cpus } => {
            let calibration = calibration::calibrate(&cpus);
            mailbox.post(&Message::Calibrated(Box::new(calibration)))?;
        }
        Order::Weigh { cpus, strategy } => {
            let weight = Engine::new(cpus).weigh(&strategy);
            let weight = weight.map_err(|error| error.to_string());
            mailbox.post(&Message::Weighed(weight))?;
        }
        Order::Block(order) => stopped = !measure(*order, &mut mailbox, stop)?,
    }
    mailbox.post(&Message::Done { stopped })?;
    mailbox.deliver()
}

/// A case of the block, and what has become of it so far.
struct Entry {
    case: Case,
    iterations: Option<u64>,
    collector: Collector,
    settled: bool,
}

/// Measures a block; returns whether it came to its end.
fn measure<W: Write>(
    order: BlockOrder,
    mailbox: &mut Mailbox<W>,
    stop: &AtomicBool,
) -> io::Result<bool> {
    let BlockOrder {
        block,
        seed,
        sweeps,
        ..
    } = order;
    let entries: Result<Vec<Entry>, Unknown> = order
        .cases
        .iter()
        .map(|ordered| {
            let case = ordered.case()?;
            Ok(Entry {
                case,
                iterations: ordered.iterations,
                collector: Collector::new(case, block),
                settled: false,
            })
        })
        .collect();
    let mut entries = entries.map_err(|unknown| io::Error::other(unknown.to_string()))?;

    let began = Instant::now();
    // It asks the kernel for what strategies need before the probe's threads run.
    let mut engine = Engine::new(order.cpus.clone());
    // Chance counts up from here, round by round, and must not reach that of
    // the next block.
    engine.seed(seed.wrapping_add(u64::from(block)) << 32);
    if let Some(calibration) = &order.calibration {
        calibration::set_waiting_budget(calibration);
    }
    let prober = order
        .calibration
        .as_ref()
        .map(|calibration| Prober::new(&order.cpus, Some(calibration)));
    let probe = |mailbox: &mut Mailbox<W>, after: Option<u32>| -> io::Result<bool> {
        let Some(prober) = &prober else {
            return Ok(false);
        };
        let mut probe = prober.probe(began.elapsed(), after);
        for _ in 1..PROBES {
            if probe.disturbed {
                probe = prober.probe(began.elapsed(), after);
            }
        }
        let disturbed = probe.disturbed;
        mailbox.post(&Message::Probed(probe))?;
        Ok(disturbed)
    };
    let disturbed = probe(mailbox, order.after_block)?;
    // On the same CPU in every block. Wherever this thread happens to be may be
    // a slower core, and then the holds of one block were longer than another's.
    calibration::alone(order.cpus[0], turn_ns);

    if order.fifo
        && let Err(error) = engine.demand_fifo()
    {
        mailbox.post(&Message::NoFifo {
            reason: error.to_string(),
        })?;
    }
    let mut random = StdRng::seed_from_u64(seed.wrapping_add(u64::from(block)));
    let mut rounds = 0;
    let mut complete = true;
    'sweeps: for sweep in 0..sweeps {
        let last = sweep + 1 == sweeps;
        for index in shuffled(entries.iter().map(|entry| entry.case), &mut random) {
            // Ordering: Relaxed; the flag alone matters, nothing comes with it.
            if stop.load(Ordering::Relaxed) {
                complete = false;
                break 'sweeps;
            }
            let entry = &mut entries[index];
            if entry.settled {
                continue;
            }
            mailbox.post(&Message::Begun {
                case: index,
                rounds,
            })?;
            rounds += 1;
            let target = order.round * entry.case.weight(order.cpus.len());
            match visit(&mut engine, entry, target) {
                Ok(rounds) => rounds.iter().for_each(|round| entry.collector.add(round)),
                Err(Trouble::Unsupported(reason)) => {
                    entry.settled = true;
                    let seats = engine.workload(&entry.case);
                    mailbox.post(&Message::Measured {
                        case: index,
                        measurement: Box::new(unsupported(entry.case, block, seats, &reason)),
                        iterations: None,
                    })?;
                }
                Err(Trouble::Failed(reason)) => {
                    entry.settled = true;
                    // What has failed once has no figure.
                    entry.collector = Collector::new(entry.case, block);
                    mailbox.post(&Message::Failed {
                        case: index,
                        reason,
                    })?;
                }
            }
            if last {
                hand_over(entry, index, seed, disturbed, mailbox)?;
            }
        }
    }
    for (index, entry) in entries.iter_mut().enumerate() {
        hand_over(entry, index, seed, disturbed, mailbox)?;
    }
    if complete {
        probe(mailbox, Some(block))?;
    }
    Ok(complete)
}

/// Hands over what was measured of a case, if anything was and it has not been
/// handed over before.
fn hand_over<W: Write>(
    entry: &mut Entry,
    index: usize,
    seed: u64,
    disturbed: bool,
    mailbox: &mut Mailbox<W>,
) -> io::Result<()> {
    let fresh = Collector::new(entry.case, 0);
    let mut collector = std::mem::replace(&mut entry.collector, fresh);
    if collector.is_empty() {
        return Ok(());
    }
    if disturbed {
        collector.disturb();
    }
    mailbox.post(&match collector.finish(seed) {
        Some(measurement) => Message::Measured {
            case: index,
            measurement: Box::new(measurement),
            iterations: entry.iterations,
        },
        None => Message::Failed {
            case: index,
            reason: "the round has shown nothing".to_owned(),
        },
    })
}

/// Why there is no round.
enum Trouble {
    Unsupported(detach_strategies::Unsupported),
    Failed(String),
}

impl From<RoundError> for Trouble {
    fn from(error: RoundError) -> Self {
        match error {
            RoundError::Unsupported(reason) => Trouble::Unsupported(reason),
            error => Trouble::Failed(error.to_string()),
        }
    }
}

/// A round of a case, and another one put together from undisturbed pieces
/// where strangers had a part in the first.
fn visit(engine: &mut Engine, entry: &mut Entry, target: Duration) -> Result<Vec<Round>, Trouble> {
    let case = entry.case;
    let run = || -> Result<(Vec<Round>, u64), RoundError> {
        let iterations = match entry.iterations {
            Some(iterations) => iterations,
            None => engine.iterations_for(&case, target)?,
        };
        let mut rounds = vec![engine.round(&case, iterations)?];
        let part = PIECE.min(target / 2).as_secs_f64() / target.as_secs_f64();
        let piece = (iterations as f64 * part) as u64;
        if piece >= FEWEST_ITERATIONS && strangers_took_turns(&case, &rounds[0]) {
            rounds.extend(pieces(engine, &case, piece)?);
        }
        Ok((rounds, iterations))
    };
    // A strategy that panics has failed; the others have not.
    let (rounds, iterations) = catch_unwind(AssertUnwindSafe(run))
        .map_err(|panic| Trouble::Failed(format!("it panicked: {}", words(&*panic))))??;
    let round = &rounds[0];
    let scale = target.as_secs_f64() / round.took.as_secs_f64().max(1e-9);
    let next = if (1.0 / TOLERANCE..TOLERANCE).contains(&scale) {
        iterations
    } else {
        ((iterations as f64 * scale) as u64).max(1)
    };
    entry.iterations = Some(next);
    Ok(rounds)
}

/// Whether a round was disturbed in a way that a piece of it might escape, and
/// would notice if it did not: what the hypervisor takes, and what others use
/// where threads give up their CPUs, is counted in ticks, which are longer.
fn strangers_took_turns(case: &Case, round: &Round) -> bool {
    round.disturbed()
        && round.noise.steal_ms.unwrap_or(0) == 0
        && !round.workload.oversubscribed
        && !case.scenario.gives_up_cpus()
}

/// One round of undisturbed pieces, if there were any.
fn pieces(engine: &mut Engine, case: &Case, iterations: u64) -> Result<Option<Round>, RoundError> {
    let (mut whole, mut undisturbed) = (None::<Round>, 0);
    for _ in 0..PIECES {
        let piece = engine.round(case, iterations)?;
        if piece.disturbed() {
            continue;
        }
        match &mut whole {
            Some(whole) => whole.absorb(&piece),
            None => whole = Some(piece),
        }
        undisturbed += 1;
        if undisturbed >= ENOUGH_PIECES {
            break;
        }
    }
    Ok(whole)
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
}

/// The cases in the order of a sweep: settings in random order, and the
/// strategies of each setting together, in random order.
fn shuffled(cases: impl Iterator<Item = Case>, random: &mut StdRng) -> Vec<usize> {
    let mut settings: BTreeMap<(Scenario, usize, Level), Vec<usize>> = BTreeMap::new();
    for (index, case) in cases.enumerate() {
        settings.entry(case.setting()).or_default().push(index);
    }
    let mut settings: Vec<Vec<usize>> = settings.into_values().collect();
    settings.shuffle(random);
    for cases in &mut settings {
        cases.shuffle(random);
    }
    settings.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::protocol::OrderedCase;
    use crate::engine::cases_of;

    fn cases() -> Vec<Case> {
        let scenarios = [Scenario::Hold, Scenario::Detach];
        let cases = scenarios.map(|scenario| cases_of(scenario, &[1, 2], 2));
        cases.into_iter().flatten().collect()
    }

    fn order(seed: u64) -> Vec<usize> {
        shuffled(cases().into_iter(), &mut StdRng::seed_from_u64(seed))
    }

    #[test]
    fn a_sweep_visits_every_case_once_and_settings_stay_together() {
        let cases = cases();
        for seed in 0..20 {
            let order = order(seed);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert!(sorted.into_iter().eq(0..cases.len()));
            let settings: Vec<_> = order.iter().map(|&index| cases[index].setting()).collect();
            let mut changes = settings.clone();
            changes.dedup();
            let mut distinct = settings;
            distinct.sort();
            distinct.dedup();
            assert_eq!(changes.len(), distinct.len());
        }
    }

    #[test]
    fn the_order_depends_on_the_seed_and_on_nothing_else() {
        assert_eq!(order(7), order(7));
        let orders: Vec<_> = (0..8).map(order).collect();
        assert!(orders.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn every_strategy_comes_first_now_and_then() {
        let cases = cases();
        let first: Vec<&str> = (0..200)
            .map(|seed| cases[order(seed)[0]].strategy)
            .collect();
        for case in &cases {
            assert!(first.contains(&case.strategy), "{}", case.strategy);
        }
    }

    #[test]
    fn a_round_is_taken_to_pieces_only_where_they_would_notice_strangers() {
        let case = Case::new("refcount", Scenario::FastPath, 1);
        let mut round = Engine::new(vec![0]).round(&case, 100).unwrap();
        round.noise.steal_ms = None;
        round.noise.disturbed_samples = 0;
        assert!(!strangers_took_turns(&case, &round));
        round.noise.disturbed_samples = 1;
        assert!(strangers_took_turns(&case, &round));
        let sleeping = Case::new("refcount", Scenario::SleepingHolders, 1);
        assert!(!strangers_took_turns(&sleeping, &round));
        round.noise.steal_ms = Some(10);
        assert!(!strangers_took_turns(&case, &round));
        round.noise.steal_ms = Some(0);
        round.workload.oversubscribed = true;
        assert!(!strangers_took_turns(&case, &round));
    }

    /// Two cases, one of which no machine runs, with so many sweeps.
    fn block(sweeps: u32) -> BlockOrder {
        let fine = Case::new("refcount", Scenario::FastPath, 1);
        let forbidden = Case::new("dying-xcall", Scenario::SleepingHolders, 1);
        BlockOrder {
            block: 5,
            after_block: Some(4),
            cpus: vec![0],
            seed: 1,
            round: Duration::from_micros(100),
            sweeps,
            fifo: false,
            calibration: None,
            cases: [fine, forbidden]
                .map(|case| OrderedCase::new(&case, Some(100)))
                .to_vec(),
        }
    }

    fn answers(order: BlockOrder, stop: bool) -> Vec<Message> {
        let mut out = Vec::new();
        carry_out(
            Order::Block(Box::new(order)),
            &mut out,
            &AtomicBool::new(stop),
        )
        .unwrap();
        let text = String::from_utf8(out).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    #[test]
    fn all_sweeps_of_a_case_are_one_measurement() {
        let messages = answers(block(3), false);
        let measured: Vec<_> = messages
            .iter()
            .filter_map(|message| match message {
                Message::Measured { measurement, .. } => Some(measurement),
                _ => None,
            })
            .collect();
        assert_eq!(measured.len(), 2);
        let cost = measured.iter().find(|m| m.strategy == "refcount").unwrap();
        assert_eq!(cost.block, 5);
        // One for each sweep, and one more for each that was disturbed.
        assert!((3..=6).contains(&cost.noise().unwrap().samples));
        let refused = measured
            .iter()
            .find(|m| m.strategy == "dying-xcall")
            .unwrap();
        assert!(matches!(
            &refused.outcome,
            detach_results::Outcome::Unsupported { unsupported } if unsupported.contains("sleep")
        ));
        assert_eq!(messages.last(), Some(&Message::Done { stopped: false }));
    }

    #[test]
    fn a_stop_ends_the_block_and_says_so() {
        let messages = answers(block(3), true);
        assert_eq!(messages, [Message::Done { stopped: true }]);
    }

    #[test]
    fn what_this_build_does_not_know_is_an_error() {
        let mut order = serde_json::to_value(Order::Block(Box::new(block(1)))).unwrap();
        order["Block"]["cases"][0]["scenario"] = "teleport".into();
        let order = serde_json::from_value(order).unwrap();
        let error = carry_out(order, Vec::new(), &AtomicBool::new(false)).unwrap_err();
        assert!(error.to_string().contains("teleport"), "{error}");
    }
}
