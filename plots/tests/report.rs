//! The files of a report.

mod common;

use std::fs;
use std::path::PathBuf;

use common::{Invented, NOBODY, unsupported};
use detach_plots::{PlotError, draw};
use detach_results::{Outcome, Row};

#[test]
fn a_report_has_every_figure_twice_and_a_page_that_shows_them() {
    let folder = tempfile::tempdir().expect("folder");
    let out = folder.path().join("made/when/missing");
    let mut recorded = Invented {
        strategies: vec!["turnstile", "refcount"],
        threads: vec![1, 2],
        ..Invented::default()
    }
    .recorded();
    recorded
        .measurements
        .push(unsupported("epoch", "fast_path", "\"<script>\" & more"));

    let written = draw(&recorded, &out).expect("drawn");
    assert_eq!(written[0], out.join("index.html"));
    assert_eq!(written.len(), 1 + 2 * 8);
    let page = fs::read_to_string(&written[0]).expect("page");
    for path in &written[1..] {
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .expect("name");
        assert!(page.contains(&format!("href=\"{name}\"")), "{name}");
        let bytes = fs::read(path).expect("figure");
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("png") => {
                assert_eq!(&bytes[..8], b"\x89PNG\r\n\x1a\n");
                let picture = image::load_from_memory(&bytes).expect("PNG").to_rgb8();
                assert_eq!(picture.width(), 1600);
                assert!(picture.pixels().any(|pixel| pixel.0 != [255; 3]));
            }
            Some("svg") => {
                let text = String::from_utf8(bytes).expect("UTF-8");
                roxmltree::Document::parse(&text).expect("XML");
            }
            other => panic!("{other:?}"),
        }
    }

    // Warnings, machine and tables are there; nothing of them acts as HTML.
    assert!(page.contains("No number of this run was measured &lt;at all&gt;."));
    assert!(page.contains("Invented CPU (no measurement)"));
    assert!(page.contains("private expedited"));
    assert!(page.contains("<td>turnstile</td>"));
    assert!(page.contains("epoch could not run here: &quot;&lt;script&gt;&quot; &amp; more"));
    assert!(!page.contains("<script"));
    assert!(!page.contains("mostly disturbed"));

    // So is what the machine was like, and what each figure asks.
    for words in [
        "one to a core",
        "L1 Data 48 KiB, lines of 64 bytes (CPUs 0)",
        "from 800 MHz, to 3600 MHz",
        "isolcpus=1",
        "spectre_v2: Retpolines",
        "<h2>At a glance</h2>",
        "<h2>Entering and leaving</h2>",
        "What does entering cost when everybody enters the same device",
    ] {
        assert!(page.contains(words), "{words}");
    }
    let summary = recorded.summary(NOBODY).expect("a summary");
    let spread = |row: &Row| {
        row.cost
            .as_ref()
            .is_some_and(|cost| cost.spread.within.is_some())
    };
    let known = summary.rows.iter().any(spread);
    assert_eq!(page.contains("<h2>How far samples lie apart</h2>"), known);
}

#[test]
fn a_run_that_was_mostly_disturbed_says_so_before_anything_else() {
    let folder = tempfile::tempdir().expect("folder");
    let mut recorded = Invented {
        strategies: vec!["turnstile"],
        threads: vec![1],
        ..Invented::default()
    }
    .recorded();
    recorded
        .measurements
        .retain(|measurement| measurement.scenario == "fast_path");
    for measurement in &mut recorded.measurements {
        if let Outcome::Cost(cost) = &mut measurement.outcome {
            cost.noise.disturbed_samples = 4;
            cost.noise.samples = 5;
        }
    }
    let written = draw(&recorded, folder.path()).expect("drawn");
    let page = fs::read_to_string(&written[0]).expect("page");
    let said = page.find("mostly disturbed").expect("the sentence");
    assert!(page.contains("8 of 10 samples"), "{page}");
    let text = detach_plots::table::text(&recorded).expect("a table");
    assert!(
        text.starts_with("MOSTLY DISTURBED: 8 of 10 samples"),
        "{text}"
    );
    assert!(said < page.find("<figure").expect("a figure"));
}

#[test]
fn calibration_and_probes_are_on_the_page() {
    let folder = tempfile::tempdir().expect("folder");
    let mut recorded = Invented {
        strategies: vec!["turnstile"],
        threads: vec![1],
        everything: true,
        blocks: 1,
        ..Invented::default()
    }
    .recorded();
    recorded
        .measurements
        .retain(|measurement| measurement.scenario == "churn");
    let written = draw(&recorded, folder.path()).expect("drawn");
    let page = fs::read_to_string(&written[0]).expect("page");
    for words in [
        "Its calibration",
        "speed with all CPUs busy",
        "1 of 4 disturbed",
        "<h2>The ground it stands on</h2>",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn an_empty_run_is_an_error_and_writes_nothing() {
    let folder = tempfile::tempdir().expect("folder");
    let out = folder.path().join("report");
    let mut recorded = Invented::default().recorded();
    recorded.measurements.clear();
    let error = draw(&recorded, &out).expect_err("empty");
    assert!(matches!(error, PlotError::Empty { .. }));
    assert!(
        error.to_string().contains("holds no measurement"),
        "{error}"
    );
    assert!(!out.exists());
}

#[test]
fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().expect("folder");
    let file: PathBuf = folder.path().join("file");
    fs::write(&file, "in the way").expect("file");
    let out = file.join("report");
    let recorded = Invented {
        strategies: vec!["turnstile"],
        threads: vec![1],
        ..Invented::default()
    }
    .recorded();
    let error = draw(&recorded, &out).expect_err("a file is no folder");
    assert!(matches!(error, PlotError::Write { .. }));
    assert!(
        error.to_string().contains(&out.display().to_string()),
        "{error}"
    );
}
