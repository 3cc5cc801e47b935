//! The `detach-bench` command: what can be asked, and who answers.

mod block;
mod choices;
mod compare;
mod doctor;
mod duration;
mod export;
mod fraction;
mod list;
mod plot;
mod progress;
mod recorded;
mod run;
mod schema;
mod submit;
mod terminal;
mod torture;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use detach_harness::engine::Scenario;

/// The exit code of a run that was told to stop, as shells have it.
const INTERRUPTED: u8 = 130;

/// The exit code of a comparison in which something has become too slow.
const REGRESSED: u8 = 3;

/// Where runs go unless told otherwise.
const LOCAL_RUNS: &str = "results/local";

/// Measures how expensive it is to protect an object against its own removal:
/// what entering and leaving cost, and how long a detach takes.
#[derive(Debug, Parser)]
#[command(
    name = "detach-bench",
    version,
    after_long_help = EXAMPLES,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  See which strategies run on this machine:
      detach-bench list
  See what would disturb a measurement here:
      detach-bench doctor
  Measure everything, draw the figures:
      detach-bench run
  Compare two strategies with one and two workers:
      detach-bench run --strategies turnstile,refcount --threads 1,2
  Draw the figures of the newest run again:
      detach-bench plot latest
  Find out whether a change made anything slower:
      detach-bench compare results/local/before latest --threshold 5%
  Take the figures elsewhere:
      detach-bench export latest --format csv
  Pack a run for the repository, without what is private:
      detach-bench submit latest

Exit codes: 0 success, 1 failure, 2 wrong usage, 3 regressed (compare), 130 interrupted.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the strategies, what each can do, and whether it runs here
    List(ListArgs),
    /// Show what this machine offers and what will disturb measurements
    Doctor(doctor::DoctorArgs),
    /// Measure, record, and draw
    #[command(after_long_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Draw the figures of a recorded run and print its table
    #[command(after_long_help = PLOT_EXAMPLES)]
    Plot(PlotArgs),
    /// Hold recorded runs against each other
    #[command(after_long_help = compare::EXAMPLES)]
    Compare(compare::CompareArgs),
    /// Write the summary of a recorded run for other programs
    #[command(after_long_help = export::EXAMPLES)]
    Export(export::ExportArgs),
    /// Pack a recorded run for the repository, without what is private
    #[command(after_long_help = submit::EXAMPLES)]
    Submit(submit::SubmitArgs),
    /// Print the JSON Schema of the records
    #[command(after_long_help = schema::EXAMPLES)]
    Schema(schema::SchemaArgs),
    /// Carry out one order of a run, from standard input; `run` starts this
    #[command(hide = true)]
    Block,
    /// Try hard to make strategies fail: races, delays, reclaim under holders' hands
    #[command(after_long_help = torture::EXAMPLES)]
    Torture(torture::TortureArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Print JSON instead of tables
    #[arg(long, conflicts_with = "markdown")]
    json: bool,

    /// Print Markdown, without what depends on this machine
    #[arg(long)]
    markdown: bool,
}

const RUN_EXAMPLES: &str = "\
Examples:
  detach-bench run
  detach-bench run --strategies turnstile,refcount --scenarios fast_path --threads 1,2,4
  detach-bench run --scenarios detach --time 10m --precision 2%
  detach-bench run --cpus 0-3,8 --seed 42 --out /srv/measurements
  detach-bench run --strategies refcount --twins refcount --scenarios fast_path
  detach-bench run --resume latest
  detach-bench run --dry-run
  detach-bench run --smoke

Measurements are written as they are made. Ctrl-C ends the run after the present
round and leaves a valid, smaller one, which --resume goes on with; a second
Ctrl-C ends it at once.";

#[derive(Debug, Args)]
struct RunArgs {
    /// Strategies to measure, separated by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = choices::strategies())]
    strategies: Vec<String>,

    /// Strategies to measure a second time as `<name>-twin`, to see what this machine can tell
    /// apart: a strategy and its twin should not differ
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = choices::strategies())]
    twins: Vec<String>,

    /// Scenarios to measure, separated by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = choices::scenarios())]
    scenarios: Vec<Scenario>,

    /// Numbers of workers, separated by commas [default: those of each scenario, up to twice as
    /// many as CPUs, or four times where holders are to be preempted]
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = choices::threads)]
    threads: Vec<usize>,

    /// CPUs to use, for instance 0-3,8 [default: all that this process may use]
    ///
    /// Workers fill them one physical core after the other, hardware threads
    /// of the same core last; the order of the list does not matter.
    #[arg(long, value_name = "LIST")]
    cpus: Option<String>,

    /// Time for the whole run, such as 500ms, 30s or 2m [default: half a second for each case,
    /// but at most four and a half minutes, or more where there are many CPUs]
    ///
    /// Every case is measured once however short the time is.
    #[arg(long, value_name = "TIME", value_parser = duration::parse)]
    time: Option<Duration>,

    /// End before the time is up when the 95% interval of every median is at most this wide, such
    /// as 2%, relative to the median
    #[arg(long, value_name = "WIDTH", value_parser = fraction::parse)]
    precision: Option<f64>,

    /// Let no ordinary thread take a CPU away from a round that has a CPU for each of its threads
    /// (SCHED_FIFO), where that is permitted
    #[arg(long)]
    fifo: bool,

    /// Seed of the order in which strategies are measured [default: a new one; it is recorded]
    #[arg(long)]
    seed: Option<u64>,

    /// Folder under which the folder of the run is made
    #[arg(long, value_name = "DIR", default_value = LOCAL_RUNS)]
    out: PathBuf,

    /// Measure everything for a moment only, to see whether it works; the figures mean nothing
    #[arg(long, conflicts_with_all = ["time", "precision"])]
    smoke: bool,

    /// Go on with a run that was interrupted, as it was begun: its folder, or `latest`. Only
    /// --time may be given, too, for the run as a whole
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = ["strategies", "twins", "scenarios", "threads", "cpus", "precision",
                              "fifo", "seed", "out", "smoke", "dry_run"]
    )]
    resume: Option<PathBuf>,

    /// Show what would be measured and how long it would take, and measure nothing
    #[arg(long)]
    dry_run: bool,

    /// Plan for another machine, whose /sys has been copied to this folder
    #[arg(long, value_name = "DIR", requires = "dry_run")]
    sysfs: Option<PathBuf>,
}

