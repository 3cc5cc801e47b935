//! What each strategy looks like, in every figure alike: one colour, one
//! marker.
//!
//! The colours are Okabe and Ito's palette, extended with darker and paler
//! relatives, and tell strategies apart under the common forms of colour
//! blindness together with the markers, of which no two strategies share one.
//! Related strategies have related colours: the turnstiles are blue, the dying
//! flags green, the counts in one word red and brown.

/// A colour: red, green, blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Rgb(pub u8, pub u8, pub u8);

pub(crate) const INK: Rgb = Rgb(0x1f, 0x1f, 0x1f);
pub(crate) const MUTED: Rgb = Rgb(0x55, 0x55, 0x55);
pub(crate) const AXIS: Rgb = Rgb(0x88, 0x88, 0x88);
pub(crate) const SHADE: Rgb = Rgb(0xf4, 0xf1, 0xe8);
pub(crate) const PAPER: Rgb = Rgb(0xff, 0xff, 0xff);

/// The colour so far on the way from one to another.
pub(crate) fn blend(from: Rgb, to: Rgb, share: f64) -> Rgb {
    let mix = |from: u8, to: u8| {
        let (from, to) = (f64::from(from), f64::from(to));
        (from + (to - from) * share.clamp(0.0, 1.0)).round() as u8
    };
    Rgb(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}

/// The shape of a marker. Each has an inside, so that it can be filled or
/// hollow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A circle.
    Circle,
    /// A square.
    Square,
    /// A square on its corner.
    Diamond,
    /// A triangle that points up.
    TriangleUp,
    /// A triangle that points down.
    TriangleDown,
    /// A triangle that points right.
    TriangleRight,
    /// A triangle that points left.
    TriangleLeft,
    /// A regular pentagon.
    Pentagon,
    /// A regular hexagon.
    Hexagon,
    /// A star of five points.
    Star,
    /// A star of four points.
    Spark,
    /// A flat rectangle.
    Bar,
    /// A tall rectangle.
    Pillar,
    /// An upright cross.
    Plus,
    /// A diagonal cross.
    Cross,
}

/// How one strategy is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// The colour of its lines and markers.
    pub colour: Rgb,
    /// The shape of its markers.
    pub shape: Shape,
}

/// The strategies with a style of their own, in the order of legends and
/// tables.
const KNOWN: [(&str, Style); 14] = [
    ("unprotected", style(0x80, 0x80, 0x80, Shape::Cross)),
    ("turnstile", style(0x00, 0x72, 0xb2, Shape::Circle)),
    (
        "turnstile-slots",
        style(0x4a, 0xb0, 0xe8, Shape::TriangleUp),
    ),
    (
        "turnstile-fenced",
        style(0x33, 0x22, 0x88, Shape::TriangleDown),
    ),
    ("gate-rseq", style(0x00, 0xb4, 0xc8, Shape::Pillar)),
    ("refcount", style(0xd5, 0x5e, 0x00, Shape::Square)),
    ("fo-restart", style(0x7a, 0x3b, 0x10, Shape::Spark)),
    ("dying-xcall", style(0x00, 0x9e, 0x73, Shape::Diamond)),
    ("dying-xcall-ref", style(0x00, 0x5f, 0x46, Shape::Bar)),
    ("dying-membarrier", style(0x8a, 0x9a, 0x1b, Shape::Pentagon)),
    ("epoch", style(0xcc, 0x79, 0xa7, Shape::Star)),
    ("rwlock", style(0x88, 0x22, 0x55, Shape::Plus)),
    ("arc-swap", style(0xe6, 0x9f, 0x00, Shape::TriangleRight)),
    ("seqlock", style(0x1f, 0x1f, 0x1f, Shape::Hexagon)),
];

/// Colours for strategies without a style of their own.
const SPARE_COLOURS: [Rgb; 5] = [
    Rgb(0x44, 0xaa, 0x99),
    Rgb(0xcc, 0x66, 0x77),
    Rgb(0xaa, 0x44, 0x99),
    Rgb(0x7a, 0x5c, 0x2e),
    Rgb(0x4b, 0x5d, 0x67),
];

/// Shapes for strategies without a style of their own.
const SPARE_SHAPES: [Shape; 4] = [
    Shape::TriangleLeft,
    Shape::Square,
    Shape::Diamond,
    Shape::Circle,
];

const fn style(red: u8, green: u8, blue: u8, shape: Shape) -> Style {
    Style {
        colour: Rgb(red, green, blue),
        shape,
    }
}

/// The ids that have a style of their own, in the order of legends and tables.
pub fn known_ids() -> impl Iterator<Item = &'static str> {
    KNOWN.iter().map(|(id, _)| *id)
}

