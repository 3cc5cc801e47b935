//! Lines over whatever a scenario varies, one for each strategy, each named at
//! its right end; in one panel or two beside each other.

use crate::axes::{self, Format};
use crate::callouts;
use crate::fonts::{self, Weight};
use crate::frame::{MARKER, NAME};
use crate::geometry::Rect;
use crate::scale::{Axis, Decades, Levels, Linear};
use crate::scene::{Label, Marks, Scene, Stroke};
use crate::style::{INK, MUTED, Style};

/// A measured point of a line.
pub(crate) struct Point {
    pub(crate) level: f64,
    pub(crate) value: f64,
    /// Ends of the interval of the value, where there is one.
    pub(crate) interval: Option<(f64, f64)>,
    pub(crate) marks: Marks,
}

/// A line and its name.
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) style: Style,
    /// Drawn dashed and without a name of its own: a variation of the line of
    /// the same name.
    pub(crate) variation: bool,
    /// By increasing level; not empty.
    pub(crate) points: Vec<Point>,
}

/// The axis of values.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// Powers of ten.
    Decades,
    /// Powers of ten from this value on; what is less lies at the edge.
    DecadesFrom(f64),
    /// From zero.
    Linear,
}

/// Lines on the same axes.
pub(crate) struct Panel {
    pub(crate) value_title: String,
    pub(crate) format: Format,
    pub(crate) scale: Scale,
    pub(crate) lines: Vec<Line>,
    /// A line that nobody measured, to hold the others against.
    pub(crate) reference: Option<(&'static str, Vec<(f64, f64)>)>,
}

/// What to draw.
pub(crate) struct LineChart {
    pub(crate) level_title: &'static str,
    pub(crate) write_level: Box<dyn Fn(f64) -> String>,
    /// Whether the levels are whatever was found, so that the axis names powers
    /// of ten instead.
    pub(crate) found: bool,
    /// Whether the axis counts workers, so that part of it is oversubscribed.
    pub(crate) workers: bool,
    /// Whether the panels have one axis of values in common.
    pub(crate) alike: bool,
    /// Not empty.
    pub(crate) panels: Vec<Panel>,
}

const NAME_GAP: f64 = 32.0;
const GLYPH_ROOM: f64 = 34.0;
const LEADER_ROOM: f64 = 64.0;
/// Between a panel and the title of the next one.
const BETWEEN: f64 = 26.0;
/// Room for the title of the axis of values.
const TITLE_ROOM: f64 = 40.0;
/// Between the ends of the axis of levels and the edges of the plot.
const MARGIN: f64 = 44.0;

/// What is named at the right: the measured lines, then the reference.
struct Ending<'a> {
    name: &'a str,
    style: Option<Style>,
    /// Where its line ends in the last panel, if it has one there.
    at: Option<(f64, f64)>,
}

impl LineChart {
    /// The names beside the last panel, each once.
    fn names(&self) -> Vec<(&str, Option<Style>)> {
        let mut names: Vec<(&str, Option<Style>)> = Vec::new();
        let lines = self.panels.iter().flat_map(|panel| &panel.lines);
        let lines = lines.map(|line| (line.name.as_str(), Some(line.style)));
        let references = self
            .panels
            .iter()
            .filter_map(|panel| panel.reference.as_ref());
        for (name, style) in lines.chain(references.map(|(name, _)| (*name, None))) {
            if !names.iter().any(|(known, _)| *known == name) {
                names.push((name, style));
            }
        }
        names
    }

    /// How much room the chart takes, from top to bottom.
    pub(crate) fn height(&self) -> f64 {
        (840.0_f64).max(self.names().len() as f64 * NAME_GAP + 120.0)
    }
}

impl Panel {
    fn values(&self) -> impl Iterator<Item = f64> {
        let points = self.lines.iter().flat_map(|line| &line.points);
        let values = points.flat_map(|point| {
            let (low, high) = point.interval.unwrap_or((point.value, point.value));
            [point.value, low, high]
        });
        let reference = self.reference.iter().flat_map(|(_, line)| line);
        values.chain(reference.map(|(_, value)| *value))
    }

