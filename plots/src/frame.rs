//! What every figure has around its plot: title, machine and date above,
//! footnotes below.

use crate::data::Data;
use crate::fonts;
use crate::geometry::Rect;
use crate::scene::{Label, Scene};
use crate::style::MUTED;

/// Width of every figure, in pixels.
pub(crate) const WIDTH: f64 = 1600.0;
/// Distance of everything from the edge of the paper.
pub(crate) const MARGIN: f64 = 40.0;

pub(crate) const TITLE: f64 = 36.0;
pub(crate) const SUBTITLE: f64 = 23.0;
pub(crate) const AXIS_TITLE: f64 = 24.0;
pub(crate) const TICK: f64 = 22.0;
pub(crate) const NAME: f64 = 24.0;
pub(crate) const NOTE: f64 = 20.0;
/// Radius of a marker.
pub(crate) const MARKER: f64 = 9.0;

const SUBTITLE_LEADING: f64 = 32.0;
const NOTE_LEADING: f64 = 28.0;

/// A figure that holds its title and footnotes, and the room left for the
/// plot.
pub(crate) struct Frame {
    pub(crate) scene: Scene,
    pub(crate) body: Rect,
}

/// Begins a figure whose plot is `body_height` high. The paper grows with the
/// footnotes, so that however many there are, none is cut off.
pub(crate) fn frame(title: &str, data: &Data, body_height: f64, notes: &[String]) -> Frame {
    let inside = WIDTH - 2.0 * MARGIN;
    let subtitle = fonts::wrap(&data.provenance(), SUBTITLE, inside);
    let notes: Vec<String> = notes
        .iter()
        .flat_map(|note| fonts::wrap(note, NOTE, inside))
        .collect();

    let body_top = 116.0 + (subtitle.len().max(1) as f64 - 1.0) * SUBTITLE_LEADING;
    let body_bottom = body_top + body_height;
    let notes_top = body_bottom + 44.0;
    let height = if notes.is_empty() {
        body_bottom + 28.0
    } else {
        notes_top + (notes.len() as f64 - 1.0) * NOTE_LEADING + 28.0
    };

    let mut scene = Scene::new(WIDTH as u32, height.ceil() as u32);
    scene.label(Label::new(title, MARGIN, 54.0, TITLE).bold());
    for (line, text) in subtitle.into_iter().enumerate() {
        let baseline = 92.0 + line as f64 * SUBTITLE_LEADING;
        scene.label(Label::new(text, MARGIN, baseline, SUBTITLE).coloured(MUTED));
    }
    for (line, text) in notes.into_iter().enumerate() {
        let baseline = notes_top + line as f64 * NOTE_LEADING;
        scene.label(Label::new(text, MARGIN, baseline, NOTE).coloured(MUTED));
    }
    Frame {
        scene,
        body: Rect {
            left: MARGIN,
            top: body_top,
            right: WIDTH - MARGIN,
            bottom: body_bottom,
        },
    }
}
