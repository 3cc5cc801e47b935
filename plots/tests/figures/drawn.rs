//! Runs of many kinds, their figures, and what every figure must be.

use super::*;

pub(super) type Figures = Vec<(String, Page)>;

/// Runs of many kinds, each with its figures; the first is the default one.
pub(super) static DRAWN: LazyLock<Vec<(&'static str, Recorded, Figures)>> = LazyLock::new(|| {
    let draw = |(world, recorded)| {
        let figures = figures(&recorded);
        (world, recorded, figures)
    };
    worlds().into_iter().map(draw).collect()
});

pub(super) fn worlds() -> Vec<(&'static str, Recorded)> {
    let many = Invented {
        threads: vec![1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
        cpus: 256,
        cpu_model: "Invented CPU with a name so long that it takes more than one line of a figure, \
                    2 sockets @ 2.40GHz, no measurement",
        blocks: 2,
        ..Invented::default()
    };
    let odd = Invented {
        threads: vec![1, 3, 5, 6, 7, 12, 95, 96],
        cpus: 96,
        blocks: 2,
        ..Invented::default()
    };
    let lone_count = Invented {
        threads: vec![1],
        ..Invented::default()
    };
    let lone_strategy = Invented {
        strategies: vec!["turnstile"],
        ..Invented::default()
    };
    let lone_point = Invented {
        strategies: vec!["epoch"],
        threads: vec![1],
        cpus: 1,
        ..Invented::default()
    };
    let everything = Invented {
        everything: true,
        blocks: 1,
        ..Invented::default()
    };
    let everything_large = Invented {
        strategies: vec!["unprotected", "turnstile", "dying-xcall", "seqlock"],
        threads: vec![1, 256],
        cpus: 256,
        everything: true,
        blocks: 1,
        ..Invented::default()
    };
    let everything_alone = Invented {
        strategies: vec!["turnstile-fenced"],
        threads: vec![1],
        cpus: 1,
        everything: true,
        blocks: 1,
        ..Invented::default()
    };
    vec![
        ("two CPUs", Invented::default().recorded()),
        ("256 CPUs", many.recorded()),
        ("odd counts", odd.recorded()),
        ("one count", lone_count.recorded()),
        ("one strategy", lone_strategy.recorded()),
        ("one point", lone_point.recorded()),
        ("everything", everything.recorded()),
        ("everything, 256 CPUs", everything_large.recorded()),
        ("everything, one of it", everything_alone.recorded()),
    ]
}

/// The drawn world of that name.
pub(super) fn world(name: &str) -> &'static (&'static str, Recorded, Figures) {
    DRAWN
        .iter()
        .find(|(world, _, _)| *world == name)
        .expect(name)
}

pub(super) fn is_measured(row: &Row) -> bool {
    row.cost.is_some() || row.detach.is_some() || row.visits.is_some()
}

/// The scenarios of a run that its summary has anything to show of.
pub(super) fn shown(recorded: &Recorded) -> Vec<String> {
    let summary = recorded.summary(NOBODY).expect("a summary");
    let rows = summary.rows.iter().filter(|row| is_measured(row));
    let mut names: Vec<String> = rows.map(|row| row.key.scenario.clone()).collect();
    names.dedup();
    names
}

pub(super) fn figures(recorded: &Recorded) -> Figures {
    let drawings = drawings(recorded).expect("figures");
    drawings
        .iter()
        .map(|drawing| (drawing.name.clone(), Page::read(&drawing.svg)))
        .collect()
}

pub(super) fn figure(recorded: &Recorded, name: &str) -> Page {
    let found = figures(recorded)
        .into_iter()
        .find(|(found, _)| found == name);
    found.unwrap_or_else(|| panic!("no figure {name}")).1
}

pub(super) fn pick<'a>(figures: &'a Figures, name: &str) -> &'a Page {
    let found = figures.iter().find(|(found, _)| found == name);
    &found.expect(name).1
}

/// Every text is on the paper, and none lies on another.
pub(super) fn assert_sound(name: &str, page: &Page) {
    for text in &page.texts {
        assert!(
            text.left >= 0.0
                && text.top >= 0.0
                && text.right <= page.width
                && text.bottom <= page.height,
            "{name}: cut off: {text:?} on {} x {}",
            page.width,
            page.height
        );
    }
    for (index, a) in page.texts.iter().enumerate() {
        for b in &page.texts[index + 1..] {
            assert!(!a.overlaps(b), "{name}: {a:?} overlaps {b:?}");
        }
    }
}
