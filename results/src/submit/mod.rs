//! Packing a run for others: what is fit to be published, without what is
//! private, where nothing is overwritten.
//!
//! Three kinds of things may be private in a record. Options may hold paths;
//! those that do are left out. Free text (options, compiler flags, warnings,
//! reasons of what is unsupported) may name the user, the machine or the home
//! directory; the names are replaced. Everything else describes hardware and
//! software and should name nobody; where it does all the same, the run is
//! refused, since a changed fact would be a wrong one.

mod private;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::StoreError;
use crate::read::Recorded;
use crate::record::{Measurement, Outcome, Run, Warning};
use crate::store::{self, MEASUREMENTS_FILE};

pub use private::Private;

/// Options that are about the machine of whoever measured.
const PATH_OPTIONS: [&str; 3] = ["out", "output", "to"];

/// Why a run should not be published.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Some of it cannot be read.
    #[error("{0} of its lines cannot be read")]
    Unreadable(usize),
    /// There is nothing in it.
    #[error("it holds no measurement")]
    Empty,
    /// It was built without optimization.
    #[error("it was built without optimization, so its figures mean nothing")]
    Debug,
    /// It did not measure all that it set out to measure.
    #[error("it was not completed")]
    Incomplete,
    /// Nobody has the source that it was built from.
    #[error("it was built from a work tree that differed from its revision")]
    Dirty,
    /// Nobody knows the source that it was built from.
    #[error("the revision that it was built from is not known")]
    UnknownRevision,
    /// A field that should be about nobody names the user or the machine.
    #[error("{0} names the user or the machine")]
    Private(String),
}

impl Unfit {
    /// What can be done about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Unfit::Unreadable(_) => "measure again; a run with broken lines is no evidence",
            Unfit::Empty => "measure again",
            Unfit::Debug => "measure with `cargo run --release -- run`",
            Unfit::Incomplete => {
                "let a run come to its end, or say --anyway to submit what there is"
            }
            Unfit::Dirty | Unfit::UnknownRevision => {
                "commit, build again and measure again, or say --anyway to submit it as it is"
            }
            Unfit::Private(_) => "edit that field in a copy of the run, and submit the copy",
        }
    }

    /// Whether a reader can judge the run all the same, once it is told.
    pub fn is_tolerable(&self) -> bool {
        self.warning_kind().is_some()
    }

    fn warning_kind(&self) -> Option<&'static str> {
        match self {
            Unfit::Incomplete => Some("submitted-incomplete"),
            Unfit::Dirty => Some("submitted-dirty"),
            Unfit::UnknownRevision => Some("submitted-unknown-revision"),
            Unfit::Unreadable(_) | Unfit::Empty | Unfit::Debug | Unfit::Private(_) => None,
        }
    }
}

/// Why a run was not packed.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// It should not be published.
    #[error("{run} is not fit to be submitted:{}", listed(reasons))]
    Unfit {
        /// Name of the run.
        run: String,
        /// Every reason, of which there is at least one.
        reasons: Vec<Unfit>,
    },
    /// There is something in its place.
    #[error(
        "{} exists already, and what is recorded is never changed; submit to another folder \
         with --to, or delete it if it was not committed yet",
        .0.display()
    )]
    Exists(PathBuf),
    /// It could not be written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn listed(reasons: &[Unfit]) -> String {
    let reasons = reasons
        .iter()
        .map(|one| format!("\n  {one}\n      hint: {}", one.hint()));
    reasons.collect()
}

/// A run that is fit to be published.
#[derive(Clone, Debug, PartialEq)]
pub struct Submission {
    /// The run, without what is private.
    pub run: Run,
    /// Its measurements, likewise.
    pub measurements: Vec<Measurement>,
    /// What was taken out or replaced, for the user to see.
    pub removed: Vec<String>,
}

