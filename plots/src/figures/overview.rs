//! Who wins where: every strategy in every scenario, as far from the best there
//! as its colour says.

use detach_results::WHY_SLEEPS_MATTER;

use crate::catalogue::Theme;
use crate::data::{Data, twins};
use crate::figures::Figure;
use crate::fonts::{self, Weight};
use crate::frame::{self, MARKER, NAME, NOTE};
use crate::geometry::Rect;
use crate::scene::{Anchor, Label, Marks, Scene, Stroke};
use crate::standing::{self, Column};
use crate::style::{self, AXIS, INK, MUTED, Rgb};

const ROW: f64 = 54.0;
const GLYPH_ROOM: f64 = 34.0;
/// Columns are no wider than this, however few there are.
const WIDEST: f64 = 130.0;
const HEADING: f64 = 19.0;
const THEME: f64 = 17.0;
const RATIO: f64 = 19.0;
const VALUE: f64 = 14.5;
/// Between the columns of two themes.
const APART: f64 = 10.0;
const KEY: f64 = 56.0;

/// The colours of the best, of ten times that, and of a hundred times.
const SHADES: [Rgb; 3] = [
    Rgb(0x86, 0xbf, 0xe6),
    Rgb(0xf6, 0xf3, 0xea),
    Rgb(0xee, 0x9b, 0x5c),
];
const GREY: Rgb = Rgb(0xe4, 0xe4, 0xe4);

pub(crate) fn draw(data: &Data<'_>) -> Option<Figure> {
    let columns = standing::columns(data);
    let mut strategies: Vec<String> = columns
        .iter()
        .flat_map(|column| {
            column
                .cells
                .iter()
                .map(|cell| cell.row.key.strategy.clone())
        })
        .collect();
    style::sort_ids(&mut strategies);
    strategies.dedup();
    if columns.is_empty() {
        return None;
    }

    let heading = |column: &Column<'_>| fonts::width(column.heading, HEADING, Weight::Regular);
    let head = columns.iter().map(heading).fold(0.0, f64::max) + 52.0;
    let body_height = head + strategies.len() as f64 * ROW + KEY;
    let notes = notes(data, &columns, &strategies);
    let frame = frame::frame("Who wins where", data, body_height, &notes);
    let (mut scene, body) = (frame.scene, frame.body);

    let widths = strategies
        .iter()
        .map(|name| fonts::width(name, NAME, Weight::Regular));
    let left = body.left + GLYPH_ROOM + widths.fold(0.0, f64::max) + 20.0;
    let steps = columns
        .windows(2)
        .filter(|pair| pair[0].theme() != pair[1].theme());
    let gaps = steps.count() as f64 * APART;
    let width = ((body.right - left - gaps) / columns.len() as f64).min(WIDEST);
    let top = body.top + head;

    for (index, strategy) in strategies.iter().enumerate() {
        let y = top + ROW * (index as f64 + 0.5);
        let style = style::style_of(strategy);
        scene.marker((body.left + 10.0, y), MARKER, style, Marks::default());
        let name = Label::new(strategy, body.left + GLYPH_ROOM, y + NAME * 0.35, NAME);
        scene.label(name);
    }
    let mut x = left;
    let mut theme: Option<(Theme, f64)> = None;
    for column in &columns {
        match theme {
            Some((known, from)) if known != column.theme() => {
                theme_line(&mut scene, known, (from, x), body.top + 30.0);
                x += APART;
                theme = Some((column.theme(), x));
            }
            Some(_) => {}
            None => theme = Some((column.theme(), x)),
        }
        let heading = Label::new(column.heading, x + width / 2.0 + 6.0, top - 12.0, HEADING);
        scene.label(heading.upwards());
        for (index, strategy) in strategies.iter().enumerate() {
            let bounds = Rect {
                left: x + 1.5,
                right: x + width - 1.5,
                top: top + ROW * index as f64 + 1.5,
                bottom: top + ROW * (index as f64 + 1.0) - 1.5,
            };
            cell(&mut scene, bounds, column, strategy);
        }
        x += width;
    }
    if let Some((theme, from)) = theme {
        theme_line(&mut scene, theme, (from, x), body.top + 30.0);
    }
    key(&mut scene, left, body.bottom - 14.0);
    Some(Figure {
        name: "overview".to_owned(),
        theme: Theme::Overview,
        question: "No strategy is best at everything. What does each buy, and what does it pay \
                   for it?"
            .to_owned(),
        caption: "A table: every strategy in every scenario, by how many times as much it takes \
                  as the best one there."
            .to_owned(),
        scene,
    })
}

