//! What detach waits for: the medians of its moments, one line for each
//! strategy.
//!
//! Durations of a logarithmic axis cannot be stacked, so each moment is a
//! place: until the last entry succeeded, until the last holder left, until
//! detach returned.

use detach_results::show;

use crate::axes;
use crate::catalogue::Entry;
use crate::data::{DETACH, Data};
use crate::figures::{Figure, marks};
use crate::fonts::{self, Weight};
use crate::frame::{self, MARKER, NAME, NOTE};
use crate::geometry::Rect;
use crate::scale::{Axis, Decades};
use crate::scene::{Anchor, Label, Marks, Scene, Stroke};
use crate::style::{self, INK, MUTED, Shape, Style};

const ROW: f64 = 52.0;
const GLYPH_ROOM: f64 = 34.0;

/// The moments before the return, with the shapes that stand for them.
const MOMENTS: [(&str, Shape); 2] = [
    ("the last entry succeeded", Shape::TriangleRight),
    ("the last holder left", Shape::Diamond),
];

struct Phases {
    strategy: String,
    moments: [Option<f64>; 2],
    returned: f64,
    marks: Marks,
}

pub(crate) fn draw(data: &Data<'_>, entry: &Entry) -> Option<Figure> {
    let workers = data.reference_workers().or_else(|| {
        // Without costs, the largest number of workers will do.
        data.summary.threads(DETACH).last().copied()
    })?;
    let curves = data.curves(DETACH, |row| {
        let phases = |detach: &detach_results::DetachSummary| {
            detach.last_entry_ns.is_some() || detach.last_leave_ns.is_some()
        };
        row.key.threads == workers && row.detach.as_ref().is_some_and(phases)
    });
    let rows = || curves.iter().flat_map(|curve| curve.rows.iter().copied());
    let phases: Vec<Phases> = rows()
        .filter_map(|row| {
            let detach = row.detach.as_ref()?;
            let moments = [&detach.last_entry_ns, &detach.last_leave_ns];
            Some(Phases {
                strategy: row.key.strategy.clone(),
                moments: moments.map(|moment| moment.as_ref().map(|moment| moment.p50 as f64)),
                returned: detach.latency_ns.p50 as f64,
                marks: marks(row),
            })
        })
        .collect();
    if phases.is_empty() {
        return None;
    }

    let at = show::count(workers, "worker");
    let mut notes = vec![format!(
        "Medians at {at}, each counted from the call of detach. Where an entry or a holder was \
         last seen before the call, or within the clock's resolution of it, its mark lies at the \
         left edge."
    )];
    if rows().any(|row| row.detacher_shares_cpu) {
        notes.push("The detacher shared its CPU with a worker.".to_owned());
    }
    notes.extend(data.notes(&[DETACH], rows()));
    let body_height = 60.0 + phases.len() as f64 * ROW + 84.0;
    let title = format!("What detach waits for, at {at}");
    let frame = frame::frame(&title, data, body_height, &notes);
    let (mut scene, body) = (frame.scene, frame.body);

    let names = phases.iter().map(|phases| phases.strategy.as_str());
    let name_room = names
        .map(|name| fonts::width(name, NAME, Weight::Regular))
        .fold(0.0, f64::max);
    let plot = Rect {
        left: body.left + name_room + GLYPH_ROOM + 16.0,
        top: body.top + 46.0,
        right: body.right - 140.0,
        bottom: body.bottom - 84.0,
    };
    let values = phases.iter().flat_map(|phases| {
        let moments = phases.moments.into_iter().flatten();
        moments.chain([phases.returned]).collect::<Vec<_>>()
    });
    let axis = Decades::over(values, plot.left + 24.0, plot.right - 24.0);
    axes::horizontal(&mut scene, plot, &axis, show::nanoseconds);
    axes::bounds(&mut scene, plot);
    axes::horizontal_title(
        &mut scene,
        plot,
        plot.bottom + 72.0,
        "time since detach was called",
    );
    key(&mut scene, plot);

    for (index, phases) in phases.iter().enumerate() {
        let y = plot.top + ROW * (index as f64 + 0.5) + 5.0;
        row(&mut scene, plot, &axis, y, phases, body);
    }
    let caption = format!(
        "Median times until the last entry succeeded, until the last holder left and until detach \
         returned, at {at}, for each strategy."
    );
    Some(Figure::of(entry, "phases", caption, scene))
}

fn row(scene: &mut Scene, plot: Rect, axis: &Decades, y: f64, phases: &Phases, body: Rect) {
    let style = style::style_of(&phases.strategy);
    let returned = axis.place(phases.returned);
    let moments = phases
        .moments
        .map(|moment| moment.map(|value| axis.place(value)));
    let from = moments.iter().flatten().copied().fold(returned, f64::min);
    scene.line(
        (plot.left, y),
        (from, y),
        Stroke::new(style.colour, 2.0).opacity(0.35),
    );
    scene.line(
        (from, y),
        (returned, y),
        Stroke::new(style.colour, 4.0).opacity(0.6),
    );
    scene.marker((returned, y), MARKER, style, phases.marks);
    for (place, (_, shape)) in moments.iter().zip(MOMENTS) {
        if let Some(x) = place {
            let colour = INK;
            let hollow = Marks {
                hollow: true,
                disturbed: false,
            };
            scene.marker((*x, y), MARKER * 0.8, Style { colour, shape }, hollow);
        }
    }
    let baseline = y + NAME * 0.35;
    scene.marker((body.left + 10.0, y), MARKER, style, Marks::default());
    let name = Label::new(&phases.strategy, body.left + GLYPH_ROOM, baseline, NAME);
    scene.label(name);
    let value = Label::new(
        show::nanoseconds(phases.returned),
        body.right,
        baseline,
        NAME,
    );
    scene.label(value.anchored(Anchor::End));
}

/// What the marks stand for, above the plot.
fn key(scene: &mut Scene, plot: Rect) {
    let y = plot.top - 22.0;
    let mut x = plot.left + 24.0;
    let mut entry = |scene: &mut Scene, shape: Shape, colour, words: &str, hollow: bool| {
        let marks = Marks {
            hollow,
            disturbed: false,
        };
        scene.marker((x, y), MARKER * 0.8, Style { colour, shape }, marks);
        let label = Label::new(words, x + 18.0, y + NOTE * 0.36, NOTE).coloured(MUTED);
        x += 18.0 + label.width() + 44.0;
        scene.label(label);
    };
    for (words, shape) in MOMENTS {
        entry(scene, shape, INK, words, true);
    }
    entry(
        scene,
        Shape::Circle,
        MUTED,
        "detach returned (the strategy's own mark)",
        false,
    );
}
