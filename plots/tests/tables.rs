//! The summary as text and in Markdown, against known answers, and the table
//! of a document.

mod common;

use common::{Invented, NOBODY, unsupported};
use detach_plots::readme::{self, ReadmeError};
use detach_plots::{drawings, table};
use detach_results::{Measurement, Outcome, Recorded};

/// A run whose costs are round numbers: 12 ns for refcount, 1.5 ns for
/// turnstile, at one worker.
fn round_numbers() -> Recorded {
    let mut recorded = Invented {
        strategies: vec!["turnstile", "refcount"],
        threads: vec![1],
        blocks: 2,
        ..Invented::default()
    }
    .recorded();
    for measurement in &mut recorded.measurements {
        let nanoseconds = if measurement.strategy == "refcount" {
            12.0
        } else {
            1.5
        };
        if let Outcome::Cost(cost) = &mut measurement.outcome {
            cost.ns_per_op.samples = vec![nanoseconds; 5];
            cost.ns_per_op.median = nanoseconds;
            cost.ns_per_op.ci_low = nanoseconds;
            cost.ns_per_op.ci_high = nanoseconds;
        }
    }
    recorded
}

/// Makes every sample of some measurements a disturbed one.
fn disturb(recorded: &mut Recorded, which: impl Fn(&Measurement) -> bool) {
    for measurement in &mut recorded.measurements {
        let chosen = which(measurement);
        if let (true, Outcome::Cost(cost)) = (chosen, &mut measurement.outcome) {
            cost.noise.disturbed_samples = cost.noise.samples;
            cost.disturbed = true;
        }
    }
}

/// The words of the line that begins with a strategy's name.
fn cells<'a>(text: &'a str, heading: &str, strategy: &str) -> Vec<&'a str> {
    let (_, below) = text.split_once(heading).expect(heading);
    let line = below
        .lines()
        .map(|line| line.trim_matches(|c: char| !c.is_alphanumeric()))
        .find(|line| line.split_whitespace().next() == Some(strategy))
        .expect(strategy);
    line.split_whitespace().collect()
}

#[test]
fn the_text_holds_cost_ratio_and_latency() {
    let text = table::text(&round_numbers()).expect("table");
    let cost = "Time per acquire + release";
    assert_eq!(
        cells(&text, cost, "turnstile"),
        ["turnstile", "1.5", "ns", "8x"]
    );
    assert_eq!(
        cells(&text, cost, "refcount"),
        ["refcount", "12", "ns", "1x"]
    );
    let detach = cells(&text, "Time until detach returned", "turnstile").join(" ");
    assert!(detach.starts_with("turnstile 1.19 µs / 2.8"), "{detach}");
    assert!(text.contains("above 1 is faster than refcount"), "{text}");
}

#[test]
fn markdown_holds_the_same_cells_in_the_same_number() {
    let recorded = round_numbers();
    let markdown = table::markdown(&recorded).expect("table");
    assert!(markdown.contains("| strategy | 1 worker | vs refcount |\n| --- | ---: | ---: |\n"));
    assert!(
        markdown.contains("| turnstile | 1.5 ns | 8x |\n"),
        "{markdown}"
    );
    let mut columns = 0;
    for line in markdown.lines() {
        if line.starts_with('|') {
            let now = line.matches('|').count();
            assert!(columns == 0 || columns == now, "{line}");
            columns = now;
        } else {
            columns = 0;
        }
    }
}

#[test]
fn without_the_baseline_there_are_no_ratios() {
    let recorded = Invented {
        strategies: vec!["turnstile", "epoch"],
        ..Invented::default()
    }
    .recorded();
    let text = table::text(&recorded).expect("table");
    assert!(!text.contains("vs refcount"), "{text}");
    assert!(text.contains("refcount was not measured"), "{text}");
}

#[test]
fn what_is_special_is_signed_and_explained() {
    let mut recorded = Invented::default().recorded();
    recorded
        .measurements
        .push(unsupported("hazard", "fast_path", "no | such call"));
    let text = table::text(&recorded).expect("table");
    assert!(text.contains("4 workers+"), "{text}");
    assert!(text.contains("2 workers*"), "{text}");
    assert!(
        text.contains("hazard could not run here: no | such call"),
        "{text}"
    );
    let rwlock = cells(&text, "Time per acquire + release", "rwlock");
    let summary = recorded.summary(NOBODY).expect("a summary");
    let rests = summary.rows.iter().any(|row| row.rests_on_disturbed);
    assert_eq!(rwlock.contains(&"!"), rests, "{rwlock:?}");
    let markdown = table::markdown(&recorded).expect("table");
    assert!(markdown.contains("no \\| such call"), "{markdown}");
}

