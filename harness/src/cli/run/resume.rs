//! Going on with a run that was interrupted.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Parser;
use detach_harness::campaign::Before;
use detach_harness::machine;
use detach_results::record::Run;
use detach_results::{Recorded, Recorder};
use detach_strategies::platform::topology::Topology;

use super::super::choices::Choice;
use super::super::{Cli, Command, RunArgs, duration};
use super::{SCHEDULER, as_option, measure, plan, show, warnings};

/// Goes on with an interrupted run, by the options that it was begun with.
pub(super) fn resume(run: &Path, time: Option<Duration>) -> anyhow::Result<ExitCode> {
    let recorded = Recorded::read(run)?;
    for problem in &recorded.problems {
        eprintln!("warning: {problem}");
    }
    let mut arguments = arguments_of(&recorded.run)?;
    if time.is_some() && arguments.smoke {
        bail!("a smoke run measures everything twice and has no time to be given");
    }
    arguments.time = time.or(arguments.time);
    let choice = Choice::new(&arguments, &Topology::detect())?;
    same_machine_and_build(&recorded.run)?;
    // Nothing is written before all of that is settled.
    let mut recorder = Recorder::resume(&recorded, &warnings::ANEW)?;
    if let Some(time) = time {
        recorder.update(|run| {
            run.options.insert("time".to_owned(), as_option(time));
        })?;
    }
    let plan = plan(&arguments, &choice, recorded.run.seed);

    let blocks = recorded.measurements.iter().map(|m| m.block + 1).max();
    let before = Before {
        blocks: blocks.unwrap_or(0),
        elapsed: elapsed(&recorded.run),
        measurements: recorded.judged(),
        calibration: recorded.run.calibration,
    };
    // A run lies two folders below the root: machine, then time.
    let root = recorded.dir.ancestors().nth(2).unwrap_or(&recorded.dir);
    eprintln!(
        "going on after {} blocks and {}",
        before.blocks,
        duration::show(before.elapsed)
    );
    show::announce(&plan, recorder.dir());
    measure(&plan, before, recorder, root)
}

/// How long a run has measured. Older records have only their probes to tell.
fn elapsed(run: &Run) -> Duration {
    let last = run.probes.iter().map(|probe| probe.at_ms).max();
    Duration::from_millis(run.elapsed_ms.or(last).unwrap_or(0))
}

/// The arguments that a run was begun with, as its record repeats them.
fn arguments_of(run: &Run) -> anyhow::Result<RunArgs> {
    let options = run.options.iter().flat_map(|(name, value)| {
        let flag = format!("--{name}");
        match value.as_str() {
            "true" => vec![flag],
            value => vec![flag, value.to_owned()],
        }
    });
    let words = ["detach-bench", "run"].map(str::to_owned);
    let parsed = Cli::try_parse_from(words.into_iter().chain(options));
    match parsed.map(|cli| cli.command) {
        Ok(Command::Run(arguments)) if run.scheduler == SCHEDULER => Ok(*arguments),
        Ok(_) => bail!("the run was not made by `detach-bench run`, which alone can go on with it"),
        Err(error) => Err(error).context("this build does not know the options of the run"),
    }
}

/// Two halves of a run must have been made alike.
fn same_machine_and_build(run: &Run) -> anyhow::Result<()> {
    let (machine, build) = (machine::probe(), machine::build_info());
    for (what, then, now) in [
        ("machine", &run.machine.id, &machine.id),
        ("kernel", &run.machine.kernel, &machine.kernel),
        ("revision", &run.build.revision, &build.revision),
        ("compiler", &run.build.rustc, &build.rustc),
        ("profile", &run.build.profile, &build.profile),
        ("flags", &run.build.flags, &build.flags),
    ] {
        if then != now {
            bail!(
                "the run was begun with another {what} ({then}; now it is {now}), \
                 and its halves could not be compared; start a new run"
            );
        }
    }
    if run.build.crates != build.crates {
        bail!("the run was begun with other versions of its dependencies; start a new run");
    }
    // Of uncommitted changes nobody knows whether they are the same.
    if run.build.dirty == Some(false) && build.dirty != Some(false) {
        bail!(
            "the run was begun with the source of {} unchanged, and this build may have changes; \
             start a new run",
            build.revision
        );
    }
    Ok(())
}
