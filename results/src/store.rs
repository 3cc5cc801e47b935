//! Writing a run as it goes.
//!
//! A run of minutes that is interrupted, or that crashes in its last strategy,
//! must not lose what it has measured. So its folder is made before the first
//! measurement, `run.json` stands in it at once and says `"complete": false`,
//! and each measurement is one write of one line to `measurements.jsonl`: the
//! death of the process cannot take a line back. Only when all is done does
//! [`finish`](Recorder::finish) replace `run.json`, by renaming a whole new
//! file over it, so that no reader ever sees half of one.
//!
//! Lines are not forced to the disk one by one: that would make the disk part
//! of what is measured. `finish` and `stop` do it once; until then a power cut
//! may cost lines that a crash would not.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::{Timestamp, Unit};

use crate::error::StoreError;
use crate::id;
use crate::read::Recorded;
use crate::record::{Measurement, Run, Warning};
use crate::schema::SCHEMA_VERSION;

/// Name of the file that describes the run.
pub const RUN_FILE: &str = "run.json";

/// Name of the file of measurements.
pub const MEASUREMENTS_FILE: &str = "measurements.jsonl";

/// The present time, as [`Run::started`] wants it: RFC 3339 in UTC, in whole
/// seconds.
pub fn utc_now() -> String {
    let now = Timestamp::now();
    now.round(Unit::Second).unwrap_or(now).to_string()
}

/// Makes sure that runs can be written under `root`, which is created if it is
/// missing. To be called before measuring: minutes of measurements must not
/// end at a folder that cannot be written.
///
/// # Errors
///
/// [`StoreError::NotWritable`] names the folder and the cause.
pub fn ensure_writable(root: &Path) -> Result<(), StoreError> {
    let not_writable = |cause| StoreError::NotWritable {
        path: root.to_owned(),
        cause,
    };
    fs::create_dir_all(root).map_err(not_writable)?;
    // Permission bits do not tell about read-only or full file systems, nor
    // about network shares; writing does.
    let probe = root.join(format!(".writable-{}", std::process::id()));
    let written = File::create(&probe).and_then(|mut file| file.write_all(b"probe\n"));
    let removed = match fs::remove_file(&probe) {
        // Another thread of this process was probing too, and was faster.
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    };
    written.and(removed).map_err(not_writable)
}

/// A run that is being written.
///
/// Dropping it without [`finish`](Self::finish) leaves a valid run that says
/// of itself that it is not complete.
#[derive(Debug)]
pub struct Recorder {
    dir: PathBuf,
    run: Run,
    lines: Lines<File>,
}

impl Recorder {
    /// Makes the run's folder, `<root>/<machine id>/<UTC time>`, and writes
    /// what is known of the run so far. Should a run of the same second exist,
    /// the folder's name gets a number: `...-2`, `...-3`.
    ///
    /// `schema` and `complete` of the run are set here, whatever they say.
    ///
    /// # Errors
    ///
    /// [`StoreError::MachineId`] or [`StoreError::Started`] when the folder
    /// cannot be named after the run, [`StoreError::NotWritable`] or
    /// [`StoreError::Write`] when it cannot be made.
    pub fn create(root: &Path, mut run: Run) -> Result<Recorder, StoreError> {
        run.schema = SCHEMA_VERSION;
        run.complete = false;
        let dir = create_folder(root, &run)?;
        write_run(&dir, &run)?;
        let path = dir.join(MEASUREMENTS_FILE);
        let file = OpenOptions::new().append(true).create_new(true).open(&path);
        let file = file.map_err(|cause| StoreError::Write { path, cause })?;
        Ok(Recorder {
            dir,
            run,
            lines: Lines::new(file),
        })
    }

