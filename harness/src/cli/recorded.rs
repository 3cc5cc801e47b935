//! Recorded runs as they are named on the command line.

use std::path::{Path, PathBuf};

use anyhow::bail;
use detach_results::{LATEST, Recorded};

use super::LOCAL_RUNS;

/// The bare word `latest` means the newest run of the usual folder, unless
/// something here has that name.
pub(super) fn locate(run: &Path) -> PathBuf {
    if run == Path::new(LATEST) && !run.exists() {
        Path::new(LOCAL_RUNS).join(LATEST)
    } else {
        run.to_owned()
    }
}

/// Reads a run, and tells what is wrong with it. What could be read is of use
/// all the same; whoever used it ends with [`all_was_read`].
pub(super) fn read(run: &Path) -> anyhow::Result<Recorded> {
    let recorded = Recorded::read(&locate(run))?;
    for problem in &recorded.problems {
        eprintln!("warning: {problem}");
    }
    if !recorded.run.complete {
        eprintln!(
            "warning: the run {} was not completed; it holds less than it set out to measure",
            recorded.run.name()
        );
    }
    Ok(recorded)
}

/// Fails if any line of the runs could not be read.
pub(super) fn all_was_read<'a>(runs: impl IntoIterator<Item = &'a Recorded>) -> anyhow::Result<()> {
    match runs.into_iter().map(|run| run.problems.len()).sum() {
        0 => Ok(()),
        1_usize => bail!("one line of the records could not be read; what is shown is the others"),
        many => {
            bail!("{many} lines of the records could not be read; what is shown is the others")
        }
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
