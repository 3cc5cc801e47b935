//! Tables as wide as the terminal.
//!
//! A serial console, as virtual machines have one, says that it has no columns.
//! Taken at its word, it would get a letter a line.

use comfy_table::{ContentArrangement, Table};

/// No terminal is narrower; one that says so does not know.
const NARROWEST: u16 = 20;

/// The width of a terminal that does not know its own.
const USUAL: u16 = 80;

/// Wraps what does not fit into the terminal, if the output is one.
pub(super) fn fit(table: &mut Table) -> &mut Table {
    table.set_content_arrangement(ContentArrangement::Dynamic);
    if table.width().is_some_and(|width| width < NARROWEST) {
        table.set_width(USUAL);
    }
    table
}
