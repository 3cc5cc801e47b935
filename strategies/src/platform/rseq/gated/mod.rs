//! Per-CPU counters that can be frozen: a gate inside the restartable sequence.
//!
//! The increment of the parent module cannot be called off. This one looks at a
//! word of its device first, the *limit*, and counts only on CPUs whose number is
//! below it. The comparison is there anyway, for a thread without a CPU number
//! reads a large one. So a limit of zero, which no number is below, shuts all
//! counters at the price of an operand: that is the gate.
//!
//! Test and commit are one sequence. Whoever writes the zero and then restarts
//! every sequence of the process (`platform::restart`) knows that none counts any
//! more: what had passed the test by then has either committed, or begins again
//! and finds the zero.

#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
pub(super) mod arch;

use super::{NotCounted, Rseq};
use crate::primitive::area::Column;
use crate::primitive::sync::{AtomicU32, AtomicU64};

/// What the sequence reads of a device, laid out as it expects it.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Gate {
    /// CPUs of a lower number may count.
    pub(crate) limit: AtomicU32,
    /// A counter for each CPU.
    pub(crate) counters: Column<AtomicU64>,
}

#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
impl Rseq {
    /// Adds `STEP` to the counter of the current CPU, if the gate admits it.
    ///
    /// # Safety
    ///
    /// The gate has a counter for every CPU below any limit that it ever had,
    /// each `1 << SHIFT` bytes after the one before.
    #[inline(always)]
    pub(crate) unsafe fn add_if_admitted<const SHIFT: u32, const STEP: i64>(
        self,
        gate: &Gate,
    ) -> Result<(), NotCounted> {
        // SAFETY: `area` is right by construction, the counters as the caller
        // says.
        match unsafe { arch::add_if_admitted::<SHIFT, STEP>(gate, self.area()) } {
            Ok(()) => Ok(()),
            // SAFETY: the same.
            Err(_) => unsafe { self.add_again::<SHIFT, STEP>(gate) },
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn add_again<const SHIFT: u32, const STEP: i64>(
        self,
        gate: &Gate,
    ) -> Result<(), NotCounted> {
        use super::arch::Aborted;
        for _ in 1..super::ATTEMPTS {
            // SAFETY: as in `add_if_admitted`.
            match unsafe { arch::add_if_admitted::<SHIFT, STEP>(gate, self.area()) } {
                Ok(()) => return Ok(()),
                Err(Aborted::Restart) => {}
                Err(Aborted::NoCpu) => break,
            }
        }
        Err(NotCounted)
    }
}

#[cfg(not(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
impl Rseq {
    /// Cannot be called.
    ///
    /// # Safety
    ///
    /// None; the real one has conditions.
    pub(crate) unsafe fn add_if_admitted<const SHIFT: u32, const STEP: i64>(
        self,
        _gate: &Gate,
    ) -> Result<(), NotCounted> {
        match self {}
    }
}
