//! What a run says of its plan.

use std::fmt::Write as _;
use std::path::Path;

use detach_harness::campaign::{Budget, Plan};
use detach_results::show::count;
use detach_strategies::platform::topology::format_cpu_list;

use super::super::duration;

/// Says what is about to be measured, and where it goes.
pub(super) fn announce(plan: &Plan, dir: &Path) {
    eprintln!(
        "measuring {} on CPUs {}, {}; seed {}",
        count(plan.cases.len(), "case"),
        format_cpu_list(&plan.cpus),
        schedule(plan),
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

fn schedule(plan: &Plan) -> String {
    let budget = match plan.budget {
        Budget::Time(time) => format!("for {}", duration::show(time)),
        Budget::Blocks(blocks) => count(blocks as usize, "block"),
    };
    let sweeps = match plan.sweeps {
        1 => "one".to_owned(),
        many => many.to_string(),
    };
    format!(
        "{budget}, {sweeps} of each in a block, in rounds of {}",
        duration::show(plan.round)
    )
}

/// What a dry run prints.
pub(super) fn describe_plan(plan: &Plan) -> String {
    let mut text = format!(
        "{} on CPUs {}\n",
        count(plan.cases.len(), "case"),
        format_cpu_list(&plan.cpus)
    );
    for (scenario, cases) in plan.scenarios() {
        let of_scenario = plan.cases.iter().filter(|case| case.scenario == scenario);
        let mut threads: Vec<usize> = of_scenario.map(|case| case.threads).collect();
        threads.sort_unstable();
        threads.dedup();
        let threads: Vec<String> = threads.iter().map(usize::to_string).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  {:<18} {cases:>4} cases, {} workers: {}",
            scenario.name(),
            threads.join(" "),
            scenario.question()
        );
    }
    let _ = writeln!(
        text,
        "{}\nabout {} of about {} each, about {} in all",
        schedule(plan),
        count(plan.blocks() as usize, "block"),
        duration::show(plan.block_time()),
        duration::show(plan.expected()),
    );
    text
}
