//! `detach-bench export`: the summary of a recorded run for other programs.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use detach_results::{BASELINE, Export};

use super::{print, recorded};

pub(super) const EXAMPLES: &str = "\
Examples:
  detach-bench export latest > rows.csv
  detach-bench export latest --baseline turnstile --format json --out rows.json
  detach-bench export results/recorded/amd-epyc-2cpu/2026-11-23T20-15-00Z --format markdown

There is one row for each strategy and setting: the median with its 95% interval, the ratio to
the baseline with its own, how far samples lie apart within a process and between processes, and
how many were disturbed. Times are in nanoseconds.";

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Folder of the run, or `latest` for the newest under results/local
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// How to write the rows
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,

    /// File to write to, which is replaced [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// Strategy that ratios are taken to [default: refcount]
    #[arg(long, value_name = "STRATEGY")]
    baseline: Option<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A line for each row, for a spreadsheet
    Csv,
    /// Everything, for a program
    Json,
    /// Tables for a document, with fewer columns
    Markdown,
}

pub(super) fn execute(arguments: &ExportArgs) -> anyhow::Result<ExitCode> {
    let recorded = recorded::read(&arguments.run)?;
    let baseline = arguments.baseline.as_deref().unwrap_or(BASELINE);
    let export = Export::new(&recorded, baseline)?;
    if !export.has_baseline() {
        if arguments.baseline.is_some() {
            let mut strategies: Vec<&str> = export
                .rows
                .iter()
                .map(|row| row.strategy.as_str())
                .collect();
            strategies.sort_unstable();
            strategies.dedup();
            bail!(
                "the run holds no strategy {baseline:?} to take ratios to; it holds {}",
                strategies.join(", ")
            );
        }
        eprintln!("warning: the run holds no {baseline}, so there are no ratios; see --baseline");
    }
    let text = match arguments.format {
        Format::Csv => export.csv(),
        Format::Json => export.json(),
        Format::Markdown => export.markdown(),
    };
    match &arguments.out {
        None => print(&text)?,
        Some(out) => {
            fs::write(out, text).with_context(|| format!("cannot write {}", out.display()))?;
        }
    }
    recorded::all_was_read([&recorded])?;
    Ok(ExitCode::SUCCESS)
}