#[test]
fn no_table_is_wider_than_a_large_terminal() {
    let recorded = Invented {
        threads: vec![1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
        cpus: 256,
        blocks: 2,
        ..Invented::default()
    }
    .recorded();
    let text = table::text(&recorded).expect("table");
    let rows = text.lines().filter(|line| line.starts_with('│'));
    let widest = rows.map(|line| line.chars().count()).max().expect("rows");
    assert!(widest <= 140, "{widest}");
    for count in ["256 workers", "512 workers+"] {
        assert!(text.contains(count), "{count}");
    }
}

#[test]
fn the_other_scenarios_share_a_few_short_tables() {
    let recorded = Invented {
        strategies: vec!["turnstile", "dying-xcall"],
        threads: vec![1],
        everything: true,
        blocks: 1,
        ..Invented::default()
    }
    .recorded();
    let text = table::text(&recorded).expect("table");
    let title = "Other scenarios, each at one setting";
    assert!((1..=3).contains(&text.matches(title).count()), "{text}");
    let rows = text.lines().filter(|line| line.starts_with('\u{2502}'));
    let widest = rows.map(|line| line.chars().count()).max().expect("rows");
    assert!(widest <= 120, "{widest}: {text}");
    assert!(text.contains("short life"), "{text}");
    assert!(!text.contains("may not sleep"), "it ran elsewhere: {text}");

    let markdown = table::markdown(&recorded).expect("table");
    assert!(markdown.contains("short life, 2 workers"), "{markdown}");
}

/// Both sides have enough undisturbed blocks, but no such block in common.
#[test]
fn a_ratio_is_signed_where_its_sides_are_not() {
    let mut recorded = Invented {
        strategies: vec!["turnstile", "refcount"],
        threads: vec![1],
        blocks: 6,
        ..Invented::default()
    }
    .recorded();
    let explained = "! rests on samples that were disturbed";
    assert!(!table::text(&recorded).expect("table").contains(explained));
    disturb(&mut recorded, |measurement| {
        measurement.scenario == "fast_path"
            && (measurement.block < 3) == (measurement.strategy == "refcount")
    });
    let markdown = table::markdown(&recorded).expect("table");
    let line = |strategy: &str| {
        let begin = format!("| {strategy} | ");
        let line = markdown.lines().find(|line| line.starts_with(&begin));
        line.expect("a line")
    };
    assert!(line("turnstile").ends_with("x ! |"), "{markdown}");
    assert_eq!(line("turnstile").matches('!').count(), 1, "{markdown}");
    assert!(!line("refcount").contains('!'), "{markdown}");
    assert!(markdown.contains(explained), "{markdown}");
}

#[test]
fn what_is_held_against_disturbed_samples_is_signed() {
    let mut recorded = Invented {
        strategies: vec!["turnstile"],
        threads: vec![1],
        everything: true,
        blocks: 1,
        ..Invented::default()
    }
    .recorded();
    let explained = "! rests on samples that were disturbed";
    assert!(!table::text(&recorded).expect("table").contains(explained));
    // What throughput is left is told by a row that is not in the table.
    disturb(&mut recorded, |measurement| {
        measurement.scenario == "disturbance" && measurement.workload.detach_rate == Some(0)
    });
    let text = table::text(&recorded).expect("table");
    assert!(text.contains("98.1% !"), "{text}");
    assert!(text.contains(explained), "{text}");
    let figures = drawings(&recorded).expect("figures");
    let figure = figures.iter().find(|figure| figure.name == "disturbance");
    assert!(figure.expect("a figure").svg.contains("A ring also marks"));
}

/// Makes workers sleep in every detach of a turnstile, and in none of others.
fn put_to_sleep(recorded: &mut Recorded, which: impl Fn(&Measurement) -> bool) {
    for measurement in &mut recorded.measurements {
        let turnstile = measurement.strategy == "turnstile";
        let sleeps = if turnstile { 1.0 } else { 0.0 };
        measurement.worker_sleeps = which(measurement).then_some(sleeps);
    }
}

#[test]
fn whose_workers_slept_is_signed_beside_others_whose_did_not() {
    let mut recorded = Invented {
        strategies: vec!["turnstile", "refcount"],
        threads: vec![1],
        everything: true,
        blocks: 1,
        ..Invented::default()
    }
    .recorded();
    let explained = "~ workers slept in most of these detaches";
    let signs = |recorded: &Recorded| {
        let text = table::text(recorded).expect("table");
        let signs = text.matches(" ~ ").count();
        assert_eq!(text.contains(explained), signs > 0, "{text}");
        signs
    };
    let told = |recorded: &Recorded| -> Vec<String> {
        let drawings = drawings(recorded).expect("figures").into_iter();
        let told = drawings.filter(|drawing| drawing.svg.contains("orkers slept in most"));
        told.map(|drawing| drawing.name).collect()
    };
    assert_eq!((signs(&recorded), told(&recorded)), (0, vec![]));

    put_to_sleep(&mut recorded, |one| {
        one.scenario == "detach" && one.threads == 1
    });
    assert_eq!(signs(&recorded), 1);
    assert_eq!(
        told(&recorded),
        ["overview", "tradeoff", "detach", "phases"]
    );
    put_to_sleep(&mut recorded, |one| one.scenario == "hold_detach");
    assert_eq!(signs(&recorded), 1);
    assert_eq!(told(&recorded), ["overview", "hold-detach"]);

    // Nobody is told from somebody else.
    recorded
        .measurements
        .retain(|one| one.strategy == "turnstile");
    assert_eq!((signs(&recorded), told(&recorded)), (0, vec![]));
}

#[test]
fn a_run_without_measurements_is_an_error_that_says_so() {
    let mut recorded = round_numbers();
    recorded.measurements.clear();
    let error = table::text(&recorded).expect_err("empty").to_string();
    assert!(error.contains("holds no measurement"), "{error}");
    assert!(error.contains(&recorded.run.name()), "{error}");
    recorded
        .measurements
        .push(unsupported("turnstile", "fast_path", "no rseq"));
    let error = table::text(&recorded).expect_err("empty").to_string();
    assert!(
        error.contains("turnstile could not run (no rseq)"),
        "{error}"
    );
}

const COMMAND: &str = "detach-bench table results/recorded/x --readme README.md";

fn document() -> String {
    "# Title\n\n<!-- table: begin -->\n<!-- table: end -->\n\nAfter.\n".to_owned()
}

#[test]
fn a_document_gets_its_table_and_only_that() {
    let recorded = round_numbers();
    let block = readme::block(&recorded, COMMAND).expect("block");
    let once = readme::replace(&document(), &block).expect("replaced");
    assert!(once.starts_with("# Title\n\n<!-- table: begin run="));
    assert!(once.ends_with("<!-- table: end -->\n\nAfter.\n"));
    assert!(once.contains(&format!("`{COMMAND}`")));
    assert!(once.contains("| turnstile | 1.5 ns | 8x |"));
    let twice = readme::replace(&once, &block).expect("replaced");
    assert_eq!(once, twice);
}

#[test]
fn a_table_belongs_to_its_run_and_to_no_other() {
    let recorded = round_numbers();
    let block = readme::block(&recorded, COMMAND).expect("block");
    let document = readme::replace(&document(), &block).expect("replaced");
    readme::belongs(&document, &recorded).expect("its own run");
    let windows = document.replace('\n', "\r\n");
    readme::belongs(&windows, &recorded).expect("its own run, other line ends");
    let again = readme::replace(&windows, &block).expect("replaced");
    assert_eq!(again, windows);

    let mut later = recorded.clone();
    later.run.started = "2027-01-01T00:00:00Z".to_owned();
    let error = readme::belongs(&document, &later).expect_err("another run");
    assert!(matches!(error, ReadmeError::OtherRun { .. }), "{error}");

    let edited = document.replace("1.5 ns", "0.5 ns");
    let error = readme::belongs(&edited, &recorded).expect_err("edited");
    assert!(matches!(error, ReadmeError::Changed { .. }), "{error}");

    let error = readme::belongs("nothing", &recorded).expect_err("no table");
    assert!(matches!(error, ReadmeError::Markers { .. }), "{error}");
}
