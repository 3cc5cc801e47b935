//! Per-CPU counters without locked instructions: restartable sequences.
//!
//! A counter that belongs to a CPU may be incremented with plain instructions,
//! provided that nobody else gets that CPU between reading its number and
//! storing the sum. A kernel turns preemption off for that. Linux offers user
//! space the next best thing, *restartable sequences*: a thread announces a
//! range of instructions, and if the kernel takes the CPU away inside it
//! (preemption, migration, a signal), the thread resumes at an abort address
//! instead. If the range ends with the one store that takes effect, the effect
//! happens on the CPU that was looked up, or not at all.
//!
//! The C library registers a small area with the kernel for every thread
//! (glibc 2.35); `__rseq_offset` tells where, relative to the thread pointer.
//! The symbol is looked up at run time, so that the program also starts with a
//! C library that lacks it.
//!
//! A sequence that never gets through (a debugger that single-steps it aborts
//! it every time) must not spin for ever, so attempts are bounded and the
//! caller falls back on an atomic counter. The two never share a word: an
//! atomic increment on another CPU would be lost under a plain one.
//!
//! Sources: `rseq(2)` by Desnoyers, Turner and Hunter; librseq; the per-CPU
//! counters of libside.

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
#[path = "aarch64.rs"]
mod arch;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[path = "x86_64.rs"]
mod arch;

use crate::Unsupported;

/// Whether the kernel and the C library offer restartable sequences to this
/// process.
///
/// # Errors
///
/// [`Unsupported`] with what is missing.
pub fn rseq_status() -> Result<(), Unsupported> {
    Rseq::get().map(drop)
}

/// The increment did not happen: the caller has to count elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotCounted;

pub(crate) use os::Rseq;

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod os {
    use std::sync::OnceLock;

    use super::NotCounted;
    use super::arch::{self, Aborted};
    use crate::Unsupported;
    use crate::platform::possible_cpus;

    /// How often an increment is tried before the caller has to fall back. An
    /// abort takes a preemption, a migration or a signal within some ten
    /// instructions, so a second attempt is rare already.
    const ATTEMPTS: u32 = 16;

    /// Proof that this process has restartable sequences, and what it takes to
    /// use them. Threads carry it along, which saves the fast path a look-up.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Rseq {
        /// Where a thread's area lies, relative to its thread pointer.
        area: isize,
        /// CPUs that may ever exist.
        cpus: u32,
    }

    impl Rseq {
        /// The proof, if it can be had.
        pub(crate) fn get() -> Result<Self, Unsupported> {
            static RSEQ: OnceLock<Result<Rseq, Unsupported>> = OnceLock::new();
            RSEQ.get_or_init(|| {
                Ok(Rseq {
                    area: area()?,
                    cpus: u32::try_from(possible_cpus()).unwrap_or(u32::MAX),
                })
            })
            .clone()
        }

        /// Adds one to a counter of the current CPU: the one `OFFSET` bytes
        /// into the CPU's record.
        ///
        /// # Safety
        ///
        /// `first` points to the record of CPU 0, and those of the other
        /// [possible CPUs](possible_cpus) lie each `1 << SHIFT` bytes further
        /// on.
        #[inline(always)]
        pub(crate) unsafe fn increment<const SHIFT: u32, const OFFSET: usize>(
            self,
            first: *mut u8,
        ) -> Result<(), NotCounted> {
            let Rseq { area, cpus } = self;
            // SAFETY: `area` and `cpus` are right by construction, `first` and
            // the constants as the caller says.
            match unsafe { arch::increment::<SHIFT, OFFSET>(first, area, cpus) } {
                Ok(()) => Ok(()),
                // SAFETY: the same.
                Err(_) => unsafe { self.increment_again::<SHIFT, OFFSET>(first) },
            }
        }

        #[cold]
        #[inline(never)]
        unsafe fn increment_again<const SHIFT: u32, const OFFSET: usize>(
            self,
            first: *mut u8,
        ) -> Result<(), NotCounted> {
            let Rseq { area, cpus } = self;
            for _ in 1..ATTEMPTS {
                // SAFETY: as in `increment`.
                match unsafe { arch::increment::<SHIFT, OFFSET>(first, area, cpus) } {
                    Ok(()) => return Ok(()),
                    Err(Aborted::Restart) => {}
                    Err(Aborted::NoCpu) => break,
                }
            }
            Err(NotCounted)
        }
    }

    /// The offset of the area that the C library registered.
    fn area() -> Result<isize, Unsupported> {
        let symbol = |name: &std::ffi::CStr| {
            // SAFETY: `name` is a C string; the result is null or the address
            // of the C library's variable.
            unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) }
        };
        let offset = symbol(c"__rseq_offset").cast::<isize>();
        let size = symbol(c"__rseq_size").cast::<u32>();
        if offset.is_null() || size.is_null() {
            return Err(Unsupported::because(
                "the C library does not register restartable sequences (glibc 2.35 does)",
            ));
        }
        // SAFETY: both are variables of the C library with these types, set
        // before `main` and constant since.
        let (offset, size) = unsafe { (*offset, *size) };
        if size == 0 {
            return Err(Unsupported::because(
                "restartable sequences are switched off: by the kernel, by the \
                 glibc.pthread.rseq tunable, or by an emulator",
            ));
        }
        Ok(offset)
    }
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
mod os {
    use super::NotCounted;
    use crate::Unsupported;

    /// There is no proof, so there is no value of this type either.
    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Rseq {}

    impl Rseq {
        /// The proof, which cannot be had.
        pub(crate) fn get() -> Result<Self, Unsupported> {
            Err(Unsupported::because(
                "restartable sequences need Linux on x86_64 or aarch64",
            ))
        }

        /// Cannot be called.
        ///
        /// # Safety
        ///
        /// None; the real one has conditions.
        pub(crate) unsafe fn increment<const SHIFT: u32, const OFFSET: usize>(
            self,
            _first: *mut u8,
        ) -> Result<(), NotCounted> {
            match self {}
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const SHIFT: u32 = 7;
    const OFFSET: usize = 8;

    /// A record for each CPU, a line each.
    fn records() -> Vec<[u64; 16]> {
        vec![[0; 16]; crate::platform::possible_cpus()]
    }

    #[test]
    fn every_increment_counts_once() {
        let Ok(rseq) = Rseq::get() else {
            return;
        };
        let mut records = records();
        let first = records.as_mut_ptr() as usize;
        let (threads, each) = (4, 50_000);
        let increment =
            // SAFETY: there is a record of 1 << SHIFT bytes for every CPU.
            || unsafe { rseq.increment::<SHIFT, OFFSET>(first as *mut u8) };
        let fell_back: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|_| scope.spawn(|| (0..each).filter(|_| increment().is_err()).count()))
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).sum()
        });
        let counted: u64 = records.iter().map(|record| record[OFFSET / 8]).sum();
        let astray: u64 = records.iter().map(|record| record[0]).sum();
        assert_eq!(counted as usize + fell_back, threads * each);
        assert_eq!(astray, 0);
        assert!(counted > 0, "no increment ran as a restartable sequence");
    }
}
