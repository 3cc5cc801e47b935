//! From values to places: logarithmic axes over whole decades, and the axis
//! of worker counts.

/// A decade shorter than this, in pixels, is not divided.
const MINOR_ROOM: f64 = 60.0;

/// A logarithmic axis whose ends are powers of ten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decades {
    low: i32,
    high: i32,
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
    /// The shortest such axis that holds all the values, between two places.
    /// Values that a logarithm cannot show are left out; without any other
    /// the axis spans 1 to 10.
    pub(crate) fn over(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (low, high) = values
            .into_iter()
            .filter(|value| value.is_finite() && *value > 0.0)
            .fold((f64::INFINITY, 0.0_f64), |(low, high), value| {
                (low.min(value), high.max(value))
            });
        if high == 0.0 {
            return Decades {
                low: 0,
                high: 1,
                from,
                to,
            };
        }
        let low = low.log10().floor() as i32;
        let high = (high.log10().ceil() as i32).max(low + 1);
        Decades {
            low,
            high,
            from,
            to,
        }
    }

    /// Where a value lies. Values beyond an end lie at that end.
    pub(crate) fn place(&self, value: f64) -> f64 {
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        let exponent = if value > 0.0 { value.log10() } else { low };
        let share = (exponent.clamp(low, high) - low) / (high - low);
        self.from + share * (self.to - self.from)
    }

    /// Powers of ten and, where there is room, their multiples, ascending. On
    /// a short axis the doubles and fivefolds are labelled too.
    pub(crate) fn ticks(&self) -> Vec<Tick> {
        let decades = self.high - self.low;
        let few = decades <= 2;
        let crowded = (self.to - self.from).abs() / f64::from(decades) < MINOR_ROOM;
        let mut ticks = Vec::new();
        for exponent in self.low..=self.high {
            for factor in 1..=9 {
                if factor > 1 && crowded {
                    break;
                }
                ticks.push(Tick {
                    value: f64::from(factor) * 10.0_f64.powi(exponent),
                    major: factor == 1,
                    labelled: factor == 1 || few && (factor == 2 || factor == 5),
                });
                if exponent == self.high {
                    break;
                }
            }
        }
        ticks
    }
}

/// The axis of worker counts: each doubling takes the same room, and there is
/// a margin at both ends so that no marker is cut.
#[derive(Clone, Debug)]
pub(crate) struct Workers {
    counts: Vec<usize>,
    from: f64,
    to: f64,
}

impl Workers {
    /// An axis for these counts, which need not be sorted or unique, between
    /// two places, with a margin inside both.
    pub(crate) fn over(
        counts: impl IntoIterator<Item = usize>,
        from: f64,
        to: f64,
        margin: f64,
    ) -> Self {
        let mut counts: Vec<usize> = counts.into_iter().filter(|count| *count > 0).collect();
        counts.sort_unstable();
        counts.dedup();
        Workers {
            counts,
            from: from + margin,
            to: to - margin,
        }
    }

    /// The counts, ascending.
    pub(crate) fn counts(&self) -> &[usize] {
        &self.counts
    }

    /// Where a count lies. A lone count lies in the middle.
    pub(crate) fn place(&self, count: f64) -> f64 {
        let (Some(first), Some(last)) = (self.counts.first(), self.counts.last()) else {
            return f64::midpoint(self.from, self.to);
        };
        let (first, last) = ((*first as f64).log2(), (*last as f64).log2());
        if first == last {
            return f64::midpoint(self.from, self.to);
        }
        self.from + (count.log2() - first) / (last - first) * (self.to - self.from)
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

/// A duration with its unit, three digits at most: `0.4 ns`, `12 µs`, `1.5 ms`.
pub(crate) fn duration(nanoseconds: f64) -> String {
    for (limit, unit, name) in [(1e3, 1.0, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")] {
        // What rounds up to the next unit is written in it.
        if digits(nanoseconds / unit) != "1000" && nanoseconds < limit {
            return format!("{} {name}", digits(nanoseconds / unit));
        }
    }
    format!("{} s", digits(nanoseconds / 1e9))
}

/// A rate with its magnitude: `500 k`, `1.2 M`, `10 G`.
pub(crate) fn magnitude(value: f64) -> String {
    for (limit, unit, name) in [
        (1e3, 1.0, ""),
        (1e6, 1e3, " k"),
        (1e9, 1e6, " M"),
        (1e12, 1e9, " G"),
    ] {
        if digits(value / unit) != "1000" && value < limit {
            return format!("{}{name}", digits(value / unit));
        }
    }
    format!("{} T", digits(value / 1e12))
}

/// Three significant digits, and no zeros behind the point that say nothing.
pub(crate) fn digits(value: f64) -> String {
    if !value.is_finite() {
        return "-".to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let exponent = value.abs().log10().floor() as i32;
    let decimals = usize::try_from(2 - exponent).unwrap_or(0).min(9);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
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
    fn values_that_no_logarithm_shows_do_no_harm() {
        let axis = Decades::over([0.0, f64::NAN, f64::INFINITY], 0.0, 1.0);
        assert_eq!(axis.place(0.0), 0.0);
        assert_eq!(axis.place(1e9), 1.0);
        let exact = Decades::over([10.0], 0.0, 1.0);
        assert_eq!(exact.place(10.0), 0.0);
        assert_eq!(exact.place(100.0), 1.0);
    }

    #[test]
    fn doublings_of_workers_are_equally_far() {
        let axis = Workers::over([4, 1, 256, 16, 4], 0.0, 840.0, 20.0);
        assert_eq!(axis.counts(), [1, 4, 16, 256]);
        assert_eq!(axis.place(1.0), 20.0);
        assert_eq!(axis.place(4.0), 220.0);
        assert_eq!(axis.place(256.0), 820.0);
        let lone = Workers::over([1], 0.0, 100.0, 20.0);
        assert_eq!(lone.place(1.0), 50.0);
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

    #[test]
    fn numbers_have_three_digits_and_a_unit() {
        for (nanoseconds, text) in [
            (0.4, "0.4 ns"),
            (0.0, "0 ns"),
            (1.2345, "1.23 ns"),
            (12.0, "12 ns"),
            (999.7, "1 µs"),
            (123_456.0, "123 µs"),
            (1.5e6, "1.5 ms"),
            (2e9, "2 s"),
        ] {
            assert_eq!(duration(nanoseconds), text);
        }
        assert_eq!(magnitude(1e8), "100 M");
        assert_eq!(magnitude(2.5e9), "2.5 G");
        assert_eq!(magnitude(3e13), "30 T");
        assert_eq!(digits(1100.0), "1100");
    }
}
