//! Time per acquire plus release by number of workers.

use detach_results::show;

use crate::catalogue::Entry;
use crate::data::{Data, SHARED};
use crate::figures::lines::{Line, LineChart, Panel, Point, Scale};
use crate::figures::{Figure, lines, marks};
use crate::frame;
use crate::style;

/// The axis of every figure by number of workers.
pub(crate) const WORKERS: &str = "workers, one pinned to each CPU while there are enough";

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
                    let estimate = &row.cost.as_ref()?.ns_per_op;
                    Some(Point {
                        level: row.key.threads as f64,
                        value: estimate.median,
                        interval: Some((estimate.ci_low, estimate.ci_high)),
                        marks: marks(row),
                    })
                })
                .collect(),
        })
        .collect();

    let (name, what) = if scenario == SHARED {
        ("cost", "on a device that all workers share")
    } else {
        ("cost-private", "on a device of the worker's own")
    };
    let mut notes = vec![
        "Time that one worker needs for one acquire and one release: medians, with their 95% \
         intervals as bars where these are wider than the marker. Lower is better; a flat line \
         costs the same however many workers there are."
            .to_owned(),
    ];
    let rows = curves.iter().flat_map(|curve| curve.rows.iter().copied());
    notes.extend(data.notes(&[scenario], rows));
    let chart = LineChart {
        level_title: WORKERS,
        write_level: Box::new(|level| level.to_string()),
        found: false,
        workers: true,
        alike: false,
        panels: vec![Panel {
            value_title: "nanoseconds per acquire + release".to_owned(),
            format: show::digits,
            scale: Scale::Decades,
            lines,
            reference: None,
        }],
    };
    let mut frame = frame::frame(entry.title, data, chart.height(), &notes);
    lines::draw(&mut frame.scene, frame.body, &chart);
    let caption = format!(
        "Nanoseconds per acquire plus release {what}, by number of workers, for each strategy."
    );
    Some(Figure::of(entry, name, caption, frame.scene))
}
