//! What may be chosen on the command line, and what is chosen by default.

use clap::CommandFactory;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use detach_harness::engine::{Case, Scenario, cases_of};
use detach_strategies::platform::topology::{Topology, parse_cpu_list};
use detach_strategies::registry;

use super::{Cli, RunArgs};

/// More workers per CPU than this would measure the scheduler only.
const MOST_WORKERS_PER_CPU: usize = 64;

/// The ids of the strategies. clap suggests the nearest to a mistyped one.
pub(super) fn strategies() -> PossibleValuesParser {
    let ids = registry::all();
    PossibleValuesParser::new(ids.iter().map(|strategy| PossibleValue::new(strategy.id)))
}

/// The scenarios by name.
pub(super) fn scenarios() -> impl TypedValueParser<Value = Scenario> {
    let value = |scenario: Scenario| PossibleValue::new(scenario.name()).help(scenario.question());
    PossibleValuesParser::new(Scenario::ALL.map(value)).try_map(|name| name.parse::<Scenario>())
}

/// A number of workers.
pub(super) fn threads(text: &str) -> Result<usize, String> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not a number of workers, such as 1 or 1,2,4".to_owned());
    }
    match text.parse() {
        Ok(0) => Err(
            "at least one worker is needed; leave --threads out to measure \
                      a detach without workers, too"
                .to_owned(),
        ),
        Ok(count) => Ok(count),
        Err(_) => Err("too many workers".to_owned()),
    }
}

/// An error in the usage of `run`, told as clap tells its own.
fn usage(message: impl std::fmt::Display) -> anyhow::Error {
    let mut command = Cli::command();
    // Building it fills in the names that the line on usage shows.
    command.build();
    let run = command.find_subcommand_mut("run");
    let run = run.expect("the command has a subcommand of that name");
    run.error(ErrorKind::ValueValidation, message).into()
}

/// What a run will measure, and where.
#[derive(Debug)]
pub(super) struct Choice {
    /// The CPUs in placement order.
    pub(super) cpus: Vec<usize>,
    /// The cases, each once.
    pub(super) cases: Vec<Case>,
}

impl Choice {
    /// Everything, except where the arguments say otherwise.
    ///
    /// # Errors
    ///
    /// An error of usage: a CPU that this process may not use, too many
    /// workers, or nothing left to measure.
    pub(super) fn new(arguments: &RunArgs, topology: &Topology) -> anyhow::Result<Self> {
        let cpus = match &arguments.cpus {
            None => topology.placement(),
            Some(list) => {
                let chosen =
                    parse_cpu_list(list).map_err(|error| usage(about_cpus(list, error)))?;
                let topology = topology.restricted_to(&chosen);
                topology
                    .map_err(|error| usage(about_cpus(list, error)))?
                    .placement()
            }
        };
        let most = cpus.len() * MOST_WORKERS_PER_CPU;
        if let Some(count) = arguments.threads.iter().find(|count| **count > most) {
            return Err(usage(format!(
                "--threads {count}: more than {MOST_WORKERS_PER_CPU} workers for each of \
                 {} CPUs",
                cpus.len()
            )));
        }
        let cases = cases(arguments, cpus.len());
        if cases.is_empty() {
            return Err(usage(
                "nothing to measure: a strategy that never reclaims has no detach to be timed",
            ));
        }
        Ok(Choice { cpus, cases })
    }
}

fn about_cpus(list: &str, error: impl std::fmt::Display) -> String {
    format!("invalid value '{list}' for '--cpus <LIST>': {error}")
}

