//! `detach-bench torture`: tries to make strategies fail.

use std::hash::{BuildHasher, RandomState};
use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use detach_harness::torture::{Outcome, Report, Tally, Torturer, Violation};
use detach_strategies::controls::{self, Control, Expect};
use detach_strategies::registry;

use super::{INTERRUPTED, choices, print, terminal};

/// The exit code when something was found that should not be there.
const VIOLATED: u8 = 3;

/// How long a control is run that is not expected to be caught.
const HARMLESS: Duration = Duration::from_secs(2);

/// Set by the first Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

pub(super) const EXAMPLES: &str = "\
Examples:
  detach-bench torture
  detach-bench torture --strategies turnstile,epoch --seconds 600
  detach-bench torture --controls --tries 10

Exit codes: 0 every strategy survived (with --controls: every control was caught), 1 failure,
for one that nothing was done to a strategy or control, 2 wrong usage, 3 a violation was found (with --controls: a control escaped), 130 interrupted.";

#[derive(Debug, Args)]
pub(super) struct TortureArgs {
    /// Strategies to torture, separated by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = choices::strategies())]
    strategies: Vec<String>,

    /// Torture the negative controls instead: broken variants that have to be caught
    #[arg(long, conflicts_with = "strategies")]
    controls: bool,

    /// How often to try each control
    #[arg(long, value_name = "N", default_value_t = 1, requires = "controls",
          value_parser = clap::value_parser!(u32).range(1..))]
    tries: u32,

    /// Seconds for all strategies together; with --controls, the most for each try
    /// [default: 60; with --controls 10]
    #[arg(long, value_name = "N", value_parser = seconds)]
    seconds: Option<Duration>,

    /// Seed of what the threads are up to [default: a new one; it is printed]
    ///
    /// How the threads interleave is not in its power: a violation comes back
    /// sooner with its seed than without, but not at the same moment.
    #[arg(long)]
    seed: Option<u64>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(duration) if !duration.is_zero() => Ok(duration),
        _ => Err("a torture needs some time".to_owned()),
    }
}

pub(super) fn execute(arguments: &TortureArgs) -> anyhow::Result<ExitCode> {
    let seed = arguments.seed.unwrap_or_else(new_seed);
    let torturer = Torturer {
        seed,
        on_stuck: |violation: &Violation| {
            eprintln!("violation: {violation}");
            eprintln!("its thread will never come back, so this is the end");
            exit(i32::from(VIOLATED));
        },
    };
    stop_on_ctrl_c()?;
    let as_it_should_be = if arguments.controls {
        torture_controls(arguments, &torturer)?
    } else {
        torture_strategies(arguments, &torturer)?
    };
    Ok(if stopped() {
        ExitCode::from(INTERRUPTED)
    } else if as_it_should_be {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(VIOLATED)
    })
}

fn new_seed() -> u64 {
    // The standard library takes the keys of a hasher from the system. Half of
    // the bits are enough, and easier to type again.
    RandomState::new().hash_one(0) >> 32
}

fn stopped() -> bool {
    // Ordering: Relaxed; the flag alone matters, nothing comes with it.
    STOP.load(Ordering::Relaxed)
}

fn stop_on_ctrl_c() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        // Ordering: Relaxed; as above.
        if STOP.swap(true, Ordering::Relaxed) {
            exit(i32::from(INTERRUPTED));
        }
        eprintln!("\nstopping; press Ctrl-C again to stop at once");
    })
    .context("cannot listen for Ctrl-C")
}

/// Tortures strategies for equal shares of the time; tells whether all
/// survived.
fn torture_strategies(arguments: &TortureArgs, torturer: &Torturer) -> anyhow::Result<bool> {
    let ids: Vec<&'static str> = registry::all()
        .iter()
        .map(|properties| properties.id)
        .filter(|id| {
            arguments.strategies.is_empty() || arguments.strategies.iter().any(|named| named == id)
        })
        .collect();
    let time = arguments.seconds.unwrap_or(Duration::from_secs(60));
    eprintln!(
        "torturing {} for {:.1} s, seed {}",
        count(ids.len(), "strategy", "strategies"),
        time.as_secs_f64(),
        torturer.seed
    );
    let end = Instant::now().checked_add(time);
    let mut reports = Vec::new();
    for (number, id) in ids.iter().enumerate() {
        if stopped() {
            break;
        }
        // A strategy that this machine cannot run leaves its share to the rest.
        let left = end.map_or(time, |end| end.saturating_duration_since(Instant::now()));
        let share = left / u32::try_from(ids.len() - number).unwrap_or(u32::MAX);
        eprintln!("{id} ...");
        let report = torturer
            .strategy(id, share, &STOP)
            .with_context(|| format!("the registry has lost its strategy {id}"))?;
        if let Outcome::Violated(violation) = &report.outcome {
            eprintln!("violation: {violation}");
        }
        reports.push(report);
    }
    print(&format!("{}\n", strategies_table(&reports)))?;
    if reports
        .iter()
        .any(|report| matches!(report.outcome, Outcome::Violated(_)))
    {
        return Ok(false);
    }
    reports.iter().try_for_each(was_tortured)?;
    Ok(true)
}

/// Silence means nothing where nothing was done. That is no violation, but an
/// error, except where somebody stopped it.
fn was_tortured(report: &Report) -> anyhow::Result<()> {
    match report.outcome {
        Outcome::Idle(missing) if !stopped() => {
            bail!("{} was not tortured: {missing}", report.id)
        }
        _ => Ok(()),
    }
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_HORIZONTAL_ONLY)
        .set_header(header);
    table
}

