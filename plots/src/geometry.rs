//! Rectangles and straight lines on the paper; y grows downwards.

/// A rectangle.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rect {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

impl Rect {
    pub(crate) fn width(&self) -> f64 {
        self.right - self.left
    }
    pub(crate) fn height(&self) -> f64 {
        self.bottom - self.top
    }
    pub(crate) fn centre(&self) -> (f64, f64) {
        (
            f64::midpoint(self.left, self.right),
            f64::midpoint(self.top, self.bottom),
        )
    }
    pub(crate) fn overlaps(&self, other: &Rect) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }
    pub(crate) fn contains(&self, other: &Rect) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && self.right >= other.right
            && self.bottom >= other.bottom
    }
    pub(crate) fn around((x, y): (f64, f64), reach: f64) -> Rect {
        Rect {
            left: x - reach,
            top: y - reach,
            right: x + reach,
            bottom: y + reach,
        }
    }
    /// The area that two rectangles have in common.
    pub(crate) fn shared_area(&self, other: &Rect) -> f64 {
        if !self.overlaps(other) {
            return 0.0;
        }
        let width = self.right.min(other.right) - self.left.max(other.left);
        let height = self.bottom.min(other.bottom) - self.top.max(other.top);
        width * height
    }
}

/// A straight line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) from: (f64, f64),
    pub(crate) to: (f64, f64),
}

impl Segment {
    /// How much of the line, by length, runs through the inside of a box.
    pub(crate) fn inside(&self, bounds: &Rect) -> f64 {
        // The part of the line, between 0 and 1, that is inside the box's
        // extent: first from left to right, then also from top to bottom.
        let (mut enters, mut leaves) = (0.0_f64, 1.0_f64);
        for (from, to, low, high) in [
            (self.from.0, self.to.0, bounds.left, bounds.right),
            (self.from.1, self.to.1, bounds.top, bounds.bottom),
        ] {
            if from == to {
                if from <= low || from >= high {
                    return 0.0;
                }
                continue;
            }
            let (a, b) = ((low - from) / (to - from), (high - from) / (to - from));
            enters = enters.max(a.min(b));
            leaves = leaves.min(a.max(b));
        }
        let length = (self.to.0 - self.from.0).hypot(self.to.1 - self.from.1);
        (leaves - enters).max(0.0) * length
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_crosses_a_box_only_through_its_inside() {
        let bounds = Rect {
            left: 0.0,
            top: 0.0,
            right: 10.0,
            bottom: 10.0,
        };
        let crosses = |from, to| Segment { from, to }.inside(&bounds) > 0.0;
        assert!(crosses((-5.0, 5.0), (15.0, 5.0)));
        assert!(crosses((5.0, 5.0), (6.0, 6.0)));
        assert!(!crosses((-5.0, 5.0), (0.0, 5.0)));
        assert!(!crosses((-5.0, 0.0), (15.0, 0.0)));
        assert!(!crosses((-5.0, 8.0), (2.0, 15.0)));
        assert!(crosses((-5.0, 2.0), (8.0, 15.0)));
    }

    #[test]
    fn rectangles_share_what_lies_in_both() {
        let a = Rect::around((0.0, 0.0), 10.0);
        assert_eq!(a.shared_area(&Rect::around((15.0, 10.0), 10.0)), 50.0);
        assert_eq!(a.shared_area(&Rect::around((20.0, 0.0), 10.0)), 0.0);
        assert!(a.contains(&Rect::around((1.0, 1.0), 9.0)));
        assert!(!a.contains(&Rect::around((1.0, 1.0), 9.5)));
    }
}
