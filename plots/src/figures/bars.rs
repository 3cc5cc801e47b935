//! Horizontal bars, one below the other, each with its name and its value.

use crate::axes::{self, Format};
use crate::fonts::{self, Weight};
use crate::frame::{MARKER, NAME};
use crate::geometry::Rect;
use crate::scale::Axis;
use crate::scene::{Anchor, Label, Marks, Scene, Stroke};
use crate::style::{INK, Rgb, Style};

/// Height of a bar with the room around it.
pub(crate) const ROW: f64 = 42.0;
/// Height of everything but the rows.
pub(crate) const AROUND: f64 = 96.0;
const GLYPH_ROOM: f64 = 34.0;
const THICK: f64 = 22.0;

/// A bar.
pub(crate) struct Bar {
    pub(crate) name: String,
    /// The mark of the strategy, where it is one's.
    pub(crate) style: Option<Style>,
    pub(crate) colour: Rgb,
    pub(crate) value: f64,
    /// How far single ones lie apart, or how sure the value is.
    pub(crate) extent: Option<(f64, f64)>,
    pub(crate) text: String,
}

/// Draws bars into a part of the paper, on the axis that `axis` makes between
/// two places.
pub(crate) fn draw(
    scene: &mut Scene,
    body: Rect,
    bars: &[Bar],
    axis: impl Fn(f64, f64) -> Box<dyn Axis>,
    (title, format): (&str, Format),
) {
    let glyphs = bars.iter().any(|bar| bar.style.is_some());
    let glyph_room = if glyphs { GLYPH_ROOM } else { 0.0 };
    let widest = |text: fn(&Bar) -> &str| {
        let widths = bars
            .iter()
            .map(|bar| fonts::width(text(bar), NAME, Weight::Regular));
        widths.fold(0.0, f64::max)
    };
    let plot = Rect {
        left: body.left + glyph_room + widest(|bar| &bar.name) + 16.0,
        top: body.top,
        right: body.right - widest(|bar| &bar.text) - 24.0,
        bottom: body.bottom - AROUND + 12.0,
    };
    let axis = axis(plot.left, plot.right - 12.0);
    axes::horizontal(scene, plot, axis.as_ref(), format);
    axes::horizontal_title(scene, plot, plot.bottom + 72.0, title);
    let row = plot.height() / bars.len() as f64;
    for (index, bar) in bars.iter().enumerate() {
        let y = plot.top + row * (index as f64 + 0.5);
        let end = axis.place(bar.value);
        let strip = Rect {
            left: plot.left,
            right: end,
            top: y - THICK / 2.0,
            bottom: y + THICK / 2.0,
        };
        scene.rect(strip, bar.colour, 0.75);
        if let Some((low, high)) = bar.extent {
            let (low, high) = (axis.place(low), axis.place(high));
            let stroke = Stroke::new(INK, 2.0);
            scene.line((low, y), (high, y), stroke);
            for end in [low, high] {
                scene.line((end, y - 6.0), (end, y + 6.0), stroke);
            }
        }
        if let Some(style) = bar.style {
            scene.marker((body.left + 10.0, y), MARKER, style, Marks::default());
        }
        let baseline = y + NAME * 0.35;
        let name = Label::new(&bar.name, body.left + glyph_room, baseline, NAME);
        scene.label(name);
        let text = Label::new(&bar.text, body.right, baseline, NAME);
        scene.label(text.anchored(Anchor::End));
    }
    axes::bounds(scene, plot);
}
