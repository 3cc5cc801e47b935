//! Numbers as people read them, the same in every table, report and figure.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::stats::Ratio;

/// What stands where there is no figure.
pub(crate) const NOTHING: &str = "-";

/// Three significant digits, without zeros at the end that say nothing; a dash
/// for what is not finite.
pub fn digits(value: f64) -> String {
    if !value.is_finite() {
        return NOTHING.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let magnitude = value.abs().log10().floor() as i32;
    let decimals = usize::try_from(2 - magnitude).unwrap_or(0);
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// A time in the largest unit that leaves it at or above one: `0.4 ns`, `12 µs`,
/// `1.5 ms`.
pub fn nanoseconds(value: f64) -> String {
    in_thousands(value, &[" ns", " µs", " ms"], " s")
}

/// A count or a rate with its magnitude: `500 k`, `1.2 M`, `10 G`.
pub fn magnitude(value: f64) -> String {
    in_thousands(value, &["", " k", " M", " G"], " T")
}

/// Units each a thousand times the one before; `last` takes what is left.
fn in_thousands(mut value: f64, units: &[&str], last: &str) -> String {
    for unit in units {
        let text = digits(value);
        // What rounds up to the next unit is written in it.
        if value < 1e3 && text != "1000" {
            return text + unit;
        }
        value /= 1e3;
    }
    digits(value) + last
}

/// A fraction in percent.
pub fn percent(fraction: f64) -> String {
    format!("{}%", digits(fraction * 100.0))
}

/// A ratio with its interval.
pub(crate) fn ratio(ratio: Ratio) -> String {
    format!(
        "{} [{}, {}]",
        digits(ratio.ratio),
        digits(ratio.ci_low),
        digits(ratio.ci_high)
    )
}

/// A number with its noun, in the plural where needed.
pub fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}

/// How a table looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    Terminal,
    Markdown,
}

impl Look {
    /// A table with a header.
    pub(crate) fn table(self, header: &[&str]) -> Table {
        let mut table = Table::new();
        match self {
            Look::Terminal => table
                .load_preset(presets::UTF8_BORDERS_ONLY)
                .set_content_arrangement(ContentArrangement::Dynamic),
            Look::Markdown => table
                .load_preset(presets::ASCII_MARKDOWN)
                .set_content_arrangement(ContentArrangement::Disabled),
        };
        table.set_header(header);
        table
    }
}

/// Comma-separated values with a header, one line for each record.
pub(crate) fn csv<T: Serialize>(records: impl IntoIterator<Item = T>) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer
            .serialize(record)
            .expect("records of text and numbers fit a line, and memory takes it");
    }
    let bytes = writer.into_inner().expect("memory takes every byte");
    String::from_utf8(bytes).expect("the records are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        for (value, shown) in [
            (0.0, "0"),
            (0.5, "0.5"),
            (0.012_345, "0.0123"),
            (1.0, "1"),
            (1.2345, "1.23"),
            (12.345, "12.3"),
            (123.45, "123"),
            (98_765.0, "98765"),
            (-1.2345, "-1.23"),
            (f64::NAN, "-"),
            (f64::INFINITY, "-"),
        ] {
            assert_eq!(digits(value), shown);
        }
    }

    #[test]
    fn times_have_the_fitting_unit() {
        for (value, shown) in [
            (0.0, "0 ns"),
            (0.345, "0.345 ns"),
            (999.4, "999 ns"),
            (999.7, "1 µs"),
            (4_380.0, "4.38 µs"),
            (999_900.0, "1 ms"),
            (1_100_000.0, "1.1 ms"),
            (999_999_999.0, "1 s"),
            (60e9, "60 s"),
            (5e12, "5000 s"),
        ] {
            assert_eq!(nanoseconds(value), shown);
        }
        assert_eq!(magnitude(12.0), "12");
        assert_eq!(magnitude(1e8), "100 M");
        assert_eq!(magnitude(2.5e9), "2.5 G");
        assert_eq!(magnitude(3e13), "30 T");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(0, "row"), "0 rows");
        assert_eq!(percent(0.05), "5%");
    }
}
