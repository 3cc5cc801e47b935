//! `detach-bench list`: the strategies, what each can do, whether it runs here.

use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use detach_strategies::platform::topology::Topology;
use detach_strategies::points::Undisturbed;
use detach_strategies::registry::{self, Visitor};
use detach_strategies::{
    Count, DeviceRef, LateArrival, Memory, Properties, Reclaim, Sleepers, Unsupported, WaitsFor,
};
use serde_json::{Value, json};

use super::{ListArgs, print, terminal};

pub(super) fn execute(arguments: &ListArgs) -> anyhow::Result<ExitCode> {
    let strategies = strategies();
    let cpus = Topology::detect().possible_cpus();
    let text = if arguments.json {
        let all: Vec<Value> = strategies
            .iter()
            .map(|strategy| to_json(strategy, cpus))
            .collect();
        serde_json::to_string_pretty(&all)? + "\n"
    } else if arguments.markdown {
        markdown(&strategies)
    } else {
        format!(
            "{}\n\n{}\n\n{}",
            overview(&strategies),
            abilities(&strategies, cpus),
            legend(cpus)
        )
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// A strategy, and whether this machine can run it.
pub(super) struct Strategy {
    pub(super) properties: Properties,
    pub(super) supported: Result<(), Unsupported>,
}

/// All of them, in the order of the registry.
pub(super) fn strategies() -> Vec<Strategy> {
    struct Ask;
    impl Visitor<u64> for Ask {
        type Output = Strategy;

        fn visit<D: DeviceRef<Softc = u64>>(&mut self) -> Strategy {
            Strategy {
                properties: D::PROPERTIES,
                supported: D::supported(),
            }
        }
    }
    registry::visit_all::<u64, Undisturbed, _>(&mut Ask)
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    terminal::fit(&mut table)
        .load_preset(presets::UTF8_BORDERS_ONLY)
        .set_header(header);
    table
}

fn overview(strategies: &[Strategy]) -> Table {
    let mut table = table(&["strategy", "how it works", "here"]);
    for Strategy {
        properties,
        supported,
    } in strategies
    {
        let here = match supported {
            Ok(()) => "yes".to_owned(),
            Err(unsupported) => format!("no: {}", unsupported.reason()),
        };
        table.add_row([properties.id, properties.summary, &here]);
    }
    table
}

fn abilities(strategies: &[Strategy], cpus: usize) -> Table {
    let mut table = table(&[
        "strategy",
        "detach waits for",
        "late arrivals",
        "sleep",
        "nest",
        "move",
        "signal",
        "reopen",
        "locked",
        "fences",
        "shared",
        "bytes",
    ]);
    for Strategy { properties, .. } in strategies {
        table.add_row([
            properties.id.to_owned(),
            waits_for(properties),
            late_arrival(properties.late_arrival).to_owned(),
            sleep(properties).to_owned(),
            yes(properties.nesting).to_owned(),
            yes(properties.release_elsewhere).to_owned(),
            yes(properties.signal_handlers).to_owned(),
            yes(properties.reopens).to_owned(),
            count(properties.fast_path.locked),
            properties.fast_path.fences.to_string(),
            yes(properties.fast_path.shared_writes).to_owned(),
            properties.memory.bytes(cpus, cpus).to_string(),
        ]);
    }
    table
}

const LEGEND: &str = "\
sleep: a thread may block without saying so; counted: a holder that says so may, and is counted;
woken: a thread may block, and detach wakes holders that sleep as the strategy wants them to.
nest: a holder may acquire the same device again.
move: a guard may be dropped on another thread. signal: a signal handler may acquire.
reopen: a close can be called off. locked, fences: locked instructions and full fences of one
acquire plus its release, when nobody detaches.
";

fn legend(cpus: usize) -> String {
    format!(
        "{LEGEND}shared: whether these write memory that other threads write, too.\n\
         bytes: one device besides its softc, here with {cpus} CPUs and as many threads.\n"
    )
}

/// The same for a document: nothing in it depends on the machine.
fn markdown(strategies: &[Strategy]) -> String {
    let plain = |header: &[&str]| {
        let mut table = table(header);
        table
            .load_preset(presets::ASCII_MARKDOWN)
            .set_content_arrangement(ContentArrangement::Disabled);
        table
    };
    let mut how = plain(&["strategy", "how it works", "from"]);
    let mut what = plain(&[
        "strategy",
        "detach waits for",
        "late arrivals",
        "sleep",
        "nest",
        "move",
        "signal",
        "reopen",
        "locked",
        "fences",
        "bytes per device",
    ]);
    for Strategy { properties, .. } in strategies {
        let id = format!("`{}`", properties.id);
        how.add_row([&id, properties.summary, properties.origin]);
        what.add_row([
            id,
            waits_for(properties),
            late_arrival(properties.late_arrival).to_owned(),
            sleep(properties).to_owned(),
            yes(properties.nesting).to_owned(),
            yes(properties.release_elsewhere).to_owned(),
            yes(properties.signal_handlers).to_owned(),
            yes(properties.reopens).to_owned(),
            count(properties.fast_path.locked),
            properties.fast_path.fences.to_string(),
            memory(&properties.memory),
        ]);
    }
    format!("{how}\n\n{what}\n\n{LEGEND}")
}

fn memory(memory: &Memory) -> String {
    let mut text = memory.fixed.to_string();
    for (bytes, of) in [(memory.per_cpu, "CPU"), (memory.per_thread, "thread")] {
        if bytes > 0 {
            text = format!("{text} + {bytes} per {of}");
        }
    }
    text
}

fn yes(claim: bool) -> &'static str {
    if claim { "yes" } else { "no" }
}

fn sleep(properties: &Properties) -> &'static str {
    match properties.sleepers {
        Sleepers::AsOthers => yes(properties.holder_may_sleep),
        Sleepers::Counted => "counted",
        Sleepers::Woken => "woken",
    }
}

