//! One row for each strategy: where the median lies and how far the rest
//! reaches, in a panel for each setting, all on one axis.

mod content;

use detach_results::show;

use crate::axes;
use crate::catalogue::{Entry, Measure, Theme};
use crate::data::Data;
use crate::figures::distribution::{self, Way};
use crate::figures::{Figure, file_name};
use crate::fonts::{self, Weight};
use crate::frame::{self, MARKER, NAME, NOTE, TICK};
use crate::geometry::Rect;
use crate::scale::{Axis, Decades};
use crate::scene::{Anchor, Label, Marks, Scene, Stroke};
use crate::style::{self, INK, MUTED, Shape, Style};

use content::{COLUMNS, Content, Extent, Panel, Reach};

const ROW: f64 = 48.0;
const GLYPH_ROOM: f64 = 34.0;
/// Room above the panels of a line for the headings of their columns.
const HEAD: f64 = 36.0;
/// And for their own.
const HEADING: f64 = 30.0;
/// Room below for labels, and the title under the last line.
const FOOT: f64 = 56.0;
const TITLE_ROOM: f64 = 24.0;
/// Room above all panels for the key.
const KEY: f64 = 42.0;
const BETWEEN: f64 = 36.0;
const INSET: f64 = 18.0;
/// Size of the numbers beside the plot.
const VALUE: f64 = 20.0;

pub(crate) fn draw(data: &Data<'_>, entry: &Entry, measures: &[Measure]) -> Option<Figure> {
    let content = Content::of(data, entry.scenario, measures)?;
    let (scene, caption) = figure(
        data,
        entry.scenario,
        (entry.title, entry.value_title),
        &content,
    );
    Some(Figure::of(
        entry,
        &file_name(entry.scenario),
        caption,
        scene,
    ))
}

/// The figure of a scenario of which nothing is known: whatever its rows hold.
pub(crate) fn draw_unknown(data: &Data<'_>, scenario: &str) -> Option<Figure> {
    let measures: Vec<Measure> = [Measure::Cost, Measure::Detach, Measure::Visits]
        .into_iter()
        .filter(|measure| {
            data.rows(scenario)
                .any(|row| Extent::of(row, *measure).is_some())
        })
        .collect();
    let content = Content::of(data, scenario, &measures)?;
    let title = format!("Scenario {scenario}");
    let (scene, caption) = figure(data, scenario, (&title, "time"), &content);
    Some(Figure {
        name: format!("other-{}", file_name(scenario)),
        theme: Theme::Other,
        question: format!("What {scenario} asks is not known here; this is what was measured."),
        caption,
        scene,
    })
}

fn figure(
    data: &Data<'_>,
    scenario: &str,
    (title, value_title): (&str, &str),
    content: &Content,
) -> (Scene, String) {
    let shown = content.shown();
    let abreast = match shown.len() {
        1..=3 => shown.len(),
        4 => 2,
        _ => 3,
    };
    let lines = shown.len().div_ceil(abreast);
    let headed = shown.iter().any(|panel| !panel.heading.is_empty());
    let head = if headed { HEAD + HEADING } else { HEAD };
    let ranged = content
        .extents()
        .any(|extent| matches!(extent.shape, Reach::Distribution(_)));
    let key_room = if ranged { KEY } else { 0.0 };
    let line_height = head + content.strategies.len() as f64 * ROW + FOOT;

    let notes = content.notes(data, scenario);
    let body_height = key_room + lines as f64 * line_height + TITLE_ROOM;
    let frame = frame::frame(title, data, body_height, &notes);
    let (mut scene, body) = (frame.scene, frame.body);

    let widths = content
        .strategies
        .iter()
        .map(|name| fonts::width(name, NAME, Weight::Regular));
    let names_right = body.left + GLYPH_ROOM + widths.fold(0.0, f64::max);
    let columns = column_widths(content);
    let numbers: f64 = columns.iter().sum::<f64>() + 8.0;
    let left = names_right + 16.0;
    let width = (body.right - left - BETWEEN * (abreast - 1) as f64) / abreast as f64;

    let extents = shown.iter().flat_map(|panel| panel.rows.iter().flatten());
    let values = extents.flat_map(|extent| {
        let reached = extent.shape.values().iter().copied();
        reached.chain(extent.yardstick).collect::<Vec<_>>()
    });
    let values: Vec<f64> = values
        .chain(shown.iter().filter_map(|panel| panel.hold))
        .collect();
    for (index, panel) in shown.iter().enumerate() {
        let (line, column) = (index / abreast, index % abreast);
        let top = body.top + key_room + line as f64 * line_height + head;
        let panel_left = left + column as f64 * (width + BETWEEN);
        let plot = Rect {
            left: panel_left,
            right: panel_left + width - numbers,
            top,
            bottom: top + content.strategies.len() as f64 * ROW,
        };
        if column == 0 {
            names(&mut scene, body.left, plot, &content.strategies);
        }
        let axis = Decades::snug(
            values.iter().copied(),
            plot.left + INSET,
            plot.right - INSET,
        );
        draw_panel(&mut scene, plot, &axis, panel, content, &columns);
    }
    let all = Rect {
        left,
        right: body.right - numbers,
        ..body
    };
    axes::horizontal_title(&mut scene, all, body.bottom - 6.0, value_title);
    if ranged {
        key(&mut scene, (left, body.top + 16.0), content);
    }
    let settings = match shown.len() {
        1 => String::new(),
        count => format!(", in {count} panels"),
    };
    let caption = format!("{title}: {value_title}, a row for each strategy{settings}.");
    (scene, caption)
}

