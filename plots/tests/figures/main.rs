//! What a reader sees in the figures, taken from the SVG documents: nothing
//! cut off, nothing written over something else, nothing left unsaid.

#[path = "../common/mod.rs"]
mod common;
mod drawn;

use std::sync::LazyLock;

use common::page::{Page, Text};
use common::scenarios::SCENARIOS;
use common::{Invented, NOBODY, twin, unsupported};
use detach_plots::drawings;
use detach_results::{Outcome, Recorded, Row};
use drawn::*;

#[test]
fn nothing_is_cut_off_and_no_text_lies_on_another() {
    for (world, recorded, figures) in &*DRAWN {
        let scenarios = shown(recorded).len();
        // Three scenarios have two figures each; overview and trade-off come on
        // top, and where it was calibrated, the machine.
        let machine = usize::from(recorded.run.calibration.is_some());
        assert_eq!(figures.len(), scenarios + 5 + machine, "{world}");
        for (name, page) in figures {
            assert_sound(&format!("{world}, {name}"), page);
        }
    }
}

#[test]
fn every_title_names_machine_and_date() {
    for (world, recorded, figures) in &*DRAWN {
        let machine = &recorded.run.machine;
        for (name, page) in figures {
            let words = page.all_words();
            assert!(
                words.contains(machine.cpu_model.as_str()),
                "{world}, {name}: {words}"
            );
            assert!(words.contains("2026-11-23"), "{world}, {name}: {words}");
            let cpus = machine.allowed_cpus.len();
            assert!(words.contains(&format!("{cpus} CPU")), "{world}, {name}");
        }
    }
}

#[test]
fn every_strategy_and_every_count_is_labelled() {
    let figure = |name| pick(&DRAWN[0].2, name);
    for (name, page) in &DRAWN[0].2 {
        assert!(!name.starts_with("other-"), "{name}");
        for strategy in detach_plots::known_ids() {
            assert!(page.has(strategy), "{name}: {strategy}");
        }
    }
    for name in ["cost", "throughput", "cost-private", "throughput-private"] {
        let page = figure(name);
        for count in ["1", "2", "4"] {
            assert!(page.has(count), "{name}: {count}");
        }
    }
    // The detacher of the invented runs shares its CPU from two workers on.
    let page = figure("detach");
    for count in ["0", "1", "2*", "4*"] {
        let panels = page.texts.iter().filter(|text| text.words == count);
        assert_eq!(panels.count(), detach_plots::known_ids().count(), "{count}");
    }
}

#[test]
fn axes_have_units_and_the_labels_of_whole_decades() {
    let figure = |name| pick(&DRAWN[0].2, name);
    let cost = figure("cost");
    assert!(cost.has("nanoseconds per acquire + release"));
    for label in ["0.1", "1", "10", "100", "1000"] {
        assert!(cost.has(label), "{label}");
    }
    let throughput = figure("throughput");
    assert!(throughput.has("operations per second, all workers together"));
    for label in ["10 M", "100 M", "1 G", "10 G"] {
        assert!(throughput.has(label), "{label}");
    }
    let tradeoff = figure("tradeoff");
    for label in [
        "0.1 ns", "1 ns", "10 ns", "100 ns", "1 µs", "10 µs", "100 µs",
    ] {
        assert!(tradeoff.has(label), "{label}");
    }
}

#[test]
fn values_are_drawn_where_the_axes_say() {
    // One strategy at one worker: its marker is the only disc of its colour
    // inside the plot, and the labels of the decades frame it.
    let recorded = Invented {
        strategies: vec!["turnstile"],
        threads: vec![1],
        blocks: 2,
        ..Invented::default()
    }
    .recorded();
    let median = recorded
        .measurements
        .iter()
        .find_map(|measurement| match &measurement.outcome {
            Outcome::Cost(cost) if measurement.scenario == "fast_path" => {
                Some(cost.ns_per_op.median)
            }
            _ => None,
        })
        .expect("a cost");
    let drawings = drawings(&recorded).expect("figures");
    let cost = drawings
        .iter()
        .find(|drawing| drawing.name == "cost")
        .expect("cost");
    let page = Page::read(&cost.svg);
    let height = |words: &str| -> f64 {
        // Of the two texts "1", that of the value axis is further left.
        let texts = page.texts.iter().filter(|text| text.words == words);
        let text = texts
            .min_by(|a, b| a.left.total_cmp(&b.left))
            .expect("label");
        f64::midpoint(text.top, text.bottom)
    };
    let (one, ten) = (height("1"), height("10"));
    let expected = one + median.log10() * (ten - one);

    let document = roxmltree::Document::parse(&cost.svg).expect("xml");
    let heights: Vec<f64> = document
        .descendants()
        .filter(|node| node.has_tag_name("circle"))
        .map(|node| node.attribute("cy").expect("cy").parse().expect("number"))
        .collect();
    assert!(
        heights.iter().any(|height| (height - expected).abs() < 4.0),
        "{heights:?}, expected {expected}"
    );
}