/// Strategies in the order of the registry, whatever the order of the list,
/// so that the same choice gives the same plan.
fn cases(arguments: &RunArgs, cpus: usize) -> Vec<Case> {
    let among = |wanted: &[String], id: &str| wanted.iter().any(|wanted| wanted == id);
    let mut counts = arguments.threads.clone();
    counts.sort_unstable();
    counts.dedup();
    let mut cases = Vec::new();
    for scenario in Scenario::ALL {
        if !arguments.scenarios.is_empty() && !arguments.scenarios.contains(&scenario) {
            continue;
        }
        for case in cases_of(scenario, &counts, cpus) {
            if arguments.strategies.is_empty() || among(&arguments.strategies, case.strategy) {
                cases.push(case);
            }
            if among(&arguments.twins, case.strategy) {
                cases.push(Case { twin: true, ..case });
            }
        }
    }
    cases
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::Command;
    use super::*;

    fn choose(arguments: &str) -> anyhow::Result<Choice> {
        let line = format!("detach-bench run {arguments}");
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Run(arguments) = cli.command else {
            panic!("not a run")
        };
        Choice::new(&arguments, &Topology::detect())
    }

    #[test]
    fn everything_is_the_default() {
        let all = choose("").unwrap();
        let cpus = Topology::detect().placement();
        assert_eq!(all.cpus, cpus);
        for properties in registry::all() {
            for scenario in Scenario::ALL {
                let counts: Vec<usize> = all
                    .cases
                    .iter()
                    .filter(|case| (case.strategy, case.scenario) == (properties.id, scenario))
                    .map(|case| case.threads)
                    .collect();
                if scenario.applies_to(&properties) {
                    let levels = scenario.levels().len();
                    let all = scenario.thread_counts(cpus.len());
                    assert_eq!(counts.len(), all.len() * levels, "{scenario}");
                    assert!(all.iter().all(|count| counts.contains(count)), "{scenario}");
                } else {
                    assert!(counts.is_empty());
                }
            }
        }
    }

    #[test]
    fn lists_narrow_it_and_duplicates_count_once() {
        let few = choose(
            "--strategies turnstile,refcount,turnstile --scenarios detach,detach --threads 2,1,2",
        )
        .unwrap();
        let names: Vec<String> = few.cases.iter().map(Case::to_string).collect();
        assert_eq!(
            names,
            [
                "detach/turnstile/1",
                "detach/turnstile/2",
                "detach/refcount/1",
                "detach/refcount/2"
            ]
        );
    }

    #[test]
    fn a_twin_is_measured_besides() {
        let choice =
            choose("--strategies refcount,epoch --twins epoch --scenarios fast_path --threads 1")
                .unwrap();
        let names: Vec<String> = choice.cases.iter().map(Case::to_string).collect();
        assert_eq!(
            names,
            [
                "fast_path/refcount/1",
                "fast_path/epoch/1",
                "fast_path/epoch-twin/1"
            ]
        );
    }

    #[test]
    fn one_cpu_is_enough() {
        let cpu = Topology::detect().placement()[0];
        let choice = choose(&format!("--cpus {cpu} --scenarios fast_path")).unwrap();
        assert_eq!(choice.cpus, [cpu]);
        assert!(choice.cases.iter().all(|case| case.threads <= 2));
    }

    #[test]
    fn a_cpu_outside_the_mask_is_refused_with_those_inside() {
        let error = choose("--cpus 60000").unwrap_err().to_string();
        assert!(error.contains("may not use CPU 60000"), "{error}");
        assert!(error.contains("it may use "), "{error}");
        let error = choose("--cpus 1-0").unwrap_err().to_string();
        assert!(error.contains("ends before it begins"), "{error}");
    }

    #[test]
    fn a_crowd_is_refused() {
        let error = choose("--threads 1000000").unwrap_err().to_string();
        assert!(error.contains("--threads 1000000"), "{error}");
    }

    #[test]
    fn nothing_to_measure_is_an_error() {
        let error = choose("--strategies unprotected --scenarios detach").unwrap_err();
        assert!(error.to_string().contains("nothing to measure"), "{error}");
        let error = error.downcast::<clap::Error>().unwrap();
        assert_eq!(error.exit_code(), 2);
    }
}
