//! The summary of a run as tables: for a terminal, and in Markdown.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use detach_results::{Recorded, Row, WHY_SLEEPS_MATTER, show, sleeps_differ};

use crate::data::{Curve, DETACH, Data, SHARED, twins};
use crate::error::PlotError;
use crate::standing::{self, Column};
use crate::style;

/// Numbers of workers beside each other in one table; more go into a further
/// table below, so that none is wider than a terminal.
const COUNTS_ABREAST: usize = 4;
/// Letters on a line of a terminal, and those around a cell.
const WIDTH: usize = 120;
const PADDING: usize = 3;

/// A table before it is written down. The first column holds names, the others
/// numbers.
pub(crate) struct Grid {
    pub(crate) title: String,
    pub(crate) header: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Grid {
    fn cells(&self) -> impl Iterator<Item = &String> {
        self.rows.iter().flatten()
    }
}

/// The tables of a run, and what must be said below them.
pub(crate) struct Tables {
    pub(crate) grids: Vec<Grid>,
    pub(crate) notes: Vec<String>,
}

/// The summary for a terminal: first of all, whether the run was mostly
/// disturbed; then the cost of acquire plus release by number of
/// workers, with the ratio to `refcount`, and the latency of detach.
///
/// # Errors
///
/// [`PlotError::Empty`] when the run holds no measurement,
/// [`PlotError::Summary`] when its measurements contradict themselves.
pub fn text(recorded: &Recorded) -> Result<String, PlotError> {
    let tables = tables(&Data::checked(recorded)?);
    let mut text = String::new();
    let disturbance = recorded.disturbance();
    if disturbance.is_mostly() {
        text.push_str(&format!("{disturbance}.\n\n"));
    }
    for grid in &tables.grids {
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_BORDERS_ONLY)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(&grid.header);
        for row in &grid.rows {
            table.add_row(row);
        }
        for column in table.column_iter_mut().skip(1) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        text.push_str(&format!("{}\n{table}\n\n", grid.title));
    }
    for note in &tables.notes {
        text.push_str(&format!("{note}\n"));
    }
    Ok(text)
}

/// The same as [`text()`], in Markdown.
///
/// # Errors
///
/// As [`text()`].
pub fn markdown(recorded: &Recorded) -> Result<String, PlotError> {
    Ok(in_markdown(&Data::checked(recorded)?))
}

pub(crate) fn in_markdown(data: &Data<'_>) -> String {
    let tables = tables(data);
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut text = String::new();
    for grid in &tables.grids {
        text.push_str(&format!("**{}**\n\n", escape(&grid.title)));
        text.push_str(&line(
            grid.header
                .iter()
                .map(|cell| escape(&cell.replace('\n', ", ")))
                .collect(),
        ));
        let rule = (0..grid.header.len()).map(|column| if column == 0 { "---" } else { "---:" });
        text.push_str(&line(rule.map(str::to_owned).collect()));
        for row in &grid.rows {
            text.push_str(&line(row.iter().map(|cell| escape(cell)).collect()));
        }
        text.push('\n');
    }
    for note in &tables.notes {
        text.push_str(&format!("- {}\n", escape(note)));
    }
    text
}

/// Keeps text from being taken for Markdown or HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '|' | '*' | '_' | '`' | '[' | ']' | '\\' | '~' => escaped.extend(['\\', letter]),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '\n' | '\r' => escaped.push(' '),
            letter => escaped.push(letter),
        }
    }
    escaped
}