fn strategies_table(reports: &[Report]) -> Table {
    let mut table = table(&[
        "strategy", "s", "attaches", "acquires", "late", "twofold", "detaches", "polled",
        "together", "aside", "threads", "result",
    ]);
    for column in 1..11 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for report in reports {
        let result = match &report.outcome {
            Outcome::Survived | Outcome::Idle(_) if stopped() => "stopped".to_owned(),
            Outcome::Survived => "survived".to_owned(),
            Outcome::Idle(missing) => format!("NOT TORTURED: {missing}"),
            Outcome::Violated(_) => "VIOLATED".to_owned(),
            Outcome::Unsupported(why) => format!("skipped: {}", why.reason()),
        };
        add(&mut table, report.id, report.took, &report.tally, result);
    }
    if reports.len() > 1 {
        let tally = reports.iter().map(|report| report.tally).sum();
        let took = reports.iter().map(|report| report.took).sum();
        add(&mut table, "all", took, &tally, String::new());
    }
    table
}

fn add(table: &mut Table, id: &str, took: Duration, tally: &Tally, result: String) {
    let counts = [
        tally.attaches,
        tally.acquires,
        tally.late,
        tally.twofold,
        tally.detaches,
        tally.polled,
        tally.together,
        tally.aside,
        tally.threads,
    ];
    let mut row = vec![id.to_owned(), format!("{:.1}", took.as_secs_f64())];
    row.extend(counts.map(|count| count.to_string()));
    row.push(result);
    table.add_row(row);
}

/// Tortures the controls; tells whether each was found out that should be.
fn torture_controls(arguments: &TortureArgs, torturer: &Torturer) -> anyhow::Result<bool> {
    let limit = arguments.seconds.unwrap_or(Duration::from_secs(10));
    let controls = controls::all();
    eprintln!(
        "torturing {} for at most {:.1} s each, seed {}",
        count(controls.len(), "control", "controls"),
        limit.as_secs_f64(),
        torturer.seed
    );
    let mut table = table(&["control", "what is wrong", "result"]);
    terminal::fit(&mut table);
    let mut as_it_should_be = true;
    for control in &controls {
        if stopped() {
            break;
        }
        eprintln!("{} ...", control.id);
        let reports = try_control(control, arguments.tries, limit, torturer)?;
        let met = reports
            .iter()
            .all(|report| report.outcome.meets(control.expect));
        as_it_should_be &= met || stopped();
        table.add_row([control.id, control.wrong, &in_words(control, &reports)]);
    }
    print(&format!("{table}\n"))?;
    Ok(as_it_should_be)
}

fn try_control(
    control: &Control,
    tries: u32,
    limit: Duration,
    torturer: &Torturer,
) -> anyhow::Result<Vec<Report>> {
    let (tries, limit) = match control.expect {
        Expect::CaughtByTorture => (tries, limit),
        Expect::CaughtByModel => (1, limit.min(HARMLESS)),
    };
    let mut reports = Vec::new();
    for number in 0..tries {
        let torturer = Torturer {
            // Each try has a seed that can be given again.
            seed: torturer.seed.wrapping_add(u64::from(number)),
            ..torturer.clone()
        };
        let report = torturer
            .control(control.id, limit, &STOP)
            .with_context(|| format!("the list has lost its control {}", control.id))?;
        if let Outcome::Violated(violation) = &report.outcome {
            eprintln!(
                "  after {:.2} s: {violation}",
                violation.after.as_secs_f64()
            );
        }
        was_tortured(&report)?;
        let unsupported = matches!(report.outcome, Outcome::Unsupported(_));
        reports.push(report);
        if unsupported || stopped() {
            break;
        }
    }
    Ok(reports)
}

fn in_words(control: &Control, reports: &[Report]) -> String {
    let mut caught = Vec::new();
    let mut survived = 0;
    for report in reports {
        match &report.outcome {
            Outcome::Violated(violation) => caught.push(violation.after),
            Outcome::Survived | Outcome::Idle(_) => survived += 1,
            Outcome::Unsupported(why) => return format!("skipped: {}", why.reason()),
        }
    }
    caught.sort_unstable();
    let mut words = Vec::new();
    if let (Some(fastest), Some(slowest)) = (caught.first(), caught.last()) {
        words.push(if caught.len() == 1 {
            format!("caught after {:.2} s", fastest.as_secs_f64())
        } else {
            format!(
                "caught {} times, after {:.2} to {:.2} s",
                caught.len(),
                fastest.as_secs_f64(),
                slowest.as_secs_f64()
            )
        });
    }
    if survived > 0 {
        words.push(match control.expect {
            _ if stopped() => "stopped".to_owned(),
            Expect::CaughtByTorture => format!("ESCAPED {survived} times"),
            Expect::CaughtByModel => "not to be seen here; a model catches it".to_owned(),
        });
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_be_fractions_but_not_nothing() {
        assert_eq!(seconds("60"), Ok(Duration::from_secs(60)));
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        for wrong in ["0", "-1", "soon", "inf", "NaN", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_control_that_escapes_is_said_to() {
        let reports = [Outcome::Survived, Outcome::Survived].map(|outcome| Report {
            id: "lost-wakeup",
            outcome,
            tally: Tally::NOTHING,
            took: Duration::ZERO,
        });
        let caught_by_torture = |control: &&Control| control.expect == Expect::CaughtByTorture;
        let controls = controls::all();
        let control = controls.iter().find(caught_by_torture).unwrap();
        assert_eq!(in_words(control, &reports), "ESCAPED 2 times");
        assert!(!reports[0].outcome.meets(control.expect));
    }
}
