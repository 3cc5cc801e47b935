//! A calibration and a probe, for readers.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};
use detach_results::record::{Estimate, Latency};
use detach_results::{Calibration, Probe, Transfers};

use super::section;

/// Of a matrix of transfers with more CPUs than this, only a summary fits.
const WIDEST_MATRIX: usize = 16;

/// What elementary operations cost, as a table.
pub(super) fn table(found: &Calibration, probe: &Probe) -> String {
    const NONE: &str = "not to be had here";
    let estimate = |of: &Estimate| {
        let Estimate {
            median,
            ci_low,
            ci_high,
            ..
        } = of;
        format!("{median:.2} ns ({ci_low:.2} to {ci_high:.2})")
    };
    let latency = |of: &Option<Latency>| match of {
        Some(of) => format!("{} ns; p99 {} ns, at most {} ns", of.p50, of.p99, of.max),
        None => NONE.to_owned(),
    };
    let time = |of: Option<f64>| of.map_or(NONE.to_owned(), |of| format!("{of:.0} ns"));
    let verdict = if probe.disturbed {
        "something else is on these CPUs, or they are fewer than they look"
    } else {
        "these CPUs are ours"
    };
    let mut text = section(
        "What elementary operations cost (median, 95% interval)",
        vec![
            ("a clock reading", estimate(&found.clock_ns)),
            ("a clock step", format!("{} ns", found.clock_step_ns)),
            ("an empty loop's turn", estimate(&found.empty_loop_ns)),
            ("a plain increment", estimate(&found.plain_increment_ns)),
            ("a locked increment", estimate(&found.locked_increment_ns)),
            (
                "a heavy fence, others idle",
                latency(&found.heavy_fence_idle_ns),
            ),
            (
                "a heavy fence, others busy",
                latency(&found.heavy_fence_busy_ns),
            ),
            ("a sleep and a wake-up", time(found.sleep_ns)),
            ("waiters look for", time(found.waiting_budget_ns)),
            (
                "a cache line's way",
                found.transfers.as_ref().map_or(NONE.to_owned(), spread),
            ),
            (
                "speed left when all count",
                found
                    .parallelism
                    .map_or(NONE.to_owned(), |part| format!("{:.0}%", part * 100.0)),
            ),
            ("a probe says", verdict.to_owned()),
        ],
    );
    if let Some(transfers) = &found.transfers
        && transfers.cpus.len() > 2
        && transfers.cpus.len() <= WIDEST_MATRIX
    {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "\nA cache line's way from CPU to CPU, in ns\n{}",
            matrix(transfers).trim_fmt()
        );
    }
    text
}

/// The range of all pairs.
fn spread(transfers: &Transfers) -> String {
    let fastest = transfers.pairs().fold(f64::INFINITY, f64::min);
    let slowest = transfers.pairs().fold(0.0, f64::max);
    let pairs = transfers.pairs().count();
    if pairs == 1 {
        format!("{fastest:.0} ns")
    } else {
        format!("{fastest:.0} to {slowest:.0} ns, among {pairs} pairs of CPUs")
    }
}

/// All pairs.
fn matrix(transfers: &Transfers) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let numbers = transfers.cpus.iter().map(usize::to_string);
    table.add_row(std::iter::once(String::from("  CPU")).chain(numbers));
    for (cpu, row) in transfers.cpus.iter().zip(&transfers.one_way_ns) {
        let cells = row
            .iter()
            .map(|time| time.map_or("-".to_owned(), |ns| format!("{ns:.0}")));
        table.add_row(std::iter::once(format!("  {cpu}")).chain(cells));
    }
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calibration_is_a_table_of_all_that_was_found() {
        let estimate = |median| Estimate::from_samples(vec![median], 0).unwrap();
        let mut found = Calibration {
            clock_ns: estimate(21.5),
            clock_step_ns: 10,
            empty_loop_ns: estimate(0.31),
            plain_increment_ns: estimate(1.25),
            locked_increment_ns: estimate(4.75),
            heavy_fence_idle_ns: None,
            heavy_fence_busy_ns: None,
            sleep_ns: Some(8_765.4),
            waiting_budget_ns: Some(12_345.0),
            transfers: Some(Transfers {
                cpus: vec![0, 2, 1],
                one_way_ns: vec![
                    vec![None, Some(31.0), Some(77.0)],
                    vec![Some(31.0), None, Some(78.0)],
                    vec![Some(77.0), Some(78.0), None],
                ],
            }),
            parallelism: Some(0.5),
        };
        let mut probe = Probe {
            at_ms: 0,
            after_block: None,
            parallelism: Some(0.5),
            ping_pong_ns: Some(31.0),
            disturbed: false,
        };
        let text = table(&found, &probe);
        for words in [
            "21.50 ns",
            "4.75 ns",
            "8765 ns",
            "12345 ns",
            "31 to 78 ns, among 3",
            "77",
            "50%",
            "ours",
        ] {
            assert!(text.contains(words), "no {words} in:\n{text}");
        }
        found.transfers = None;
        found.parallelism = None;
        probe.disturbed = true;
        let text = table(&found, &probe);
        assert!(text.contains("not to be had here"), "{text}");
        assert!(text.contains("something else"), "{text}");
    }
}
