//! `detach-bench doctor`: what this machine offers, and what will disturb
//! measurements on it.

use std::fmt::Write;
use std::process::ExitCode;

use comfy_table::{ContentArrangement, Table, presets};
use detach_harness::machine::{self, Concern, Conditions};
use detach_results::machine::{Machine, UNKNOWN};
use detach_strategies::platform::topology::{Topology, format_cpu_list};

use super::list::{self, Strategy};
use super::print;

pub(super) fn execute() -> anyhow::Result<ExitCode> {
    let machine = machine::probe();
    let now = Conditions::now();
    print(&report(
        &machine,
        &now,
        &Topology::detect(),
        &list::strategies(),
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn report(
    machine: &Machine,
    now: &Conditions,
    topology: &Topology,
    strategies: &[Strategy],
) -> String {
    let mut text = String::new();
    for (title, rows) in [
        ("This machine", machine_rows(machine)),
        ("Its CPUs", cpu_rows(machine, topology)),
        (
            "What strategies stand on",
            mechanism_rows(machine, strategies),
        ),
        ("Its state", state_rows(machine, now)),
    ] {
        let mut table = Table::new();
        table
            .load_preset(presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic);
        for (what, found) in rows {
            table.add_row([format!("  {what}"), found]);
        }
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{title}\n{}\n", table.trim_fmt());
    }
    text + &concerns(&machine::concerns(machine, now))
}

type Rows = Vec<(&'static str, String)>;

fn machine_rows(machine: &Machine) -> Rows {
    let memory = machine.memory_mib.map(|mib| format!("{mib} MiB"));
    vec![
        ("CPU", machine.cpu_model.clone()),
        ("architecture", machine.architecture.clone()),
        ("system", machine.os.clone()),
        ("kernel", machine.kernel.clone()),
        ("C library", machine.libc.clone()),
        ("hypervisor", machine.hypervisor.clone()),
        ("memory", memory.unwrap_or_else(|| UNKNOWN.to_owned())),
        ("called in records", machine.id.clone()),
    ]
}

fn cpu_rows(machine: &Machine, topology: &Topology) -> Rows {
    let cpus = machine.allowed_cpus.len();
    let placement: Vec<String> = machine.allowed_cpus.iter().map(usize::to_string).collect();
    let smt = if machine.cores < cpus {
        format!("{cpus} hardware threads on {} cores", machine.cores)
    } else {
        "every CPU is a core of its own".to_owned()
    };
    let quota = match machine.cpu_quota {
        Some(quota) => format!("the time of {quota:.1} CPUs"),
        None => "none".to_owned(),
    };
    let mut rows = vec![
        (
            "allowed",
            format!(
                "{} ({cpus} of {} possible)",
                format_cpu_list(&machine.allowed_cpus),
                machine.possible_cpus
            ),
        ),
        ("SMT", smt),
        ("packages", machine.packages.to_string()),
        ("last-level caches", machine.last_level_caches.to_string()),
        ("NUMA nodes", machine.numa_nodes.to_string()),
        ("placement", placement.join(" ")),
        (
            "pinning",
            if machine.pinning {
                "works"
            } else {
                "does not work"
            }
            .to_owned(),
        ),
        ("time limit", quota),
    ];
    rows.extend(topology.notes().iter().map(|note| ("note", note.clone())));
    rows
}

fn mechanism_rows(machine: &Machine, strategies: &[Strategy]) -> Rows {
    let (mut here, mut missing) = (Vec::new(), Vec::new());
    for strategy in strategies {
        match &strategy.supported {
            Ok(()) => here.push(strategy.properties.id),
            Err(why) => missing.push(format!("{}: {}", strategy.properties.id, why.reason())),
        }
    }
    let mut rows = vec![
        ("rseq", machine.rseq.clone()),
        ("membarrier", machine.membarrier.clone()),
        ("run here", here.join(", ")),
    ];
    rows.extend(missing.into_iter().map(|why| ("does not run here", why)));
    rows
}

fn state_rows(machine: &Machine, now: &Conditions) -> Rows {
    let or_unknown = |text: Option<String>| text.unwrap_or_else(|| UNKNOWN.to_owned());
    vec![
        ("governor", machine.governor.clone()),
        (
            "boost",
            or_unknown(now.boost.map(|on| if on { "on" } else { "off" }.to_owned())),
        ),
        ("clock source", machine.clock_source.clone()),
        (
            "load, last minute",
            or_unknown(now.load.map(|load| format!("{load:.2}"))),
        ),
        (
            "CPU pressure, last 10 s",
            or_unknown(now.pressure_percent.map(|percent| format!("{percent:.1}%"))),
        ),
    ]
}

fn concerns(concerns: &[Concern]) -> String {
    if concerns.is_empty() {
        return "Nothing was found that would disturb measurements.\n".to_owned();
    }
    let mut text = "What may mislead or disturb\n".to_owned();
    for concern in concerns {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  [{}] {concern}\n      hint: {}",
            concern.kind(),
            concern.hint()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use detach_strategies::Unsupported;

    use super::*;

    #[test]
    fn the_report_names_every_concern_with_its_hint() {
        let mut machine = machine::probe();
        machine.governor = "powersave".to_owned();
        machine.cpu_quota = Some(0.5);
        let now = Conditions {
            load: Some(7.0),
            ..Conditions::default()
        };
        let mut strategies = list::strategies();
        strategies[0].supported = Err(Unsupported::because("no such instruction"));
        let text = report(&machine, &now, &Topology::detect(), &strategies);
        for concern in machine::concerns(&machine, &now) {
            assert!(text.contains(&concern.to_string()), "{concern}");
            assert!(text.contains(concern.hint()), "{concern}");
        }
        for words in ["powersave", "7.00", "[cpu-quota]", "no such instruction"] {
            assert!(text.contains(words), "no {words} in:\n{text}");
        }
    }

    #[test]
    fn no_concern_is_said_in_words() {
        assert!(concerns(&[]).contains("Nothing"));
    }
}