/// What the id of a strategy ends with that was measured against itself.
const TWIN: &str = "-twin";

/// The strategy that a twin is a second measurement of.
pub(crate) fn original(id: &str) -> Option<&str> {
    id.strip_suffix(TWIN)
}

/// The style of a strategy. A twin has the colour of its original and a shape
/// that no known id has. Any other id without a style of its own gets one that
/// depends on nothing but the id, and that no known id has.
pub fn style_of(id: &str) -> Style {
    if let Some(original) = original(id) {
        return Style {
            shape: Shape::TriangleLeft,
            ..style_of(original)
        };
    }
    if let Some((_, style)) = KNOWN.iter().find(|(known, _)| *known == id) {
        return *style;
    }
    let hash = fnv1a(id) as usize;
    Style {
        colour: SPARE_COLOURS[hash % SPARE_COLOURS.len()],
        shape: SPARE_SHAPES[hash / SPARE_COLOURS.len() % SPARE_SHAPES.len()],
    }
}

/// Sorts ids: those with a style of their own first, in their order, then the
/// others by name; a twin right behind its original.
pub(crate) fn sort_ids(ids: &mut [String]) {
    ids.sort_by_cached_key(|id| {
        let shown = original(id).unwrap_or(id);
        let known = KNOWN.iter().position(|(known, _)| *known == shown);
        (known.unwrap_or(KNOWN.len()), id.clone())
    });
}

/// FNV-1a: the same on every machine and in every version, which the standard
/// library's hasher does not promise.
fn fnv1a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

impl Shape {
    /// The corners of the shape around the origin, of about the same visual
    /// weight as a circle of that radius. `None` for the circle.
    pub(crate) fn corners(self, radius: f64) -> Option<Vec<(f64, f64)>> {
        let unit = match self {
            Shape::Circle => return None,
            Shape::Square => regular(4, 1.25, 45.0),
            Shape::Diamond => regular(4, 1.3, 0.0),
            Shape::TriangleUp => regular(3, 1.4, 90.0),
            Shape::TriangleDown => regular(3, 1.4, 270.0),
            Shape::TriangleRight => regular(3, 1.4, 0.0),
            Shape::TriangleLeft => regular(3, 1.4, 180.0),
            Shape::Pentagon => regular(5, 1.2, 90.0),
            Shape::Hexagon => regular(6, 1.15, 90.0),
            Shape::Star => star(5, 0.66),
            Shape::Spark => star(4, 0.55),
            Shape::Bar => rectangle(1.5, 0.6),
            Shape::Pillar => rectangle(0.6, 1.5),
            Shape::Plus => cross(0.0),
            Shape::Cross => cross(45.0),
        };
        Some(unit.iter().map(|(x, y)| (radius * x, radius * y)).collect())
    }
}

/// A point at an angle in degrees, counted from the right towards the top;
/// screen coordinates grow downwards.
fn polar(radius: f64, degrees: f64) -> (f64, f64) {
    let angle = degrees.to_radians();
    (radius * angle.cos(), -radius * angle.sin())
}

fn regular(corners: u32, radius: f64, first: f64) -> Vec<(f64, f64)> {
    (0..corners)
        .map(|corner| {
            polar(
                radius,
                first + f64::from(corner) * 360.0 / f64::from(corners),
            )
        })
        .collect()
}

fn rectangle(right: f64, down: f64) -> Vec<(f64, f64)> {
    vec![
        (right, -down),
        (-right, -down),
        (-right, down),
        (right, down),
    ]
}

fn star(points: u32, depth: f64) -> Vec<(f64, f64)> {
    (0..2 * points)
        .map(|corner| {
            let radius = if corner % 2 == 0 { 1.45 } else { depth };
            polar(radius, 90.0 + f64::from(corner) * 180.0 / f64::from(points))
        })
        .collect()
}

fn cross(turn: f64) -> Vec<(f64, f64)> {
    const REACH: f64 = 1.3;
    const HALF: f64 = 0.47;
    let tip = REACH.hypot(HALF);
    let spread = HALF.atan2(REACH).to_degrees();
    (0..4)
        .flat_map(|arm| {
            let middle = turn + f64::from(arm) * 90.0;
            [
                polar(tip, middle - spread),
                polar(tip, middle + spread),
                polar(HALF * std::f64::consts::SQRT_2, middle + 45.0),
            ]
        })
        .collect()
}