/// Room for each column of numbers, the same in every panel.
fn column_widths(content: &Content) -> Vec<f64> {
    let column = |(index, heading): (usize, &&str)| {
        let texts = content
            .extents()
            .filter_map(|extent| extent.texts.get(index));
        let widths = texts.map(|text| fonts::width(text, VALUE, Weight::Regular));
        let heading = fonts::width(heading, NOTE, Weight::Regular);
        widths.fold(heading, f64::max) + 18.0
    };
    let columns = content.panels.iter().map(|panel| panel.columns.len());
    let columns = columns.max().unwrap_or(0);
    COLUMNS[..columns].iter().enumerate().map(column).collect()
}

fn place_of_row(plot: Rect, index: usize) -> f64 {
    plot.top + ROW * (index as f64 + 0.5)
}

fn names(scene: &mut Scene, left: f64, plot: Rect, strategies: &[String]) {
    for (index, strategy) in strategies.iter().enumerate() {
        let y = place_of_row(plot, index);
        let style = style::style_of(strategy);
        scene.marker((left + 10.0, y), MARKER, style, Marks::default());
        let name = Label::new(strategy, left + GLYPH_ROOM, y + NAME * 0.35, NAME);
        scene.label(name);
    }
}

fn draw_panel(
    scene: &mut Scene,
    plot: Rect,
    axis: &Decades,
    panel: &Panel,
    content: &Content,
    columns: &[f64],
) {
    if panel
        .rows
        .iter()
        .flatten()
        .any(|extent| extent.marks.hollow)
    {
        scene.rect(plot, style::SHADE, 1.0);
    }
    axes::horizontal(scene, plot, axis, show::nanoseconds);
    axes::bounds(scene, plot);
    if !panel.heading.is_empty() {
        // A setting that takes many words takes smaller ones.
        let room = plot.width() + columns.iter().sum::<f64>();
        let natural = fonts::width(&panel.heading, TICK, Weight::Bold);
        let size = TICK * (room / natural).min(1.0);
        let heading = Label::new(&panel.heading, plot.left, plot.top - HEAD - 8.0, size);
        scene.label(heading.bold());
    }
    if let Some(hold) = panel.hold {
        hold_line(scene, axis.place(hold), (plot.top, plot.bottom));
    }
    let rights: Vec<f64> = columns
        .iter()
        .scan(plot.right + 8.0, |right, width| {
            *right += width;
            Some(*right)
        })
        .collect();
    for (right, column) in rights.iter().zip(&panel.columns) {
        let label = Label::new(*column, *right, plot.top - 14.0, NOTE).coloured(MUTED);
        scene.label(label.anchored(Anchor::End));
    }
    for (index, extent) in panel.rows.iter().enumerate() {
        let y = place_of_row(plot, index);
        let style = style::style_of(&content.strategies[index]);
        let baseline = y + VALUE * 0.35;
        let number =
            |text: &str, right: f64| Label::new(text, right, baseline, VALUE).anchored(Anchor::End);
        let Some(extent) = extent else {
            scene.label(number("-", rights[0]).coloured(MUTED));
            continue;
        };
        if let Some(yardstick) = extent.yardstick {
            let x = axis.place(yardstick);
            yardstick_line(scene, x, (y - ROW * 0.42, y + ROW * 0.42));
        }
        draw_extent(scene, axis, y, extent, style);
        for (text, right) in extent.texts.iter().zip(&rights) {
            scene.label(number(text, *right));
        }
    }
}

fn draw_extent(scene: &mut Scene, axis: &Decades, y: f64, extent: &Extent, style: Style) {
    let middle = match &extent.shape {
        Reach::Distribution(levels) => {
            let places = levels.map(|level| axis.place(level));
            distribution::bar(scene, Way::Right, y, places, (MARKER, style.colour));
            places[0]
        }
        Reach::Interval(levels) => {
            let [low, middle, high] = levels.map(|level| axis.place(level));
            let stroke = Stroke::new(style.colour, 2.0);
            scene.line((low, y), (high, y), stroke);
            for end in [low, high] {
                scene.line((end, y - 9.0), (end, y + 9.0), stroke);
            }
            middle
        }
    };
    scene.marker((middle, y), MARKER, style, extent.marks);
}

fn yardstick_line(scene: &mut Scene, x: f64, (top, bottom): (f64, f64)) {
    scene.line(
        (x, top),
        (x, bottom),
        Stroke::new(INK, 2.0).dashed(6.0, 4.0),
    );
}

fn hold_line(scene: &mut Scene, x: f64, (top, bottom): (f64, f64)) {
    let stroke = Stroke::new(MUTED, 2.0).dashed(2.0, 5.0);
    scene.line((x, top), (x, bottom), stroke);
}

/// How to read a row, in one line above the panels.
fn key(scene: &mut Scene, (left, y): (f64, f64), content: &Content) {
    let mut x = left;
    let words = |scene: &mut Scene, from: f64, text: &str| -> f64 {
        let label = Label::new(text, from, y + NOTE * 0.36, NOTE).coloured(MUTED);
        let end = from + label.width() + 34.0;
        scene.label(label);
        end
    };
    let sample = Style {
        colour: MUTED,
        shape: Shape::Circle,
    };
    let places = [x + 9.0, x + 44.0, x + 84.0, x + 124.0];
    distribution::bar(scene, Way::Right, y, places, (MARKER, sample.colour));
    scene.marker((x + 9.0, y), MARKER, sample, Marks::default());
    x = words(scene, x + 136.0, "median, up to 90%, up to 99%, slowest");
    if let Some(yardstick) = content.yardstick {
        yardstick_line(scene, x, (y - 12.0, y + 12.0));
        x = words(scene, x + 12.0, yardstick);
    }
    if content.panels.iter().any(|panel| panel.hold.is_some()) {
        hold_line(scene, x, (y - 12.0, y + 12.0));
        words(scene, x + 12.0, "how long a holder stays");
    }
}