pub(crate) fn tables(data: &Data<'_>) -> Tables {
    let costs = data.curves(SHARED, |row| row.cost.is_some());
    let detaches = data.curves(DETACH, |row| row.detach.is_some());
    let baseline = &data.summary.baseline;
    let compared = |row: &&Row| {
        row.cost
            .as_ref()
            .is_some_and(|cost| cost.to_baseline.is_some())
    };
    let ratios = costs.iter().flat_map(|curve| &curve.rows).copied();
    let ratios = ratios.into_iter().any(|row| compared(&row));

    let mut grids = Vec::new();
    for counts in counts(&costs).chunks(COUNTS_ABREAST) {
        grids.push(cost_grid(
            &costs,
            counts,
            ratios.then_some(baseline.as_str()),
        ));
    }
    for counts in counts(&detaches).chunks(COUNTS_ABREAST) {
        grids.push(detach_grid(&detaches, counts));
    }
    let columns = standing::columns(data);
    let others: Vec<&Column<'_>> = columns
        .iter()
        .filter(|column| ![SHARED, DETACH].contains(&column.entry.scenario))
        .collect();
    for columns in abreast(&others) {
        grids.push(standing_grid(columns));
    }

    let mut notes = Vec::new();
    if !costs.is_empty() {
        notes.push(if ratios {
            format!(
                "vs {baseline}: the time of {baseline} over that of the strategy, at the same \
                 number of workers; above 1 is faster than {baseline}."
            )
        } else {
            format!("No ratios: {baseline} was not measured in the same run.")
        });
    }
    let rows = || costs.iter().chain(&detaches).flat_map(|curve| &curve.rows);
    if grids
        .iter()
        .flat_map(Grid::cells)
        .any(|cell| cell.ends_with(SLEPT))
    {
        notes.push(format!(
            "~ workers slept in most of these detaches, and not in those of others at the same \
             setting: {WHY_SLEEPS_MATTER}."
        ));
    }
    if rows().any(|row| row.detacher_shares_cpu) {
        notes.push("* the detacher shared its CPU with a worker.".to_owned());
    }
    if rows().any(|row| row.oversubscribed) {
        notes.push("+ oversubscribed: more threads than CPUs.".to_owned());
    }
    let cells = || others.iter().flat_map(|column| &column.cells);
    if rows().any(|row| row.rests_on_disturbed || row.ratio_rests_on_disturbed)
        || cells().any(|cell| cell.reading.rests_on_disturbed)
    {
        notes.push(
            "! rests on samples that were disturbed by other activity on the machine.".to_owned(),
        );
    }
    let all: Vec<&Row> = rows()
        .copied()
        .chain(cells().map(|cell| cell.row))
        .collect();
    notes.extend(data.set_apart(&all));
    notes.extend(twins(all.iter().map(|row| row.key.strategy.as_str())));
    for (strategy, reason) in data.unsupported() {
        notes.push(format!("{strategy} could not run here: {reason}"));
    }
    if !data.run().complete {
        notes.push("The run is incomplete.".to_owned());
    }
    Tables { grids, notes }
}

/// Splits columns into as few tables as have room in a terminal, of about as
/// many columns each.
fn abreast<'c, 'd>(columns: &'c [&'c Column<'d>]) -> impl Iterator<Item = &'c [&'c Column<'d>]> {
    let ids = columns.iter().flat_map(|column| &column.cells);
    let names = ids.map(|cell| cell.row.key.strategy.len()).max();
    let width = |column: &&Column<'_>| {
        let cells = column.cells.iter();
        let cells = cells.map(|cell| column.write(cell).chars().count());
        let heading = heading(column);
        let lines = heading.lines().map(|line| line.chars().count());
        cells.chain(lines).max().unwrap_or(0) + PADDING
    };
    let widths: Vec<usize> = columns.iter().map(width).collect();
    let fit = |abreast: &usize| {
        let mut tables = widths.chunks(*abreast);
        tables.all(|table| names.unwrap_or(0) + PADDING + table.iter().sum::<usize>() <= WIDTH)
    };
    let most = (1..=columns.len()).rev().find(fit).unwrap_or(1);
    let tables = columns.len().div_ceil(most).max(1);
    // Even out what the last table lacks, if all fit then, too.
    let even = columns.len().div_ceil(tables).max(1);
    columns.chunks(if fit(&even) { even } else { most })
}

fn heading(column: &Column<'_>) -> String {
    format!("{}, {}", column.heading, column.setting.words()).replace(", ", "\n")
}

