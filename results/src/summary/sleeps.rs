//! Workers that sleep.
//!
//! A heavy fence interrupts the CPUs on which threads of the process run, and
//! skips those that are idle. A detach whose late arrivals have gone to sleep is
//! therefore cheaper than the same fence under busy workers, and pays for waking
//! them. Two rows are fit to be compared all the same, but their reader must
//! know: [`sleeps_differ`] tells wherever rows are held against each other.

use std::collections::BTreeSet;

use super::{Key, Row, Summary};

/// Why it matters that [`sleeps_differ`].
pub const WHY_SLEEPS_MATTER: &str =
    "a heavy fence skips a CPU that is idle because its thread sleeps";

/// Whether workers slept in most detaches of some of these rows, and not of
/// others.
pub fn sleeps_differ<'r>(rows: impl IntoIterator<Item = &'r Row>) -> bool {
    let known = rows.into_iter().filter_map(Row::workers_slept);
    let known: BTreeSet<bool> = known.collect();
    known.len() > 1
}

impl Row {
    /// Whether workers slept in most detaches, where that is known.
    pub fn workers_slept(&self) -> Option<bool> {
        self.worker_sleeps.map(|sleeps| sleeps >= 0.5)
    }
}

impl Summary {
    /// Whether [`sleeps_differ`] between a row and that of the baseline.
    pub fn sleeps_differ_from_baseline(&self, row: &Row) -> bool {
        let baseline = self.get(&Key {
            strategy: self.baseline.clone(),
            ..row.key.clone()
        });
        sleeps_differ(baseline.into_iter().chain([row]))
    }
}
