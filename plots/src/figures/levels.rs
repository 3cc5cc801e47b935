//! Values over what a scenario varies: holding time, devices, rate.

use detach_results::{Row, show};

use crate::catalogue::{Entry, Kind};
use crate::data::Data;
use crate::figures::bars::{self, Bar};
use crate::figures::lines::{Line, LineChart, Panel, Point, Scale};
use crate::figures::{Figure, file_name, lines, marks};
use crate::frame;
use crate::geometry::Rect;
use crate::scale::Linear;
use crate::setting::Varied;
use crate::style;
use crate::value::{self, FLOOR, Value};

/// Less than a tenth of a nanosecond is less than the measurement can tell.
const LEAST_OVERHEAD: f64 = 0.1;
/// Between the lines and the bars below them.
const BETWEEN: f64 = 40.0;

pub(crate) fn draw(data: &Data<'_>, entry: &Entry) -> Option<Figure> {
    let Kind::Levels {
        axis,
        panels,
        equal,
        bytes,
    } = entry.kind
    else {
        return None;
    };
    let workers = data.good_workers(&[entry.scenario])?;
    let rows: Vec<&Row> = data
        .rows(entry.scenario)
        .filter(|row| row.key.threads == workers)
        .collect();
    let panels: Vec<Panel> = panels
        .iter()
        .map(|(value, title)| panel(data, &rows, axis, (*value, title), equal))
        .filter(|panel| !panel.lines.is_empty())
        .collect();
    if panels.is_empty() {
        return None;
    }
    let several = panels.len() > 1;
    let overhead = panels
        .iter()
        .any(|panel| matches!(panel.scale, Scale::DecadesFrom(_)));
    let chart = LineChart {
        level_title: axis.title(),
        write_level: Box::new(move |level| axis.write(level)),
        found: axis.is_found(),
        workers: false,
        alike: equal.is_some(),
        panels,
    };
    let memory = if bytes {
        memory(data, entry)
    } else {
        Vec::new()
    };

    let mut notes = notes(data, entry, &rows, overhead);
    if bytes && !memory.is_empty() {
        notes.push(
            "Bars: what a device takes besides its softc, counted while many were attached."
                .to_owned(),
        );
    }
    notes.extend(data.notes(&[entry.scenario], rows.iter().copied()));
    let below = if memory.is_empty() {
        0.0
    } else {
        BETWEEN + memory.len() as f64 * bars::ROW + bars::AROUND
    };
    let title = format!("{}, at {}", entry.title, show::count(workers, "worker"));
    let frame = frame::frame(&title, data, chart.height() + below, &notes);
    let (mut scene, body) = (frame.scene, frame.body);
    let upper = Rect {
        bottom: body.bottom - below,
        ..body
    };
    lines::draw(&mut scene, upper, &chart);
    if !memory.is_empty() {
        let lower = Rect {
            top: upper.bottom + BETWEEN,
            ..body
        };
        let values: Vec<f64> = memory.iter().map(|bar| bar.value).collect();
        let axis = |from, to| -> Box<dyn crate::scale::Axis> {
            Box::new(Linear::over(values.iter().copied(), from, to))
        };
        let title = Value::Bytes.title();
        bars::draw(&mut scene, lower, &memory, axis, (title, value::bytes));
    }
    let values = if several { ", in two panels" } else { "" };
    let caption = format!(
        "{}: a line for each strategy, by {}{values}.",
        entry.title,
        axis.title()
    );
    Some(Figure::of(
        entry,
        &file_name(entry.scenario),
        caption,
        scene,
    ))
}

fn panel(
    data: &Data<'_>,
    rows: &[&Row],
    axis: Varied,
    (value, title): (Value, &str),
    equal: Option<&'static str>,
) -> Panel {
    let mut lines = Vec::new();
    let mut strategies: Vec<String> = rows.iter().map(|row| row.key.strategy.clone()).collect();
    style::sort_ids(&mut strategies);
    strategies.dedup();
    for strategy in &strategies {
        for variation in [false, true] {
            let of_line =
                |row: &&&Row| row.key.strategy == *strategy && is_variation(row) == variation;
            let mut points: Vec<Point> = rows
                .iter()
                .filter(of_line)
                .filter_map(|row| {
                    let reading = value.of(data, row)?;
                    let mut marks = marks(row);
                    marks.disturbed = reading.rests_on_disturbed;
                    let nothing = value == Value::Overhead
                        && reading.interval.is_some_and(|(low, _)| low <= 0.0);
                    marks.hollow |= variation || nothing;
                    Some(Point {
                        level: axis.level(row),
                        value: reading.value,
                        // On a logarithmic axis it would reach down for ever.
                        interval: reading.interval.filter(|_| !nothing),
                        marks,
                    })
                })
                .collect();
            points.sort_by(|a, b| a.level.total_cmp(&b.level));
            if !points.is_empty() {
                lines.push(Line {
                    name: strategy.clone(),
                    style: style::style_of(strategy),
                    variation,
                    points,
                });
            }
        }
    }
    let points = lines.iter().flat_map(|line| &line.points);
    let mut levels: Vec<f64> = points
        .map(|point| point.level)
        .filter(|level| *level > 0.0)
        .collect();
    levels.sort_by(f64::total_cmp);
    levels.dedup();
    let diagonal: Vec<(f64, f64)> = levels.into_iter().map(|level| (level, level)).collect();
    Panel {
        value_title: title.to_owned(),
        format: value.format(),
        scale: match value {
            Value::Kept => Scale::Linear,
            Value::Overhead => Scale::DecadesFrom(LEAST_OVERHEAD),
            _ => Scale::Decades,
        },
        lines,
        reference: equal
            .filter(|_| diagonal.len() > 1)
            .map(|name| (name, diagonal)),
    }
}