    /// Goes on with a run that was interrupted, where it left off. Warnings of
    /// the kinds in `outdated` are taken out of it: whoever goes on will say
    /// them anew, of the whole run.
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyComplete`] when there is nothing to go on with,
    /// [`StoreError::OtherVersion`] when its measurements mean something else
    /// than those that would be added to them;
    /// [`StoreError::Write`] when the run cannot be written to.
    pub fn resume(recorded: &Recorded, outdated: &[&str]) -> Result<Recorder, StoreError> {
        let dir = recorded.dir.clone();
        if recorded.run.complete {
            return Err(StoreError::AlreadyComplete { path: dir });
        }
        if recorded.run.schema != SCHEMA_VERSION {
            return Err(StoreError::OtherVersion {
                path: dir,
                version: recorded.run.schema,
            });
        }
        let path = dir.join(MEASUREMENTS_FILE);
        let file = open_whole_lines(&path).map_err(|cause| StoreError::Write {
            path: path.clone(),
            cause,
        })?;
        let lines = Lines::new(file);
        let mut run = recorded.run.clone();
        // Whoever ends the run says them anew, of the whole of it.
        run.warnings
            .retain(|warning| !outdated.contains(&warning.kind.as_str()));
        Ok(Recorder { dir, run, lines })
    }

    /// Changes what is known of the run, and writes it down. To be called when
    /// nothing is being measured: it waits for the disk.
    ///
    /// # Errors
    ///
    /// [`StoreError::Write`]; the former `run.json` is there all the same.
    pub fn update(&mut self, change: impl FnOnce(&mut Run)) -> Result<(), StoreError> {
        change(&mut self.run);
        write_run(&self.dir, &self.run)
    }

    /// The folder of the run.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The run as last written.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Writes one measurement. When it returns, the death of the process
    /// cannot lose it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Implausible`] when the measurement cannot be true; then
    /// nothing was written. [`StoreError::Write`] when the line could not be
    /// written, whole or in part; the lines before it, and those that later
    /// calls write, are not harmed.
    pub fn append(&mut self, measurement: &Measurement) -> Result<(), StoreError> {
        measurement
            .check()
            .map_err(|cause| StoreError::Implausible {
                strategy: measurement.strategy.clone(),
                scenario: measurement.scenario.clone(),
                threads: measurement.threads,
                cause,
            })?;
        serde_json::to_string(measurement)
            .map_err(io::Error::from)
            .and_then(|line| self.lines.write(&line))
            .map_err(|cause| StoreError::Write {
                path: self.dir.join(MEASUREMENTS_FILE),
                cause,
            })
    }

    /// Ends a run that measured all that it set out to measure, and returns
    /// its folder.
    ///
    /// `warnings` are added to those that the run began with.
    ///
    /// # Errors
    ///
    /// [`StoreError::Write`]; the measurements and the former `run.json` are
    /// there all the same.
    pub fn finish(self, warnings: Vec<Warning>) -> Result<PathBuf, StoreError> {
        self.end(true, warnings)
    }

    /// Ends a run that was interrupted: as [`finish`](Self::finish), but the
    /// run stays incomplete.
    ///
    /// # Errors
    ///
    /// As [`finish`](Self::finish).
    pub fn stop(self, warnings: Vec<Warning>) -> Result<PathBuf, StoreError> {
        self.end(false, warnings)
    }

    fn end(mut self, complete: bool, warnings: Vec<Warning>) -> Result<PathBuf, StoreError> {
        // The measurements first: a complete run.json must not outlive them.
        self.lines
            .sink
            .sync_all()
            .map_err(|cause| StoreError::Write {
                path: self.dir.join(MEASUREMENTS_FILE),
                cause,
            })?;
        self.run.complete = complete;
        self.run.warnings.extend(warnings);
        write_run(&self.dir, &self.run)?;
        Ok(self.dir)
    }
}

