//! `detach-bench run`: measures, records, draws.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use detach_harness::campaign::{
    self, Budget, EngineBench, Failure, Observer, Plan, Progress, Report,
};
use detach_harness::engine::{Case, Engine};
use detach_harness::machine;
use detach_results::record::{Measurement, Run, SCHEMA_VERSION, Warning};
use detach_results::{Recorder, StoreError, ensure_writable, point_latest, utc_now};
use detach_strategies::platform::topology::{Topology, format_cpu_list};

use super::choices::Choice;
use super::progress::Display;
use super::{INTERRUPTED, RunArgs, duration, plot};

/// Set by the first Ctrl-C.
static STOP: AtomicBool = AtomicBool::new(false);

pub(super) fn execute(arguments: RunArgs) -> anyhow::Result<ExitCode> {
    // Everything that can be wrong is found before anything is measured.
    let choice = Choice::new(&arguments, &Topology::detect())?;
    let out = arguments.out.as_path();
    ensure_writable(out)?;
    let seed = arguments.seed.unwrap_or_else(new_seed);
    let plan = if arguments.smoke {
        Plan::smoke(choice.cases.clone(), seed)
    } else {
        Plan::new(choice.cases.clone(), arguments.time, seed)
    };
    stop_on_ctrl_c()?;

    let run = describe(&arguments, &choice, seed);
    for warning in &run.warnings {
        eprintln!("warning: {}", warning.message);
    }
    if !run.warnings.is_empty() {
        eprintln!("(`detach-bench doctor` says what can be done about these)");
    }
    // Before the engine starts threads: the run's folder must exist first.
    let recorder = Recorder::create(out, run)?;
    announce(&plan, &choice, recorder.dir());

    let mut keeper = Keeper {
        recorder,
        display: Display::new(),
        lost: Vec::new(),
    };
    let mut bench = EngineBench::new(Engine::new(choice.cpus), seed);
    let result = campaign::run(&plan, &mut bench, &mut keeper, &STOP);
    keeper.display.end();
    // The threads have to go before the figures are drawn on their CPUs.
    drop(bench);
    match result {
        Ok(report) => conclude(out, keeper, &report),
        Err(error) => {
            let dir = keeper.recorder.dir().display().to_string();
            Err(anyhow::Error::new(error)
                .context(format!("the run ends early; what was measured is in {dir}")))
        }
    }
}

/// A seed that nobody chose. Short, because somebody may want to type it again.
fn new_seed() -> u64 {
    // The standard library takes the keys of a hasher from the system.
    RandomState::new().hash_one(utc_now()) >> 40
}

/// Stores each measurement the moment it is made, and shows how far the run is.
struct Keeper {
    recorder: Recorder,
    display: Display,
    /// What cannot be in the record, for the record's warnings.
    lost: Vec<Warning>,
}

impl Observer for Keeper {
    type Error = StoreError;

    fn round_begins(&mut self, case: &Case, progress: &Progress) {
        self.display.show(case, progress);
    }

    fn measured(&mut self, measurement: &Measurement) -> Result<(), StoreError> {
        match self.recorder.append(measurement) {
            // One figure that cannot be true says nothing against the others.
            Err(error @ StoreError::Implausible { .. }) => {
                self.display.say(&format!("warning: {error}"));
                self.lost.push(not_measured(error.to_string()));
                Ok(())
            }
            result => result,
        }
    }
}

fn stop_on_ctrl_c() -> anyhow::Result<()> {
    ctrlc::set_handler(|| {
        // Ordering: Relaxed; the flag alone matters, nothing comes with it.
        if STOP.swap(true, Ordering::Relaxed) {
            // Everything that was measured is in its file already.
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
        scheduler: "campaign".to_owned(),
        options: options(arguments, choice),
        seed,
        build: machine::build_info(),
        machine,
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
    let scenarios: Vec<&str> = arguments.scenarios.iter().map(|one| one.name()).collect();
    set("scenarios", scenarios.join(","));
    let threads: Vec<String> = arguments.threads.iter().map(usize::to_string).collect();
    set("threads", threads.join(","));
    set("cpus", format_cpu_list(&choice.cpus));
    if arguments.smoke {
        set("smoke", "true".to_owned());
    } else {
        set("time", format!("{}ms", arguments.time.as_millis()));
    }
    options
}

fn announce(plan: &Plan, choice: &Choice, dir: &Path) {
    let budget = match plan.budget {
        Budget::Time(time) => format!("for {}", duration::show(time)),
        Budget::Blocks(blocks) => format!("{blocks} of each"),
    };
    eprintln!(
        "measuring {} {} on CPUs {} in rounds of {}, {budget}; seed {}",
        plan.cases.len(),
        if plan.cases.len() == 1 {
            "case"
        } else {
            "cases"
        },
        format_cpu_list(&choice.cpus),
        duration::show(plan.round),
        plan.seed,
    );
    if plan.is_overfull() {
        eprintln!(
            "warning: measuring every case once takes about {}, more than the given time; \
             name fewer strategies, scenarios or thread counts, or give more --time",
            duration::show(plan.block_time())
        );
    }
    eprintln!("writing to {}", dir.display());
}

fn conclude(out: &Path, keeper: Keeper, report: &Report) -> anyhow::Result<ExitCode> {
    let Keeper {
        recorder, mut lost, ..
    } = keeper;
    for Failure { case, reason } in &report.failures {
        let message = format!("{case} was not measured: {reason}");
        eprintln!("error: {message}");
        lost.push(not_measured(message));
    }
    let failed = lost.len();
    let dir = if report.is_complete() && failed == 0 {
        recorder.finish(lost)?
    } else {
        recorder.stop(lost)?
    };
    point_latest(out, &dir)?;

    if report.interrupted {
        eprintln!(
            "interrupted after {} measurements; they are in {}",
            report.measurements,
            dir.display()
        );
        return Ok(ExitCode::from(INTERRUPTED));
    }
    plot::draw(&dir, None)?;
    match failed {
        0 => Ok(ExitCode::SUCCESS),
        failed => bail!("{failed} of the cases could not be measured, see above"),
    }
}

fn not_measured(message: String) -> Warning {
    Warning {
        kind: "not-measured".to_owned(),
        message,
        hint: "the other cases are not affected; please report it".to_owned(),
    }
}
