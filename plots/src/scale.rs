//! From values to places: logarithmic axes over whole decades, linear ones from
//! zero, and the axis of what a scenario varies.

/// A decade shorter than this, in pixels, is not divided.
const MINOR_ROOM: f64 = 60.0;

/// What places values between two ends, and names some of them.
pub(crate) trait Axis {
    /// Where a value lies. Values beyond an end lie at that end.
    fn place(&self, value: f64) -> f64;
    /// Where grid lines go, ascending.
    fn ticks(&self) -> Vec<Tick>;
}

/// A logarithmic axis. Its ends are powers of ten, or where it is snug their
/// doubles or fivefolds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decades {
    /// The ends, as exponents of ten.
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

/// A place on an axis that gets a grid line, and perhaps a label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tick {
    pub(crate) value: f64,
    pub(crate) major: bool,
    pub(crate) labelled: bool,
}

impl Decades {
    /// The shortest axis of whole decades that holds all the values, between
    /// two places. Values that a logarithm cannot show are left out; without
    /// any other the axis spans 1 to 10.
    pub(crate) fn over(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = exponents(values).unwrap_or((0.0, 1.0));
        let low = low.floor();
        let high = high.ceil().max(low + 1.0);
        Decades {
            low,
            high,
            from,
            to,
        }
    }

    /// The same, with ends that may also be doubles or fivefolds of powers of
    /// ten: for values of which all lie close together.
    pub(crate) fn snug(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = exponents(values).unwrap_or((0.0, 1.0));
        // What is on an end is not pushed beyond it by rounding.
        const HAIR: f64 = 1e-9;
        let ends = |exponent: f64| [1.0_f64, 2.0, 5.0].map(|factor| exponent + factor.log10());
        let below = ends(low.floor()).into_iter();
        let low = below
            .filter(|end| *end <= low + HAIR)
            .fold(low.floor(), f64::max);
        let above = ends(high.floor()).into_iter();
        let above = above.filter(|end| *end >= high - HAIR && *end > low + HAIR);
        let high = above.fold(high.floor() + 1.0, f64::min);
        Decades {
            low,
            high,
            from,
            to,
        }
    }
}

/// The exponents of the smallest and of the largest value that has one.
fn exponents(values: impl IntoIterator<Item = f64>) -> Option<(f64, f64)> {
    let values = values.into_iter();
    let shown = values.filter(|value| value.is_finite() && *value > 0.0);
    shown.map(f64::log10).fold(None, |range, exponent| {
        let (low, high) = range.unwrap_or((exponent, exponent));
        Some((exponent.min(low), exponent.max(high)))
    })
}

impl Axis for Decades {
    fn place(&self, value: f64) -> f64 {
        let exponent = if value > 0.0 { value.log10() } else { self.low };
        let share = (exponent.clamp(self.low, self.high) - self.low) / (self.high - self.low);
        self.from + share * (self.to - self.from)
    }

    /// Powers of ten and, where there is room, their multiples, ascending. On
    /// a short axis the doubles and fivefolds are labelled too, and on a very
    /// short one all.
    fn ticks(&self) -> Vec<Tick> {
        const HAIR: f64 = 1e-9;
        let decades = self.high - self.low;
        let crowded = (self.to - self.from).abs() / decades < MINOR_ROOM;
        let labelled = |factor: i32| match factor {
            1 => true,
            2 | 5 => decades <= 2.0,
            _ => decades < 0.9,
        };
        let mut ticks = Vec::new();
        for exponent in self.low.floor() as i32..=self.high.ceil() as i32 {
            for factor in 1..=9 {
                let value = f64::from(factor) * 10.0_f64.powi(exponent);
                let within = (self.low - HAIR..=self.high + HAIR).contains(&value.log10());
                if within && (factor == 1 || !crowded) {
                    ticks.push(Tick {
                        value,
                        major: factor == 1,
                        labelled: labelled(factor),
                    });
                }
            }
        }
        ticks
    }
}

