//! `run`, when all goes well.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::process::Stdio;

use detach_harness::engine::Scenario;
use detach_results::record::Outcome;
use detach_strategies::platform::topology::fixture::Fixture;
use detach_strategies::registry;

use super::{detach_bench, newest, stderr, stdout, succeeds};

#[test]
fn a_smoke_run_measures_everything_and_draws_it() {
    let folder = tempfile::tempdir().unwrap();
    let output = succeeds(
        folder.path(),
        &["run", "--smoke", "--threads", "1", "--seed", "3"],
    );
    let recorded = newest(folder.path());
    assert!(recorded.run.complete);
    assert_eq!(recorded.run.scheduler, "campaign");
    assert_eq!(recorded.run.seed, 3);
    assert_eq!(recorded.run.options["smoke"], "true");
    assert_eq!(recorded.run.options["threads"], "1");

    // Every strategy is in the record, in every scenario that makes sense for
    // it: measured in both blocks, or unsupported with its reason.
    for strategy in registry::all() {
        for scenario in Scenario::ALL {
            let found: Vec<_> = recorded
                .measurements
                .iter()
                .filter(|m| m.strategy == strategy.id && m.scenario == scenario.name())
                .collect();
            if !scenario.applies_to(&strategy) {
                assert!(found.is_empty(), "{} has no {scenario}", strategy.id);
                continue;
            }
            assert!(found.iter().all(|m| m.threads == 1));
            let unsupported = found
                .iter()
                .any(|m| matches!(m.outcome, Outcome::Unsupported { .. }));
            let blocks = if unsupported { 1 } else { 2 };
            let expected = scenario.levels().len() * blocks;
            assert_eq!(found.len(), expected, "{} {scenario}", strategy.id);
            let forbidden = scenario.forbidden(&strategy).is_some();
            assert!(!forbidden || unsupported, "{} {scenario}", strategy.id);
        }
    }

    // The grounds on which the figures stand: what elementary operations cost,
    // and a probe before the first block and after each.
    let calibration = recorded.run.calibration.as_ref().unwrap();
    assert!(calibration.locked_increment_ns.median > 0.0);
    let probes = recorded.run.probes.iter();
    let after: Vec<Option<u32>> = probes.map(|probe| probe.after_block).collect();
    assert_eq!(after, [None, Some(0), Some(0), Some(1)]);

    let text = stdout(&output);
    assert!(text.contains("refcount"), "{text}");
    assert!(
        text.contains("records: ") && text.contains("figures: "),
        "{text}"
    );
    let names: BTreeSet<String> = fs::read_dir(recorded.dir.join("plots"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(names.contains("index.html"), "{names:?}");
    for ending in [".svg", ".png"] {
        assert!(names.iter().any(|name| name.ends_with(ending)), "{names:?}");
    }
}

#[test]
fn the_seed_decides_the_order() {
    let order = |seed: &str| {
        let folder = tempfile::tempdir().unwrap();
        let arguments = [
            "run",
            "--smoke",
            "--seed",
            seed,
            "--scenarios",
            "fast_path",
            "--threads",
            "1",
            "--strategies",
            "refcount,rwlock,seqlock,arc-swap,epoch",
        ];
        succeeds(folder.path(), &arguments);
        let measurements = newest(folder.path()).measurements;
        let names = measurements.into_iter().map(|m| (m.block, m.strategy));
        names.collect::<Vec<_>>()
    };
    let first = order("11");
    assert_eq!(first.len(), 10);
    assert_eq!(first, order("11"));
    // One in 14 400 pairs of seeds agrees in both blocks; this one does not.
    assert_ne!(first, order("12"));
}

#[test]
fn folders_and_cpus_are_where_they_were_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let cpu = detach_harness::machine::probe().allowed_cpus[0].to_string();
    let arguments = [
        "run",
        "--smoke",
        "--strategies",
        "refcount",
        "--scenarios",
        "detach",
        "--threads",
        "1",
        "--cpus",
        &cpu,
        "--out",
        "elsewhere/runs",
    ];
    succeeds(folder.path(), &arguments);
    assert!(!folder.path().join("results").exists());
    let latest = folder.path().join("elsewhere/runs/latest");
    let recorded = detach_results::Recorded::read(&latest).unwrap();
    assert_eq!(recorded.run.options["cpus"], cpu);
    let measurement = &recorded.measurements[0];
    // A worker and a detacher on one CPU: the record has to say so.
    assert!(measurement.workload.detacher_shares_cpu);
    assert!(measurement.workload.oversubscribed);

    let figures = folder.path().join("figures");
    let arguments = ["plot", "elsewhere/runs/latest", "--out", "figures"];
    succeeds(folder.path(), &arguments);
    assert!(figures.join("index.html").exists());
}

#[test]
fn a_strategy_and_its_twin_are_two_rows() {
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "run",
        "--smoke",
        "--strategies",
        "refcount",
        "--twins",
        "refcount",
        "--scenarios",
        "fast_path",
        "--threads",
        "1",
    ];
    let output = succeeds(folder.path(), &arguments);
    assert!(stdout(&output).contains("refcount-twin"));
    let recorded = newest(folder.path());
    assert_eq!(recorded.run.options["twins"], "refcount");
    let summary = recorded.summary("refcount").unwrap();
    let twin = summary.row("refcount-twin", "fast_path", 1).unwrap();
    assert!(twin.cost.as_ref().unwrap().to_baseline.is_some());
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let output = succeeds(folder.path(), &["run", "--dry-run"]);
    let text = stdout(&output);
    for words in ["bulk_detach", "workers", "blocks of about", "in all"] {
        assert!(text.contains(words), "no {words:?} in: {text}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_plan_can_be_made_for_another_machine() {
    let machine = Fixture::named("two-sockets-256");
    let sysfs = machine.sysfs().display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let output = succeeds(folder.path(), &["run", "--dry-run", "--sysfs", &sysfs]);
    let text = stdout(&output);
    assert!(text.contains("on CPUs 0-255"), "{text}");
    assert!(text.contains("1 2 4 8 16 32 64 128 256 512"), "{text}");
    let (_, in_all) = text.rsplit_once(", about ").unwrap();
    let minutes: u64 = in_all.split(' ').next().unwrap().parse().unwrap();
    assert!(in_all.contains(" min") && minutes < 20, "{in_all}");
}

#[test]
fn a_process_that_measures_wants_an_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = detach_bench(folder.path(), &["block"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("holds no order"));
}

/// What a device weighs can only be told by a process that does nothing else.
#[cfg(target_os = "linux")]
#[test]
fn a_device_weighs_something_and_a_lighter_one_less() {
    let cpu = detach_harness::machine::probe().allowed_cpus[0];
    let weigh = |strategy: &str| -> f64 {
        let folder = tempfile::tempdir().unwrap();
        let mut child = detach_bench(folder.path(), &["block"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let order = format!("{{\"Weigh\":{{\"cpus\":[{cpu}],\"strategy\":\"{strategy}\"}}}}\n");
        let mut input = child.stdin.take().unwrap();
        input.write_all(order.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let first = stdout(&output).lines().next().unwrap().to_owned();
        let answer: serde_json::Value = serde_json::from_str(&first).unwrap();
        answer["Weighed"]["Ok"].as_f64().unwrap()
    };
    // They claim 16 and 104 bytes; an allocator adds its own, and the whole
    // pages it takes are 10 000 devices' to share.
    let (light, heavy) = (weigh("seqlock"), weigh("arc-swap"));
    assert!(
        light > 10.0 && heavy > light && heavy < 500.0,
        "{light} {heavy}"
    );
}