/// The polygon whose sides lie `depth` inside those of a polygon.
pub(crate) fn inset(corners: &[(f64, f64)], depth: f64) -> Vec<(f64, f64)> {
    let count = corners.len();
    let side = |from: usize| {
        let ((ax, ay), (bx, by)) = (corners[from % count], corners[(from + 1) % count]);
        let length = (bx - ax).hypot(by - ay);
        ((bx - ax) / length, (by - ay) / length)
    };
    let area: f64 = (0..count)
        .map(|corner| {
            let ((ax, ay), (bx, by)) = (corners[corner], corners[(corner + 1) % count]);
            ax * by - bx * ay
        })
        .sum();
    let inwards = area.signum();
    (0..count)
        .map(|corner| {
            // Where the two sides that meet here meet again once both have
            // been moved inwards.
            let ((ax, ay), (bx, by)) = (side(corner + count - 1), side(corner));
            let turn = 1.0 + ax * bx + ay * by;
            let (nx, ny) = (-(ay + by) * inwards, (ax + bx) * inwards);
            let (x, y) = corners[corner];
            (x + nx * depth / turn, y + ny * depth / turn)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_known_strategies_share_a_colour_or_a_shape() {
        let styles: Vec<Style> = known_ids().map(style_of).collect();
        let colours: HashSet<Rgb> = styles.iter().map(|style| style.colour).collect();
        let shapes: HashSet<Shape> = styles.iter().map(|style| style.shape).collect();
        assert_eq!(colours.len(), styles.len());
        assert_eq!(shapes.len(), styles.len());
    }

    #[test]
    fn known_colours_are_far_apart_and_dark_enough_for_white_paper() {
        let colours: Vec<Rgb> = known_ids().map(|id| style_of(id).colour).collect();
        for (position, a) in colours.iter().enumerate() {
            assert!(contrast_to_white(*a) >= 2.0, "{a:?}");
            for b in &colours[position + 1..] {
                let apart = [(a.0, b.0), (a.1, b.1), (a.2, b.2)]
                    .map(|(a, b)| (f64::from(a) - f64::from(b)).powi(2))
                    .iter()
                    .sum::<f64>()
                    .sqrt();
                assert!(apart > 60.0, "{a:?} {b:?}: {apart}");
            }
        }
    }

    /// The contrast ratio of WCAG 2.
    fn contrast_to_white(Rgb(r, g, b): Rgb) -> f64 {
        let linear = |channel: u8| {
            let c = f64::from(channel) / 255.0;
            if c <= 0.04045 {
                c / 12.92
            } else {
                ((c + 0.055) / 1.055).powf(2.4)
            }
        };
        1.05 / (0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b) + 0.05)
    }

    #[test]
    fn an_unknown_id_keeps_its_style_and_takes_no_known_one() {
        let known: HashSet<(Rgb, Shape)> = known_ids()
            .map(|id| (style_of(id).colour, style_of(id).shape))
            .collect();
        for id in [
            "hazard",
            "rcu",
            "brlock",
            "ifnet-lock",
            "percpu-ref",
            "seqlock-twin",
        ] {
            let style = style_of(id);
            assert_eq!(style, style_of(id));
            assert!(!known.contains(&(style.colour, style.shape)), "{id}");
        }
    }

    #[test]
    fn a_twin_has_the_colour_of_its_original_and_another_shape() {
        for id in known_ids() {
            let twin = style_of(&format!("{id}-twin"));
            assert_eq!(twin.colour, style_of(id).colour);
            assert_ne!(twin.shape, style_of(id).shape);
        }
    }

    #[test]
    fn the_hash_is_fnv_1a_so_that_figures_of_all_dates_look_alike() {
        assert_eq!(fnv1a(""), 0x811c_9dc5);
        assert_eq!(fnv1a("a"), 0xe40c_292c);
        assert_eq!(fnv1a("foobar"), 0xbf9c_f968);
    }

    #[test]
    fn an_inset_square_is_smaller_by_the_depth_on_each_side() {
        let square = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (0.0, 10.0)];
        let expected = [(2.0, 2.0), (8.0, 2.0), (8.0, 8.0), (2.0, 8.0)];
        for (a, b) in inset(&square, 2.0).iter().zip(expected) {
            assert!(
                (a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9,
                "{a:?} {b:?}"
            );
        }
        let mut reversed = square;
        reversed.reverse();
        for (x, y) in inset(&reversed, 2.0) {
            assert!((1.9..8.1).contains(&x) && (1.9..8.1).contains(&y));
        }
    }

    #[test]
    fn ids_sort_known_first_then_by_name() {
        let ids = ["zebra", "refcount", "turnstile-twin", "apple", "turnstile"];
        let mut ids: Vec<String> = ids.map(str::to_owned).to_vec();
        sort_ids(&mut ids);
        let sorted = ["turnstile", "turnstile-twin", "refcount", "apple", "zebra"];
        assert_eq!(ids, sorted);
    }
}
