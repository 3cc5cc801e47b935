//! Where the stretched sequence has not been written down.

use crate::Unsupported;
use crate::platform::rseq::gated::Gate;

pub(super) fn supported() -> Result<(), Unsupported> {
    Err(Unsupported::because(
        "the sequence with a window is written for Linux on x86_64 only",
    ))
}

/// # Safety
///
/// None; the real one has conditions.
pub(super) unsafe fn enter_slowly(_gate: &Gate, _area: isize, _stretch: u64) -> bool {
    false
}
