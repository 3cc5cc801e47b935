//! Counters by CPU for the controls that need to look at them one by one.

use std::mem::offset_of;

use crate::Unsupported;
use crate::platform::possible_cpus;
use crate::platform::rseq::Rseq;
use crate::primitive::sync::{AtomicU64, Ordering};

/// The counters of one CPU, on a line of their own.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(super) struct Lane {
    pub(super) entered: AtomicU64,
    pub(super) left: AtomicU64,
}

const SHIFT: u32 = size_of::<Lane>().trailing_zeros();

/// Leaves and enters of every CPU, incremented in restartable sequences.
#[derive(Debug)]
pub(super) struct Cpus {
    /// One for every possible CPU.
    by_cpu: Box<[Lane]>,
    /// For threads whose sequence does not get through.
    fallback: Lane,
}

/// What a thread needs: the knowledge that there are restartable sequences.
#[derive(Debug)]
pub struct Registration {
    rseq: Rseq,
}

impl Registration {
    pub(super) fn new() -> Result<Self, Unsupported> {
        Ok(Registration { rseq: Rseq::get()? })
    }
}

impl Cpus {
    pub(super) fn new() -> Self {
        Cpus {
            by_cpu: (0..possible_cpus()).map(|_| Lane::default()).collect(),
            fallback: Lane::default(),
        }
    }

    pub(super) fn enter(&self, registration: &Registration) {
        const ENTERED: usize = offset_of!(Lane, entered);
        let first = self.by_cpu.as_ptr().cast_mut().cast();
        // SAFETY: there is a lane of 1 << SHIFT bytes for every possible CPU.
        let counted = unsafe { registration.rseq.increment::<SHIFT, ENTERED>(first) };
        if counted.is_err() {
            // Ordering: Relaxed; the light fence orders it before the gate.
            self.fallback.entered.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn leave(&self, registration: &Registration) {
        const LEFT: usize = offset_of!(Lane, left);
        let first = self.by_cpu.as_ptr().cast_mut().cast();
        // SAFETY: as in `enter`.
        let counted = unsafe { registration.rseq.increment::<SHIFT, LEFT>(first) };
        if counted.is_err() {
            // Ordering: Release pairs with the Acquire of whoever adds up.
            self.fallback.left.fetch_add(1, Ordering::Release);
        }
    }

    /// The lanes of the CPUs and the one that stands in for them.
    pub(super) fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.by_cpu.iter().chain([&self.fallback])
    }
}