fn count(count: Count) -> String {
    match count {
        Count::Exactly(number) => number.to_string(),
        Count::AtLeast(number) => format!("{number}+"),
    }
}

fn waits_for(properties: &Properties) -> String {
    let whom = match properties.waits_for {
        WaitsFor::ThisDevice => "its holders",
        WaitsFor::EveryDevice => "holders of every device",
        WaitsFor::Nobody => "nobody",
    };
    match properties.reclaim {
        Reclaim::AfterHolders => whom.to_owned(),
        Reclaim::Snapshots => format!("{whom}; holders have copies"),
        Reclaim::Never => format!("{whom}; never reclaims"),
    }
}

fn late_arrival(what: LateArrival) -> &'static str {
    match what {
        LateArrival::Refused => "refused",
        LateArrival::Admitted => "admitted",
    }
}

fn to_json(strategy: &Strategy, cpus: usize) -> Value {
    let Strategy {
        properties,
        supported,
    } = strategy;
    let locked = match properties.fast_path.locked {
        Count::Exactly(number) => json!({ "count": number, "exact": true }),
        Count::AtLeast(number) => json!({ "count": number, "exact": false }),
    };
    json!({
        "id": properties.id,
        "summary": properties.summary,
        "origin": properties.origin,
        "supported": supported.is_ok(),
        "unsupported": supported.as_ref().err().map(Unsupported::reason),
        "reclaim": match properties.reclaim {
            Reclaim::AfterHolders => "after_holders",
            Reclaim::Snapshots => "snapshots",
            Reclaim::Never => "never",
        },
        "waits_for": match properties.waits_for {
            WaitsFor::ThisDevice => "this_device",
            WaitsFor::EveryDevice => "every_device",
            WaitsFor::Nobody => "nobody",
        },
        "late_arrival": match properties.late_arrival {
            LateArrival::Refused => "refused",
            LateArrival::Admitted => "admitted",
        },
        "holder_may_sleep": properties.holder_may_sleep,
        "sleepers": match properties.sleepers {
            Sleepers::AsOthers => "as_others",
            Sleepers::Counted => "counted",
            Sleepers::Woken => "woken",
        },
        "release_elsewhere": properties.release_elsewhere,
        "nesting": properties.nesting,
        "signal_handlers": properties.signal_handlers,
        "reopens": properties.reopens,
        "fast_path": {
            "locked": locked,
            "fences": properties.fast_path.fences,
            "shared_writes": properties.fast_path.shared_writes,
        },
        "memory": {
            "fixed": properties.memory.fixed,
            "per_cpu": properties.memory.per_cpu,
            "per_thread": properties.memory.per_thread,
            "here": properties.memory.bytes(cpus, cpus),
        },
    })
}
