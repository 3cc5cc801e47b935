//! Reading a run back.
//!
//! What cannot be read is told, with file and line, and the rest is kept: one
//! line that a crash cut short must not cost an hour of measurements. Only
//! without `run.json`, or with one of a schema that this build does not know,
//! is there nothing to return, since nobody could say what the figures mean.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::StoreError;
use crate::latest;
use crate::record::{Cost, Detach, Measurement, Run, Visits};
use crate::schema::{self, Stamp};
use crate::store::{MEASUREMENTS_FILE, RUN_FILE};

/// A run as found on disk.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// The folder of the run; where a pointer was given, what it points to.
    pub dir: PathBuf,
    /// What `run.json` says.
    pub run: Run,
    /// Every measurement that could be read, in the order of the file.
    pub measurements: Vec<Measurement>,
    /// What could not be read.
    pub problems: Vec<ReadProblem>,
}

/// Something in a run's folder that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadProblem {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1; `None` when the file as a whole is meant.
    pub line: Option<usize>,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for ReadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        write!(f, ": {}", self.what)
    }
}

impl Recorded {
    /// Reads the run at `path`: its folder, a file in it, or a `latest`
    /// pointer.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoSuchRun`], [`StoreError::Dangling`] or
    /// [`StoreError::NotARun`] when the path does not lead to a run,
    /// [`StoreError::Schema`] when the run was written by a suite whose schema
    /// this one does not read, [`StoreError::Malformed`] when `run.json` is
    /// broken, [`StoreError::Read`] when the system refuses.
    pub fn read(path: &Path) -> Result<Recorded, StoreError> {
        let dir = latest::resolve(path)?;
        let run = read_run(&dir)?;
        let (measurements, problems) = read_measurements(&dir.join(MEASUREMENTS_FILE))?;
        Ok(Recorded {
            dir,
            run,
            measurements,
            problems,
        })
    }
}

fn read_run(dir: &Path) -> Result<Run, StoreError> {
    let path = dir.join(RUN_FILE);
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::NotARun {
                path: dir.to_owned(),
            });
        }
        Err(cause) => return Err(StoreError::Read { path, cause }),
    };
    let malformed = |error: serde_json::Error| StoreError::Malformed {
        path: path.clone(),
        line: error.line(),
        column: error.column(),
        what: without_position(&error),
    };
    // The version first: the rest of a newer file may look like anything.
    let stamp: Stamp = serde_json::from_slice(&bytes).map_err(malformed)?;
    schema::check_version(stamp.schema).map_err(|version| StoreError::Schema {
        path: path.clone(),
        version,
    })?;
    serde_json::from_slice(&bytes).map_err(malformed)
}

fn read_measurements(path: &Path) -> Result<(Vec<Measurement>, Vec<ReadProblem>), StoreError> {
    let problem = |line, what| ReadProblem {
        file: path.to_owned(),
        line,
        what,
    };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            let what = String::from("is missing; the run has no measurements");
            return Ok((Vec::new(), vec![problem(None, what)]));
        }
        Err(cause) => {
            return Err(StoreError::Read {
                path: path.to_owned(),
                cause,
            });
        }
    };

    let mut measurements = Vec::new();
    let mut problems = Vec::new();
    let mut lines = bytes.split(|&byte| byte == b'\n').enumerate().peekable();
    while let Some((index, line)) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match parse(line) {
            Ok(measurement) => measurements.push(measurement),
            Err(mut what) => {
                // Every whole line ends with a line feed, so only the last
                // piece can be one that was cut short.
                if lines.peek().is_none() {
                    what = format!("the line was cut short ({what})");
                }
                problems.push(problem(Some(index + 1), what));
            }
        }
    }
    Ok((measurements, problems))
}

fn parse(line: &[u8]) -> Result<Measurement, String> {
    let measurement: Measurement =
        serde_json::from_slice(line).map_err(|error| diagnose(line, &error))?;
    measurement.check().map_err(|error| error.to_string())?;
    Ok(measurement)
}

/// What is wrong with a line. Of a line whose outcome matches none of the
/// kinds, serde can only say that; the field that marks the kind tells
/// which one was meant, and parsing it as that kind tells what is missing.
fn diagnose(line: &[u8], error: &serde_json::Error) -> String {
    if !error.is_data() {
        return format!("column {}: {}", error.column(), without_position(error));
    }
    let Ok(value) = serde_json::from_slice::<Value>(line) else {
        return without_position(error);
    };
    let meant = if value.get("unsupported").is_some() {
        return String::from("unsupported: the reason is not a text");
    } else if value.get("ns_per_op").is_some() {
        serde_json::from_value::<Cost>(value).err()
    } else if value.get("latency_ns").is_some() {
        serde_json::from_value::<Detach>(value).err()
    } else if value.get("visit_ns").is_some() {
        serde_json::from_value::<Visits>(value).err()
    } else if value.is_object() {
        return format!(
            "{}; the outcome should be one of ns_per_op, latency_ns, visit_ns and unsupported",
            without_position(error)
        );
    } else {
        None
    };
    without_position(meant.as_ref().unwrap_or(error))
}

/// The message without the position that serde_json ends it with: within a
/// line of a larger file, its "line 1" would mislead.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once(" at line ") {
        Some((message, _)) => message.to_owned(),
        None => text,
    }
}
