//! `cargo bench`: every strategy in every scenario, across core counts.
//!
//! Benchmarks are named `scenario/strategy/workers`, e.g. `fast_path/turnstile/2`.
//! criterion measures them and compares them with the last run; besides, the
//! rounds become records, the records become figures, and a table ends it all.
//!
//! ```text
//! cargo bench                                   everything, minutes
//! cargo bench -- --quick                        everything, a minute at most
//! cargo bench -- fast_path/turnstile            what a regular expression selects
//! cargo bench -- --save-baseline before         for critcmp
//! ```

use std::env;
use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode};
use detach_harness::cargo_bench::{Mode, Session, SessionError};
use detach_harness::engine::{Case, Engine, Scenario};
use detach_plots::table;
use detach_results::Recorded;
use detach_strategies::platform::topology::Topology;

/// How long all benchmarks may take together, without criterion's own work
/// between them.
const ALL: Duration = Duration::from_secs(140);

/// The same with criterion's work. Whoever is behind this plan takes fewer
/// samples from there on: on a machine that is busy with other things, a round
/// of many threads may take far longer than criterion expects.
const ALL_IN: Duration = Duration::from_secs(200);

/// A delay that does not matter.
const SLACK: Duration = Duration::from_secs(10);

/// Samples of a benchmark, and the least that criterion accepts.
const SAMPLES: (usize, usize) = (20, 10);

/// One benchmark gets its share of it, but not less or more than this.
const SHARE: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(3));

/// Of its share, a benchmark spends one part in so many on warming up.
const WARM_UP: u32 = 8;

/// With `--quick`, criterion stops a benchmark here if it has not settled.
const LONGEST_QUICK: Duration = Duration::from_millis(250);

/// When a benchmark should be begun.
struct Plan {
    began: Instant,
    benchmarks: usize,
    done: usize,
}

impl Plan {
    fn new(benchmarks: usize) -> Self {
        Plan {
            began: Instant::now(),
            benchmarks,
            done: 0,
        }
    }

    /// Whether the benchmarks so far took more than their part of the time,
    /// and some.
    fn is_behind(&self) -> bool {
        let part = (self.done + 1) as f64 / self.benchmarks as f64;
        self.began.elapsed() > ALL_IN.mul_f64(part) + SLACK
    }
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mode = Mode::from_arguments(arguments.iter().cloned());
    let engine = Engine::new(Topology::detect().placement());
    let mut session = Session::new(engine, mode, &records_root(), &arguments.join(" "));
    let cases = session.cases();
    if mode != Mode::Rehearse {
        for (strategy, reason) in session.skipped() {
            eprintln!("{strategy} is left out: it {reason}");
        }
    }

    let mut criterion = configured(mode, cases.len());
    let mut plan = Plan::new(cases.len());
    for scenario in Scenario::ALL {
        let of_scenario = cases.iter().filter(|case| case.scenario == scenario);
        bench(
            &mut criterion,
            &mut session,
            &mut plan,
            scenario,
            of_scenario,
        );
    }
    criterion.final_summary();

    match session.finish() {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(dir)) => match summarise(&dir) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("{error:#}")),
        },
        Err(error) => fail(&error.to_string()),
    }
}

/// criterion, given so many benchmarks; the command line has the last word.
fn configured(mode: Mode, benchmarks: usize) -> Criterion {
    let share = ALL / u32::try_from(benchmarks.max(1)).unwrap_or(u32::MAX);
    let share = share.clamp(SHARE.0, SHARE.1);
    let warm_up = share / WARM_UP;
    Criterion::default()
        .sample_size(SAMPLES.0)
        .warm_up_time(warm_up)
        .measurement_time(match mode {
            Mode::Quick => LONGEST_QUICK,
            Mode::Measure | Mode::Rehearse => share - warm_up,
        })
        // Plenty for so few samples; the default of 100000 takes longer than
        // measuring does.
        .nresamples(2_000)
        .configure_from_args()
}

/// Measures the cases of one scenario, those that the filter selects.
fn bench<'c>(
    criterion: &mut Criterion,
    session: &mut Session,
    plan: &mut Plan,
    scenario: Scenario,
    cases: impl Iterator<Item = &'c Case>,
) {
    let mut group = criterion.benchmark_group(scenario.name());
    // A round has a fixed cost, so all rounds of a benchmark are of one length.
    group.sampling_mode(SamplingMode::Flat);
    for case in cases {
        if plan.is_behind() {
            group.sample_size(SAMPLES.1);
        }
        plan.done += 1;
        let id = BenchmarkId::new(case.strategy, case.threads);
        group.bench_function(id, |bencher| {
            bencher.iter_custom(|iterations| {
                let time = session.time(case, iterations);
                // criterion knows no benchmark that fails.
                time.unwrap_or_else(|error| give_up(session, &error))
            });
        });
        if let Err(error) = session.end_case() {
            give_up(session, &error);
        }
    }
    group.finish();
}

/// Records lie in the source tree, apart from what `cargo clean` removes.
fn records_root() -> PathBuf {
    let harness = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = harness.parent().unwrap_or(harness);
    workspace.join("results").join("local")
}

/// Draws the figures, and prints the table and where everything is.
fn summarise(dir: &Path) -> anyhow::Result<()> {
    let recorded = Recorded::read(dir)?;
    let figures = dir.join("plots");
    detach_plots::draw(&recorded, &figures)?;
    println!("\n{}", table::text(&recorded)?);
    println!("records: {}", dir.display());
    println!("plots:   {}", figures.join("index.html").display());
    if let Some(report) = criterion_report() {
        println!("report:  {}", report.display());
    }
    Ok(())
}

/// criterion's report, wherever it put it; `None` when it drew none.
fn criterion_report() -> Option<PathBuf> {
    let home = env::var_os("CRITERION_HOME").map(PathBuf::from);
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    // This executable lies somewhere below the target directory.
    let executable = env::current_exe().unwrap_or_default();
    let ancestors = executable.ancestors().skip(1).map(Path::to_owned);
    let homes = target.into_iter().chain(ancestors);
    let mut homes = home
        .into_iter()
        .chain(homes.map(|dir| dir.join("criterion")));
    let report = homes.find_map(|home| home.join("report/index.html").canonicalize().ok());
    report.filter(|report| report.is_file())
}

/// Ends the process after an error; what was recorded stays.
fn give_up(session: &mut Session, error: &SessionError) -> ! {
    eprintln!("\nerror: {error}");
    match session.give_up(error) {
        Ok(Some(dir)) => eprintln!("what was measured before is in {}", dir.display()),
        Ok(None) => {}
        Err(error) => eprintln!("error: {error}"),
    }
    process::exit(1);
}

fn fail(error: &str) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::FAILURE
}
