//! Figures as people read them, for the tables of this room.

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::stats::Ratio;

/// What stands where there is no figure.
pub(crate) const NOTHING: &str = "-";

/// Three significant digits, without zeros at the end.
pub(crate) fn digits(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
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

/// A time in the largest unit that leaves it at or above one.
pub(crate) fn nanoseconds(value: f64) -> String {
    // Rounding first: 999.9 ns are 1 µs, not 1000 ns.
    let rounded: f64 = digits(value).parse().unwrap_or(value);
    let (unit, name) = match rounded {
        ns if ns >= 1e9 => (1e9, "s"),
        ns if ns >= 1e6 => (1e6, "ms"),
        ns if ns >= 1e3 => (1e3, "µs"),
        _ => (1.0, "ns"),
    };
    format!("{} {name}", digits(value / unit))
}

/// A fraction in percent.
pub(crate) fn percent(fraction: f64) -> String {
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

/// A number with its noun.
pub(crate) fn count(number: usize, noun: &str) -> String {
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
        ] {
            assert_eq!(digits(value), shown);
        }
    }

    #[test]
    fn times_have_the_fitting_unit() {
        for (value, shown) in [
            (0.345, "0.345 ns"),
            (999.4, "999 ns"),
            (999.9, "1 µs"),
            (4_380.0, "4.38 µs"),
            (1_100_000.0, "1.1 ms"),
            (60e9, "60 s"),
        ] {
            assert_eq!(nanoseconds(value), shown);
        }
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(count(1, "row"), "1 row");
        assert_eq!(count(0, "row"), "0 rows");
        assert_eq!(percent(0.05), "5%");
    }
}
