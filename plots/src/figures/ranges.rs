//! One row for each strategy: where the median lies and how far the rest
//! reaches, in a panel for each setting, all on one axis.

use detach_results::{Latency, Row, show};

use crate::axes;
use crate::catalogue::{Entry, Measure, Theme};
use crate::data::Data;
use crate::figures::{Figure, file_name, marks};
use crate::fonts::{self, Weight};
use crate::frame::{self, MARKER, NAME, NOTE, TICK};
use crate::geometry::Rect;
use crate::scale::{Axis, Decades};
use crate::scene::{Anchor, Label, Marks, Scene, Stroke};
use crate::setting::{Setting, settings};
use crate::style::{self, INK, MUTED, PAPER, Shape, Style};

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
/// More settings than this do not fit on a page that anybody would read.
const MOST_PANELS: usize = 8;
/// What the columns of numbers hold; not every panel has all of them.
const COLUMNS: [&str; 3] = ["median", "99%", "overtook"];
/// The yardstick of single visits.
const CLOCK: &str = "clock alone, median";
/// Size of the numbers beside the plot.
const VALUE: f64 = 20.0;

/// What is drawn of a row.
struct Extent {
    /// Ascending: median, p90, p99 and the largest, or for a cost the ends of
    /// the interval with the median between them.
    shape: Reach,
    /// A time of the machine or of the setting to compare with.
    yardstick: Option<f64>,
    marks: Marks,
    texts: Vec<String>,
}

enum Reach {
    Distribution([f64; 4]),
    Interval([f64; 3]),
}

impl Reach {
    fn values(&self) -> &[f64] {
        match self {
            Reach::Distribution(levels) => levels,
            Reach::Interval(levels) => levels,
        }
    }
}

/// A setting, seen under one measure.
struct Panel {
    heading: String,
    /// By strategy.
    rows: Vec<Option<Extent>>,
    /// What the columns of numbers hold.
    columns: Vec<&'static str>,
    /// How long a holder stayed.
    hold: Option<f64>,
}

/// What the figure consists of, apart from where it lies.
struct Content {
    strategies: Vec<String>,
    panels: Vec<Panel>,
    yardstick: Option<&'static str>,
}

pub(crate) fn draw(data: &Data<'_>, entry: &Entry, measures: &[Measure]) -> Option<Figure> {
    let content = content(data, entry.scenario, measures)?;
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
                .any(|row| extent(row, *measure).is_some())
        })
        .collect();
    let content = content(data, scenario, &measures)?;
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

fn extent(row: &Row, measure: Measure) -> Option<Extent> {
    let distribution = |latency: &Latency, yardstick: Option<&Latency>| {
        let levels = [latency.p50, latency.p90, latency.p99, latency.max];
        let levels = levels.map(|level| level as f64);
        Extent {
            shape: Reach::Distribution(levels),
            yardstick: yardstick.map(|latency| latency.p50 as f64),
            marks: marks(row),
            texts: vec![show::nanoseconds(levels[0]), show::nanoseconds(levels[2])],
        }
    };
    let (cost, detach) = (row.cost.as_ref(), row.detach.as_ref());
    Some(match measure {
        Measure::Cost => {
            let estimate = &cost?.ns_per_op;
            Extent {
                shape: Reach::Interval([estimate.ci_low, estimate.median, estimate.ci_high]),
                yardstick: None,
                marks: marks(row),
                texts: vec![show::nanoseconds(estimate.median)],
            }
        }
        Measure::Detach => {
            let detach = detach?;
            let mut extent = distribution(&detach.latency_ns, detach.heavy_fence_ns.as_ref());
            if let Some(overtook) = detach.overtook {
                let share = overtook as f64 / detach.latency_ns.count.max(1) as f64;
                extent.texts.push(show::percent(share));
            }
            extent
        }
        Measure::Refused => distribution(detach?.refused_ns.as_ref()?, None),
        Measure::Visits => {
            let visits = row.visits.as_ref()?;
            distribution(&visits.visit_ns, Some(&visits.clock_ns))
        }
    })
}

fn content(data: &Data<'_>, scenario: &str, measures: &[Measure]) -> Option<Content> {
    let strategies = data.strategies(scenario);
    let settings = settings(data.rows(scenario));
    let mut panels = Vec::new();
    for setting in &settings {
        for measure in measures {
            let found = |strategy: &String| {
                let mut rows = data.rows(scenario);
                let row = rows.find(|row| {
                    row.key.strategy == *strategy && Setting::of(&row.key) == *setting
                })?;
                extent(row, *measure)
            };
            let rows: Vec<Option<Extent>> = strategies.iter().map(found).collect();
            if rows.iter().all(Option::is_none) {
                continue;
            }
            let mut heading = vec![setting.distinction(&settings)];
            if measures.len() > 1 {
                heading.push(what(*measure).to_owned());
            }
            heading.retain(|part| !part.is_empty());
            // Who is refused does not wait for a holder.
            let waits = *measure == Measure::Detach && setting.hold_ns > 0;
            let texts = rows.iter().flatten().map(|extent| extent.texts.len());
            let columns = texts.max().unwrap_or(0);
            panels.push(Panel {
                heading: heading.join(", "),
                rows,
                columns: COLUMNS[..columns.min(COLUMNS.len())].to_vec(),
                hold: waits.then_some(setting.hold_ns as f64),
            });
        }
    }
    if panels.is_empty() {
        return None;
    }
    let of_detach = measures.contains(&Measure::Detach);
    let yardstick = match (of_detach, measures.contains(&Measure::Visits)) {
        (true, true) => "one heavy fence, or the clock alone, median",
        (true, false) => "one heavy fence, median",
        (false, _) => CLOCK,
    };
    let mut extents = panels.iter().flat_map(|panel| panel.rows.iter().flatten());
    let used = extents.any(|extent| extent.yardstick.is_some());
    Some(Content {
        strategies,
        yardstick: used.then_some(yardstick),
        panels,
    })
}