    /// The axis for these values, between two places.
    fn axis(&self, values: &[f64], bottom: f64, top: f64) -> Box<dyn Axis> {
        let values = values.iter().copied();
        match self.scale {
            Scale::Decades => Box::new(Decades::over(values, bottom, top)),
            Scale::DecadesFrom(least) => {
                let shown = values.filter(|value| *value >= least);
                Box::new(Decades::over(shown.chain([least]), bottom, top))
            }
            Scale::Linear => Box::new(Linear::over(values, bottom, top)),
        }
    }
}

/// Draws the chart into a part of the paper.
pub(crate) fn draw(scene: &mut Scene, body: Rect, chart: &LineChart) {
    let names = chart.names();
    let widths = names
        .iter()
        .map(|(name, _)| fonts::width(name, NAME, Weight::Regular));
    let names_left = body.right - widths.fold(0.0, f64::max) - GLYPH_ROOM;
    let (top, bottom) = (body.top + 34.0, body.bottom - 80.0);

    let axes_of: Vec<Box<dyn Axis>> = chart
        .panels
        .iter()
        .map(|panel| {
            let values: Vec<f64> = if chart.alike {
                chart.panels.iter().flat_map(Panel::values).collect()
            } else {
                panel.values().collect()
            };
            panel.axis(&values, bottom, top)
        })
        .collect();
    // The left edge of each plot depends on its labels, and these on the range
    // of the axis, which does not depend on where the plot is.
    let rooms: Vec<f64> = chart
        .panels
        .iter()
        .zip(&axes_of)
        .map(|(panel, axis)| TITLE_ROOM + axes::label_room(axis.as_ref(), panel.format))
        .collect();
    let count = chart.panels.len() as f64;
    let taken = rooms.iter().sum::<f64>() + LEADER_ROOM + BETWEEN * (count - 1.0);
    let width = (names_left - body.left - taken) / count;

    let all_lines = || chart.panels.iter().flat_map(|panel| &panel.lines);
    let levels: Vec<f64> = all_lines()
        .flat_map(|line| line.points.iter().map(|point| point.level))
        .collect();
    let mut left = body.left;
    let mut endings = Vec::new();
    let mut last_plot = body;
    for ((panel, vertical), room) in chart.panels.iter().zip(&axes_of).zip(&rooms) {
        let plot = Rect {
            left: left + room,
            top,
            right: left + room + width,
            bottom,
        };
        let horizontal = Levels::over(levels.iter().copied(), plot.left, plot.right, MARGIN);
        if chart.workers {
            shade(scene, plot, &horizontal, panel);
        }
        axes::vertical(scene, plot, vertical.as_ref(), Some(panel.format));
        label_levels(scene, plot, &horizontal, chart);
        axes::bounds(scene, plot);
        axes::gap(scene, plot, &horizontal);
        axes::vertical_title(scene, plot, left + 24.0, &panel.value_title);
        axes::horizontal_title(scene, plot, plot.bottom + 72.0, chart.level_title);
        endings = lines(scene, panel, &horizontal, vertical.as_ref());
        last_plot = plot;
        left = plot.right + BETWEEN;
    }
    let named = names.into_iter().map(|(name, style)| Ending {
        name,
        style,
        at: endings
            .iter()
            .find_map(|(ended, at)| (*ended == name).then_some(*at)),
    });
    name_endings(scene, last_plot, names_left, &named.collect::<Vec<_>>());
}

fn label_levels(scene: &mut Scene, plot: Rect, axis: &Levels, chart: &LineChart) {
    let levels = if chart.found {
        axis.decades()
    } else {
        axis.levels().to_vec()
    };
    let labels: Vec<(f64, String)> = levels
        .into_iter()
        .map(|level| (axis.place(level), (chart.write_level)(level)))
        .collect();
    axes::counts(scene, plot, &labels, crate::frame::TICK);
}

