//! The flat rows of the second sample run, and how much of it was disturbed.

use std::collections::BTreeMap;
use std::path::Path;

use detach_results::compare::{LackedBy, Options};
use detach_results::export::{Export, ExportRow};
use detach_results::{BASELINE, Comparison, Disturbance, Recorded, SCHEMA_VERSION};

fn sample() -> Recorded {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/sample-run-2");
    let recorded = Recorded::read(&dir).unwrap();
    assert_eq!(recorded.problems, []);
    recorded
}

fn row<'a>(export: &'a Export, scenario: &str, strategy: &str) -> &'a ExportRow {
    let mut rows = export.rows.iter();
    rows.find(|row| row.scenario == scenario && row.strategy == strategy)
        .unwrap()
}

#[test]
fn the_sample_uses_the_present_schema_and_survives_a_round_trip() {
    let recorded = sample();
    assert_eq!(recorded.run.schema, SCHEMA_VERSION);
    assert_eq!(recorded.run.warnings[0].kind, "invented");
    for (file, documents) in [
        (
            "run.json",
            vec![serde_json::to_value(&recorded.run).unwrap()],
        ),
        (
            "measurements.jsonl",
            recorded
                .measurements
                .iter()
                .map(|one| serde_json::to_value(one).unwrap())
                .collect(),
        ),
    ] {
        let text = std::fs::read_to_string(recorded.dir.join(file)).unwrap();
        let found = serde_json::Deserializer::from_str(&text).into_iter();
        let found: Result<Vec<serde_json::Value>, _> = found.collect();
        assert_eq!(documents, found.unwrap(), "{file}");
    }
}

#[test]
fn the_disturbed_samples_of_a_run_are_counted() {
    let recorded = sample();
    let disturbance = recorded.disturbance();
    // One fast path of turnstile wholly, and four others by one sample each:
    // a cost, a detach, and a visit. Of the two probes, the last.
    assert_eq!(
        disturbance,
        Disturbance {
            samples: 130,
            disturbed: 7,
            probes: 2,
            disturbed_probes: 1,
        }
    );
    assert!(!disturbance.is_mostly());
}

#[test]
fn rows_hold_figures_ratios_and_spreads() {
    let export = Export::new(&sample(), BASELINE).unwrap();
    assert!(export.has_baseline());

    let turnstile = row(&export, "fast_path", "turnstile");
    // Blocks 5, 6, 5.5 and 5; the fifth was disturbed throughout.
    assert_eq!(turnstile.median, Some(5.25));
    assert_eq!((turnstile.set_apart, turnstile.processes), (1, 4));
    assert_eq!((turnstile.samples, turnstile.disturbed_samples), (21, 5));
    let ratio = [
        turnstile.ratio,
        turnstile.ratio_ci_low,
        turnstile.ratio_ci_high,
    ];
    assert_eq!(ratio, [Some(0.5); 3]);
    // m - 1, m, m, m + 1 have quartiles m -+ 0.25; the medians are 5, 5, 5.5
    // and 6, of which the quartiles are 5 and 5.625.
    let within = 0.25 * (1.0 / 5.0 + 1.0 / 5.5) / 2.0;
    assert!((turnstile.spread_within.unwrap() - within).abs() < 1e-12);
    assert_eq!(turnstile.spread_between, Some(0.3125 / 5.25));

    let detach = row(&export, "detach", "turnstile");
    assert_eq!(detach.quantity, Some("detach_p50_ns"));
    assert_eq!((detach.median, detach.ratio), (Some(224.0), Some(2.0)));
    assert_eq!(
        (detach.max, detach.heavy_fence_p50_ns),
        (Some(800), Some(180))
    );

    let many = row(&export, "many_devices", "turnstile");
    assert_eq!((many.devices, many.skewed), (1024, true));
    assert_eq!((many.bytes_per_device, many.ratio), (Some(88.0), None));
    let disturbance = row(&export, "disturbance", "turnstile");
    assert_eq!(
        (disturbance.detach_rate, disturbance.detaches_per_second),
        (100, Some(99.0))
    );
    let late = row(&export, "late_drain", "turnstile");
    assert_eq!((late.hold_ns, late.refused_p50_ns), (1_000_000, Some(50)));
    let bystander = row(&export, "bystander", "dying-xcall");
    assert_eq!(bystander.overtook, Some(5));
    let visits = row(&export, "visits", "turnstile");
    assert_eq!((visits.median, visits.clock_p50_ns), (Some(31.5), Some(20)));
    let unsupported = row(&export, "fast_path", "dying-membarrier");
    assert_eq!((unsupported.quantity, unsupported.median), (None, None));
    assert!(unsupported.unsupported.is_some());

    let absent = Export::new(&sample(), "absent").unwrap();
    assert!(!absent.has_baseline());
    assert!(absent.rows.iter().all(|row| row.ratio.is_none()));
}

/// What was detached in one call is not what was detached one by one.
#[test]
fn devices_that_were_detached_together_are_a_row_of_their_own() {
    let mut recorded = sample();
    let mut together = recorded.measurements.clone();
    together.retain(|measurement| measurement.scenario == "late_drain");
    for measurement in &mut together {
        measurement.workload.together = true;
    }
    recorded.measurements.extend(together);
    let export = Export::new(&recorded, BASELINE).unwrap();
    let rows = export.rows.iter();
    let rows = rows.filter(|row| row.scenario == "late_drain");
    let found: Vec<_> = rows.map(|row| (row.together, row.records)).collect();
    assert_eq!(found, [(false, 2), (true, 2)]);
    let markdown = export.markdown();
    assert!(markdown.contains("held 1 ms, together |"), "{markdown}");

    let options = Options::default();
    let comparison = Comparison::new(&sample(), &[recorded], &options).unwrap();
    let missing = &comparison.candidates[0].missing;
    let lacked = missing.iter().find(|missing| missing.key.together);
    assert_eq!(lacked.unwrap().lacked_by, LackedBy::Reference);
    let csv = comparison.csv();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let lines = reader.deserialize::<BTreeMap<String, String>>();
    let lines = lines.filter(|line| line.as_ref().unwrap()["together"] == "true");
    assert_eq!(lines.count(), 1, "{csv}");
}

#[test]
fn every_format_holds_every_row() {
    let export = Export::new(&sample(), BASELINE).unwrap();
    let csv = export.csv();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let found: Vec<BTreeMap<String, String>> =
        reader.deserialize().collect::<Result<_, _>>().unwrap();
    assert_eq!(found.len(), export.rows.len());
    let json: serde_json::Value = serde_json::from_str(&export.json()).unwrap();
    for ((row, line), value) in export
        .rows
        .iter()
        .zip(&found)
        .zip(json["rows"].as_array().unwrap())
    {
        assert_eq!(line["strategy"], row.strategy);
        assert_eq!(line["median"].parse().ok(), row.median);
        assert_eq!(value["median"].as_f64(), row.median);
        assert_eq!(line.len(), value.as_object().unwrap().len());
    }
    let markdown = export.markdown();
    for words in [
        "**many_devices**",
        "2 workers, 1024 devices, skewed",
        "0.5 [0.5, 0.5]",
        "membarrier is refused by the kernel",
        "7 of 130 samples were disturbed",
    ] {
        assert!(markdown.contains(words), "no {words} in:\n{markdown}");
    }
}