fn notes(data: &Data<'_>, columns: &[Column<'_>], strategies: &[String]) -> Vec<String> {
    let mut notes = vec![
        "Large: how many times as much as the best of the column. Small: the number itself. The \
         former is one of the latter over another, not a ratio within blocks: what the machine \
         did differently in between is in it. Each scenario is shown at one setting only; its own \
         figure shows the others, and intervals."
            .to_owned(),
    ];
    let reasons = standing::reasons(columns);
    if !reasons.is_empty() {
        notes.push(format!(
            "Grey, with a number, out of competition: {}.",
            reasons.join("; ")
        ));
    }
    let refused = |column: &Column<'_>| {
        strategies
            .iter()
            .any(|strategy| column.unsupported.contains(strategy))
    };
    if columns.iter().any(refused) {
        notes.push(
            "Grey, with a dash: could not run there; the figure of the scenario says why."
                .to_owned(),
        );
    }
    if columns
        .iter()
        .flat_map(|column| &column.cells)
        .any(|cell| cell.reading.rests_on_disturbed)
    {
        notes.push("! rests on samples that were disturbed.".to_owned());
    }
    if columns.iter().any(Column::sleeps_differ) {
        notes.push(format!(
            "~ workers slept in most of these detaches, and not in those of others in the column: \
             {WHY_SLEEPS_MATTER}."
        ));
    }
    notes.extend(twins(strategies.iter().map(String::as_str)));
    let unsupported: Vec<String> = data
        .unsupported()
        .into_iter()
        .map(|(strategy, reason)| format!("{strategy} ({reason})"))
        .collect();
    if !unsupported.is_empty() {
        notes.push(format!("Could not run here: {}.", unsupported.join("; ")));
    }
    let settings: Vec<String> = columns
        .iter()
        .map(|column| format!("{}: {}", column.heading, column.setting.words()))
        .collect();
    notes.push(format!("Settings. {}.", settings.join("; ")));
    notes
}

fn theme_line(scene: &mut Scene, theme: Theme, (from, to): (f64, f64), y: f64) {
    let stroke = Stroke::new(AXIS, 2.0);
    scene.line((from + 2.0, y), (to - 2.0, y), stroke);
    // What is wider than its columns is left out rather than written over the
    // neighbour's.
    let label = Label::new(theme.title(), from + 2.0, y - 10.0, THEME).coloured(MUTED);
    if label.width() <= to - from - 4.0 {
        scene.label(label);
    }
}

fn cell(scene: &mut Scene, bounds: Rect, column: &Column<'_>, strategy: &str) {
    let (x, y) = bounds.centre();
    let mut write = |text: &str, baseline: f64, size: f64, bold: bool, colour: Rgb| {
        let weight = if bold { Weight::Bold } else { Weight::Regular };
        // Rather small than over the edge.
        let natural = fonts::width(text, size, weight);
        let size = size * ((bounds.width() - 4.0) / natural).min(1.0);
        let label = Label::new(text, x, baseline, size).anchored(Anchor::Middle);
        let label = if bold { label.bold() } else { label };
        scene.label(label.coloured(colour));
    };
    let Some(cell) = column.cell(strategy) else {
        if column.unsupported.iter().any(|id| id == strategy) {
            write("\u{2013}", y + 6.0, RATIO, false, MUTED);
            scene.rect(bounds, GREY, 1.0);
        }
        return;
    };
    let value = column.write(cell);
    match column.to_best(cell) {
        Some(ratio) => {
            write(&times(ratio), y, RATIO, ratio < 1.05, INK);
            write(&value, y + 18.0, VALUE, false, INK);
            scene.rect(bounds, shade(ratio), 1.0);
        }
        None => {
            write(&value, y + VALUE * 0.35, VALUE, false, MUTED);
            scene.rect(bounds, GREY, 1.0);
        }
    }
}

/// A ratio in two digits.
fn times(ratio: f64) -> String {
    if ratio < 9.95 {
        format!("{ratio:.1}x")
    } else if ratio < 999.5 {
        format!("{ratio:.0}x")
    } else {
        format!("{:.0}kx", ratio / 1000.0)
    }
}

/// The colour of a ratio to the best.
fn shade(ratio: f64) -> Rgb {
    let share = ratio.log10().clamp(0.0, 2.0);
    if share < 1.0 {
        style::blend(SHADES[0], SHADES[1], share)
    } else {
        style::blend(SHADES[1], SHADES[2], share - 1.0)
    }
}

fn key(scene: &mut Scene, left: f64, y: f64) {
    const BOX: f64 = 30.0;
    const STEPS: u32 = 9;
    let words = |text: &str, x: f64| Label::new(text, x, y, NOTE).coloured(MUTED);
    let best = words("the best", left);
    let start = left + best.width() + 12.0;
    scene.label(best);
    for step in 0..STEPS {
        let bounds = Rect {
            left: start + BOX * f64::from(step),
            right: start + BOX * f64::from(step + 1),
            top: y - 17.0,
            bottom: y + 4.0,
        };
        let share = f64::from(step) / f64::from(STEPS - 1);
        scene.rect(bounds, shade(10.0_f64.powf(2.0 * share)), 1.0);
    }
    let end = start + BOX * f64::from(STEPS);
    scene.label(words("100 times as much, and more", end + 12.0));
    let frame = vec![
        (start, y - 17.0),
        (end, y - 17.0),
        (end, y + 4.0),
        (start, y + 4.0),
        (start, y - 17.0),
    ];
    scene.path(frame, Stroke::new(AXIS, 1.0));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_short_and_coloured_by_decades() {
        for (ratio, text) in [
            (1.0, "1.0x"),
            (9.96, "10x"),
            (149.4, "149x"),
            (28_400.0, "28kx"),
        ] {
            assert_eq!(times(ratio), text);
        }
        assert_eq!(shade(1.0), SHADES[0]);
        assert_eq!(shade(10.0), SHADES[1]);
        assert_eq!(shade(100.0), SHADES[2]);
        assert_eq!(shade(1e6), SHADES[2]);
    }
}