fn what(measure: Measure) -> &'static str {
    match measure {
        Measure::Cost => "cost",
        Measure::Detach => "detach",
        Measure::Refused => "being refused",
        Measure::Visits => "visits",
    }
}

fn figure(
    data: &Data<'_>,
    scenario: &str,
    (title, value_title): (&str, &str),
    content: &Content,
) -> (Scene, String) {
    let shown = &content.panels[..content.panels.len().min(MOST_PANELS)];
    let abreast = match shown.len() {
        1..=3 => shown.len(),
        4 => 2,
        _ => 3,
    };
    let lines = shown.len().div_ceil(abreast);
    let headed = shown.iter().any(|panel| !panel.heading.is_empty());
    let head = if headed { HEAD + HEADING } else { HEAD };
    let ranged = extents(content).any(|extent| matches!(extent.shape, Reach::Distribution(_)));
    let key_room = if ranged { KEY } else { 0.0 };
    let line_height = head + content.strategies.len() as f64 * ROW + FOOT;

    let notes = notes(data, scenario, content);
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

fn notes(data: &Data<'_>, scenario: &str, content: &Content) -> Vec<String> {
    let rows: Vec<&Row> = data.rows(scenario).collect();
    let settings = settings(rows.iter().copied());
    let mut notes = Vec::new();
    let common = settings.first().map(|first| first.common(&settings));
    if let Some(common) = common.filter(|common| !common.is_empty()) {
        notes.push(format!("Setting: {common}."));
    }
    if extents(content).all(|extent| matches!(extent.shape, Reach::Interval(_))) {
        notes.push("Medians, with their 95% intervals as bars. Lower is better.".to_owned());
    }
    if extents(content).any(|extent| extent.texts.len() == COLUMNS.len()) {
        notes.push(
            "Overtook: of so many detaches, the stranger who was inside another device at the \
             call was still there at the return. 100% waits for no stranger, 0% for every one."
                .to_owned(),
        );
    }
    if content.yardstick == Some(CLOCK) {
        notes.push(
            "Each visit was timed on its own, so two readings of the clock are in it; what they \
             take with nothing between them is drawn beside it, and not taken off."
                .to_owned(),
        );
    }
    let left_out = content.panels.len().saturating_sub(MOST_PANELS);
    if left_out > 0 {
        notes.push(format!("Not shown: {left_out} more settings."));
    }
    let detached = rows.iter().filter_map(|row| row.detach.as_ref());
    if let Some(smallest) = detached.map(|detach| detach.latency_ns.count).min() {
        notes.push(format!(
            "Each distribution holds at least {smallest} detaches."
        ));
    }
    if rows.iter().any(|row| row.detacher_shares_cpu) {
        notes.push("The detacher shared its CPU with a worker.".to_owned());
    }
    notes.extend(data.notes(&[scenario], rows.iter().copied()));
    notes
}

fn extents(content: &Content) -> impl Iterator<Item = &Extent> {
    content
        .panels
        .iter()
        .flat_map(|panel| panel.rows.iter().flatten())
}

/// Room for each column of numbers, the same in every panel.
fn column_widths(content: &Content) -> Vec<f64> {
    let column = |(index, heading): (usize, &&str)| {
        let texts = extents(content).filter_map(|extent| extent.texts.get(index));
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
            range(scene, y, places, style);
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

/// The bar of one distribution: thick up to p90, thinner up to p99, a line up
/// to the maximum.
fn range(scene: &mut Scene, y: f64, [p50, p90, p99, max]: [f64; 4], style: Style) {
    let strip = |half: f64, from: f64, to: f64| Rect {
        left: from,
        right: to,
        top: y - half,
        bottom: y + half,
    };
    let colour = style.colour;
    scene.line((p50, y), (max, y), Stroke::new(colour, 2.0));
    let cap = MARKER * 0.9;
    scene.line((max, y - cap), (max, y + cap), Stroke::new(colour, 3.0));
    for (half, from, to) in [(MARKER * 0.45, p90, p99), (MARKER * 0.9, p50, p90)] {
        scene.rect(strip(half, from, to), PAPER, 1.0);
        scene.rect(strip(half, from, to), colour, 0.6);
    }
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
    range(scene, y, [x + 9.0, x + 44.0, x + 84.0, x + 124.0], sample);
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