impl Submission {
    /// Takes what is private out of a run, and sees whether the rest is fit to
    /// be published. With `anyway`, what is [tolerable](Unfit::is_tolerable)
    /// becomes a warning in the run.
    ///
    /// # Errors
    ///
    /// [`SubmitError::Unfit`] with every reason.
    pub fn prepare(
        recorded: &Recorded,
        private: &Private,
        anyway: bool,
    ) -> Result<Submission, SubmitError> {
        let mut submission = Submission {
            run: recorded.run.clone(),
            measurements: recorded.measurements.clone(),
            removed: Vec::new(),
        };
        let (tolerable, mut reasons): (Vec<Unfit>, Vec<Unfit>) =
            unfit(recorded).into_iter().partition(Unfit::is_tolerable);
        if anyway {
            submission
                .run
                .warnings
                .extend(tolerable.iter().filter_map(as_warning));
        } else {
            reasons.extend(tolerable);
        }
        submission.scrub(private);
        reasons.extend(submission.still_private(private));
        if reasons.is_empty() {
            Ok(submission)
        } else {
            Err(SubmitError::Unfit {
                run: recorded.run.name(),
                reasons,
            })
        }
    }

    /// Writes the run to `<root>/<machine id>/<UTC time>`, and returns that
    /// folder.
    ///
    /// # Errors
    ///
    /// [`SubmitError::Exists`] when there is anything of that name,
    /// [`SubmitError::Store`] when it cannot be written; then nothing is left
    /// of it.
    pub fn write(&self, root: &Path) -> Result<PathBuf, SubmitError> {
        let dir = store::folder_of(root, &self.run)?;
        let not_writable = |cause| StoreError::NotWritable {
            path: dir.clone(),
            cause,
        };
        if let Some(machine) = dir.parent() {
            fs::create_dir_all(machine).map_err(not_writable)?;
        }
        // Unlike a test for existence, this cannot be overtaken.
        match fs::create_dir(&dir) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                return Err(SubmitError::Exists(dir));
            }
            result => result.map_err(not_writable)?,
        }
        let written = self.write_files(&dir);
        if written.is_err() {
            // The error that is told is the one that came first.
            let _ = fs::remove_dir_all(&dir);
        }
        written?;
        Ok(dir)
    }

    fn write_files(&self, dir: &Path) -> Result<(), StoreError> {
        let path = dir.join(MEASUREMENTS_FILE);
        let lines = || -> io::Result<()> {
            let mut text = String::new();
            for measurement in &self.measurements {
                text += &serde_json::to_string(measurement)?;
                text.push('\n');
            }
            fs::write(&path, text)
        };
        lines().map_err(|cause| StoreError::Write {
            path: path.clone(),
            cause,
        })?;
        store::write_run(dir, &self.run)
    }

    /// Takes out what may be taken out.
    fn scrub(&mut self, private: &Private) {
        let Submission {
            run,
            measurements,
            removed,
        } = self;
        run.options.retain(|name, value| {
            let keep = !PATH_OPTIONS.contains(&name.as_str()) && !holds_path(value);
            if !keep {
                removed.push(format!("the option {name}, which holds a path"));
            }
            keep
        });
        let flags = without_paths(&run.build.flags);
        if flags != run.build.flags {
            removed.push(format!("paths in the compiler flags, now: {flags}"));
            run.build.flags = flags;
        }
        let mut replace = |text: &mut String, what: &str| {
            if let Some(changed) = private.removed_from(text) {
                removed.push(format!("names in {what}, now: {changed}"));
                *text = changed;
            }
        };
        for (name, value) in &mut run.options {
            replace(value, &format!("the option {name}"));
        }
        replace(&mut run.build.flags, "the compiler flags");
        for warning in &mut run.warnings {
            replace(&mut warning.message, "a warning");
            replace(&mut warning.hint, "a hint");
        }
        for measurement in measurements {
            if let Outcome::Unsupported { unsupported } = &mut measurement.outcome {
                replace(unsupported, "the reason of something unsupported");
            }
        }
    }

    /// Fields in which something private is left.
    fn still_private(&self, private: &Private) -> Vec<Unfit> {
        let mut fields = Vec::new();
        let mut look = |value: serde_json::Result<Value>, document: &str| {
            let value = value.expect("records hold text and numbers only");
            find(&value, document, private, &mut fields);
        };
        look(serde_json::to_value(&self.run), store::RUN_FILE);
        for measurement in &self.measurements {
            look(serde_json::to_value(measurement), MEASUREMENTS_FILE);
        }
        fields.sort();
        fields.dedup();
        fields.into_iter().map(Unfit::Private).collect()
    }
}

