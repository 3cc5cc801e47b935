//! The ground that the run stands on: what elementary operations cost on the
//! machine at the time, and how far its CPUs are from each other.

use detach_results::{Calibration, Estimate, Latency, Transfers, show};

use crate::catalogue::Theme;
use crate::data::Data;
use crate::figures::Figure;
use crate::figures::bars::{self, Bar};
use crate::fonts::{self, Weight};
use crate::frame::{self, NOTE, TICK};
use crate::geometry::Rect;
use crate::scale::{self, Axis, Decades};
use crate::scene::{Anchor, Label, Scene, Stroke};
use crate::style::{self, AXIS, INK, MUTED, PAPER, Rgb};

const BAR: Rgb = Rgb(0x5b, 0x8d, 0xb8);
/// The colours of the nearest and of the farthest pair of CPUs.
const NEAR: Rgb = Rgb(0xe9, 0xf1, 0xf8);
const FAR: Rgb = Rgb(0x0b, 0x3c, 0x6e);
/// The side of a cell of the matrix, and of the whole, at most.
const CELL: f64 = 62.0;
const MATRIX: f64 = 880.0;
/// Room above the bars.
const TOP: f64 = 14.0;
/// Room above the matrix for its title and the numbers of its columns.
const HEAD: f64 = 110.0;

pub(crate) fn draw(data: &Data<'_>) -> Option<Figure> {
    let calibration = data.run().calibration.as_ref()?;
    let bars = elementary(calibration);
    let matrix = calibration
        .transfers
        .as_ref()
        .filter(|transfers| transfers.cpus.len() > 2 && transfers.pairs().next().is_some());
    let bars_height = bars.len() as f64 * bars::ROW + bars::AROUND;
    let side = matrix.map_or(0.0, |transfers| {
        let count = transfers.cpus.len() as f64;
        (CELL * count).min(MATRIX)
    });
    let matrix_height = if matrix.is_some() { HEAD + side } else { 0.0 };

    let title = "What elementary operations cost here";
    let notes = notes(data, calibration, matrix.is_some());
    let frame = frame::frame(title, data, TOP + bars_height + matrix_height, &notes);
    let (mut scene, body) = (frame.scene, frame.body);
    let upper = Rect {
        top: body.top + TOP,
        bottom: body.top + TOP + bars_height,
        ..body
    };
    let values: Vec<f64> = bars
        .iter()
        .flat_map(|bar| {
            let (low, high) = bar.extent.unwrap_or((bar.value, bar.value));
            [bar.value, low, high]
        })
        .filter(|value| *value > 0.0)
        .collect();
    // A bar needs a length, also the shortest one.
    let least = values
        .iter()
        .copied()
        .reduce(f64::min)
        .map(|least| least * 0.7);
    let axis = |from, to| -> Box<dyn Axis> {
        Box::new(Decades::over(values.iter().copied().chain(least), from, to))
    };
    bars::draw(&mut scene, upper, &bars, axis, ("time", show::nanoseconds));
    if let Some(transfers) = matrix {
        let left = body.left + 70.0;
        let top = upper.bottom + HEAD;
        let place = Rect {
            left,
            top,
            right: left + side,
            bottom: top + side,
        };
        draw_matrix(&mut scene, place, transfers);
    }
    Some(Figure {
        name: "machine".to_owned(),
        theme: Theme::Machine,
        question: "What do a clock reading, a locked instruction, a cache line and a heavy fence \
                   cost on this machine? All other figures are made of these."
            .to_owned(),
        caption: "Bars: what elementary operations took on the machine at the time of the run; \
                  where there are more than two CPUs, also a matrix of how long a cache line \
                  takes from each to each."
            .to_owned(),
        scene,
    })
}

fn elementary(calibration: &Calibration) -> Vec<Bar> {
    let bar = |name: &str, value: f64, extent: Option<(f64, f64)>| Bar {
        name: name.to_owned(),
        style: None,
        colour: BAR,
        value,
        extent,
        text: show::nanoseconds(value),
    };
    let estimate = |name: &str, estimate: &Estimate| {
        let interval = (estimate.ci_low, estimate.ci_high);
        bar(name, estimate.median, Some(interval))
    };
    let fence = |name: &str, latency: &Latency| {
        let extent = (latency.p50 as f64, latency.p99 as f64);
        bar(name, latency.p50 as f64, Some(extent))
    };
    let mut bars = vec![
        estimate("clock reading", &calibration.clock_ns),
        estimate("empty loop, one turn", &calibration.empty_loop_ns),
        estimate("plain increment", &calibration.plain_increment_ns),
        estimate("locked increment", &calibration.locked_increment_ns),
    ];
    bars.extend(calibration.transfers.as_ref().and_then(|transfers| {
        let low = transfers.pairs().reduce(f64::min)?;
        let high = transfers.pairs().reduce(f64::max)?;
        Some(bar(
            "cache line, CPU to CPU",
            transfers.median()?,
            Some((low, high)),
        ))
    }));
    let idle = calibration.heavy_fence_idle_ns.as_ref();
    bars.extend(idle.map(|latency| fence("heavy fence, others idle", latency)));
    let busy = calibration.heavy_fence_busy_ns.as_ref();
    bars.extend(busy.map(|latency| fence("heavy fence, others busy", latency)));
    let sleep = calibration.sleep_ns;
    bars.extend(sleep.map(|time| bar("sleep and wake-up", time, None)));
    bars
}

