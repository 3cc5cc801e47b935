//! Versions of the records, and what a reader may rely on.
//!
//! `run.json` names the version of the schema that its folder was written in.
//! Within one version only optional fields are added, and readers skip fields
//! that they do not know, so a record written by a later build of the same
//! version still reads. Whatever changes the meaning of a field, or removes
//! one, raises [`SCHEMA_VERSION`]; a build refuses versions newer than its
//! own, since a field that it misreads would be a wrong figure.

use serde::Deserialize;

pub use crate::record::SCHEMA_VERSION;

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
