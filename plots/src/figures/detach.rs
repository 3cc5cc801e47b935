//! How long detach takes, by number of workers: one panel for each strategy,
//! all on the same axes, so that a distribution can be read and two compared.

use detach_results::{DetachSummary, Row, show};

use crate::axes;
use crate::catalogue::Entry;
use crate::data::{Curve, DETACH, Data};
use crate::figures::distribution::{self, Way};
use crate::figures::{Figure, marks};
use crate::frame::{self, MARKER, NAME, NOTE, TICK};
use crate::geometry::Rect;
use crate::scale::{Axis, Decades};
use crate::scene::{Label, Marks, Scene, Stroke};
use crate::style::{self, INK, MUTED, Shape, Style};

/// Room above a panel for its title.
const HEAD: f64 = 44.0;
/// Room below a panel for its labels.
const FOOT: f64 = 50.0;
/// Room between two panels.
const BETWEEN: f64 = 28.0;

/// With fewer detaches, no more than ten are beyond the 99th percentile.
const ENOUGH: u64 = 1000;

/// What all panels share.
struct Grid {
    vertical: Decades,
    /// Numbers of workers, ascending, each with whether the detacher had to
    /// share a CPU.
    counts: Vec<(usize, bool)>,
}

pub(crate) fn draw(data: &Data<'_>, entry: &Entry) -> Option<Figure> {
    let curves = data.curves(DETACH, |row| row.detach.is_some());
    if curves.is_empty() {
        return None;
    }
    let rows = || curves.iter().flat_map(|curve| curve.rows.iter().copied());
    let cells = curves.len() + 1;
    let columns = match cells {
        0..=2 => 2,
        3..=6 => 3,
        _ => 4,
    };
    let lines = cells.div_ceil(columns);
    // Height of a panel with its title and the labels below it.
    let row_height = match lines {
        1 => 560.0,
        2 => 430.0,
        _ => 330.0,
    };

    let body_height = lines as f64 * row_height + 30.0;
    let notes = notes(data, &curves);
    let frame = frame::frame(entry.title, data, body_height, &notes);
    let (mut scene, body) = (frame.scene, frame.body);

    let values = rows()
        .filter_map(|row| row.detach.as_ref())
        .flat_map(values);
    let low_high = |top: f64| Decades::over(values.clone(), top + row_height - FOOT, top + HEAD);
    let label_room = axes::label_room(&low_high(0.0), show::nanoseconds);
    let left = body.left + 36.0 + label_room;
    let width = (body.right - left - BETWEEN * (columns - 1) as f64) / columns as f64;
    let mut counts: Vec<(usize, bool)> = Vec::new();
    for row in rows() {
        match counts
            .iter_mut()
            .find(|(count, _)| *count == row.key.threads)
        {
            Some((_, shared)) => *shared |= row.detacher_shares_cpu,
            None => counts.push((row.key.threads, row.detacher_shares_cpu)),
        }
    }
    counts.sort_unstable();

    for cell in 0..cells {
        let (line, column) = (cell / columns, cell % columns);
        let top = body.top + line as f64 * row_height;
        let plot_left = left + column as f64 * (width + BETWEEN);
        let plot = Rect {
            left: plot_left,
            right: plot_left + width,
            top: top + HEAD,
            bottom: top + row_height - FOOT,
        };
        match curves.get(cell) {
            Some(curve) => {
                let grid = Grid {
                    vertical: low_high(top),
                    counts: counts.clone(),
                };
                panel(&mut scene, plot, &grid, curve, column == 0);
            }
            None => key(&mut scene, plot),
        }
    }
    let all = Rect {
        bottom: body.bottom - 30.0,
        ..body
    };
    axes::vertical_title(
        &mut scene,
        all,
        body.left + 20.0,
        "time until detach returned",
    );
    axes::horizontal_title(
        &mut scene,
        Rect { left, ..body },
        body.bottom - 4.0,
        "workers that keep entering the device while it is detached",
    );
    let caption = "Percentiles of the time until detach returned, by number of workers, one panel \
                   for each strategy."
        .to_owned();
    Some(Figure::of(entry, "detach", caption, scene))
}

fn values(detach: &DetachSummary) -> Vec<f64> {
    let latency = &detach.latency_ns;
    let mut values = vec![latency.p50, latency.max];
    values.extend(detach.heavy_fence_ns.as_ref().map(|fence| fence.p50));
    values.into_iter().map(|value| value as f64).collect()
}

