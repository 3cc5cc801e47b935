//! Lines over worker counts, one for each strategy, each named at its right
//! end.

use crate::axes::{self, Format};
use crate::callouts;
use crate::data::Data;
use crate::fonts::{self, Weight};
use crate::frame::{self, MARKER, NAME};
use crate::geometry::Rect;
use crate::scale::{Decades, Workers};
use crate::scene::{Label, Marks, Scene, Stroke};
use crate::style::{INK, MUTED, Style};

/// A measured point of a line.
pub(crate) struct Point {
    pub(crate) workers: usize,
    pub(crate) value: f64,
    /// Ends of the interval of the value, where there is one.
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) marks: Marks,
}

/// A line and its name.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) style: Style,
    /// By increasing number of workers; not empty.
    pub(crate) points: Vec<Point>,
}

/// What to draw.
pub(crate) struct LineChart<'a> {
    pub(crate) title: &'a str,
    pub(crate) value_title: &'a str,
    pub(crate) format: Format,
    pub(crate) lines: Vec<Line>,
    /// A line that nobody measured, to hold the others against.
    pub(crate) reference: Option<(&'a str, Vec<(usize, f64)>)>,
    pub(crate) notes: Vec<String>,
}

const NAME_GAP: f64 = 32.0;
const GLYPH_ROOM: f64 = 34.0;
const LEADER_ROOM: f64 = 64.0;

/// What is named at the right: the measured lines, then the reference.
struct Ending<'a> {
    name: &'a str,
    style: Option<Style>,
    at: (f64, f64),
}

pub(crate) fn draw(data: &Data<'_>, chart: &LineChart<'_>) -> Scene {
    let named = chart.lines.len() + usize::from(chart.reference.is_some());
    let body_height = (840.0_f64).max(named as f64 * NAME_GAP + 120.0);
    let frame = frame::frame(chart.title, data, body_height, &chart.notes);
    let (mut scene, body) = (frame.scene, frame.body);

    let names = chart.lines.iter().map(|line| line.name.as_str());
    let names = names.chain(chart.reference.iter().map(|(name, _)| *name));
    let name_room = names
        .map(|name| fonts::width(name, NAME, Weight::Regular))
        .fold(0.0, f64::max);
    let names_left = body.right - name_room - GLYPH_ROOM;

    // The plot's left edge depends on the labels, and these on the range of
    // the axis, which does not depend on where the plot is.
    let (top, bottom) = (body.top + 34.0, body.bottom - 80.0);
    let values = chart.lines.iter().flat_map(|line| &line.points);
    let values = values.flat_map(|point| {
        let (low, high) = point.interval.unwrap_or((point.value, point.value));
        [point.value, low, high]
    });
    let values = values.chain(chart.reference.iter().flat_map(|(_, line)| {
        let values = line.iter().map(|(_, value)| *value);
        values.collect::<Vec<_>>()
    }));
    let vertical = Decades::over(values, bottom, top);
    let plot = Rect {
        left: body.left + 40.0 + axes::label_room(&vertical, chart.format),
        top,
        right: names_left - LEADER_ROOM,
        bottom,
    };
    let counts = chart.lines.iter().flat_map(|line| &line.points);
    let counts = counts.map(|point| point.workers);
    let horizontal = Workers::over(counts, plot.left, plot.right, 44.0);

    shade(&mut scene, plot, &horizontal, chart);
    axes::vertical(&mut scene, plot, &vertical, Some(chart.format));
    axes::workers(&mut scene, plot, &horizontal);
    axes::bounds(&mut scene, plot);
    axes::vertical_title(&mut scene, plot, body.left + 24.0, chart.value_title);
    axes::horizontal_title(
        &mut scene,
        plot,
        plot.bottom + 72.0,
        "workers, one pinned to each CPU while there are enough",
    );

    let place = |workers: usize, value: f64| {
        let x = horizontal.place(workers as f64);
        (x, vertical.place(value))
    };
    let mut endings = Vec::new();
    if let Some((name, line)) = &chart.reference {
        let line: Vec<(f64, f64)> = line.iter().map(|(n, value)| place(*n, *value)).collect();
        if let Some(at) = line.last() {
            endings.push(Ending {
                name,
                style: None,
                at: *at,
            });
        }
        let stroke = Stroke::new(MUTED, 3.0).dashed(12.0, 9.0);
        scene.path(line, stroke);
    }
    for line in &chart.lines {
        let points: Vec<(f64, f64)> = line
            .points
            .iter()
            .map(|point| place(point.workers, point.value))
            .collect();
        if let Some(at) = points.last() {
            endings.push(Ending {
                name: &line.name,
                style: Some(line.style),
                at: *at,
            });
        }
        scene.path(points, Stroke::new(line.style.colour, 3.0).opacity(0.85));
    }
    for line in &chart.lines {
        for point in &line.points {
            let at = place(point.workers, point.value);
            if let Some((low, high)) = point.interval {
                error_bar(
                    &mut scene,
                    at.0,
                    vertical.place(low),
                    vertical.place(high),
                    line.style,
                );
            }
            scene.marker(at, MARKER, line.style, point.marks);
        }
    }
    name_endings(&mut scene, plot, names_left, endings);
    scene
}

fn shade(scene: &mut Scene, plot: Rect, axis: &Workers, chart: &LineChart<'_>) {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let over = |point: &&Point| point.marks.oversubscribed;
    let Some(first) = points().filter(over).map(|point| point.workers).min() else {
        return;
    };
    let before = axis.counts().iter().rev().find(|count| **count < first);
    let left = match before {
        Some(before) => f64::midpoint(axis.place(*before as f64), axis.place(first as f64)),
        None => plot.left,
    };
    axes::shade_from(scene, plot, left);
    axes::remark(scene, plot, "shaded: more workers than CPUs");
}

fn error_bar(scene: &mut Scene, x: f64, low: f64, high: f64, style: Style) {
    const CAP: f64 = 8.0;
    let stroke = Stroke::new(style.colour, 2.0);
    scene.line((x, low), (x, high), stroke);
    for end in [low, high] {
        scene.line((x - CAP, end), (x + CAP, end), stroke);
    }
}

/// Writes the names in a column, each as high as its line ends if it can be,
/// joined to the end of the line.
fn name_endings(scene: &mut Scene, plot: Rect, left: f64, endings: Vec<Ending<'_>>) {
    let wanted: Vec<f64> = endings.iter().map(|ending| ending.at.1).collect();
    let heights = callouts::spread(&wanted, NAME_GAP, plot.top, plot.bottom);
    for (ending, height) in endings.iter().zip(heights) {
        let colour = ending.style.map_or(MUTED, |style| style.colour);
        let leader = Stroke::new(colour, 2.0).opacity(0.45);
        let bend = (plot.right + 8.0, ending.at.1);
        scene.path(
            vec![
                (ending.at.0 + MARKER * 1.8, ending.at.1),
                bend,
                (left - 8.0, height),
            ],
            leader,
        );
        let glyph = (left + 10.0, height);
        match ending.style {
            Some(style) => scene.marker(glyph, MARKER, style, Marks::default()),
            None => scene.line(
                (glyph.0 - 10.0, height),
                (glyph.0 + 12.0, height),
                Stroke::new(MUTED, 3.0).dashed(9.0, 4.0),
            ),
        }
        let label = Label::new(ending.name, left + GLYPH_ROOM, height + NAME * 0.35, NAME);
        scene.label(label.coloured(INK));
    }
}