/// Where a run belongs under a root: `<machine id>/<UTC time>`.
pub(crate) fn folder_of(root: &Path, run: &Run) -> Result<PathBuf, StoreError> {
    let id = &run.machine.id;
    if !id::is_folder_safe(id) {
        return Err(StoreError::MachineId { id: id.clone() });
    }
    let started: Timestamp =
        run.started
            .parse()
            .map_err(|error: jiff::Error| StoreError::Started {
                started: run.started.clone(),
                what: error.to_string(),
            })?;
    // Colons are not allowed in names on Windows.
    let name = started.strftime("%Y-%m-%dT%H-%M-%SZ").to_string();
    Ok(root.join(id).join(name))
}

/// Makes a folder that no other run has.
fn create_folder(root: &Path, run: &Run) -> Result<PathBuf, StoreError> {
    let wanted = folder_of(root, run)?;
    let machine = root.join(&run.machine.id);
    fs::create_dir_all(&machine).map_err(|cause| StoreError::NotWritable {
        path: machine,
        cause,
    })?;
    let mut dir = wanted.clone();
    let mut number = 1_u32;
    loop {
        // create_dir, unlike a test for existence, cannot give one folder to
        // two runs that start at once.
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                number += 1;
                let mut name = wanted.file_name().unwrap_or_default().to_owned();
                name.push(format!("-{number}"));
                dir.set_file_name(name);
            }
            Err(cause) => return Err(StoreError::NotWritable { path: dir, cause }),
        }
    }
}

/// Opens a file of lines for more of them. The beginning of a line, which a full
/// disk may have left at the end, is taken off: nobody was told that it had been
/// written, and in the middle of the file no reader could explain it.
fn open_whole_lines(path: &Path) -> io::Result<File> {
    let text = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        result => result?,
    };
    let whole = text.iter().rposition(|&byte| byte == b'\n');
    let file = OpenOptions::new().append(true).create(true).open(path)?;
    file.set_len(whole.map_or(0, |last| last as u64 + 1))?;
    Ok(file)
}

/// Replaces `run.json` by a whole new one.
pub(crate) fn write_run(dir: &Path, run: &Run) -> Result<(), StoreError> {
    let path = dir.join(RUN_FILE);
    let temporary = dir.join(format!("{RUN_FILE}.tmp"));
    let write = || -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(run)?;
        text.push(b'\n');
        let mut file = File::create(&temporary)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&temporary, &path)
    };
    write().map_err(|cause| StoreError::Write { path, cause })
}

/// Writes lines whole, and keeps one that failed in the middle from spoiling
/// the next.
#[derive(Debug)]
struct Lines<W> {
    sink: W,
    /// Whether what was written last may be a part of a line.
    torn: bool,
}

impl<W: Write> Lines<W> {
    fn new(sink: W) -> Self {
        Lines { sink, torn: false }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        // One buffer and thereby, for a file, one system call: a process that
        // dies leaves the line or does not, but hardly ever half of it.
        let mut text = Vec::with_capacity(line.len() + 2);
        if self.torn {
            text.push(b'\n');
        }
        text.extend_from_slice(line.as_bytes());
        text.push(b'\n');
        self.torn = true;
        self.sink.write_all(&text)?;
        self.sink.flush()?;
        self.torn = false;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk that takes so many bytes and then is full, until it is given
    /// more room.
    struct Disk {
        written: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.room);
            if taken == 0 && !bytes.is_empty() {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= taken;
            self.written.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_that_failed_does_not_spoil_the_next() {
        let mut lines = Lines::new(Disk {
            written: Vec::new(),
            room: 8,
        });
        lines.write("first").unwrap();
        let error = lines.write("second").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        lines.sink.room = 100;
        lines.write("third").unwrap();
        lines.write("fourth").unwrap();
        assert_eq!(
            String::from_utf8(lines.sink.written).unwrap(),
            "first\nse\nthird\nfourth\n"
        );
    }

    #[test]
    fn the_present_is_a_time_in_utc() {
        let now = utc_now();
        assert!(now.ends_with('Z') && !now.contains('.'), "{now}");
        now.parse::<Timestamp>().unwrap();
    }
}
