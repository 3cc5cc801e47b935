//! Acquires per second, all workers together, by number of workers.

use detach_results::show;

use crate::catalogue::Entry;
use crate::data::{Curve, Data, SHARED};
use crate::figures::cost::WORKERS;
use crate::figures::lines::{Line, LineChart, Panel, Point, Scale};
use crate::figures::{Figure, lines, marks};
use crate::frame;
use crate::style;
use crate::value::FLOOR;

pub(crate) fn draw(data: &Data<'_>, entry: &Entry) -> Option<Figure> {
    let scenario = entry.scenario;
    let curves = data.curves(scenario, |row| row.cost.is_some());
    if curves.is_empty() {
        return None;
    }
    let lines: Vec<Line> = curves
        .iter()
        .map(|curve| Line {
            style: style::style_of(&curve.strategy),
            name: curve.strategy.clone(),
            variation: false,
            points: curve
                .rows
                .iter()
                .filter_map(|row| {
                    Some(Point {
                        level: row.key.threads as f64,
                        value: row.cost.as_ref()?.ops_per_second,
                        interval: None,
                        marks: marks(row),
                    })
                })
                .collect(),
        })
        .collect();

    let ideal = ideal(&curves, data.cpus());
    let mut notes =
        vec!["An operation is one acquire and its release. Higher is better.".to_owned()];
    notes.push(match ideal {
        Some(_) => format!(
            "Dashed, ideal scaling: what one worker reaches with {FLOOR}, times the workers, up \
             to the number of CPUs. A line parallel to it scales as well as can be."
        ),
        None => format!(
            "No line of ideal scaling: it needs {FLOOR} at one worker, and more than one number \
             of workers."
        ),
    });
    let rows = curves.iter().flat_map(|curve| curve.rows.iter().copied());
    notes.extend(data.notes(&[scenario], rows));

    let (name, title, what) = if scenario == SHARED {
        (
            "throughput",
            "Throughput, all workers on one device",
            "on a device that all workers share",
        )
    } else {
        (
            "throughput-private",
            "Throughput, each worker on its own device",
            "with one device for each worker",
        )
    };
    let chart = LineChart {
        level_title: WORKERS,
        write_level: Box::new(|level| level.to_string()),
        found: false,
        workers: true,
        alike: false,
        panels: vec![Panel {
            value_title: "operations per second, all workers together".to_owned(),
            format: show::magnitude,
            scale: Scale::Decades,
            lines,
            reference: ideal.map(|line| ("ideal scaling", line)),
        }],
    };
    let mut frame = frame::frame(title, data, chart.height(), &notes);
    lines::draw(&mut frame.scene, frame.body, &chart);
    let caption = format!(
        "Operations per second {what}, by number of workers, for each strategy, with the line of \
         ideal scaling."
    );
    Some(Figure::of(entry, name, caption, frame.scene))
}

/// The line of ideal scaling over all measured worker counts: what a lone worker
/// reaches without protection.
fn ideal(curves: &[Curve<'_>], cpus: usize) -> Option<Vec<(f64, f64)>> {
    let floor = curves.iter().find(|curve| curve.strategy == FLOOR)?;
    let lone = floor.rows.iter().find(|row| row.key.threads == 1)?;
    let rate = lone.cost.as_ref()?.ops_per_second;
    let mut counts: Vec<usize> = curves
        .iter()
        .flat_map(|curve| curve.rows.iter().map(|row| row.key.threads))
        .collect();
    counts.push(cpus.clamp(1, counts.iter().copied().max()?));
    counts.sort_unstable();
    counts.dedup();
    if counts.len() < 2 {
        return None;
    }
    let at = |workers: usize| (workers as f64, rate * workers.min(cpus.max(1)) as f64);
    Some(counts.into_iter().map(at).collect())
}
