//! Comparing runs, on copies of the sample that were changed so that the
//! verdict can be told by hand.

use std::path::Path;

use detach_results::compare::{CompareError, LackedBy, Options, Refuse, Verdict, Warn};
use detach_results::{Comparison, Estimate, Key, Outcome, Quantity, Recorded, Warning};

fn sample() -> Recorded {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-run-2");
    let recorded = Recorded::read(&dir).unwrap();
    assert_eq!(recorded.problems, []);
    recorded
}

/// The sample with every cost of a strategy multiplied.
fn slowed(strategy: &str, factor: f64) -> Recorded {
    let mut recorded = sample();
    for measurement in &mut recorded.measurements {
        if let Outcome::Cost(cost) = &mut measurement.outcome
            && measurement.strategy == strategy
        {
            let samples = cost.ns_per_op.samples.iter().map(|ns| ns * factor);
            cost.ns_per_op = Estimate::from_samples(samples.collect(), 0).unwrap();
        }
    }
    recorded
}

fn compare(candidate: Recorded, options: &Options) -> Comparison {
    Comparison::new(&sample(), &[candidate], options).unwrap()
}

fn only(scenario: &str) -> Options {
    Options {
        scenarios: vec![scenario.into()],
        ..Options::default()
    }
}

fn key(scenario: &str, strategy: &str) -> Key {
    let recorded = sample();
    let mut keys = recorded.measurements.iter().map(Key::of);
    keys.find(|key| key.scenario == scenario && key.strategy == strategy)
        .unwrap()
}

#[test]
fn a_run_does_not_differ_from_itself() {
    let comparison = compare(sample(), &Options::default());
    let candidate = &comparison.candidates[0];
    assert_eq!(candidate.warnings, []);
    assert!(!comparison.regressed());
    for row in &candidate.rows {
        assert_eq!(row.ratio.unwrap().ratio, 1.0, "{:?}", row.key);
        assert_eq!(row.verdict, Verdict::CannotTell);
    }
    // What could run in neither is told.
    assert_eq!(candidate.missing.len(), 1);
    let missing = &candidate.missing[0];
    assert_eq!(missing.key, key("fast_path", "dying-membarrier"));
    assert_eq!(missing.lacked_by, LackedBy::Both);
    assert_eq!(
        missing.why.as_deref(),
        Some("membarrier is refused by the kernel")
    );
}

/// Medians of refcount's blocks are 10, 12, 11, 10 and 12, so a factor of 1.5
/// puts every block of the one above every block of the other: the lowest
/// possible ratio of medians is 15 over 12, or 1.25.
#[test]
fn a_slower_strategy_is_told_and_regresses_beyond_the_threshold() {
    for (threshold, regressed) in [(None, false), (Some(0.2), true), (Some(0.3), false)] {
        let options = Options {
            threshold,
            ..only("fast_path")
        };
        let comparison = compare(slowed("refcount", 1.5), &options);
        let candidate = &comparison.candidates[0];
        let rows = &candidate.rows;
        let find = |strategy: &str| {
            let mut rows = rows.iter();
            rows.find(|row| row.key.strategy == strategy).unwrap()
        };
        let row = find("refcount");
        let ratio = row.ratio.unwrap();
        assert_eq!((ratio.ratio, ratio.ci_low, ratio.ci_high), (1.5, 1.25, 1.8));
        assert_eq!((row.verdict, row.regressed), (Verdict::Slower, regressed));
        assert_eq!(row.quantity, Quantity::NsPerOp);
        assert_eq!((row.reference.median, row.candidate.median), (11.0, 16.5));
        assert_eq!(row.reference.processes, 5);
        assert_eq!(comparison.regressed(), regressed);
        for strategy in ["turnstile", "refcount-twin"] {
            assert_eq!(find(strategy).verdict, Verdict::CannotTell);
        }
        // The disturbed block of turnstile is not in its figures.
        assert_eq!(find("turnstile").reference.processes, 4);
    }

    let options = Options {
        threshold: Some(0.05),
        ..only("fast_path")
    };
    let comparison = compare(slowed("refcount", 0.5), &options);
    let row = &comparison.candidates[0].rows[0];
    assert_eq!((row.verdict, row.regressed), (Verdict::Faster, false));
}

/// Two blocks on each side differ by a factor of ten, and still nothing is
/// concluded: one order in three would look like this.
#[test]
fn two_processes_tell_nothing() {
    let options = Options {
        threshold: Some(0.05),
        ..only("many_devices")
    };
    let comparison = compare(slowed("turnstile", 10.0), &options);
    let row = &comparison.candidates[0].rows[0];
    assert_eq!(row.ratio.unwrap().ci_low, 10.0);
    assert!(row.too_few_processes && !row.regressed);
    assert_eq!(row.verdict, Verdict::CannotTell);
    assert!(comparison.text().contains("cannot tell *"));
}

