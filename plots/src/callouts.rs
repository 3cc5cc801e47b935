//! Putting names next to what they name, without one name on another.

use crate::fonts::{self, Weight};
use crate::geometry::{Rect, Segment};

/// Moves places on a line as little as needed for all of them to be at least
/// `gap` apart and within `low..=high`. The order is kept. Should they not fit,
/// they are spread evenly.
pub(crate) fn spread(wanted: &[f64], gap: f64, low: f64, high: f64) -> Vec<f64> {
    let count = wanted.len();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| wanted[*a].total_cmp(&wanted[*b]));
    let gap = if count > 1 {
        gap.min((high - low) / (count - 1) as f64)
    } else {
        gap
    };

    // Neighbours that are too close form a block that lies where its members
    // want to be on average; blocks that touch become one.
    struct Block {
        members: usize,
        /// Sum of where the first member would have to be for each to be where
        /// it wants to be.
        wishes: f64,
    }
    let first = |block: &Block| {
        let room = high - gap * (block.members - 1) as f64;
        (block.wishes / block.members as f64).min(room).max(low)
    };
    let mut blocks: Vec<Block> = Vec::new();
    for index in &order {
        let mut block = Block {
            members: 1,
            wishes: wanted[*index],
        };
        while let Some(before) = blocks.last() {
            if first(before) + gap * before.members as f64 <= first(&block) + 1e-9 {
                break;
            }
            let shift = gap * before.members as f64 * block.members as f64;
            block.wishes += before.wishes - shift;
            block.members += before.members;
            blocks.pop();
        }
        blocks.push(block);
    }

    let mut placed = vec![0.0; count];
    let mut order = order.into_iter();
    for block in &blocks {
        let start = first(block);
        for (position, index) in order.by_ref().take(block.members).enumerate() {
            placed[index] = start + gap * position as f64;
        }
    }
    placed
}

/// A point that wants a name next to it.
pub(crate) struct Named<'a> {
    pub(crate) name: &'a str,
    pub(crate) at: (f64, f64),
}

/// Where a name goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Placed {
    /// The box of the name.
    pub(crate) bounds: Rect,
    /// Whether it is so far from its point that a line should join them.
    pub(crate) far: bool,
}

impl Placed {
    /// The line that joins the name to its point, where one should.
    pub(crate) fn leader(&self, (x, y): (f64, f64)) -> Option<Segment> {
        let Rect {
            left,
            top,
            right,
            bottom,
        } = self.bounds;
        self.far.then(|| Segment {
            from: (x, y),
            to: (x.clamp(left, right), y.clamp(top, bottom)),
        })
    }
}

/// Finds a place for each name: near its point, inside the plot, over no
/// marker and over no other name; and if it can be, so that no line from a name
/// to its point runs through another name.
///
/// A marker reaches `reach` from its point in every direction.
///
/// Points in the thick of the crowd choose first, because those at the edge
/// have more room to move. Each tries places around its point, at growing
/// distances, and takes the first free one. Should none be free, it takes the
/// one that hides least; and once all have a place, those that hide something
/// look for a better one.
pub(crate) fn place(points: &[Named<'_>], plot: Rect, size: f64, reach: f64) -> Vec<Placed> {
    const PADDING: f64 = 3.0;
    // Anything is better than to hide a name: a line through one can be read.
    const COVERED: f64 = 1000.0;
    // Mostly the second changes nothing any more.
    const ROUNDS: usize = 8;
    let markers: Vec<Rect> = points
        .iter()
        .map(|point| Rect::around(point.at, reach))
        .collect();
    let crowding = |index: usize| -> f64 {
        let (x, y) = points[index].at;
        let near = |other: &Named<'_>| {
            let distance = (other.at.0 - x).hypot(other.at.1 - y);
            1.0 / (distance + 30.0)
        };
        points.iter().map(near).sum()
    };
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|a, b| crowding(*b).total_cmp(&crowding(*a)));

    let mut placed: Vec<Option<Placed>> = vec![None; points.len()];
    for _ in 0..ROUNDS {
        let before = placed.clone();
        for &index in &order {
            let point = &points[index];
            let others = || {
                let others = placed.iter().zip(points).enumerate();
                others.filter_map(move |(other, (placed, point))| {
                    placed.filter(|_| other != index).zip(Some(point.at))
                })
            };
            let names: Vec<Rect> = others().map(|(other, _)| other.bounds).collect();
            let leaders: Vec<Segment> = others()
                .filter_map(|(other, at)| other.leader(at))
                .collect();
            let hidden = |candidate: &Placed| -> f64 {
                let bounds = candidate.bounds;
                let covered = names.iter().chain(&markers);
                let covered: f64 = covered.map(|other| bounds.shared_area(other)).sum();
                let over: f64 = leaders.iter().map(|leader| leader.inside(&bounds)).sum();
                let own = candidate.leader(point.at);
                let through: f64 =
                    own.map_or(0.0, |own| names.iter().map(|name| own.inside(name)).sum());
                COVERED * covered + over + through
            };
            if before[index].as_ref().map(hidden) == Some(0.0) {
                continue;
            }
            let width = fonts::width(point.name, size, Weight::Regular) + 2.0 * PADDING;
            let height = size * 1.1;
            let mut best: Option<(f64, Placed)> = None;
            for candidate in candidates(point.at, width, height, reach) {
                if !plot.contains(&candidate.bounds) {
                    continue;
                }
                let hidden = hidden(&candidate);
                if best.is_none_or(|(least, _)| hidden < least) {
                    best = Some((hidden, candidate));
                }
                if hidden == 0.0 {
                    break;
                }
            }
            // A name wider than the plot has no place inside it.
            placed[index] = best.map_or_else(
                || candidates(point.at, width, height, reach).next(),
                |(_, placed)| Some(placed),
            );
        }
        if placed == before {
            break;
        }
    }
    placed.into_iter().flatten().collect()
}