/// A linear axis from zero.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linear {
    high: f64,
    step: f64,
    from: f64,
    to: f64,
}

impl Linear {
    /// The shortest such axis of round steps that holds all the values, between
    /// two places.
    pub(crate) fn over(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        const STEPS: f64 = 6.0;
        let high = values
            .into_iter()
            .filter(|value| value.is_finite() && *value > 0.0)
            .fold(0.0_f64, f64::max);
        let high = if high > 0.0 { high } else { 1.0 };
        let unit = 10.0_f64.powf((high / STEPS).log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .map(|factor| factor * unit)
            .into_iter()
            .find(|step| high / step <= STEPS)
            .unwrap_or(10.0 * unit);
        Linear {
            // A value on the last line is not pushed over it by rounding.
            high: (high / step - 1e-9).ceil() * step,
            step,
            from,
            to,
        }
    }
}

impl Axis for Linear {
    fn place(&self, value: f64) -> f64 {
        let share = value.clamp(0.0, self.high) / self.high;
        self.from + share * (self.to - self.from)
    }

    fn ticks(&self) -> Vec<Tick> {
        let steps = (self.high / self.step).round() as u32;
        (0..=steps)
            .map(|step| Tick {
                value: f64::from(step) * self.step,
                major: true,
                labelled: true,
            })
            .collect()
    }
}

/// The axis of what a scenario varies: workers, holding times, devices, rates.
/// Equal factors take the same room, and there is a margin at both ends so that
/// no marker is cut. Zero, which no logarithm shows, has a place of its own at
/// the left.
#[derive(Clone, Debug)]
pub(crate) struct Levels {
    /// Ascending.
    levels: Vec<f64>,
    from: f64,
    to: f64,
}

impl Levels {
    /// An axis for these levels, which need not be sorted or unique, between
    /// two places, with a margin inside both.
    pub(crate) fn over(
        levels: impl IntoIterator<Item = f64>,
        from: f64,
        to: f64,
        margin: f64,
    ) -> Self {
        let proper = |level: &f64| level.is_finite() && *level >= 0.0;
        let mut levels: Vec<f64> = levels.into_iter().filter(proper).collect();
        levels.sort_by(f64::total_cmp);
        levels.dedup();
        Levels {
            levels,
            from: from + margin,
            to: to - margin,
        }
    }

    /// The levels, ascending.
    pub(crate) fn levels(&self) -> &[f64] {
        &self.levels
    }

    /// The levels above zero.
    fn positive(&self) -> &[f64] {
        let first = self.levels.partition_point(|level| *level == 0.0);
        &self.levels[first..]
    }

    /// Where the levels above zero begin.
    fn begin(&self) -> f64 {
        const LEAST: f64 = 90.0;
        const MOST: f64 = 200.0;
        if self.positive().len() == self.levels.len() {
            return self.from;
        }
        let room = (self.to - self.from) / self.levels.len() as f64;
        self.from + room.clamp(LEAST, MOST)
    }

    /// The middle of the gap between zero and the others, where both are there.
    pub(crate) fn gap(&self) -> Option<f64> {
        let both = self.begin() > self.from && !self.positive().is_empty();
        both.then(|| f64::midpoint(self.from, self.begin()))
    }

    /// Where a level lies. A lone level lies in the middle.
    pub(crate) fn place(&self, level: f64) -> f64 {
        let (Some(first), Some(last)) = (self.positive().first(), self.positive().last()) else {
            return f64::midpoint(self.from, self.to);
        };
        if level <= 0.0 {
            return self.from;
        }
        if first == last {
            return f64::midpoint(self.begin(), self.to);
        }
        let share = (level.log2() - first.log2()) / (last.log2() - first.log2());
        self.begin() + share * (self.to - self.begin())
    }