#[test]
fn the_tradeoff_names_its_worker_count_and_whom_it_leaves_out() {
    let mut recorded = Invented {
        strategies: vec!["turnstile", "refcount", "seqlock"],
        ..Invented::default()
    }
    .recorded();
    recorded.measurements.retain(|measurement| {
        measurement.strategy != "seqlock" || measurement.scenario != "detach"
    });
    let page = figure(&recorded, "tradeoff");
    let words = page.all_words();
    // Two CPUs: with two workers the detacher has none of its own.
    assert!(words.contains("The trade-off at 1 worker:"), "{words}");
    assert!(words.contains("no detach was measured: seqlock"), "{words}");
    assert!(!page.has("seqlock"));

    let large = Invented {
        strategies: vec!["turnstile"],
        threads: vec![1, 128, 256, 512],
        cpus: 256,
        ..Invented::default()
    };
    let words = figure(&large.recorded(), "tradeoff").all_words();
    assert!(words.contains("The trade-off at 128 workers:"), "{words}");
}

#[test]
fn strategies_at_one_spot_keep_their_names_apart() {
    let mut recorded = Invented::default().recorded();
    let model = recorded.measurements.clone();
    for measurement in &mut recorded.measurements {
        let same = |other: &&detach_results::Measurement| {
            other.strategy == "refcount"
                && other.scenario == measurement.scenario
                && other.threads == measurement.threads
        };
        let outcome = &model.iter().find(same).expect("refcount").outcome;
        measurement.outcome = outcome.clone();
    }
    for (name, page) in figures(&recorded) {
        assert_sound(&name, &page);
        for strategy in detach_plots::known_ids() {
            assert!(page.has(strategy), "{name}: {strategy}");
        }
    }
}

#[test]
fn what_is_special_is_said() {
    let mut recorded = Invented {
        strategies: vec!["turnstile", "rwlock"],
        ..Invented::default()
    }
    .recorded();
    let reason = "the kernel has no <such> system call";
    recorded
        .measurements
        .push(unsupported("epoch", "fast_path", reason));
    recorded.run.complete = false;
    let figures = figures(&recorded);
    for (name, page) in &figures {
        let words = page.all_words();
        // Nothing is known of the other scenarios.
        let concerned = ["overview", "tradeoff", "cost", "throughput"].contains(&name.as_str());
        let told = words.contains(&format!("Could not run here: epoch ({reason})"));
        assert_eq!(told, concerned, "{name}");
        assert!(words.contains("incomplete run"), "{name}");
        assert!(!page.has("epoch"), "{name}");
    }
    let words = pick(&figures, "cost").all_words();
    assert!(words.contains("Hollow markers: oversubscribed"), "{words}");
    assert!(words.contains("shaded: more workers than CPUs"), "{words}");
    let summary = recorded.summary(NOBODY).expect("a summary");
    let ringed = summary.rows.iter().any(|row| row.rests_on_disturbed);
    assert_eq!(words.contains("Ringed markers"), ringed, "{words}");
    let apart = "samples were disturbed and set apart";
    assert_eq!(words.contains(apart), !ringed, "{words}");

    let calm = Invented {
        strategies: vec!["turnstile"],
        threads: vec![1, 2],
        ..Invented::default()
    };
    let words = figure(&calm.recorded(), "cost").all_words();
    for absent in ["Hollow", "Ringed", "shaded", "Could not run", "set apart"] {
        assert!(!words.contains(absent), "{words}");
    }
}

