//! Versions of the records, and what a reader may rely on.
//!
//! `run.json` names the version of the schema that its folder was written in.
//! Within one version only optional fields are added, and readers skip fields
//! that they do not know, so a record written by a later build of the same
//! version still reads. Whatever changes the meaning of a field, or removes
//! one, raises [`SCHEMA_VERSION`]; a build refuses versions newer than its
//! own, since a field that it misreads would be a wrong figure.
//!
//! # Version 2
//!
//! - Disturbed samples are no longer among the others: `ns_per_op`,
//!   `latency_ns` and `visit_ns` are made of the undisturbed ones, as long as
//!   there are any, and the disturbed ones are in `set_apart`. Records of
//!   version 1 have both together. This is what changed a meaning.
//! - A measurement may hold how long single visits took (`visit_ns`,
//!   `clock_ns`), a third kind beside costs and detaches.
//! - A workload may say how long holders stay (`hold_ns`), whether devices are
//!   picked unevenly (`skewed`), whether they are detached in one call
//!   (`together`), and how many detaches take place meanwhile
//!   (`detach_rate`); figures may say `bytes_per_device`,
//!   `detaches_per_second`, `refused_ns`, `overtook` and `round_p50_ns`, and
//!   measurements how often workers slept (`worker_sleeps`).
//! - `run.json` may hold a `calibration` and `probes`, and more about the
//!   machine.
//!
//! # JSON Schema
//!
//! [`run`] and [`measurement`] give both kinds of document as JSON Schema, of
//! the newest version; as all that it added is optional, documents of version 1
//! fit as well. It is made from the types that records are written from, so it
//! cannot say anything else than these. What it cannot express, such as that
//! the buckets of a histogram ascend, [`check`](crate::check) says.

use schemars::{Schema, SchemaGenerator};
use serde::Deserialize;

pub use crate::record::SCHEMA_VERSION;
use crate::record::{Measurement, Run};

/// The oldest version that this crate reads.
pub const OLDEST_VERSION: u32 = 1;

/// The one field that every version of `run.json` has and will have.
#[derive(Deserialize)]
pub(crate) struct Stamp {
    pub(crate) schema: u32,
}

/// A version of the schema that this build does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableVersion {
    /// Written by a newer suite.
    #[error(
        "written in schema {found}, but this build reads no schema newer than {newest}: \
         update detach-bench to read it, or measure again with this one"
    )]
    Newer {
        /// The version in the file.
        found: u32,
        /// The newest version that this build reads.
        newest: u32,
    },
    /// Older than anything that this build reads.
    #[error(
        "written in schema {found}, but this build reads no schema older than {oldest}: \
         use the detach-bench that wrote it, or measure again with this one"
    )]
    Older {
        /// The version in the file.
        found: u32,
        /// The oldest version that this build reads.
        oldest: u32,
    },
}

/// JSON Schema of `run.json`.
pub fn run() -> Schema {
    SchemaGenerator::default().into_root_schema_for::<Run>()
}

/// JSON Schema of a line of `measurements.jsonl`.
pub fn measurement() -> Schema {
    SchemaGenerator::default().into_root_schema_for::<Measurement>()
}

/// Whether this build reads the version.
///
/// # Errors
///
/// [`UnreadableVersion`] names both versions and what to do.
pub fn check_version(found: u32) -> Result<(), UnreadableVersion> {
    if found > SCHEMA_VERSION {
        Err(UnreadableVersion::Newer {
            found,
            newest: SCHEMA_VERSION,
        })
    } else if found < OLDEST_VERSION {
        Err(UnreadableVersion::Older {
            found,
            oldest: OLDEST_VERSION,
        })
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_in_between_are_read() {
        for version in OLDEST_VERSION..=SCHEMA_VERSION {
            assert_eq!(check_version(version), Ok(()));
        }
    }

    #[test]
    fn both_ends_are_refused_by_name() {
        let newer = check_version(SCHEMA_VERSION + 1).unwrap_err().to_string();
        assert!(
            newer.contains(&format!("schema {}", SCHEMA_VERSION + 1)),
            "{newer}"
        );
        assert!(
            newer.contains(&format!("newer than {SCHEMA_VERSION}")),
            "{newer}"
        );
        assert!(newer.contains("update detach-bench"), "{newer}");

        let older = check_version(OLDEST_VERSION - 1).unwrap_err().to_string();
        assert!(
            older.contains(&format!("older than {OLDEST_VERSION}")),
            "{older}"
        );
    }
}