/// Boxes around a point, the best first: those that touch its marker, then
/// those all around it at growing distances.
fn candidates(
    (x, y): (f64, f64),
    width: f64,
    height: f64,
    reach: f64,
) -> impl Iterator<Item = Placed> {
    // Beside the point reads best, then above and below: centred, or beginning
    // or ending at the point.
    const TOUCHING: [(f64, f64); 8] = [
        (1.0, 0.0),
        (-1.0, 0.0),
        (0.0, -1.0),
        (0.0, 1.0),
        (0.5, -1.0),
        (0.5, 1.0),
        (-0.5, -1.0),
        (-0.5, 1.0),
    ];
    const RINGS: i32 = 30;
    const DIRECTIONS: i32 = 24;
    let near = reach + 3.0;
    let around = move |centre: (f64, f64), far: bool| Placed {
        bounds: Rect {
            left: centre.0 - width / 2.0,
            right: centre.0 + width / 2.0,
            top: centre.1 - height / 2.0,
            bottom: centre.1 + height / 2.0,
        },
        far,
    };
    let touching = TOUCHING.into_iter().map(move |(dx, dy)| {
        let aside = if dx.abs() == 1.0 { dx * near } else { 0.0 };
        let centre = (
            x + aside + dx.clamp(-0.5, 0.5) * width,
            y + dy * (near + height / 2.0),
        );
        around(centre, false)
    });
    let apart = (1..=RINGS).flat_map(move |ring| {
        let distance = near + f64::from(ring) * 10.0;
        (0..DIRECTIONS).map(move |direction| {
            let angle = f64::from(direction) / f64::from(DIRECTIONS) * std::f64::consts::TAU;
            let (sine, cosine) = angle.sin_cos();
            // The name begins, ends or is centred where the ray ends, so that
            // the line to it is the ray.
            let side = |share: f64| {
                if share.abs() < 0.2 {
                    0.0
                } else {
                    share.signum()
                }
            };
            let centre = (
                x + cosine * distance + side(cosine) * width / 2.0,
                y + sine * distance + side(sine) * height / 2.0,
            );
            around(centre, true)
        })
    });
    touching.chain(apart)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_far_enough_apart_stay() {
        assert_eq!(
            spread(&[10.0, 90.0, 50.0], 20.0, 0.0, 100.0),
            [10.0, 90.0, 50.0]
        );
    }

    #[test]
    fn places_too_close_share_the_way_and_stay_inside() {
        assert_eq!(spread(&[50.0, 50.0], 20.0, 0.0, 100.0), [40.0, 60.0]);
        assert_eq!(
            spread(&[0.0, 0.0, 0.0], 20.0, 0.0, 100.0),
            [0.0, 20.0, 40.0]
        );
        assert_eq!(spread(&[100.0, 99.0], 20.0, 0.0, 100.0), [100.0, 80.0]);
        assert!(spread(&[], 20.0, 0.0, 100.0).is_empty());
    }

    #[test]
    fn too_many_places_are_spread_evenly() {
        let placed = spread(&[7.0; 11], 20.0, 0.0, 100.0);
        for pair in placed.windows(2) {
            assert!((pair[1] - pair[0] - 10.0).abs() < 1e-9, "{placed:?}");
        }
    }

    const NAMES: [&str; 14] = [
        "unprotected",
        "turnstile",
        "turnstile-slots",
        "turnstile-fenced",
        "gate-rseq",
        "refcount",
        "fo-restart",
        "dying-xcall",
        "dying-xcall-ref",
        "dying-membarrier",
        "epoch",
        "rwlock",
        "arc-swap",
        "seqlock",
    ];
    const PLOT: Rect = Rect {
        left: 0.0,
        top: 0.0,
        right: 1400.0,
        bottom: 800.0,
    };

    fn in_one_spot(names: &[&'static str], at: (f64, f64)) -> Vec<Placed> {
        let points: Vec<Named<'_>> = names.iter().map(|name| Named { name, at }).collect();
        let placed = place(&points, PLOT, 24.0, 14.0);
        assert_eq!(placed.len(), names.len());
        placed
    }

    #[test]
    fn names_of_points_in_one_spot_do_not_overlap() {
        for at in [(700.0, 400.0), (20.0, 20.0), (1390.0, 790.0)] {
            let placed = in_one_spot(&NAMES, at);
            for (index, a) in placed.iter().enumerate() {
                assert!(PLOT.contains(&a.bounds));
                assert!(!a.bounds.overlaps(&Rect::around(at, 14.0)));
                for b in &placed[index + 1..] {
                    assert!(!a.bounds.overlaps(&b.bounds), "{a:?} {b:?}");
                }
            }
        }
    }

    #[test]
    fn lines_to_the_names_of_a_crowd_cross_none_of_them() {
        let points: Vec<Named<'_>> = NAMES
            .iter()
            .enumerate()
            .map(|(index, name)| Named {
                name,
                at: (650.0 + 22.0 * index as f64, 420.0 - 4.0 * index as f64),
            })
            .collect();
        let placed = place(&points, PLOT, 24.0, 14.0);
        assert!(placed.iter().any(|placed| placed.far));
        for (owner, named) in placed.iter().enumerate() {
            let Some(leader) = named.leader(points[owner].at) else {
                continue;
            };
            for (other, name) in placed.iter().enumerate() {
                let crosses = owner != other && leader.inside(&name.bounds) > 0.0;
                assert!(!crosses, "{} {}", NAMES[owner], NAMES[other]);
            }
        }
    }
}