#[test]
fn every_scenario_has_a_figure_of_its_own() {
    let (_, recorded, figures) = world("everything");
    let shown = shown(recorded);
    for scenario in SCENARIOS {
        let name = scenario.replace('_', "-");
        let drawn = figures.iter().any(|(found, _)| *found == name);
        let measured = shown.iter().any(|found| found == scenario);
        assert_eq!(drawn, measured, "{scenario}");
    }
    assert!(!figures.iter().any(|(name, _)| name.starts_with("other-")));
}

#[test]
fn a_scenario_that_nobody_knows_is_shown_by_whatever_it_holds() {
    let mut recorded = Invented {
        strategies: vec!["unprotected", "turnstile"],
        threads: vec![1],
        everything: true,
        blocks: 1,
        ..Invented::default()
    }
    .recorded();
    recorded
        .measurements
        .retain(|measurement| ["hold", "bystander"].contains(&measurement.scenario.as_str()));
    for measurement in &mut recorded.measurements {
        measurement.scenario = "../New Thing".to_owned();
    }
    let page = figure(&recorded, "other----new-thing");
    assert_sound("unknown", &page);
    assert!(page.has("Scenario ../New Thing"));
    for words in [
        "turnstile",
        "2 workers, 10 \u{b5}s inside, cost",
        "1 worker, 1 ms inside, detach",
    ] {
        assert!(page.has(words), "{words}: {}", page.all_words());
    }
}

#[test]
fn only_the_scenario_that_a_strategy_cannot_run_says_so() {
    for (name, page) in &world("everything").2 {
        let words = page.all_words();
        let sleeps = words.contains("dying-xcall (its holders may not sleep)");
        assert_eq!(sleeps, name == "sleeping-holders", "{name}");
        let file = words.contains("seqlock (a copy of a file number");
        assert_eq!(file, name == "hold-file", "{name}");
    }
}

#[test]
fn zero_has_a_place_of_its_own_and_the_reference_a_name() {
    let (_, _, figures) = world("everything");
    let hold = pick(figures, "hold");
    for label in [
        "not at all",
        "100 ns",
        "1 \u{b5}s",
        "10 \u{b5}s",
        "time added to that of unprotected",
    ] {
        assert!(hold.has(label), "{label}");
    }
    assert!(pick(figures, "hold-detach").has("latency = stay"));
    let disturbance = pick(figures, "disturbance");
    assert!(disturbance.has("none"));
    assert!(disturbance.has("100%"));
}

/// One call for many devices has a line of its own, of the strategy's colour,
/// and stands for itself in the overview.
#[test]
fn devices_detached_together_are_told_from_those_detached_one_by_one() {
    let name = "everything, one of it";
    let (_, recorded, _) = world(name);
    // Of a dashed line, each dash is one.
    let lines = |recorded: &Recorded| {
        let drawings = drawings(recorded).expect("figures");
        let found = drawings.iter().find(|one| one.name == "bulk-detach");
        let svg = &found.expect("a figure").svg;
        svg.matches("<polyline fill=\"none\" opacity=\"0.85\"")
            .count()
    };
    let mut apart = recorded.clone();
    apart
        .measurements
        .retain(|measurement| !measurement.workload.together);
    // In each of the two panels.
    assert_eq!(lines(&apart), 2);
    assert!(lines(recorded) >= 8, "{}", lines(recorded));

    let told = "Dashed, hollow: detached together in one call";
    let words = |page: &Page| page.all_words();
    assert!(words(pick(&world(name).2, "bulk-detach")).contains(told));
    assert!(!words(&figure(&apart, "bulk-detach")).contains(told));

    // 250 ns and 60 ns for each of a hundred, against 250 ns for each.
    let page = pick(&world(name).2, "overview");
    let column = "detach 100 at once: 1 worker, 100 devices, together";
    assert!(page.all_words().contains(column), "{}", page.all_words());
    assert!(page.has("detach 100 at once") && page.has("detach 100, each"));
    assert!(!figure(&apart, "overview").has("detach 100 at once"));
}

#[test]
fn what_protection_adds_needs_something_to_add_to() {
    let (_, _, figures) = world("everything, one of it");
    let hold = pick(figures, "hold");
    assert!(!hold.has("time added to that of unprotected"));
    assert!(
        hold.all_words()
            .contains("What protection adds is not shown")
    );
}

