//! Where the sequence has not been written down.

use crate::Unsupported;

const WHY: &str = "the sequence with the gate inside is written for Linux on x86_64 only";

pub(super) fn sequence_status() -> Result<(), Unsupported> {
    Err(Unsupported::because(WHY))
}

pub(super) fn restarting_status() -> Result<(), Unsupported> {
    Err(Unsupported::because(WHY))
}

pub(super) fn restart() {
    unreachable!("nothing attaches where the sequence is unsupported");
}

/// How a sequence ended.
#[allow(dead_code)]
pub(super) enum Outcome {
    Entered,
    Closed,
    Aborted,
}

/// # Safety
///
/// None; the real one has conditions.
pub(super) unsafe fn enter_if_open<const SHIFT: u32>(
    _gate: *const u32,
    _first: *mut u64,
    _cpus: usize,
    _stretch: u64,
) -> Outcome {
    Outcome::Aborted
}
