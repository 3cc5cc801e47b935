//! What can go wrong while drawing.

use std::path::{Path, PathBuf};

/// Why a report could not be drawn.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The run holds nothing that a figure could show.
    #[error("{}", empty(run, path, unsupported))]
    Empty {
        /// The folder of the run.
        path: PathBuf,
        /// The run, as [`Run::name`](detach_results::Run::name) has it.
        run: String,
        /// Strategies that the machine could not run, each with the reason.
        unsupported: Vec<(String, String)>,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The measurements of the run contradict themselves.
    #[error("cannot pool the measurements of {}: {source}", path.display())]
    Summary {
        /// The folder of the run.
        path: PathBuf,
        /// Which measurement, and why.
        source: Box<detach_results::SummaryError>,
    },
    /// A drawing backend failed.
    #[error("cannot draw {figure}: {reason}")]
    Backend {
        /// The figure's name.
        figure: String,
        /// What the backend said.
        reason: String,
    },
}

fn empty(run: &str, path: &Path, unsupported: &[(String, String)]) -> String {
    let mut text = format!(
        "run {run} ({}) holds no measurement to draw",
        path.display()
    );
    for (position, (strategy, reason)) in unsupported.iter().enumerate() {
        text.push_str(if position == 0 { ": " } else { "; " });
        text.push_str(&format!("{strategy} could not run ({reason})"));
    }
    text
}