/// One column for each scenario, at the setting that stands for it.
fn standing_grid(columns: &[&Column<'_>]) -> Grid {
    let ids = columns.iter().flat_map(|column| &column.cells);
    let mut strategies: Vec<String> = ids.map(|cell| cell.row.key.strategy.clone()).collect();
    style::sort_ids(&mut strategies);
    strategies.dedup();
    let row = |strategy: &String| {
        let cells = columns.iter().map(|column| {
            let cell = column.cell(strategy);
            cell.map_or("-".to_owned(), |cell| column.write(cell))
        });
        std::iter::once(strategy.clone()).chain(cells).collect()
    };
    let header = columns.iter().map(|column| heading(column));
    Grid {
        title: "Other scenarios, each at one setting (medians, unless it says otherwise)"
            .to_owned(),
        header: std::iter::once("strategy".to_owned())
            .chain(header)
            .collect(),
        rows: strategies.iter().map(row).collect(),
    }
}

/// A number of workers and the signs that it needs.
struct Count {
    workers: usize,
    signs: String,
}

fn counts(curves: &[Curve<'_>]) -> Vec<Count> {
    let rows = || curves.iter().flat_map(|curve| curve.rows.iter());
    let mut workers: Vec<usize> = rows().map(|row| row.key.threads).collect();
    workers.sort_unstable();
    workers.dedup();
    let count = |workers| {
        let mut these = rows().filter(|row| row.key.threads == workers);
        let mut signs = String::new();
        if these.clone().any(|row| row.detacher_shares_cpu) {
            signs.push('*');
        }
        if these.any(|row| row.oversubscribed) {
            signs.push('+');
        }
        Count { workers, signs }
    };
    workers.into_iter().map(count).collect()
}

fn row_at<'a>(curve: &Curve<'a>, workers: usize) -> Option<&'a Row> {
    let mut rows = curve.rows.iter().copied();
    rows.find(|row| row.key.threads == workers)
}

fn cost_grid(curves: &[Curve<'_>], counts: &[Count], baseline: Option<&str>) -> Grid {
    let mut header = vec!["strategy".to_owned()];
    for count in counts {
        header.push(format!(
            "{}{}",
            show::count(count.workers, "worker"),
            count.signs
        ));
        header.extend(baseline.map(|baseline| format!("vs {baseline}")));
    }
    let row = |curve: &Curve<'_>| {
        let mut cells = vec![curve.strategy.clone()];
        for count in counts {
            let found =
                row_at(curve, count.workers).and_then(|row| Some((row, row.cost.as_ref()?)));
            let Some((row, cost)) = found else {
                cells.push("-".to_owned());
                cells.extend(baseline.map(|_| "-".to_owned()));
                continue;
            };
            cells.push(show::nanoseconds(cost.ns_per_op.median) + sign(row.rests_on_disturbed));
            if baseline.is_some() {
                cells.push(cost.to_baseline.map_or("-".to_owned(), |ratio| {
                    let times = show::digits(ratio.inverse().ratio);
                    format!("{times}x{}", sign(row.ratio_rests_on_disturbed))
                }));
            }
        }
        cells
    };
    Grid {
        title: "Time per acquire + release, all workers on one device (median)".to_owned(),
        header,
        rows: curves.iter().map(row).collect(),
    }
}

fn detach_grid(curves: &[Curve<'_>], counts: &[Count]) -> Grid {
    let mut header = vec!["strategy".to_owned()];
    for count in counts {
        header.push(format!(
            "{}{}",
            show::count(count.workers, "worker"),
            count.signs
        ));
    }
    let row = |curve: &Curve<'_>| {
        let mut cells = vec![curve.strategy.clone()];
        for count in counts {
            let rows = curves
                .iter()
                .filter_map(|curve| row_at(curve, count.workers));
            let apart = sleeps_differ(rows);
            let found = row_at(curve, count.workers);
            let found = found.and_then(|row| Some((row, row.detach.as_ref()?)));
            cells.push(found.map_or("-".to_owned(), |(row, detach)| {
                let latency = &detach.latency_ns;
                let (p50, p99) = (latency.p50 as f64, latency.p99 as f64);
                let text = format!("{} / {}", show::nanoseconds(p50), show::nanoseconds(p99));
                text + sign(row.rests_on_disturbed) + slept(row, apart)
            }));
        }
        cells
    };
    Grid {
        title: "Time until detach returned, while so many workers keep entering (p50 / p99)"
            .to_owned(),
        header,
        rows: curves.iter().map(row).collect(),
    }
}

/// What is put behind a number that rests on disturbed samples.
pub(crate) fn sign(rests_on_disturbed: bool) -> &'static str {
    if rests_on_disturbed { " !" } else { "" }
}

/// What is put behind a number whose workers slept, among others whose workers
/// did not.
const SLEPT: &str = " ~";

/// That sign, where rows are apart and this is one of those that it belongs to.
pub(crate) fn slept(row: &Row, apart: bool) -> &'static str {
    match row.workers_slept() {
        Some(true) if apart => SLEPT,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_and_html_in_a_reason_are_defused() {
        assert_eq!(escape("<b>|`x`_y*\n&"), "&lt;b&gt;\\|\\`x\\`\\_y\\* &amp;");
    }
}
