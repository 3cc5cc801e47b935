//! `detach-bench run`: measures, records, draws.

mod keeper;
mod resume;
mod show;
mod warnings;

use std::collections::BTreeMap;
use std::env;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use detach_harness::campaign::{self, Before, Failure, Interrupt, Plan, Processes, Report};
use detach_harness::machine;
use detach_results::record::{Run, SCHEMA_VERSION};
use detach_results::{Recorded, Recorder, ensure_writable, point_latest, utc_now};
use detach_strategies::platform::topology::{Topology, format_cpu_list};

use super::choices::Choice;
use super::{INTERRUPTED, RunArgs, plot, print, recorded};
use keeper::Keeper;
use warnings::{NOT_MEASURED, not_measured};

/// Told to stop by the first Ctrl-C.
static INTERRUPT: Interrupt = Interrupt::new();

pub(super) fn execute(arguments: RunArgs) -> anyhow::Result<ExitCode> {
    if let Some(run) = &arguments.resume {
        return resume::resume(&recorded::locate(run), arguments.time);
    }
    // Everything that can be wrong is found before anything is measured.
    let topology = match &arguments.sysfs {
        Some(root) => Topology::from_sysfs_all(root)
            .with_context(|| format!("{} is not a copy of /sys", root.display()))?,
        None => Topology::detect(),
    };
    let choice = Choice::new(&arguments, &topology)?;
    let seed = arguments.seed.unwrap_or_else(new_seed);
    let plan = plan(&arguments, &choice, seed);
    if arguments.dry_run {
        print(&show::describe_plan(&plan))?;
        return Ok(ExitCode::SUCCESS);
    }
    let out = arguments.out.as_path();
    ensure_writable(out)?;

    let run = describe(&arguments, &choice, seed);
    for warning in &run.warnings {
        eprintln!("warning: {}", warning.message);
    }
    if !run.warnings.is_empty() {
        eprintln!("(`detach-bench doctor` says what can be done about these)");
    }
    let recorder = Recorder::create(out, run)?;
    show::announce(&plan, recorder.dir());
    measure(&plan, Before::default(), recorder, out)
}

fn plan(arguments: &RunArgs, choice: &Choice, seed: u64) -> Plan {
    let (cases, cpus) = (choice.cases.clone(), choice.cpus.clone());
    let plan = if arguments.smoke {
        Plan::smoke(cases, cpus, seed)
    } else {
        Plan::new(cases, cpus, arguments.time, seed)
    };
    Plan {
        precision: arguments.precision,
        fifo: arguments.fifo,
        ..plan
    }
}

/// Runs the campaign and tells how it ended.
fn measure(
    plan: &Plan,
    before: Before,
    recorder: Recorder,
    out: &Path,
) -> anyhow::Result<ExitCode> {
    stop_on_ctrl_c()?;
    // At once: a run that is killed is the newest all the same.
    point_latest(out, recorder.dir())?;
    let mut keeper = Keeper::new(recorder);
    let program = env::current_exe().context("cannot find this program to start it again")?;
    let mut bench = Processes::new(program, &["block"], &INTERRUPT);
    let result = campaign::run(plan, before, &mut bench, &mut keeper);
    keeper.end();
    match result {
        Ok(report) => conclude(keeper, &report),
        Err(error) => {
            let dir = keeper.recorder.dir().display().to_string();
            Err(anyhow::Error::new(error)
                .context(format!("the run ends early; what was measured is in {dir}")))
        }
    }
}

/// Who schedules, in the record.
const SCHEDULER: &str = "campaign";

/// A seed that nobody chose. Short, because somebody may want to type it again.
fn new_seed() -> u64 {
    // The standard library takes the keys of a hasher from the system.
    RandomState::new().hash_one(utc_now()) >> 40
}

fn stop_on_ctrl_c() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        if INTERRUPT.raise() {
            // Everything that was heard of is in its file already.
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("\nstopping after this round; press Ctrl-C again to stop at once");
    })
    .context("cannot listen for Ctrl-C")
}

fn describe(arguments: &RunArgs, choice: &Choice, seed: u64) -> Run {
    let machine = machine::probe();
    let warnings = machine::warnings(&machine);
    Run {
        schema: SCHEMA_VERSION,
        started: utc_now(),
        scheduler: SCHEDULER.to_owned(),
        options: options(arguments, choice),
        seed,
        build: machine::build_info(),
        machine,
        calibration: None,
        probes: Vec::new(),
        elapsed_ms: None,
        warnings,
        complete: false,
    }
}

/// The options as they could be given again; what was left to its default is
/// left out, except for the CPUs, which differ from machine to machine.
fn options(arguments: &RunArgs, choice: &Choice) -> BTreeMap<String, String> {
    let mut options = BTreeMap::new();
    let mut set = |name: &str, value: String| {
        if !value.is_empty() {
            options.insert(name.to_owned(), value);
        }
    };
    set("strategies", arguments.strategies.join(","));
    set("twins", arguments.twins.join(","));
    let scenarios: Vec<&str> = arguments.scenarios.iter().map(|one| one.name()).collect();
    set("scenarios", scenarios.join(","));
    let threads: Vec<String> = arguments.threads.iter().map(usize::to_string).collect();
    set("threads", threads.join(","));
    set("cpus", format_cpu_list(&choice.cpus));
    let flag = |given: bool| if given { "true" } else { "" }.to_owned();
    set("smoke", flag(arguments.smoke));
    set("fifo", flag(arguments.fifo));
    set("time", arguments.time.map(as_option).unwrap_or_default());
    let precision = arguments
        .precision
        .map(|width| format!("{}%", width * 100.0));
    set("precision", precision.unwrap_or_default());
    options
}

/// A duration as it could be given again.
fn as_option(time: Duration) -> String {
    format!("{}ms", time.as_millis())
}

fn conclude(keeper: Keeper, report: &Report) -> anyhow::Result<ExitCode> {
    let Keeper {
        recorder, mut lost, ..
    } = keeper;
    let mut failures = Vec::new();
    for Failure { case, reason } in &report.failures {
        let message = format!("{case} was not measured: {reason}");
        eprintln!("error: {message}");
        failures.push(not_measured(message));
    }
    let failed = report.failures.len() + lost.iter().filter(|w| w.kind == NOT_MEASURED).count();
    lost.extend(failures);
    let recorded = Recorded::read(recorder.dir())?;
    lost.extend(warnings::disturbed(&recorded.disturbance()));
    lost.extend(warnings::moved(&recorded.run.probes));
    if let Some(reason) = &report.broken {
        eprintln!("error: {reason}");
    }
    if report.precise {
        eprintln!(
            "every interval is narrow enough after {} blocks",
            report.blocks
        );
    }
    let dir = if report.is_complete() && failed == 0 {
        recorder.finish(lost)?
    } else {
        recorder.stop(lost)?
    };
    if report.interrupted {
        eprintln!(
            "interrupted after {} measurements; they are in {}",
            report.measurements,
            dir.display()
        );
        return Ok(ExitCode::from(INTERRUPTED));
    }
    plot::draw(&dir, None)?;
    if let Some(reason) = &report.broken {
        bail!("the run ends early: {reason}");
    }
    match failed {
        0 => Ok(ExitCode::SUCCESS),
        failed => bail!("{failed} of the cases could not be measured, see above"),
    }
}
