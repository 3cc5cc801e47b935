//! `detach-bench plot`: draws the figures of a recorded run and prints its
//! table.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use detach_plots::table;
use detach_results::{LATEST, Recorded};

use super::{LOCAL_RUNS, PlotArgs, print};

/// Where figures go unless told otherwise, within the folder of the run.
const FIGURES: &str = "plots";

pub(super) fn execute(arguments: &PlotArgs) -> anyhow::Result<ExitCode> {
    draw(&locate(&arguments.run), arguments.out.as_deref())?;
    Ok(ExitCode::SUCCESS)
}

/// The bare word `latest` means the newest run of the usual folder, unless
/// something here has that name.
fn locate(run: &Path) -> PathBuf {
    if run == Path::new(LATEST) && !run.exists() {
        Path::new(LOCAL_RUNS).join(LATEST)
    } else {
        run.to_owned()
    }
}

/// Draws the run into `out`, or into a folder of the run, and prints its table
/// and where everything is.
///
/// Lines that cannot be read are told and left out; the call fails after the
/// rest was drawn.
pub(super) fn draw(run: &Path, out: Option<&Path>) -> anyhow::Result<()> {
    let recorded = Recorded::read(run)?;
    for problem in &recorded.problems {
        eprintln!("warning: {problem}");
    }
    if !recorded.run.complete {
        eprintln!("warning: the run was not completed; it holds less than it set out to measure");
    }
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
    match recorded.problems.len() {
        0 => Ok(()),
        1 => bail!("one line of the records could not be read; the figures show the others"),
        many => bail!("{many} lines of the records could not be read; the figures show the others"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_alone_means_the_usual_folder() {
        assert_eq!(
            locate(Path::new("latest")),
            Path::new("results/local/latest")
        );
        assert_eq!(locate(Path::new("/some/latest")), Path::new("/some/latest"));
        assert_eq!(locate(Path::new("other")), Path::new("other"));
    }
}
