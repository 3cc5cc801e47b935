//! Turnstiles by CPU: the mail's, with restartable sequences in the place of a
//! kernel's short non-preemptible section.
//!
//! A thread enters through the turnstile of the CPU it runs on and leaves
//! through that of the CPU it runs on then, which may be another. Nothing has
//! to be remembered between the two, so any thread may do the leaving.
//!
//! Next to the per-CPU counters stands one pair of atomic ones per device, for
//! the thread whose restartable sequence does not get through. The sums
//! include it.

use std::mem::offset_of;

use super::lanes::{Counters, Lanes};
use crate::Unsupported;
use crate::platform::rseq::Rseq;
use crate::platform::{possible_cpus, rseq_status};
use crate::primitive::area::{Area, Column, SHIFT};
use crate::primitive::sync::Ordering;

static AREA: Area<Counters> = Area::new();

/// Turnstiles by CPU.
#[derive(Debug)]
pub struct CpuLanes {
    column: Column<Counters>,
    fallback: Counters,
}

/// A thread needs no place of its own to enter by CPU. The C library
/// registered it with the kernel when it started; this tells where.
#[derive(Debug)]
pub struct CpuRegistration {
    rseq: Rseq,
}

impl CpuLanes {
    fn lanes(&self) -> impl Iterator<Item = &Counters> {
        (0..possible_cpus())
            // SAFETY: the area was made for that many CPUs.
            .map(|cpu| unsafe { self.column.lane(cpu) })
            .chain([&self.fallback])
    }

    // Out of line, so that the fast path is free of locked instructions to the
    // eye as well.
    #[cold]
    #[inline(never)]
    fn enter_by_fallback(&self) {
        // Ordering: Relaxed; as with the plain increment, the light fence that
        // follows orders it before the test of the gate.
        self.fallback.entered.fetch_add(1, Ordering::Relaxed);
    }

    #[cold]
    #[inline(never)]
    fn leave_by_fallback(&self) {
        // Ordering: Release pairs with the Acquire in `left`.
        self.fallback.left.fetch_add(1, Ordering::Release);
    }
}

// SAFETY: each counts on the record of its CPU, or on the fallback, and the sums
// include both; leaves are store-releases that `left` acquires.
unsafe impl Lanes for CpuLanes {
    type Registration = CpuRegistration;

    fn supported() -> Result<(), Unsupported> {
        rseq_status()
    }

    fn register() -> Result<CpuRegistration, Unsupported> {
        Ok(CpuRegistration { rseq: Rseq::get()? })
    }

    fn install() -> Result<Self, Unsupported> {
        rseq_status()?;
        let cpus = possible_cpus();
        Ok(CpuLanes {
            column: AREA.take(cpus, || cpus),
            fallback: Counters::default(),
        })
    }

    #[inline(always)]
    fn enter(&self, registration: &CpuRegistration) {
        const ENTERED: usize = offset_of!(Counters, entered);
        // SAFETY: the column has a record for every possible CPU, a page apart.
        let counted = unsafe {
            registration
                .rseq
                .increment::<SHIFT, ENTERED>(self.column.first())
        };
        if counted.is_err() {
            self.enter_by_fallback();
        }
    }

    #[inline(always)]
    fn leave(&self, registration: &CpuRegistration) {
        const LEFT: usize = offset_of!(Counters, left);
        // SAFETY: as in `enter`. The increment is a store-release: any store
        // of x86_64 is, and the one for aarch64 is written as one.
        let counted = unsafe {
            registration
                .rseq
                .increment::<SHIFT, LEFT>(self.column.first())
        };
        if counted.is_err() {
            self.leave_by_fallback();
        }
    }

    fn left(&self) -> u64 {
        self.lanes()
            // Ordering: Acquire pairs with the Release of `leave`: what a
            // holder did, its enter included, is seen by who counts its leave.
            .map(|lane| lane.left.load(Ordering::Acquire))
            .fold(0, u64::wrapping_add)
    }

    fn entered(&self) -> u64 {
        self.lanes()
            // Ordering: Relaxed; the Acquire loads of `left`, which come
            // first, and the heavy fence make visible what has to be.
            .map(|lane| lane.entered.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }

    fn counted(&self) -> Vec<(&'static str, u64)> {
        // Ordering: Relaxed; statistics.
        let fell_back = self.fallback.entered.load(Ordering::Relaxed);
        vec![
            ("rseq", self.entered().wrapping_sub(fell_back)),
            ("atomic fallback", fell_back),
        ]
    }
}

impl Drop for CpuLanes {
    fn drop(&mut self) {
        AREA.give_back(self.column.alias());
    }
}

#[cfg(all(test, not(loom)))]
impl super::tests::Preset for CpuLanes {
    fn preset(&self, count: u64) {
        super::tests::preset(self.lanes(), count);
    }
}
