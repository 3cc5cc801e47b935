//! `detach-bench compare`: holds recorded runs against each other.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use detach_results::Comparison;
use detach_results::compare::{CompareError, Options};

use super::{REGRESSED, fraction, print, recorded};

pub(super) const EXAMPLES: &str = "\
Examples:
  detach-bench compare results/recorded/amd-epyc-2cpu/2026-11-23T20-15-00Z latest
  detach-bench compare before after --threshold 5%
  detach-bench compare before after --scenarios detach --strategies turnstile,refcount
  detach-bench compare before after --format markdown

The first run is the reference. A strategy in some setting is faster or slower
where the 95% interval of the ratio of the medians excludes 1, and where there
are processes enough to tell: five on both sides are. Blocks of `detach-bench
run` are processes; a run of `cargo bench` is one.

Exit codes: 0 nothing regressed, 1 failure or refusal, 2 wrong usage, 3 some row is slower
by more than the threshold.";

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// Folders of the runs, the reference first; or `latest` for the newest under results/local
    #[arg(value_name = "RUN", num_args = 2.., required = true)]
    runs: Vec<PathBuf>,

    /// How much slower a row may have become, such as 5% or 0.05; more ends with exit code 3
    ///
    /// The whole interval of the ratio has to be above it.
    #[arg(long, value_name = "FRACTION", value_parser = fraction::parse)]
    threshold: Option<f64>,

    /// How to print the comparison
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Compare even runs that say nothing about each other, such as those of two machines
    #[arg(long)]
    force: bool,

    /// Scenarios to compare, separated by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    scenarios: Vec<String>,

    /// Strategies to compare, separated by commas [default: all]
    // Not checked against those of this build: records may hold others.
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    strategies: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Tables for a terminal
    Text,
    /// Tables for a document
    Markdown,
    /// Everything, for a program
    Json,
    /// A line for each row, for a spreadsheet
    Csv,
}

pub(super) fn execute(arguments: &CompareArgs) -> anyhow::Result<ExitCode> {
    let runs = arguments.runs.iter().map(|run| recorded::read(run));
    let runs = runs.collect::<Result<Vec<_>, _>>()?;
    let options = Options {
        threshold: arguments.threshold,
        force: arguments.force,
        scenarios: arguments.scenarios.clone(),
        strategies: arguments.strategies.clone(),
    };
    let comparison =
        Comparison::new(&runs[0], &runs[1..], &options).map_err(|error| match error {
            CompareError::Refused { .. } => anyhow::anyhow!(
                "{error}\n  To compare them all the same, with this as a warning, say --force."
            ),
            error => error.into(),
        })?;
    print(&match arguments.format {
        Format::Text => comparison.text(),
        Format::Markdown => comparison.markdown(),
        Format::Json => comparison.json(),
        Format::Csv => comparison.csv(),
    })?;
    recorded::all_was_read(&runs)?;
    Ok(if comparison.regressed() {
        ExitCode::from(REGRESSED)
    } else {
        ExitCode::SUCCESS
    })
}
