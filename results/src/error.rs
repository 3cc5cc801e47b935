//! What can go wrong with records on disk.
//!
//! Every message is complete: it names the path and the cause, so none of the
//! errors has a [`source`](std::error::Error::source) that a caller would
//! print a second time.

use std::io;
use std::path::PathBuf;

use crate::check::Implausible;
use crate::schema::UnreadableVersion;

/// Why records could not be written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Nothing can be written to a folder.
    #[error("cannot write records to {}: {cause}; choose a folder that can be written", path.display())]
    NotWritable {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write {}: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: io::Error,
    },
    /// There is nothing at the path.
    #[error("there is no run at {}: nothing of that name exists", path.display())]
    NoSuchRun {
        /// The path that was asked for.
        path: PathBuf,
    },
    /// The pointer to the newest run names a folder that is gone.
    #[error(
        "{} points to {}, which is gone; name the folder of a run instead",
        pointer.display(),
        target.display()
    )]
    Dangling {
        /// The pointer.
        pointer: PathBuf,
        /// What it points to.
        target: PathBuf,
    },
    /// The folder is not that of a run.
    #[error(
        "{} holds no run.json, so it is not the folder of a run; \
         those are named <machine>/<UTC time>",
        path.display()
    )]
    NotARun {
        /// The folder.
        path: PathBuf,
    },
    /// The run is complete, so there is nothing to go on with.
    #[error("{} is complete; start a new run to measure more", path.display())]
    AlreadyComplete {
        /// The folder.
        path: PathBuf,
    },
    /// The run was written in an older version of the schema, whose measurements
    /// mean something else than those that would be added.
    #[error(
        "{} is of version {version} of the schema, which is read but no longer written; \
         start a new run",
        path.display()
    )]
    OtherVersion {
        /// The folder.
        path: PathBuf,
        /// Its version.
        version: u32,
    },
    /// `run.json` does not say what it should.
    #[error("{}, line {line}, column {column}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column, from 1; 0 where the line as a whole is wrong.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// The run was written in a version of the schema that is not read.
    #[error("{}: {version}", path.display())]
    Schema {
        /// The file that names the version.
        path: PathBuf,
        /// Which version it is, and which are read.
        version: UnreadableVersion,
    },
    /// The id of the machine does not fit a folder.
    #[error(
        "the machine id {id:?} does not fit a folder: \
         lower-case letters, digits and hyphens are allowed"
    )]
    MachineId {
        /// The id.
        id: String,
    },
    /// The start of the run is not a time.
    #[error("the run's start {started:?} is not a time in RFC 3339: {what}")]
    Started {
        /// What the run says.
        started: String,
        /// What is wrong with it.
        what: String,
    },
    /// A measurement cannot be true and was not written.
    #[error("{strategy}, {scenario}, {threads} threads: {cause}; the measurement was not recorded")]
    Implausible {
        /// The strategy measured.
        strategy: String,
        /// The scenario measured.
        scenario: String,
        /// The workers.
        threads: usize,
        /// Why not.
        cause: Implausible,
    },
}