fn notes(data: &Data<'_>, curves: &[Curve<'_>]) -> Vec<String> {
    let rows = || curves.iter().flat_map(|curve| curve.rows.iter().copied());
    let mut notes = Vec::new();
    if rows().any(|row| row.detacher_shares_cpu) {
        notes.push(
            "* The detacher shared its CPU with a worker: what it waited for includes its turn on \
             that CPU."
                .to_owned(),
        );
    }
    let detached = || rows().filter_map(|row| row.detach.as_ref());
    if detached().any(|detach| detach.latency_ns.p50 == 0) {
        notes.push("A median below the clock's resolution is drawn at the lower edge.".to_owned());
    }
    let smallest = detached().map(|detach| detach.latency_ns.count).min();
    if let Some(smallest) = smallest {
        let mut note = format!("Each distribution holds at least {smallest} detaches.");
        if smallest < ENOUGH {
            note.push_str(" With so few, the 99th percentile rests on the slowest handful.");
        }
        notes.push(note);
    }
    notes.extend(data.notes(&[DETACH], rows()));
    notes
}

fn panel(scene: &mut Scene, plot: Rect, grid: &Grid, curve: &Curve<'_>, labelled: bool) {
    let style = style::style_of(&curve.strategy);
    let slot = plot.width() / grid.counts.len() as f64;
    let x = |index: usize| plot.left + slot * (index as f64 + 0.5);

    // Shading depends on the row, so that a strategy that was not measured
    // oversubscribed shows none.
    for row in curve.rows.iter().filter(|row| row.oversubscribed) {
        if let Some(index) = position(grid, row) {
            let strip = Rect {
                left: x(index) - slot / 2.0,
                right: x(index) + slot / 2.0,
                ..plot
            };
            scene.rect(strip, style::SHADE, 1.0);
        }
    }
    axes::vertical(
        scene,
        plot,
        &grid.vertical,
        labelled.then_some(show::nanoseconds),
    );
    let labels: Vec<(f64, String)> = grid
        .counts
        .iter()
        .enumerate()
        .map(|(index, (count, shared))| {
            let star = if *shared { "*" } else { "" };
            (x(index), format!("{count}{star}"))
        })
        .collect();
    // Many numbers of workers stand closer than labels of the usual size.
    let size = if slot < 50.0 { TICK * 0.8 } else { TICK };
    axes::counts(scene, plot, &labels, size);
    axes::bounds(scene, plot);

    let glyph = (plot.left + 12.0, plot.top - 20.0);
    scene.marker(glyph, MARKER, style, Marks::default());
    let title = Label::new(&curve.strategy, plot.left + 32.0, plot.top - 11.0, NAME);
    scene.label(title.bold());

    let radius = MARKER.min(slot * 0.32);
    for row in &curve.rows {
        let (Some(index), Some(detach)) = (position(grid, row), &row.detach) else {
            continue;
        };
        let latency = &detach.latency_ns;
        let levels = [latency.p50, latency.p90, latency.p99, latency.max];
        let levels = levels.map(|level| grid.vertical.place(level as f64));
        if let Some(fence) = &detach.heavy_fence_ns {
            let y = grid.vertical.place(fence.p50 as f64);
            fence_line(scene, x(index) - slot * 0.46, x(index) + slot * 0.46, y);
        }
        distribution::bar(scene, Way::Up, x(index), levels, (radius, style.colour));
        scene.marker((x(index), levels[0]), radius, style, marks(row));
    }
}

fn position(grid: &Grid, row: &Row) -> Option<usize> {
    grid.counts
        .iter()
        .position(|(count, _)| *count == row.key.threads)
}

fn fence_line(scene: &mut Scene, from: f64, to: f64, y: f64) {
    let stroke = Stroke::new(INK, 2.0).dashed(6.0, 4.0);
    scene.line((from, y), (to, y), stroke);
}

/// How to read a panel, in the last cell.
fn key(scene: &mut Scene, plot: Rect) {
    let title = Label::new("How to read it", plot.left + 10.0, plot.top - 11.0, NAME);
    scene.label(title.bold().coloured(MUTED));
    let x = plot.left + 40.0;
    let text = x + 40.0;
    let step = plot.height() / 6.0;
    let y = |level: f64| plot.top + step * level;
    let levels = [y(4.0), y(3.0), y(2.0), y(0.6)];
    let sample = Style {
        colour: MUTED,
        shape: Shape::Circle,
    };
    distribution::bar(scene, Way::Up, x, levels, (MARKER, sample.colour));
    scene.marker((x, levels[0]), MARKER, sample, Marks::default());
    fence_line(scene, x - 24.0, x + 24.0, y(5.0));
    for (level, words) in [
        (levels[3], "slowest detach"),
        (levels[2], "99% returned by here"),
        (levels[1], "90% returned by here"),
        (levels[0], "median"),
        (y(5.0), "one heavy fence, median"),
    ] {
        let label = Label::new(words, text, level + NOTE * 0.36, NOTE);
        scene.label(label.coloured(MUTED));
    }
}