const PLOT_EXAMPLES: &str = "\
Examples:
  detach-bench plot latest
  detach-bench plot results/recorded/amd-epyc-2cpu/2026-11-23T20-15-00Z --out figures";

#[derive(Debug, Args)]
struct PlotArgs {
    /// Folder of the run, or `latest` for the newest under results/local
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Folder for the figures [default: the folder `plots` of the run]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Cli {
    /// Does what was asked.
    pub(crate) fn execute(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::List(arguments) => list::execute(&arguments),
            Command::Doctor(arguments) => doctor::execute(&arguments),
            Command::Run(arguments) => run::execute(*arguments),
            Command::Block => block::execute(),
            Command::Plot(arguments) => plot::execute(&arguments),
            Command::Compare(arguments) => compare::execute(&arguments),
            Command::Export(arguments) => export::execute(&arguments),
            Command::Submit(arguments) => submit::execute(&arguments),
            Command::Schema(arguments) => schema::execute(&arguments),
            Command::Torture(arguments) => torture::execute(&arguments),
        }
    }
}

/// Prints to standard output. That nobody reads on, as after `| head`, is no
/// failure.
fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    fn run_args(line: &str) -> RunArgs {
        match parse(line).unwrap().command {
            Command::Run(arguments) => *arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let arguments = run_args(
            "detach-bench run --strategies refcount,turnstile --scenarios detach,fast_path \
             --threads 1,2 --time 2m --seed 9 --cpus 0-1",
        );
        assert_eq!(arguments.strategies, ["refcount", "turnstile"]);
        assert_eq!(arguments.scenarios, [Scenario::Detach, Scenario::FastPath]);
        assert_eq!(arguments.threads, [1, 2]);
        assert_eq!(arguments.time, Some(Duration::from_secs(120)));
        assert_eq!(arguments.seed, Some(9));
        assert_eq!(arguments.cpus.as_deref(), Some("0-1"));
        assert_eq!(arguments.out, PathBuf::from(LOCAL_RUNS));
    }

    #[test]
    fn an_unknown_strategy_is_answered_with_the_nearest_and_all() {
        let error = parse("detach-bench run --strategies turnstyle").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidValue);
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        for words in ["turnstyle", "'turnstile'", "similar", "refcount", "seqlock"] {
            assert!(text.contains(words), "no {words} in: {text}");
        }
    }

    #[test]
    fn an_unknown_scenario_is_answered_with_the_nearest_and_all() {
        let error = parse("detach-bench run --scenarios fastpath").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        for words in [
            "fastpath",
            "'fast_path'",
            "similar",
            "fast_path_private",
            "detach",
        ] {
            assert!(text.contains(words), "no {words} in: {text}");
        }
    }

    #[test]
    fn zero_workers_and_nonsense_are_refused() {
        for (list, words) in [
            ("0", "at least one worker"),
            ("1,0", "at least one worker"),
            ("two", "not a number"),
            ("-1", "unexpected argument"),
            ("1,,2", "not a number"),
            ("99999999999999999999", "too many"),
        ] {
            let line = format!("detach-bench run --threads {list}");
            let error = parse(&line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{list}");
            assert!(error.to_string().contains(words), "{list}: {error}");
        }
    }

    #[test]
    fn empty_lists_are_refused() {
        for option in ["--strategies", "--scenarios", "--threads"] {
            let line = ["detach-bench", "run", option, ""];
            let error = Cli::try_parse_from(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{option}");
            let line = ["detach-bench", "run", option];
            let error = Cli::try_parse_from(line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{option}");
        }
    }

    #[test]
    fn a_smoke_run_has_its_own_time() {
        let error = parse("detach-bench run --smoke --time 3s").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ArgumentConflict);
        assert!(run_args("detach-bench run --smoke").smoke);
    }

    #[test]
    fn no_command_shows_the_help() {
        let error = parse("detach-bench").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("doctor"), "{error}");
    }
}
