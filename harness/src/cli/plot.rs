//! `detach-bench plot`: draws the figures of a recorded run and prints its
//! table.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use detach_plots::table;

use super::{PlotArgs, print, recorded};

/// Where figures go unless told otherwise, within the folder of the run.
const FIGURES: &str = "plots";

pub(super) fn execute(arguments: &PlotArgs) -> anyhow::Result<ExitCode> {
    draw(&arguments.run, arguments.out.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// Draws the run into `out`, or into a folder of the run, and prints its table
/// and where everything is.
///
/// Lines that cannot be read are told and left out; the call fails after the
/// rest was drawn.
pub(super) fn draw(run: &Path, out: Option<&Path>) -> anyhow::Result<()> {
    let recorded = recorded::read(run)?;
    let out = out.map_or_else(|| recorded.dir.join(FIGURES), Path::to_owned);
    let written = detach_plots::draw(&recorded, &out)
        .with_context(|| format!("nothing was drawn to {}", out.display()))?;
    // The page that shows the figures is the first.
    let page = written.first().unwrap_or(&out);
    print(&format!(
        "\n{}\nrecords: {}\nfigures: {} and {} files beside it\n",
        table::text(&recorded)?,
        recorded.dir.display(),
        page.display(),
        written.len().saturating_sub(1),
    ))?;
    recorded::all_was_read([&recorded])
}
