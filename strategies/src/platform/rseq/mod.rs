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
//! # Unloading
//!
//! What arms a sequence is the address of a descriptor in the thread's area,
//! and the descriptor is part of the program or library that contains this
//! crate. The kernel looks at it whenever it interrupts the thread, and kills
//! the process if it cannot read it. It also clears the address when it finds
//! the thread outside the range, so that most programs never do it themselves.
//! But a thread that nothing interrupts may keep the address for long, and if a
//! library that contains this crate is unloaded meanwhile, the process dies at
//! that thread's next preemption. Therefore each sequence clears the address on
//! every way out: **outside of an acquire or a release no thread refers to the
//! library's memory.** A host needs to know no more than that nobody is in
//! there, which unloading takes anyway.
//!
//! Two cheaper places do not suffice. Only the release: a guard may be dropped
//! by another thread than acquired it, which leaves that one armed. Only the
//! registration's end, on its thread: registrations may be lent, sent and
//! leaked. Besides, there is little to gain: on an idle Zen 3 a lap takes 2.0 ns
//! with and without the two stores, and a tenth more with them where something
//! else keeps the machine busy.
//!
//! # No way through
//!
//! A sequence that never gets through (a debugger that single-steps it aborts
//! it every time) must not spin for ever, so attempts are bounded and the
//! caller falls back on an atomic counter. The two never share a word: an
//! atomic increment on another CPU would be lost under a plain one.
//!
//! Sources: `rseq(2)` by Desnoyers, Turner and Hunter; librseq; the per-CPU
//! counters of libside.

#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[cfg_attr(target_arch = "aarch64", path = "aarch64.rs")]
#[cfg_attr(target_arch = "x86_64", path = "x86_64.rs")]
mod arch;
#[cfg(not(loom))]
pub(crate) mod gated;
#[cfg(all(test, not(loom), target_os = "linux", target_pointer_width = "64"))]
mod tests;

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

/// How often an increment is tried before the caller has to fall back. An abort
/// takes a preemption, a migration or a signal within some ten instructions, so
/// a second attempt is rare already.
const ATTEMPTS: u32 = 16;

#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod os {
    use super::arch::{self, Aborted};
    use super::{ATTEMPTS, NotCounted};
    use crate::Unsupported;
    use crate::platform::{kernel, possible_cpus};
    use crate::primitive::once_box::OnceBox;

    // Pointers of 32 bits (x32, aarch64 ILP32) lie elsewhere in the descriptor
    // and leave the upper half of their registers undefined.
    const _: () = assert!(size_of::<*const ()>() == 8);

    /// Proof that this process has restartable sequences, and what it takes to
    /// use them. Threads carry it along, which saves the fast path a look-up.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct Rseq {
        /// Where a thread's area lies, relative to its thread pointer.
        area: isize,
        /// CPUs that may ever exist. One beyond, should the number be wrong,
        /// counts as a thread without a CPU.
        cpus: u32,
    }

    impl Rseq {
        /// The proof, if it can be had.
        pub(crate) fn get() -> Result<Self, Unsupported> {
            static RSEQ: OnceBox<Result<Rseq, Unsupported>> = OnceBox::new();
            RSEQ.get_or_init(|| {
                kernel::restarts_on_preemption()?;
                Ok(Rseq {
                    area: area()?,
                    cpus: u32::try_from(possible_cpus()).unwrap_or(u32::MAX),
                })
            })
            .clone()
        }

        /// Where a thread's area lies, relative to its thread pointer.
        #[inline(always)]
        pub(crate) fn area(self) -> isize {
            self.area
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
    target_pointer_width = "64",
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
                "restartable sequences need Linux on x86_64 or aarch64, with 64-bit pointers",
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
