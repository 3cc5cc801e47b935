//! Grid, ticks and titles of the axes.

use crate::fonts::{self, Weight};
use crate::frame::{AXIS_TITLE, TICK};
use crate::geometry::Rect;
use crate::scale::{self, Axis, Levels};
use crate::scene::{Anchor, Label, Scene, Stroke};
use crate::style::{AXIS, INK, MUTED, PAPER, SHADE};

/// How an axis writes its values.
pub(crate) type Format = fn(f64) -> String;

/// A grid line, which shades darken rather than hide.
fn grid(major: bool) -> Stroke {
    Stroke::new(INK, 2.0).opacity(if major { 0.12 } else { 0.05 })
}

/// Room that the labels of a vertical axis need, without its title.
pub(crate) fn label_room(axis: &dyn Axis, format: Format) -> f64 {
    axis.ticks()
        .iter()
        .filter(|tick| tick.labelled)
        .map(|tick| fonts::width(&format(tick.value), TICK, Weight::Regular))
        .fold(0.0, f64::max)
        + 14.0
}

/// Horizontal grid lines across a plot, and where asked for the labels left of
/// it. Labels that would touch are left out.
pub(crate) fn vertical(scene: &mut Scene, plot: Rect, axis: &dyn Axis, labels: Option<Format>) {
    for tick in axis.ticks() {
        let y = axis.place(tick.value);
        scene.line((plot.left, y), (plot.right, y), grid(tick.major));
    }
    let Some(format) = labels else { return };
    for tick in spaced(axis, |_| TICK) {
        let y = axis.place(tick);
        let label = Label::new(format(tick), plot.left - 12.0, y + TICK * 0.36, TICK);
        scene.label(label.anchored(Anchor::End));
    }
}

/// Vertical grid lines across a plot and the labels below it.
pub(crate) fn horizontal(scene: &mut Scene, plot: Rect, axis: &dyn Axis, format: Format) {
    for tick in axis.ticks() {
        let x = axis.place(tick.value);
        scene.line((x, plot.top), (x, plot.bottom), grid(tick.major));
    }
    let width = |value| fonts::width(&format(value), TICK, Weight::Regular);
    for tick in spaced(axis, width) {
        let label = Label::new(format(tick), axis.place(tick), plot.bottom + 32.0, TICK);
        scene.label(label.anchored(Anchor::Middle));
    }
}

/// The values of an axis that are to be labelled and whose labels do not touch,
/// given the extent of each along the axis: powers of ten, evenly spread, and
/// what fits between them.
fn spaced(axis: &dyn Axis, extent: impl Fn(f64) -> f64) -> Vec<f64> {
    const GAP: f64 = 10.0;
    let (mut majors, minors): (Vec<_>, Vec<_>) = axis
        .ticks()
        .into_iter()
        .filter(|tick| tick.labelled)
        .partition(|tick| tick.major);
    majors.sort_by(|a, b| axis.place(a.value).total_cmp(&axis.place(b.value)));
    let span = |value: f64| (axis.place(value), extent(value));
    let spans: Vec<(f64, f64)> = majors.iter().map(|tick| span(tick.value)).collect();
    let fits = scale::fitting(&spans, GAP);
    let mut chosen: Vec<f64> = majors
        .iter()
        .zip(fits)
        .filter_map(|(tick, fits)| fits.then_some(tick.value))
        .collect();
    for tick in minors {
        let (place, width) = span(tick.value);
        let clear = chosen.iter().all(|other| {
            let (at, taken) = span(*other);
            (place - at).abs() >= f64::midpoint(width, taken) + GAP
        });
        if clear {
            chosen.push(tick.value);
        }
    }
    chosen
}

/// The title of a vertical axis, centred on the plot, running upwards at `x`.
pub(crate) fn vertical_title(scene: &mut Scene, plot: Rect, x: f64, title: &str) {
    let label = Label::new(title, x, plot.centre().1, AXIS_TITLE);
    scene.label(label.anchored(Anchor::Middle).upwards());
}

/// The title of a horizontal axis, centred on the plot, on a baseline.
pub(crate) fn horizontal_title(scene: &mut Scene, plot: Rect, baseline: f64, title: &str) {
    let label = Label::new(title, plot.centre().0, baseline, AXIS_TITLE);
    scene.label(label.anchored(Anchor::Middle));
}

/// Separates zero from the other levels of an axis: a strip without grid, and
/// the axis interrupted below it. Goes over the grid and under the lines.
pub(crate) fn gap(scene: &mut Scene, plot: Rect, axis: &Levels) {
    const HALF: f64 = 9.0;
    let Some(x) = axis.gap() else { return };
    let strip = Rect {
        left: x - HALF,
        right: x + HALF,
        top: plot.top - 2.0,
        bottom: plot.bottom + 3.0,
    };
    scene.rect(strip, PAPER, 1.0);
    for end in [strip.left, strip.right] {
        let (low, high) = (
            (end - 4.0, plot.bottom + 9.0),
            (end + 4.0, plot.bottom - 9.0),
        );
        scene.line(low, high, Stroke::new(AXIS, 2.0));
    }
}

/// Vertical grid lines at places, and as many labels below the plot as fit.
pub(crate) fn counts(scene: &mut Scene, plot: Rect, labels: &[(f64, String)], size: f64) {
    let extents: Vec<(f64, f64)> = labels
        .iter()
        .map(|(x, text)| (*x, fonts::width(text, size, Weight::Regular)))
        .collect();
    let fits = scale::fitting(&extents, 8.0);
    for ((x, text), fits) in labels.iter().zip(fits) {
        scene.line((*x, plot.top), (*x, plot.bottom), grid(true));
        let tick = Stroke::new(AXIS, 2.0);
        scene.line((*x, plot.bottom), (*x, plot.bottom + 6.0), tick);
        if fits {
            let label = Label::new(text.as_str(), *x, plot.bottom + 32.0, size);
            scene.label(label.anchored(Anchor::Middle));
        }
    }
}

/// Shades the part of a plot right of `x`, where there were more workers than
/// CPUs.
pub(crate) fn shade_from(scene: &mut Scene, plot: Rect, x: f64) {
    scene.rect(Rect { left: x, ..plot }, SHADE, 1.0);
}

/// The two lines that bound a plot at the left and below.
pub(crate) fn bounds(scene: &mut Scene, plot: Rect) {
    let corner = vec![
        (plot.left, plot.top),
        (plot.left, plot.bottom),
        (plot.right, plot.bottom),
    ];
    scene.path(corner, Stroke::new(AXIS, 2.0));
}

/// A remark above the right end of a plot.
pub(crate) fn remark(scene: &mut Scene, plot: Rect, text: &str) {
    let label = Label::new(text, plot.right, plot.top - 10.0, crate::frame::NOTE);
    scene.label(label.anchored(Anchor::End).coloured(MUTED));
}
