//! `latest`: the pointer to the newest run under a root.
//!
//! A symbolic link where those exist, so that `cd results/local/latest` works;
//! elsewhere, and on file systems without links, a text file whose one line is
//! the path. Readers accept both everywhere, since a folder may have been
//! copied from one kind of system to the other.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// Name of the pointer.
pub const LATEST: &str = "latest";

/// Makes `<root>/latest` point to the folder of a run.
///
/// The former pointer is replaced in one step, so whoever reads it at that
/// moment finds the former run or the new one. The path is stored relative to
/// the root where the run lies under it, so that the whole root can be moved.
///
/// # Errors
///
/// [`StoreError::Write`], for instance when `latest` is a real folder.
pub fn point_latest(root: &Path, run_dir: &Path) -> Result<(), StoreError> {
    let pointer = root.join(LATEST);
    let temporary = root.join(format!(".{LATEST}-{}", std::process::id()));
    let write = || -> io::Result<()> {
        let target = match run_dir.strip_prefix(root) {
            Ok(below) => below.to_owned(),
            Err(_) => std::path::absolute(run_dir)?,
        };
        // Left over by a process of the same number that died here.
        let _ = fs::remove_file(&temporary);
        make_pointer(&target, &temporary)?;
        fs::rename(&temporary, &pointer).inspect_err(|_| {
            let _ = fs::remove_file(&temporary);
        })
    };
    write().map_err(|cause| StoreError::Write {
        path: pointer.clone(),
        cause,
    })
}

#[cfg(unix)]
fn make_pointer(target: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at).or_else(|_| write_text(target, at))
}

#[cfg(not(unix))]
fn make_pointer(target: &Path, at: &Path) -> io::Result<()> {
    write_text(target, at)
}

fn write_text(target: &Path, at: &Path) -> io::Result<()> {
    let path = target.to_str().ok_or_else(|| {
        io::Error::new(
            io::ErrorKind::InvalidInput,
            "the path of the run is not UTF-8",
        )
    })?;
    // Every system reads forward slashes.
    let path = path.replace(std::path::MAIN_SEPARATOR, "/");
    fs::write(at, path + "\n")
}

/// The folder of a run, from the folder itself, a file in it, or a pointer to
/// it.
///
/// # Errors
///
/// [`StoreError::NoSuchRun`], [`StoreError::Dangling`],
/// [`StoreError::NotARun`] or [`StoreError::Read`].
pub(crate) fn resolve(path: &Path) -> Result<PathBuf, StoreError> {
    let read = |cause| StoreError::Read {
        path: path.to_owned(),
        cause,
    };
    let kind = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata.file_type(),
        // A path through a file is as absent as one through nothing.
        Err(cause)
            if matches!(
                cause.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Err(StoreError::NoSuchRun {
                path: path.to_owned(),
            });
        }
        Err(cause) => return Err(read(cause)),
    };
    let parent = path.parent().unwrap_or(Path::new("")).to_owned();
    if kind.is_symlink() {
        return existing(path, parent.join(fs::read_link(path).map_err(read)?));
    }
    if kind.is_dir() {
        return Ok(path.to_owned());
    }
    let name = path.file_name().unwrap_or_default();
    if name == crate::store::RUN_FILE || name == crate::store::MEASUREMENTS_FILE {
        return Ok(parent);
    }
    if name == LATEST {
        let text = fs::read_to_string(path).map_err(read)?;
        return existing(path, parent.join(text.trim()));
    }
    Err(StoreError::NotARun {
        path: path.to_owned(),
    })
}

fn existing(pointer: &Path, target: PathBuf) -> Result<PathBuf, StoreError> {
    if target.is_dir() {
        Ok(target)
    } else {
        Err(StoreError::Dangling {
            pointer: pointer.to_owned(),
            target,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_in_text_leads_to_the_run() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("machine").join("time");
        fs::create_dir_all(&run).unwrap();
        let below = Path::new("machine").join("time");
        write_text(&below, &root.path().join(LATEST)).unwrap();
        let found = resolve(&root.path().join(LATEST)).unwrap();
        assert_eq!(found.canonicalize().unwrap(), run.canonicalize().unwrap());
    }

    #[test]
    fn an_empty_or_dangling_pointer_is_told() {
        let root = tempfile::tempdir().unwrap();
        let pointer = root.path().join(LATEST);
        write_text(Path::new("gone"), &pointer).unwrap();
        let error = resolve(&pointer).unwrap_err();
        assert!(matches!(error, StoreError::Dangling { .. }), "{error}");
    }
}