fn unfit(recorded: &Recorded) -> Vec<Unfit> {
    let run = &recorded.run;
    let mut reasons = Vec::new();
    if !recorded.problems.is_empty() {
        reasons.push(Unfit::Unreadable(recorded.problems.len()));
    } else if recorded.measurements.is_empty() {
        reasons.push(Unfit::Empty);
    }
    if run.build.is_debug() {
        reasons.push(Unfit::Debug);
    }
    if !run.complete {
        reasons.push(Unfit::Incomplete);
    }
    match run.build.dirty {
        Some(false) => {}
        Some(true) => reasons.push(Unfit::Dirty),
        None => reasons.push(Unfit::UnknownRevision),
    }
    reasons
}

fn as_warning(unfit: &Unfit) -> Option<Warning> {
    Some(Warning {
        kind: unfit.warning_kind()?.to_owned(),
        message: format!("submitted although {unfit}"),
        hint: "prefer a complete run of a committed revision where there is one".to_owned(),
    })
}

/// Whether any part of an option's value looks like a path of a machine. Names
/// of benchmarks have slashes, too, but do not begin with one.
fn holds_path(value: &str) -> bool {
    let parts = value.split(|c: char| c.is_whitespace() || matches!(c, ',' | '=' | '"' | '\''));
    parts.into_iter().any(|part| {
        let begins = ["/", "\\", "~", "./", "../", ".\\", "..\\"];
        let drive = matches!(part.as_bytes(), [_, b':', b'/' | b'\\', ..]);
        drive || begins.iter().any(|begin| part.starts_with(begin))
    })
}

/// Compiler flags with every path cut off where it begins, which may be in the
/// middle of a word.
fn without_paths(flags: &str) -> String {
    let words = flags.split_whitespace().map(|word| {
        let begin = word.find(['/', '\\', '~']);
        begin.map_or_else(|| word.to_owned(), |at| format!("{}<path>", &word[..at]))
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Fields with something private in their text, or in their name.
fn find(value: &Value, place: &str, private: &Private, fields: &mut Vec<String>) {
    match value {
        Value::String(text) if private.removed_from(text).is_some() => {
            fields.push(place.to_owned());
        }
        Value::Array(values) => {
            for value in values {
                find(value, place, private, fields);
            }
        }
        Value::Object(entries) => {
            for (name, value) in entries {
                if private.removed_from(name).is_some() {
                    fields.push(format!("a name in {place}"));
                }
                find(value, &format!("{place}, {name}"), private, fields);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_from_names() {
        for path in [
            "/srv/x",
            "--profile /srv/x",
            "--dir=./x",
            "../x",
            "~/x",
            "a,/b",
            "C:\\runs",
            "\"/srv/my runs\"",
        ] {
            assert!(holds_path(path), "{path}");
        }
        for other in [
            "",
            "0-3,8",
            "fast_path/turnstile",
            "120000ms",
            "1:2",
            "true",
        ] {
            assert!(!holds_path(other), "{other}");
        }
    }

    #[test]
    fn flags_lose_their_paths_and_nothing_else() {
        for (flags, public) in [
            ("", ""),
            ("-C target-cpu=native", "-C target-cpu=native"),
            ("-L /opt/lib -L/opt/lib", "-L <path> -L<path>"),
            (
                "--remap-path-prefix=/home/a=src",
                "--remap-path-prefix=<path>",
            ),
            ("-Clinker=C:\\bin\\ld -v", "-Clinker=C:<path> -v"),
        ] {
            assert_eq!(without_paths(flags), public);
        }
    }
}