/// Draws the lines of a panel and tells where each that has a name ends.
fn lines<'p>(
    scene: &mut Scene,
    panel: &'p Panel,
    horizontal: &Levels,
    vertical: &dyn Axis,
) -> Vec<(&'p str, (f64, f64))> {
    let place = |level: f64, value: f64| (horizontal.place(level), vertical.place(value));
    let mut endings = Vec::new();
    if let Some((name, line)) = &panel.reference {
        let line: Vec<(f64, f64)> = line.iter().map(|(x, y)| place(*x, *y)).collect();
        endings.extend(line.last().map(|at| (*name, *at)));
        scene.path(line, Stroke::new(MUTED, 3.0).dashed(12.0, 9.0));
    }
    for line in &panel.lines {
        let at = |point: &Point| place(point.level, point.value);
        let points: Vec<(f64, f64)> = line.points.iter().map(at).collect();
        if let (Some(end), false) = (points.last(), line.variation) {
            endings.push((line.name.as_str(), *end));
        }
        let stroke = Stroke::new(line.style.colour, 3.0).opacity(0.85);
        let stroke = if line.variation {
            stroke.dashed(8.0, 7.0)
        } else {
            stroke
        };
        // From zero to the first other level is no distance that could be
        // measured, so that part only shows which points belong together.
        let zeros = line.points.iter().take_while(|point| point.level == 0.0);
        let zeros = zeros.count();
        if zeros > 0 && points.len() > zeros {
            let thin = Stroke::new(line.style.colour, 2.0).opacity(0.4);
            scene.line(points[zeros - 1], points[zeros], thin);
        }
        scene.path(points[zeros..].to_vec(), stroke);
    }
    for line in &panel.lines {
        for point in &line.points {
            let at = place(point.level, point.value);
            if let Some((low, high)) = point.interval {
                let ends = [vertical.place(low), vertical.place(high)];
                error_bar(scene, at.0, ends, line.style);
            }
            scene.marker(at, MARKER, line.style, point.marks);
        }
    }
    endings
}

fn shade(scene: &mut Scene, plot: Rect, axis: &Levels, panel: &Panel) {
    let points = panel.lines.iter().flat_map(|line| &line.points);
    let over = points.filter(|point| point.marks.hollow);
    let Some(first) = over.map(|point| point.level).reduce(f64::min) else {
        return;
    };
    let before = axis.levels().iter().rev().find(|level| **level < first);
    let left = match before {
        Some(before) => f64::midpoint(axis.place(*before), axis.place(first)),
        None => plot.left,
    };
    axes::shade_from(scene, plot, left);
    axes::remark(scene, plot, "shaded: more workers than CPUs");
}

fn error_bar(scene: &mut Scene, x: f64, ends: [f64; 2], style: Style) {
    const CAP: f64 = 8.0;
    let stroke = Stroke::new(style.colour, 2.0);
    scene.line((x, ends[0]), (x, ends[1]), stroke);
    for end in ends {
        scene.line((x - CAP, end), (x + CAP, end), stroke);
    }
}

/// Writes the names in a column, each as high as its line ends if it can be,
/// joined to the end of the line.
fn name_endings(scene: &mut Scene, plot: Rect, left: f64, endings: &[Ending<'_>]) {
    // What has no line here was named for the panels before, and goes below.
    let wanted = |ending: &Ending<'_>| ending.at.map_or(plot.bottom, |(_, y)| y);
    let wanted: Vec<f64> = endings.iter().map(wanted).collect();
    let heights = callouts::spread(&wanted, NAME_GAP, plot.top, plot.bottom);
    for (ending, height) in endings.iter().zip(heights) {
        if let Some((x, y)) = ending.at {
            let colour = ending.style.map_or(MUTED, |style| style.colour);
            let bend = (plot.right + 8.0, y);
            scene.path(
                vec![(x + MARKER * 1.8, y), bend, (left - 8.0, height)],
                Stroke::new(colour, 2.0).opacity(0.45),
            );
        }
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