    /// The powers of ten among the levels, with zero where it is one, for a
    /// scenario that cannot choose its levels; both ends if there are none.
    pub(crate) fn decades(&self) -> Vec<f64> {
        /// What was aimed at a power of ten missed it by less, in decades.
        const MISS: f64 = 0.05;
        let zero = self.levels.first().copied().filter(|level| *level == 0.0);
        let (Some(first), Some(last)) = (self.positive().first(), self.positive().last()) else {
            return zero.into_iter().collect();
        };
        let low = (first.log10() - MISS).ceil() as i32;
        let high = (last.log10() + MISS).floor() as i32;
        let mut decades: Vec<f64> = (low..=high).map(|power| 10.0_f64.powi(power)).collect();
        if decades.is_empty() {
            decades = vec![*first, *last];
            decades.dedup();
        }
        zero.into_iter().chain(decades).collect()
    }
}

/// Which of the labels can stand side by side, each given by its place and its
/// width, ascending: all of them, or else every second, third ... one, counted
/// from the last, so that those that stay are evenly spread.
pub(crate) fn fitting(labels: &[(f64, f64)], gap: f64) -> Vec<bool> {
    let last = labels.len().saturating_sub(1);
    let chosen = |stride: usize| move |index: &usize| (last - index).is_multiple_of(stride);
    let fit = |stride: usize| {
        let kept: Vec<usize> = (0..labels.len()).filter(chosen(stride)).collect();
        kept.windows(2).all(|pair| {
            let ((left, left_width), (right, right_width)) = (labels[pair[0]], labels[pair[1]]);
            right - left >= f64::midpoint(left_width, right_width) + gap
        })
    };
    // A lone label always fits, so there is such a stride.
    let stride = (1..=labels.len()).find(|stride| fit(*stride)).unwrap_or(1);
    (0..labels.len())
        .map(|index| chosen(stride)(&index))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_powers_of_ten() {
        let axis = Decades::over([0.4, 38.0], 0.0, 300.0);
        assert_eq!(axis.place(0.1), 0.0);
        assert_eq!(axis.place(100.0), 300.0);
        assert!((axis.place(1.0) - 100.0).abs() < 1e-9);
        let labels: Vec<f64> = axis
            .ticks()
            .iter()
            .filter(|tick| tick.labelled)
            .map(|tick| tick.value)
            .collect();
        assert_eq!(labels.len(), 4);
    }

    #[test]
    fn a_short_axis_labels_more() {
        let axis = Decades::over([2.0, 3.0], 0.0, 500.0);
        let labelled: Vec<f64> = axis
            .ticks()
            .iter()
            .filter(|tick| tick.labelled)
            .map(|tick| tick.value)
            .collect();
        assert_eq!(labelled, [1.0, 2.0, 5.0, 10.0]);
    }

    #[test]
    fn a_snug_axis_ends_close_to_its_values() {
        let labelled = |axis: Decades| -> Vec<f64> {
            let ticks = axis.ticks().into_iter().filter(|tick| tick.labelled);
            ticks.map(|tick| tick.value).collect()
        };
        let near = Decades::snug([21.2, 22.5], 0.0, 900.0);
        assert_eq!(labelled(near), [20.0, 30.0, 40.0, 50.0]);
        assert_eq!(near.place(20.0), 0.0);
        assert_eq!(near.place(50.0), 900.0);
        let wide = Decades::snug([0.3, 6e6], 0.0, 900.0);
        assert_eq!((wide.place(0.2), wide.place(1e7)), (0.0, 900.0));
        let exact = Decades::snug([20.0, 50.0], 0.0, 1.0);
        assert_eq!((exact.place(20.0), exact.place(50.0)), (0.0, 1.0));
        let lone = Decades::snug([10.0], 0.0, 1.0);
        assert_eq!((lone.place(10.0), lone.place(20.0)), (0.0, 1.0));
    }

    #[test]
    fn values_that_no_logarithm_shows_do_no_harm() {
        let axis = Decades::over([0.0, f64::NAN, f64::INFINITY], 0.0, 1.0);
        assert_eq!(axis.place(0.0), 0.0);
        assert_eq!(axis.place(1e9), 1.0);
        let exact = Decades::over([10.0], 0.0, 1.0);
        assert_eq!(exact.place(10.0), 0.0);
        assert_eq!(exact.place(100.0), 1.0);
    }

    #[test]
    fn equal_factors_are_equally_far() {
        let axis = Levels::over([4.0, 1.0, 256.0, 16.0, 4.0], 0.0, 840.0, 20.0);
        assert_eq!(axis.levels(), [1.0, 4.0, 16.0, 256.0]);
        assert_eq!(axis.place(1.0), 20.0);
        assert_eq!(axis.place(4.0), 220.0);
        assert_eq!(axis.place(256.0), 820.0);
        assert_eq!(axis.gap(), None);
        let lone = Levels::over([1.0], 0.0, 100.0, 20.0);
        assert_eq!(lone.place(1.0), 50.0);
    }

    #[test]
    fn zero_stands_apart_from_the_other_levels() {
        let axis = Levels::over([0.0, 100.0, 1000.0, 10_000.0], 0.0, 840.0, 20.0);
        assert_eq!(axis.place(0.0), 20.0);
        assert_eq!(axis.place(100.0), 220.0);
        assert_eq!(axis.gap(), Some(120.0));
        assert_eq!(axis.place(10_000.0), 820.0);
        let lone = Levels::over([0.0], 0.0, 100.0, 20.0);
        assert_eq!((lone.place(0.0), lone.gap()), (50.0, None));
        assert_eq!(lone.decades(), [0.0]);
    }

    #[test]
    fn levels_that_nobody_chose_are_read_by_powers_of_ten() {
        let axis = Levels::over([0.0, 37.0, 998.0, 20_400.0], 0.0, 1.0, 0.0);
        assert_eq!(axis.decades(), [0.0, 100.0, 1000.0, 10_000.0]);
        let missed = Levels::over([0.0, 1_004.0, 97_000.0], 0.0, 900.0, 20.0);
        assert_eq!(missed.decades(), [0.0, 1_000.0, 10_000.0, 100_000.0]);
        let narrow = Levels::over([200.0, 800.0], 0.0, 1.0, 0.0);
        assert_eq!(narrow.decades(), [200.0, 800.0]);
    }

    #[test]
    fn a_linear_axis_has_round_steps_from_zero() {
        let axis = Linear::over([1.04, 0.3], 0.0, 600.0);
        let ticks: Vec<f64> = axis.ticks().iter().map(|tick| tick.value).collect();
        assert_eq!(ticks.len(), 7);
        assert_eq!(ticks[1], 0.2);
        assert!((axis.place(0.6) - 300.0).abs() < 1e-9);
        let exact = Linear::over([120.0], 0.0, 1.0);
        assert_eq!(exact.place(120.0), 1.0);
        assert_eq!(Linear::over([], 0.0, 1.0).place(1.0), 1.0);
    }

    #[test]
    fn labels_that_do_not_fit_are_left_out() {
        let labels = [(0.0, 10.0), (8.0, 10.0), (20.0, 10.0)];
        assert_eq!(fitting(&labels, 2.0), [true, false, true]);
        let labels = [(0.0, 10.0), (12.0, 10.0), (24.0, 10.0)];
        assert_eq!(fitting(&labels, 2.0), [true, true, true]);
        let labels: Vec<(f64, f64)> = (0..7).map(|at| (f64::from(at) * 5.0, 10.0)).collect();
        let expected = [true, false, false, true, false, false, true];
        assert_eq!(fitting(&labels, 2.0), expected);
        assert!(fitting(&[], 2.0).is_empty());
    }
}
