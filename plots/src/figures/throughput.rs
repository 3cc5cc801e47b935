//! Acquires per second, all workers together, by number of workers.

use crate::data::{Curve, Data, SHARED};
use crate::figures::lines::{Line, LineChart, Point};
use crate::figures::{Figure, lines, marks};
use crate::scale;
use crate::style;

/// The strategy whose lone worker sets the line of ideal scaling.
const IDEAL: &str = "unprotected";

pub(crate) fn draw(data: &Data<'_>, scenario: &str) -> Option<Figure> {
    let curves = data.curves(scenario, |row| row.cost.is_some());
    if curves.is_empty() {
        return None;
    }
    let lines: Vec<Line> = curves
        .iter()
        .map(|curve| Line {
            style: style::style_of(&curve.strategy),
            name: curve.strategy.clone(),
            points: curve
                .rows
                .iter()
                .filter_map(|row| {
                    Some(Point {
                        workers: row.key.threads,
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
            "Dashed, ideal scaling: what one worker reaches with {IDEAL}, times the workers, up \
             to the number of CPUs. A line parallel to it scales as well as can be."
        ),
        None => format!(
            "No line of ideal scaling: it needs {IDEAL} at one worker, and more than one number \
             of workers."
        ),
    });
    let rows = curves.iter().flat_map(|curve| &curve.rows);
    notes.extend(data.notes(rows.map(|row| marks(row))));

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
        title,
        value_title: "operations per second, all workers together",
        format: scale::magnitude,
        lines,
        reference: ideal.map(|line| ("ideal scaling", line)),
        notes,
    };
    Some(Figure {
        name,
        caption: format!(
            "Operations per second {what}, by number of workers, for each strategy, with the \
             line of ideal scaling."
        ),
        scene: lines::draw(data, &chart),
    })
}

/// The line of ideal scaling over all measured worker counts.
fn ideal(curves: &[Curve<'_>], cpus: usize) -> Option<Vec<(usize, f64)>> {
    let floor = curves.iter().find(|curve| curve.strategy == IDEAL)?;
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
    let at = |workers: usize| (workers, rate * workers.min(cpus.max(1)) as f64);
    Some(counts.into_iter().map(at).collect())
}
