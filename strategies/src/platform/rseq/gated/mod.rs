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
//!
//! Like its parent's, the sequence clears the address of its descriptor on every
//! way out, so that the library that contains it can be unloaded.
//!
//! The sequence adds the offset of the CPU to the pointer first, and then counts
//! at `[register]`: a counter that is read right after it was written comes out
//! of the store buffer, and with an index in the address that takes current Intel
//! processors seven cycles instead of none.

#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod arch;

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
    /// The column has a lane for every CPU below any limit that the gate ever
    /// had.
    #[inline(always)]
    pub(crate) unsafe fn add_if_admitted<const STEP: i64>(
        self,
        gate: &Gate,
    ) -> Result<(), NotCounted> {
        // SAFETY: `area` is right by construction, the counters as the caller
        // says.
        match unsafe { arch::add_if_admitted::<STEP>(gate, self.area()) } {
            Ok(()) => Ok(()),
            // SAFETY: the same.
            Err(_) => unsafe { self.add_again::<STEP>(gate) },
        }
    }

    #[cold]
    #[inline(never)]
    unsafe fn add_again<const STEP: i64>(self, gate: &Gate) -> Result<(), NotCounted> {
        for _ in 1..super::ATTEMPTS {
            // SAFETY: as in `add_if_admitted`.
            match unsafe { arch::add_if_admitted::<STEP>(gate, self.area()) } {
                Ok(()) => return Ok(()),
                Err(arch::Aborted::Restart) => {}
                Err(arch::Aborted::NotAdmitted) => break,
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
    pub(crate) unsafe fn add_if_admitted<const STEP: i64>(
        self,
        _gate: &Gate,
    ) -> Result<(), NotCounted> {
        match self {}
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;
    use crate::platform::possible_cpus;
    use crate::primitive::area::Area;

    static AREA: Area<AtomicU64> = Area::new();

    fn sum(gate: &Gate) -> u64 {
        (0..possible_cpus())
            // SAFETY: the area has a lane for every CPU.
            .map(|cpu| unsafe { gate.counters.lane(cpu) }.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }

    #[test]
    fn counts_up_and_down_and_not_at_all() {
        let Ok(rseq) = Rseq::get() else {
            return;
        };
        let cpus = possible_cpus();
        let gate = Gate {
            limit: AtomicU32::new(cpus as u32),
            counters: AREA.take(cpus, || cpus),
        };
        // SAFETY: the column has a lane for every CPU.
        let up = || unsafe { rseq.add_if_admitted::<1>(&gate) }.is_ok();
        // SAFETY: the same.
        let down = || unsafe { rseq.add_if_admitted::<-1>(&gate) }.is_ok();
        let mut expected = 0u64;
        for _ in 0..1000 {
            expected = expected.wrapping_add(u64::from(up()));
            expected = expected.wrapping_add(u64::from(up()));
            expected = expected.wrapping_sub(u64::from(down()));
        }
        assert_eq!(sum(&gate), expected);
        assert!(expected > 0, "no sequence went through");
        gate.limit.store(0, Ordering::Relaxed);
        assert!(!up() && !down());
        assert_eq!(sum(&gate), expected);
    }
}