fn notes(data: &Data<'_>, calibration: &Calibration, matrix: bool) -> Vec<String> {
    let mut notes = vec![
        "Medians, with a line over their 95% interval; over the range of all pairs for a cache \
         line, and from the median to the 99th percentile for a fence."
            .to_owned(),
        format!(
            "The smallest step of the clock was {}.",
            show::nanoseconds(calibration.clock_step_ns as f64)
        ),
    ];
    if let Some(budget) = calibration.waiting_budget_ns {
        notes.push(format!(
            "Waiters looked for {} before they slept.",
            show::nanoseconds(budget)
        ));
    }
    if let Some(parallelism) = calibration.parallelism {
        notes.push(format!(
            "With all CPUs busy, the slowest runs at {} of the speed at which one runs alone.",
            show::percent(parallelism)
        ));
    }
    let probes = &data.run().probes;
    let worse = probes.iter().filter(|probe| probe.disturbed).count();
    if !probes.is_empty() {
        notes.push(format!(
            "The CPUs were probed {} times during the run; {worse} of the probes were so much \
             worse that what was measured then counts as disturbed.",
            probes.len()
        ));
    }
    if matrix {
        notes.push(
            "Matrix: half a round trip of a cache line, by the numbers of both CPUs.".to_owned(),
        );
    }
    notes
}

fn draw_matrix(scene: &mut Scene, place: Rect, transfers: &Transfers) {
    let count = transfers.cpus.len();
    let cell = place.width() / count as f64;
    let pairs = || transfers.pairs();
    let (low, high) = (
        pairs().fold(f64::INFINITY, f64::min),
        pairs().fold(0.0, f64::max),
    );
    let share = |value: f64| {
        if high > low && low > 0.0 {
            (value / low).ln() / (high / low).ln()
        } else {
            0.0
        }
    };
    let title = "One way of a cache line between two CPUs, in nanoseconds";
    scene.label(Label::new(title, place.left - 70.0, place.top - 66.0, TICK).bold());

    let size = (cell * 0.3).clamp(14.0, 18.0);
    let widest = fonts::width(&format!("{high:.0}"), size, Weight::Regular);
    let numbered = widest + 6.0 <= cell;
    for (row, values) in transfers.one_way_ns.iter().enumerate() {
        for (column, value) in values.iter().enumerate() {
            let Some(value) = value else { continue };
            let bounds = Rect {
                left: place.left + cell * column as f64,
                right: place.left + cell * (column + 1) as f64,
                top: place.top + cell * row as f64,
                bottom: place.top + cell * (row + 1) as f64,
            };
            let share = share(*value);
            scene.rect(bounds, style::blend(NEAR, FAR, share), 1.0);
            if numbered {
                let text = format!("{value:.0}");
                let (x, y) = bounds.centre();
                let ink = if share > 0.5 { PAPER } else { INK };
                let label = Label::new(text, x, y + size * 0.35, size).coloured(ink);
                scene.label(label.anchored(Anchor::Middle));
            }
        }
    }
    let numbers: Vec<(f64, String)> = transfers
        .cpus
        .iter()
        .enumerate()
        .map(|(index, cpu)| (cell * (index as f64 + 0.5), cpu.to_string()))
        .collect();
    let widths: Vec<(f64, f64)> = numbers
        .iter()
        .map(|(at, text)| (*at, fonts::width(text, NOTE, Weight::Regular).max(NOTE)))
        .collect();
    for ((at, text), fits) in numbers.iter().zip(scale::fitting(&widths, 6.0)) {
        if fits {
            let above = Label::new(text, place.left + at, place.top - 12.0, NOTE);
            scene.label(above.anchored(Anchor::Middle).coloured(MUTED));
            let beside = Label::new(text, place.left - 12.0, place.top + at + 7.0, NOTE);
            scene.label(beside.anchored(Anchor::End).coloured(MUTED));
        }
    }
    legend(scene, place, (low, high));
}

fn legend(scene: &mut Scene, place: Rect, (low, high): (f64, f64)) {
    const STEPS: u32 = 40;
    const HEIGHT: f64 = 160.0;
    let bar = Rect {
        left: place.right + 50.0,
        right: place.right + 78.0,
        top: place.top,
        bottom: place.top + HEIGHT.min(place.height()),
    };
    let step = bar.height() / f64::from(STEPS);
    for index in 0..STEPS {
        let share = (f64::from(index) + 0.5) / f64::from(STEPS);
        let strip = Rect {
            top: bar.top + step * f64::from(index),
            bottom: bar.top + step * f64::from(index + 1),
            ..bar
        };
        scene.rect(strip, style::blend(NEAR, FAR, share), 1.0);
    }
    let outline = vec![
        (bar.left, bar.top),
        (bar.right, bar.top),
        (bar.right, bar.bottom),
        (bar.left, bar.bottom),
        (bar.left, bar.top),
    ];
    scene.path(outline, Stroke::new(AXIS, 1.0));
    for (y, words) in [
        (
            bar.top + 14.0,
            format!("{}, the nearest pair", show::nanoseconds(low)),
        ),
        (
            bar.bottom - 2.0,
            format!("{}, the farthest", show::nanoseconds(high)),
        ),
    ] {
        scene.label(Label::new(words, bar.right + 14.0, y, NOTE).coloured(MUTED));
    }
}
