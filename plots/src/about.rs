//! What the page tells of machine, calibration and run: terms and values.

use std::fmt::Write as _;

use detach_results::show::{count, nanoseconds, percent};
use detach_results::{Cache, Calibration, Frequency, Machine, Run, UNKNOWN};

use crate::data::Data;

/// Terms and values under a title.
pub(crate) struct Section {
    pub(crate) title: &'static str,
    pub(crate) entries: Vec<(String, String)>,
}

/// All sections, in the order of the page.
pub(crate) fn sections(data: &Data<'_>) -> Vec<Section> {
    let run = data.run();
    let mut sections = vec![machine(&run.machine)];
    sections.extend(
        run.calibration
            .as_ref()
            .map(|found| calibration(run, found)),
    );
    sections.push(about_run(data));
    sections
}

fn section(title: &'static str, entries: Vec<(&str, String)>) -> Section {
    let entries = entries.into_iter();
    Section {
        title,
        entries: entries
            .map(|(term, value)| (term.to_owned(), value))
            .collect(),
    }
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}

fn machine(machine: &Machine) -> Section {
    let topology = [
        count(machine.allowed_cpus.len(), "CPU"),
        count(machine.cores, "core"),
        count(machine.packages, "package"),
        count(machine.numa_nodes, "NUMA node"),
        count(machine.last_level_caches, "last-level cache"),
    ];
    let smt = match machine.smt {
        Some(true) => "several to a core".to_owned(),
        Some(false) => "one to a core".to_owned(),
        None => unknown(),
    };
    let caches: Vec<String> = machine.caches.iter().map(cache).collect();
    let mitigations = machine.mitigations.iter();
    let mitigations: Vec<String> = mitigations
        .map(|(name, what)| format!("{name}: {what}"))
        .collect();
    let quota = |quota: f64| format!("{quota} CPUs");
    let memory = |memory: u64| format!("{memory} MiB");
    let pinning = if machine.pinning {
        "possible"
    } else {
        "impossible"
    };
    section(
        "The machine",
        vec![
            ("CPU model", machine.cpu_model.clone()),
            ("architecture", machine.architecture.clone()),
            ("allowed", topology.join(", ")),
            ("hardware threads", smt),
            ("possible CPUs", machine.possible_cpus.to_string()),
            ("caches", or_unknown(caches.join(", "))),
            (
                "CPU quota",
                machine.cpu_quota.map_or("none".to_owned(), quota),
            ),
            ("cpuset", machine.cpuset.clone().unwrap_or_else(unknown)),
            ("memory", machine.memory_mib.map_or_else(unknown, memory)),
            (
                "system",
                format!("{}, kernel {}", machine.os, machine.kernel),
            ),
            ("boot options", machine.boot_options.join(" ")),
            ("mitigations", mitigations.join("; ")),
            ("C library", machine.libc.clone()),
            ("hypervisor", machine.hypervisor.clone()),
            ("governor", machine.governor.clone()),
            (
                "frequency",
                machine.frequency.as_ref().map_or_else(unknown, frequency),
            ),
            ("clock source", machine.clock_source.clone()),
            ("pinning", pinning.to_owned()),
            ("rseq", machine.rseq.clone()),
            ("membarrier", machine.membarrier.clone()),
        ],
    )
}

fn or_unknown(text: String) -> String {
    if text.is_empty() { unknown() } else { text }
}

fn cache(cache: &Cache) -> String {
    let mut text = format!("L{} {} {} KiB", cache.level, cache.kind, cache.size_kib);
    if let Some(bytes) = cache.line_bytes {
        let _ = write!(text, ", lines of {bytes} bytes");
    }
    let _ = write!(text, " (CPUs {})", cache.shared_by);
    text
}

fn frequency(frequency: &Frequency) -> String {
    let parts = [
        ("from", frequency.min_mhz),
        ("to", frequency.max_mhz),
        ("at the time", frequency.now_mhz),
    ];
    let known = parts
        .into_iter()
        .filter_map(|(word, mhz)| Some(format!("{word} {} MHz", mhz?)));
    or_unknown(known.collect::<Vec<_>>().join(", "))
}

fn calibration(run: &Run, found: &Calibration) -> Section {
    let mut entries = vec![
        (
            "clock reading",
            format!(
                "{}, in steps of {}",
                nanoseconds(found.clock_ns.median),
                nanoseconds(found.clock_step_ns as f64)
            ),
        ),
        (
            "empty loop, one turn",
            nanoseconds(found.empty_loop_ns.median),
        ),
        (
            "plain increment",
            nanoseconds(found.plain_increment_ns.median),
        ),
        (
            "locked increment",
            nanoseconds(found.locked_increment_ns.median),
        ),
    ];
    let fences = [
        ("heavy fence, others idle", &found.heavy_fence_idle_ns),
        ("heavy fence, others busy", &found.heavy_fence_busy_ns),
    ];
    for (term, latency) in fences {
        let value = |latency: &detach_results::Latency| {
            let (p50, p99) = (latency.p50 as f64, latency.p99 as f64);
            format!("{}, 99% within {}", nanoseconds(p50), nanoseconds(p99))
        };
        entries.push((term, latency.as_ref().map_or("none".to_owned(), value)));
    }
    let waits = [
        ("sleep and wake-up", found.sleep_ns),
        ("waiters look before they sleep", found.waiting_budget_ns),
    ];
    entries.extend(
        waits
            .iter()
            .filter_map(|(term, time)| Some((*term, nanoseconds((*time)?)))),
    );
    if let Some(transfers) = &found.transfers {
        let range = transfers.pairs().fold(None, |range, pair| {
            let (low, high) = range.unwrap_or((pair, pair));
            Some((pair.min(low), pair.max(high)))
        });
        if let Some((low, high)) = range {
            let text = if low == high {
                nanoseconds(low)
            } else {
                format!("{} to {}", nanoseconds(low), nanoseconds(high))
            };
            entries.push(("cache line, CPU to CPU", text));
        }
    }
    if let Some(parallelism) = found.parallelism {
        entries.push(("speed with all CPUs busy", percent(parallelism)));
    }
    if !run.probes.is_empty() {
        let worse = run.probes.iter().filter(|probe| probe.disturbed).count();
        let text = format!("{worse} of {} disturbed", run.probes.len());
        entries.push(("probes during the run", text));
    }
    section("Its calibration", entries)
}

fn about_run(data: &Data<'_>) -> Section {
    let (run, build) = (data.run(), &data.run().build);
    let pairs = |pairs: &std::collections::BTreeMap<String, String>, between: &str| {
        let pair = |(name, value): (&String, &String)| format!("{name}{between}{value}");
        pairs.iter().map(pair).collect::<Vec<_>>()
    };
    let revision = match build.dirty {
        Some(true) => format!("{}, with changes that are not committed", build.revision),
        Some(false) => build.revision.clone(),
        None => format!("{}, perhaps with changes", build.revision),
    };
    section(
        "The run",
        vec![
            ("id", run.name()),
            ("records", data.recorded.dir.display().to_string()),
            ("scheduler", run.scheduler.clone()),
            ("options", pairs(&run.options, "=").join(" ")),
            ("seed", run.seed.to_string()),
            ("revision", revision),
            ("compiler", build.rustc.clone()),
            ("target", build.target.clone()),
            ("profile", build.profile.clone()),
            ("flags", build.flags.clone()),
            ("crates", pairs(&build.crates, " ").join(", ")),
        ],
    )
}
