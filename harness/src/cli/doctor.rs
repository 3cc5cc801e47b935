//! `detach-bench doctor`: what this machine offers, and what will disturb
//! measurements on it; with `--calibrate`, also what elementary operations cost.

mod calibrated;

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use comfy_table::{Table, presets};
use detach_harness::calibration::{self, Prober};
use detach_harness::machine::{self, Concern, Conditions};
use detach_results::machine::{Cache, Machine, UNKNOWN};
use detach_strategies::platform::topology::{Topology, format_cpu_list};

use super::list::{self, Strategy};
use super::{print, terminal};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Also measure what elementary operations cost here: a clock reading, a
    /// locked instruction, a heavy fence, a cache line from CPU to CPU
    ///
    /// It takes a second on few CPUs and some ten on hundreds.
    #[arg(long)]
    calibrate: bool,
}

pub(super) fn execute(arguments: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let machine = machine::probe();
    let now = Conditions::now();
    print(&report(
        &machine,
        &now,
        &Topology::detect(),
        &list::strategies(),
    ))?;
    if arguments.calibrate {
        let found = calibration::calibrate(&machine.allowed_cpus);
        let prober = Prober::new(&machine.allowed_cpus, Some(&found));
        let probe = prober.probe(std::time::Duration::ZERO, None);
        print(&format!("\n{}", calibrated::table(&found, &probe)))?;
    }
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
        text += &section(title, rows);
        text.push('\n');
    }
    text + &concerns(&machine::concerns(machine, now))
}

/// A titled table of what there is to know and what was found.
fn section(title: &str, rows: Rows) -> String {
    let mut table = Table::new();
    terminal::fit(&mut table).load_preset(presets::NOTHING);
    for (what, found) in rows {
        table.add_row([format!("  {what}"), found]);
    }
    format!("{title}\n{}\n", table.trim_fmt())
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
    let smt = match machine.smt {
        _ if machine.cores < cpus => {
            format!("{cpus} hardware threads on {} cores", machine.cores)
        }
        Some(true) => "on, but every allowed CPU is a core of its own".to_owned(),
        _ => "every CPU is a core of its own".to_owned(),
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
        (
            "group allows",
            machine.cpuset.clone().unwrap_or_else(|| UNKNOWN.to_owned()),
        ),
    ];
    rows.extend(
        machine
            .caches
            .iter()
            .map(|cache| ("cache", described(cache))),
    );
    rows.extend(topology.notes().iter().map(|note| ("note", note.clone())));
    rows
}

/// A cache in words: `L2 unified, 1024 KiB in lines of 64 B, of CPU 0,4`.
fn described(cache: &Cache) -> String {
    let Cache {
        level,
        kind,
        size_kib,
        line_bytes,
        shared_by,
    } = cache;
    let kind = kind.to_lowercase();
    let lines = line_bytes.map(|bytes| format!(" in lines of {bytes} B"));
    format!(
        "L{level} {kind}, {size_kib} KiB{}, of CPU {shared_by}",
        lines.unwrap_or_default()
    )
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
    let percent = |percent: Option<f64>| or_unknown(percent.map(|part| format!("{part:.1}%")));
    let mhz = |mhz: Option<u64>| mhz.map_or_else(|| "?".to_owned(), |mhz| mhz.to_string());
    let frequency = machine.frequency.map(|found| {
        let [now, min, max] = [found.now_mhz, found.min_mhz, found.max_mhz].map(mhz);
        format!("{now} MHz, of {min} to {max}")
    });
    let options = match &machine.boot_options[..] {
        [] => "none that matters".to_owned(),
        options => options.join(" "),
    };
    let mut rows = vec![
        ("governor", machine.governor.clone()),
        ("frequency", or_unknown(frequency)),
        (
            "boost",
            or_unknown(now.boost.map(|on| if on { "on" } else { "off" }.to_owned())),
        ),
        ("clock source", machine.clock_source.clone()),
        (
            "load, last minute",
            or_unknown(now.load.map(|load| format!("{load:.2}"))),
        ),
        ("CPU pressure, last 10 s", percent(now.pressure_percent)),
        ("memory left", percent(now.memory_available_percent)),
        ("boot options", options),
    ];
    if isolated(machine) {
        let praise = "CPUs are kept free of other work: good for measurements on them";
        rows.push(("isolation", praise.to_owned()));
    }
    for (fault, text) in &machine.mitigations {
        rows.push(("fault of the CPU", format!("{fault}: {text}")));
    }
    rows
}

/// Whether the kernel was told to keep CPUs free of other work.
fn isolated(machine: &Machine) -> bool {
    machine.boot_options.iter().any(|option| {
        let name = option.split('=').next();
        matches!(name, Some("isolcpus" | "nohz_full"))
    })
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

    #[test]
    fn the_new_facts_are_shown() {
        let mut machine = machine::probe();
        machine.boot_options = vec!["isolcpus=2-3".to_owned()];
        machine.cpuset = Some("5-7".to_owned());
        machine.caches = vec![Cache {
            level: 2,
            kind: "Unified".to_owned(),
            size_kib: 1_024,
            line_bytes: Some(64),
            shared_by: "0,4".to_owned(),
        }];
        let fault = ("meltdown".to_owned(), "Mitigation: PTI".to_owned());
        machine.mitigations = std::iter::once(fault).collect();
        let now = Conditions::default();
        let text = report(&machine, &now, &Topology::detect(), &[]);
        for words in [
            "isolcpus=2-3",
            "kept free",
            "5-7",
            "L2 unified, 1024 KiB in lines of 64 B, of CPU 0,4",
            "meltdown: Mitigation: PTI",
        ] {
            assert!(text.contains(words), "no {words} in:\n{text}");
        }
    }
}