#[test]
fn the_overview_ranks_whoever_competes_and_names_every_setting() {
    let (_, recorded, figures) = world("everything");
    let page = pick(figures, "overview");
    let words = page.all_words();
    for column in ["enter, shared", "visit, work inside", "detach, stranger"] {
        assert!(page.has(column), "{column}");
        assert!(words.contains(&format!("{column}: ")), "{column}: {words}");
    }
    // Every column has a best one, and may have several as good.
    let best = page
        .texts
        .iter()
        .filter(|text| text.words == "1.0x")
        .count();
    assert!(best >= shown(recorded).len(), "{best}");
    assert!(words.contains("seqlock detaches without waiting"));
    assert!(words.contains("unprotected protects nothing"));
    // What seqlock takes to enter is ranked all the same: 2 ns are 3.3 times
    // what dying-xcall takes.
    assert!(page.has("3.3x"));
}

#[test]
fn the_machine_shows_a_matrix_where_there_is_more_than_one_pair() {
    let matrix = "One way of a cache line between two CPUs, in nanoseconds";
    let large = pick(&world("everything, 256 CPUs").2, "machine");
    assert!(large.has(matrix));
    let small = pick(&world("everything").2, "machine");
    assert!(!small.has(matrix));
    for bar in [
        "clock reading",
        "locked increment",
        "cache line, CPU to CPU",
    ] {
        assert!(small.has(bar), "{bar}");
    }
    let lone = pick(&world("everything, one of it").2, "machine");
    assert!(!lone.has("cache line, CPU to CPU"));
}

#[test]
fn a_twin_is_shown_and_explained() {
    let mut recorded = Invented {
        strategies: vec!["turnstile", "refcount"],
        threads: vec![1, 2],
        blocks: 1,
        ..Invented::default()
    }
    .recorded();
    twin(&mut recorded, "turnstile");
    for (name, page) in figures(&recorded) {
        assert_sound(&name, &page);
        assert!(page.has("turnstile-twin"), "{name}");
        let told = "turnstile-twin is turnstile, measured once more";
        assert!(page.all_words().contains(told), "{name}");
    }
}

#[test]
fn the_same_run_gives_the_same_figures() {
    let (_, recorded, _) = world("everything, one of it");
    let once = drawings(recorded).expect("figures");
    assert_eq!(once, drawings(recorded).expect("figures"));
}

#[test]
fn ideal_scaling_is_drawn_where_it_can_be() {
    assert!(pick(&DRAWN[0].2, "throughput").has("ideal scaling"));
    let without = Invented {
        strategies: vec!["turnstile", "refcount"],
        ..Invented::default()
    };
    let page = figure(&without.recorded(), "throughput");
    assert!(!page.has("ideal scaling"));
    assert!(page.all_words().contains("No line of ideal scaling"));
}

#[test]
fn many_unsupported_strategies_enlarge_the_paper() {
    let mut recorded = Invented {
        strategies: vec!["turnstile"],
        ..Invented::default()
    }
    .recorded();
    let before = figure(&recorded, "cost").height;
    for number in 0..40 {
        let strategy = format!("strategy-{number}");
        let reason = "a reason that is told at some length so that it takes room";
        recorded
            .measurements
            .push(unsupported(&strategy, "fast_path", reason));
    }
    let page = figure(&recorded, "cost");
    assert_sound("cost", &page);
    assert!(page.height > before);
    assert!(page.all_words().contains("strategy-39"));
}

#[test]
fn figures_without_measurements_are_left_out() {
    let names = |recorded: &Recorded| -> Vec<String> {
        let figures = figures(recorded).into_iter();
        figures.map(|(name, _)| name).collect()
    };
    let run = || {
        let strategies = vec!["turnstile", "refcount"];
        let invented = Invented {
            strategies,
            ..Invented::default()
        };
        invented.recorded()
    };
    let mut recorded = run();
    recorded
        .measurements
        .retain(|measurement| measurement.scenario == "fast_path");
    assert_eq!(names(&recorded), ["overview", "cost", "throughput"]);

    let mut recorded = run();
    recorded
        .measurements
        .retain(|measurement| measurement.scenario == "detach");
    assert_eq!(names(&recorded), ["overview", "detach", "phases"]);
}

#[test]
fn the_check_of_overlap_can_fail() {
    let text = |left: f64| Text {
        words: String::new(),
        left,
        right: left + 10.0,
        top: 0.0,
        bottom: 10.0,
    };
    assert!(text(0.0).overlaps(&text(9.0)));
    assert!(!text(0.0).overlaps(&text(10.0)));
}
