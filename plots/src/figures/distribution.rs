//! The bar of one distribution.

use crate::geometry::Rect;
use crate::scene::{Scene, Stroke};
use crate::style::{PAPER, Rgb};

/// Which way values grow.
#[derive(Clone, Copy)]
pub(super) enum Way {
    Right,
    Up,
}

impl Way {
    /// The place of a value that lies `aside` from the middle of the bar.
    fn point(self, value: f64, aside: f64) -> (f64, f64) {
        match self {
            Way::Right => (value, aside),
            Way::Up => (aside, value),
        }
    }
}

/// Draws it around the line at `middle`: thick up to p90, thinner up to p99, a
/// line up to the maximum. `levels` are the places of p50, p90, p99 and the
/// maximum.
pub(super) fn bar(
    scene: &mut Scene,
    way: Way,
    middle: f64,
    [p50, p90, p99, max]: [f64; 4],
    (radius, colour): (f64, Rgb),
) {
    let cap = radius * 0.9;
    let line = |scene: &mut Scene, from: (f64, f64), to: (f64, f64), width: f64| {
        let end = |(value, aside)| way.point(value, middle + aside);
        scene.line(end(from), end(to), Stroke::new(colour, width));
    };
    line(scene, (p50, 0.0), (max, 0.0), 2.0);
    line(scene, (max, -cap), (max, cap), 3.0);
    for (half, from, to) in [(radius * 0.45, p90, p99), (radius * 0.9, p50, p90)] {
        let (a, b) = (way.point(from, middle - half), way.point(to, middle + half));
        let strip = Rect {
            left: a.0.min(b.0),
            right: a.0.max(b.0),
            top: a.1.min(b.1),
            bottom: a.1.max(b.1),
        };
        scene.rect(strip, PAPER, 1.0);
        scene.rect(strip, colour, 0.6);
    }
}