#[test]
fn detaches_are_compared_by_the_medians_of_processes() {
    let mut candidate = sample();
    // refcount now takes what turnstile took: 220 + 2b over 110 + b ns.
    for measurement in &mut candidate.measurements {
        if measurement.scenario == "detach" {
            let turns = measurement.strategy == "turnstile";
            measurement.strategy = if turns { "refcount" } else { "turnstile" }.into();
        }
    }
    let comparison = compare(candidate, &only("detach"));
    let rows = &comparison.candidates[0].rows;
    assert_eq!(rows.len(), 2);
    for (row, ratio, verdict) in [
        (&rows[0], 2.0, Verdict::Slower),
        (&rows[1], 0.5, Verdict::Faster),
    ] {
        assert_eq!(row.quantity, Quantity::DetachP50Ns);
        assert_eq!(row.ratio.unwrap().ratio, ratio);
        assert_eq!(row.verdict, verdict);
    }
}

#[test]
fn what_one_side_lacks_is_told() {
    let mut candidate = sample();
    for measurement in &mut candidate.measurements {
        if measurement.scenario == "visits" {
            measurement.threads = 4;
        }
        if measurement.strategy == "dying-xcall" {
            measurement.outcome = Outcome::Unsupported {
                unsupported: "no timers".into(),
            };
        }
    }
    let options = Options {
        scenarios: vec!["visits".into(), "bystander".into()],
        ..Options::default()
    };
    let comparison = compare(candidate, &options);
    let candidate = &comparison.candidates[0];
    assert_eq!(candidate.rows, []);
    let found: Vec<_> = candidate
        .missing
        .iter()
        .map(|missing| {
            (
                missing.key.threads,
                missing.lacked_by,
                missing.why.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            (1, LackedBy::Candidate, Some("no timers")),
            (2, LackedBy::Candidate, None),
            (4, LackedBy::Reference, None),
        ]
    );
    let text = comparison.text();
    assert!(text.contains("not measured"), "{text}");
    let csv = comparison.csv();
    assert!(
        csv.contains("only_in_reference,false,false,false,no timers"),
        "{csv}"
    );
    assert!(csv.contains("only_in_run"), "{csv}");
}

fn refusals(change: fn(&mut Recorded)) -> Vec<Refuse> {
    let mut candidate = sample();
    change(&mut candidate);
    let error = Comparison::new(&sample(), &[candidate.clone()], &Options::default());
    let shown = error.as_ref().unwrap_err().to_string();
    let Err(CompareError::Refused { reasons, .. }) = error else {
        panic!("not refused: {error:?}");
    };
    for reason in &reasons {
        assert!(shown.contains(reason.hint()), "{shown}");
    }
    // Whoever insists gets them as warnings.
    let forced = Options {
        force: true,
        ..Options::default()
    };
    let comparison = compare(candidate, &forced);
    for reason in &reasons {
        let warnings = &comparison.candidates[0].warnings;
        assert!(warnings.contains(&Warn::Forced(reason.clone())));
    }
    reasons
}

#[test]
fn runs_that_say_nothing_about_each_other_are_refused() {
    let pair = |reference: &str, candidate: &str| (reference.to_owned(), candidate.to_owned());
    let (reference, candidate) = pair("example-2cpu", "example-4cpu");
    assert_eq!(
        refusals(|run| run.run.machine.id = "example-4cpu".into()),
        [Refuse::Machine {
            reference,
            candidate
        }]
    );
    let (reference, candidate) = pair("Example (invented for tests)", "Other");
    assert_eq!(
        refusals(|run| run.run.machine.cpu_model = "Other".into()),
        [Refuse::CpuModel {
            reference,
            candidate
        }]
    );
    let found = refusals(|run| {
        run.run.machine.architecture = "aarch64".into();
        run.run.build.profile = "debug".into();
    });
    assert!(matches!(
        found.as_slice(),
        [Refuse::Architecture { .. }, Refuse::Profile { .. }]
    ));
}

#[test]
fn benches_and_releases_are_built_alike() {
    let mut candidate = sample();
    candidate.run.build.profile = "bench".into();
    assert_eq!(
        compare(candidate, &Options::default()).candidates[0].warnings,
        []
    );
}

/// The kinds of the warnings, when a run is changed so.
fn warnings(change: fn(&mut Recorded)) -> Vec<String> {
    let mut candidate = sample();
    change(&mut candidate);
    let comparison = compare(candidate, &Options::default());
    let warnings = comparison.candidates[0].warnings.clone();
    let json: serde_json::Value = serde_json::from_str(&comparison.json()).unwrap();
    let found = &json["candidates"][0]["warnings"];
    let kinds = warnings.into_iter().zip(0..).map(|(warn, position)| {
        let warning = Warning::from(warn);
        assert_eq!(found[position]["message"], warning.message);
        assert!(!warning.hint.is_empty());
        assert!(comparison.text().contains(&warning.message));
        warning.kind
    });
    kinds.collect()
}

#[test]
fn what_else_differs_is_a_warning() {
    type Change = fn(&mut Recorded);
    let cases: [(Change, &str); 8] = [
        (|run| run.run.machine.kernel = "7.0".into(), "other-kernel"),
        (
            |run| run.run.build.rustc = "rustc 2".into(),
            "other-compiler",
        ),
        (|run| run.run.build.flags = "-O".into(), "other-flags"),
        (
            |run| run.run.machine.governor = "powersave".into(),
            "other-governor",
        ),
        (
            |run| run.run.machine.allowed_cpus = vec![0],
            "other-cpu-count",
        ),
        (
            |run| run.run.scheduler = "criterion".into(),
            "other-scheduler",
        ),
        (|run| run.run.complete = false, "incomplete"),
        (|run| run.run.calibration = None, "no-calibration"),
    ];
    for (change, kind) in cases {
        assert_eq!(warnings(change), [kind]);
    }
    assert_eq!(
        warnings(|run| run
            .run
            .probes
            .iter_mut()
            .for_each(|one| one.disturbed = true)),
        ["mostly-disturbed"]
    );
}

#[test]
fn calibrations_may_differ_by_a_tenth() {
    let change: fn(&mut Recorded) = |run| {
        let calibration = run.run.calibration.as_mut().unwrap();
        // 20 and 1 ns in the reference; 160 and 1600 for the fences.
        calibration.clock_ns.median = 21.9;
        calibration.plain_increment_ns.median = 1.2;
        calibration.heavy_fence_idle_ns.as_mut().unwrap().p50 = 140;
        calibration.heavy_fence_busy_ns = None;
        let transfers = calibration.transfers.as_mut().unwrap();
        transfers.one_way_ns[0][1] = Some(60.0);
    };
    assert_eq!(warnings(change), ["other-calibration"; 3]);
    let mut candidate = sample();
    change(&mut candidate);
    let comparison = compare(candidate, &Options::default());
    let shown: Vec<_> = comparison.candidates[0]
        .warnings
        .iter()
        .map(Warn::to_string)
        .collect();
    assert_eq!(
        shown,
        [
            "the machine has changed: a plain increment took 1 ns, then 1.2 ns",
            "the machine has changed: a heavy fence among idle CPUs took 160 ns, then 140 ns",
            "the machine has changed: the transfer of a cache line took 50 ns, then 60 ns",
        ]
    );
}

#[test]
fn nothing_of_that_kind_is_answered_with_what_there_is() {
    let options = only("fastpath");
    let error = Comparison::new(&sample(), &[sample()], &options).unwrap_err();
    let shown = error.to_string();
    assert!(
        shown.contains("fast_path") && shown.contains("turnstile"),
        "{shown}"
    );
}

#[test]
fn a_mostly_disturbed_run_is_told_first() {
    let mut candidate = sample();
    for measurement in &mut candidate.measurements {
        if let Outcome::Cost(cost) = &mut measurement.outcome {
            cost.noise.disturbed_samples = cost.noise.samples;
        }
    }
    let comparison = compare(candidate, &Options::default());
    assert!(comparison.candidates[0].run.disturbance.is_mostly());
    for report in [comparison.text(), comparison.markdown()] {
        assert!(report.starts_with("MOSTLY DISTURBED: "), "{report}");
        assert!(report.contains("! made of disturbed"), "{report}");
    }
}

#[test]
fn every_format_holds_every_row() {
    let candidates = [slowed("refcount", 1.5), slowed("turnstile", 2.0)];
    let options = Options {
        threshold: Some(0.05),
        ..Options::default()
    };
    let comparison = Comparison::new(&sample(), &candidates, &options).unwrap();
    let rows: usize = comparison.candidates.iter().map(|one| one.rows.len()).sum();
    let csv = comparison.csv();
    // A header, and what neither could run.
    assert_eq!(csv.lines().count(), 1 + rows + 2);
    let columns = csv.lines().next().unwrap().split(',').count();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    for record in reader.records() {
        assert_eq!(record.unwrap().len(), columns);
    }
    let json: serde_json::Value = serde_json::from_str(&comparison.json()).unwrap();
    assert_eq!(json["threshold"], 0.05);
    let row = &json["candidates"][0]["rows"][0];
    assert_eq!(row["quantity"], "detach_p50_ns");
    assert_eq!(
        json["candidates"][1]["rows"].as_array().unwrap().len(),
        rows / 2
    );
    let markdown = comparison.markdown();
    assert!(markdown.contains("| fast_path | 1 worker "), "{markdown}");
    assert!(markdown.contains("REGRESSED"), "{markdown}");
    assert!(comparison.text().contains("1 row slower by more than 5%."));
}