/// Whether a row belongs to the dashed one of its strategy's lines.
fn is_variation(row: &Row) -> bool {
    row.key.skewed || row.key.together
}

fn notes(data: &Data<'_>, entry: &Entry, rows: &[&Row], overhead: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let Kind::Levels { axis, panels, .. } = entry.kind else {
        return notes;
    };
    let kept = panels.iter().any(|(value, _)| *value == Value::Kept);
    if kept {
        let lacks = |row: &&&Row| Value::Kept.of(data, row).is_none();
        let mut without: Vec<String> = rows
            .iter()
            .filter(lacks)
            .map(|row| row.key.strategy.clone())
            .collect();
        style::sort_ids(&mut without);
        without.dedup();
        notes.push(
            "What a worker gets done, over what it does with the same strategy while nothing is \
             detached: ratios within blocks, with their 95% intervals as bars. Higher is better. \
             Where a line ends early, the strategy could not detach more often."
                .to_owned(),
        );
        if !without.is_empty() {
            let without = without.join(", ");
            notes.push(format!(
                "Not shown, because not measured without detaches: {without}."
            ));
        }
    } else if panels.iter().any(|(value, _)| *value == Value::Tail) {
        notes.push(
            "Medians with their 95% intervals, and 99th percentiles without. Lower is better."
                .to_owned(),
        );
    } else {
        notes.push("Medians, with their 95% intervals as bars. Lower is better.".to_owned());
    }
    if overhead {
        notes.push(format!(
            "Right: the time of the strategy less that of {FLOOR} with the same work inside, with \
             the worst of both intervals. Hollow, without a bar: not told apart from {FLOOR}. Less \
             than {LEAST_OVERHEAD} ns, or nothing at all, is drawn at the lower edge."
        ));
    } else if panels.iter().any(|(value, _)| *value == Value::Overhead) {
        notes.push(format!(
            "What protection adds is not shown: that needs {FLOOR}."
        ));
    }
    let compared = |row: &Row| {
        let mut readings = panels.iter().filter_map(|(value, _)| value.of(data, row));
        readings.any(|reading| reading.rests_on_disturbed && !row.rests_on_disturbed)
    };
    if rows.iter().any(|row| compared(row)) {
        notes.push(
            "A ring also marks what is held against disturbed samples, for want of others."
                .to_owned(),
        );
    }
    if rows.iter().any(|row| row.key.skewed) {
        notes.push(
            "Dashed, hollow: skewed, some devices are entered more often than others.".to_owned(),
        );
    }
    if rows.iter().any(|row| row.key.together) {
        notes.push(
            "Dashed, hollow: detached together in one call, which is one grace period where the \
             strategy has one for many."
                .to_owned(),
        );
    }
    if axis == Varied::Devices && rows.iter().any(|row| row.detach.is_some()) {
        notes.push("For each device: the time for all, divided by their number.".to_owned());
    }
    if rows.iter().any(|row| row.detacher_shares_cpu) {
        notes.push("The detacher shared its CPU with a worker.".to_owned());
    }
    notes
}

/// The memory of a device, by strategy: where most devices were attached, if it
/// was counted in several settings.
fn memory(data: &Data<'_>, entry: &Entry) -> Vec<Bar> {
    let bar = |strategy: &String| {
        let rows = data.rows(entry.scenario);
        let rows = rows.filter(|row| row.key.strategy == *strategy);
        let counted = rows.filter_map(|row| Some((row.key.devices, Value::Bytes.of(data, row)?)));
        let (_, reading) = counted.max_by_key(|(devices, _)| *devices)?;
        let style = style::style_of(strategy);
        Some(Bar {
            name: strategy.clone(),
            style: Some(style),
            colour: style.colour,
            value: reading.value,
            extent: None,
            text: value::bytes(reading.value),
        })
    };
    data.strategies(entry.scenario)
        .iter()
        .filter_map(bar)
        .collect()
}
