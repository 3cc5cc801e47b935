//! The one picture of the trade-off: what entering costs against what
//! detaching takes.

use detach_results::{Row, show};

use crate::axes;
use crate::callouts::{self, Named};
use crate::catalogue::Theme;
use crate::data::{DETACH, Data, SHARED};
use crate::figures::{Figure, marks};
use crate::frame::{self, MARKER, NAME};
use crate::geometry::Rect;
use crate::scale::{Axis, Decades};
use crate::scene::{Label, Marks, Stroke, ring_radius};
use crate::style::{self, MUTED, Style};

const RADIUS: f64 = MARKER * 1.25;
/// Between the ends of the axes and the edges of the plot, so that a marker at
/// an end is whole.
const INSET: f64 = 24.0;

struct Point {
    name: String,
    style: Style,
    cost: f64,
    latency: f64,
    marks: Marks,
}

pub(crate) fn draw(data: &Data<'_>) -> Option<Figure> {
    let workers = data.reference_workers()?;
    let costs = data.curves(SHARED, |row| {
        row.cost.is_some() && row.key.threads == workers
    });
    let mut rows: Vec<&Row> = Vec::new();
    let mut points = Vec::new();
    let mut without = Vec::new();
    for curve in &costs {
        let strategy = &curve.strategy;
        let cost_row = curve.rows.first()?;
        let detach_row = data.summary.row(strategy, DETACH, workers);
        let detach = detach_row.and_then(|row| row.detach.as_ref());
        let (Some(cost), Some(detach_row), Some(detach)) = (&cost_row.cost, detach_row, detach)
        else {
            without.push(strategy.clone());
            continue;
        };
        let (cost_marks, detach_marks) = (marks(cost_row), marks(detach_row));
        rows.extend([*cost_row, detach_row]);
        points.push(Point {
            name: strategy.clone(),
            style: style::style_of(strategy),
            cost: cost.ns_per_op.median,
            latency: detach.latency_ns.p99 as f64,
            marks: Marks {
                hollow: cost_marks.hollow || detach_marks.hollow,
                disturbed: cost_marks.disturbed || detach_marks.disturbed,
            },
        });
    }
    if points.is_empty() {
        return None;
    }

    let at = show::count(workers, "worker");
    let mut notes = vec![format!(
        "Both at {at} on one device: the median time per acquire and release, and the time within \
         which 99% of detaches returned."
    )];
    if rows.iter().any(|row| row.detacher_shares_cpu) {
        notes.push("The detacher shared its CPU with a worker.".to_owned());
    }
    if !without.is_empty() {
        notes.push(format!(
            "Not shown, because no detach was measured: {}.",
            without.join(", ")
        ));
    }
    notes.extend(data.notes(&[SHARED, DETACH], rows));
    let title = format!("The trade-off at {at}: cost of entering against time to detach");
    let frame = frame::frame(&title, data, 860.0, &notes);
    let (mut scene, body) = (frame.scene, frame.body);

    let (top, bottom) = (body.top + 10.0, body.bottom - 80.0);
    let latencies = points.iter().map(|point| point.latency);
    let vertical = Decades::over(latencies, bottom - INSET, top + INSET);
    let plot = Rect {
        left: body.left + 40.0 + axes::label_room(&vertical, show::nanoseconds),
        right: body.right - 36.0,
        top,
        bottom,
    };
    let costs = points.iter().map(|point| point.cost);
    let horizontal = Decades::over(costs, plot.left + INSET, plot.right - INSET);
    axes::vertical(&mut scene, plot, &vertical, Some(show::nanoseconds));
    axes::horizontal(&mut scene, plot, &horizontal, show::nanoseconds);
    axes::bounds(&mut scene, plot);
    axes::vertical_title(
        &mut scene,
        plot,
        body.left + 24.0,
        "time until detach returned, 99th percentile (lower is better)",
    );
    axes::horizontal_title(
        &mut scene,
        plot,
        plot.bottom + 72.0,
        "time per acquire + release (further left is better)",
    );

    let named: Vec<Named<'_>> = points
        .iter()
        .map(|point| Named {
            name: &point.name,
            at: (horizontal.place(point.cost), vertical.place(point.latency)),
        })
        .collect();
    let disturbed = points.iter().any(|point| point.marks.disturbed);
    let reach = if disturbed {
        ring_radius(RADIUS)
    } else {
        RADIUS * 1.4
    };
    let placed = callouts::place(&named, plot, NAME, reach);
    for (named, placed) in named.iter().zip(&placed) {
        if let Some(leader) = placed.leader(named.at) {
            let stroke = Stroke::new(MUTED, 2.0).opacity(0.7);
            scene.line(leader.from, leader.to, stroke);
        }
    }
    for (point, named) in points.iter().zip(&named) {
        scene.marker(named.at, RADIUS, point.style, point.marks);
    }
    for (named, placed) in named.iter().zip(&placed) {
        let baseline = placed.bounds.centre().1 + NAME * 0.34;
        scene.label(Label::new(
            named.name,
            placed.bounds.left + 3.0,
            baseline,
            NAME,
        ));
    }
    Some(Figure {
        name: "tradeoff".to_owned(),
        theme: Theme::Overview,
        question: "What is paid at entering is often saved at detaching. Who pays when?".to_owned(),
        caption: format!(
            "Each strategy at {at}: time per acquire plus release against the 99th percentile of \
             the time until detach returned."
        ),
        scene,
    })
}
