//! Time per acquire plus release by number of workers.

use crate::data::{Data, SHARED};
use crate::figures::lines::{Line, LineChart, Point};
use crate::figures::{Figure, lines, marks};
use crate::scale;
use crate::style;

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
                    let estimate = &row.cost.as_ref()?.ns_per_op;
                    Some(Point {
                        workers: row.key.threads,
                        value: estimate.median,
                        interval: Some((estimate.ci_low, estimate.ci_high)),
                        marks: marks(row),
                    })
                })
                .collect(),
        })
        .collect();

    let (name, title, what) = if scenario == SHARED {
        (
            "cost",
            "Cost of one acquire and release, all workers on one device",
            "on a device that all workers share",
        )
    } else {
        (
            "cost-private",
            "Cost of one acquire and release, each worker on its own device",
            "on a device of the worker's own",
        )
    };
    let mut notes = vec![
        "Time that one worker needs for one acquire and one release: medians, with their 95% \
         intervals as bars where these are wider than the marker. Lower is better; a flat line \
         costs the same however many workers there are."
            .to_owned(),
    ];
    let rows = curves.iter().flat_map(|curve| &curve.rows);
    notes.extend(data.notes(rows.map(|row| marks(row))));
    let chart = LineChart {
        title,
        value_title: "nanoseconds per acquire + release",
        format: scale::digits,
        lines,
        reference: None,
        notes,
    };
    Some(Figure {
        name,
        caption: format!(
            "Nanoseconds per acquire plus release {what}, by number of workers, for each strategy."
        ),
        scene: lines::draw(data, &chart),
    })
}
