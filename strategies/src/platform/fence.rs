//! Asymmetric fences: one side pays almost nothing, the other pays for both.
//!
//! Two threads that each write one word and then read the other's need a full
//! fence between write and read on *both* sides, or both reads may miss. If
//! one side does this a million times for every time the other does, its fence
//! can be moved: the rare side asks the kernel to execute a full fence on
//! every CPU that currently runs a thread of the process, and the frequent side
//! keeps only its program order.
//!
//! What the pair guarantees: if a [`light`](AsymmetricFence::light) call of
//! one thread and a [`heavy`](AsymmetricFence::heavy) call of another are both
//! taken as full fences, one of the two comes first, and everything before the
//! first is visible to everything after the second.
//!
//! The idea is old (`sys_membarrier` by Mathieu Desnoyers, folly's
//! `asymmetric_thread_fence`, C++ proposal P1202); the call is
//! `membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)` of Linux 4.14.

use std::sync::atomic::compiler_fence;

use crate::Unsupported;
use crate::primitive::sync::{Ordering, fence};

/// A pair of fences, one for each side. Which pair is a type parameter of the
/// strategy, so that the fast path never branches on it.
///
/// # Safety
///
/// Strategies reclaim memory on the word of the pair: where
/// [`supported`](Self::supported) is `Ok`, a call of `light` and one of `heavy` on
/// two threads order what was before the first and after the second of them, as
/// two full fences would.
pub unsafe trait AsymmetricFence: Send + Sync + 'static {
    /// What the heavy side is called in records.
    const NAME: &'static str;

    /// Whether this machine has it.
    ///
    /// # Errors
    ///
    /// [`Unsupported`] says why not.
    fn supported() -> Result<(), Unsupported>;

    /// The frequent side.
    fn light();

    /// The rare side.
    ///
    /// # Panics
    ///
    /// If the machine does not have it ([`supported`](Self::supported) tells), or
    /// the kernel refuses what it granted before: going on without the fence
    /// would be unsafe.
    fn heavy();
}

/// A compiler fence against a `membarrier` system call.
///
/// Under loom, which knows neither, both sides are full fences.
#[derive(Clone, Copy, Debug)]
pub struct Membarrier;

// SAFETY: the kernel executes a full fence on every CPU that runs a thread of the
// process, and a thread that does not run has executed one when it was taken off
// its CPU; the compiler fence keeps the program order in which it falls.
unsafe impl AsymmetricFence for Membarrier {
    const NAME: &'static str = "membarrier";

    fn supported() -> Result<(), Unsupported> {
        membarrier_status()
    }

    #[inline(always)]
    fn light() {
        if cfg!(loom) {
            fence(Ordering::SeqCst);
        } else {
            // Ordering: SeqCst for the compiler alone; `heavy` of another
            // thread turns it into a fence of this CPU.
            compiler_fence(Ordering::SeqCst);
        }
    }

    fn heavy() {
        if cfg!(loom) {
            fence(Ordering::SeqCst);
        } else {
            os::heavy();
        }
    }
}

/// A full fence on both sides: works everywhere, costs where it hurts.
#[derive(Clone, Copy, Debug)]
pub struct FullFence;

// SAFETY: both are full fences.
unsafe impl AsymmetricFence for FullFence {
    const NAME: &'static str = "full fence";

    fn supported() -> Result<(), Unsupported> {
        Ok(())
    }

    #[inline(always)]
    fn light() {
        // Ordering: SeqCst pairs with the fence in `heavy` of other threads.
        fence(Ordering::SeqCst);
    }

    #[inline]
    fn heavy() {
        // Ordering: SeqCst pairs with the fence in `light` of other threads.
        fence(Ordering::SeqCst);
    }
}

/// Whether the process may use `membarrier`; registers it on the first call.
///
/// Call it before threads are started: registering while several run costs a
/// grace period of the kernel, milliseconds.
///
/// # Errors
///
/// [`Unsupported`] with the kernel's reason: too old, forbidden by a filter, or
/// no Linux at all.
pub fn membarrier_status() -> Result<(), Unsupported> {
    if cfg!(loom) {
        return Ok(());
    }
    os::status()
}

#[cfg(target_os = "linux")]
pub(super) use os::Command;

#[cfg(target_os = "linux")]
mod os {
    use std::io;

    use crate::Unsupported;
    use crate::primitive::once_box::OnceBox;

    static FENCE: Command = Command::new(1 << 3, 1 << 4, "PRIVATE_EXPEDITED (Linux 4.14)");

    /// A command of the system call that a process has to register for.
    pub(in super::super) struct Command {
        // Of the kernel's `enum membarrier_cmd`, which never changes.
        command: libc::c_int,
        registration: libc::c_int,
        name: &'static str,
        status: OnceBox<Result<(), Unsupported>>,
    }

    impl Command {
        pub(in super::super) const fn new(
            command: libc::c_int,
            registration: libc::c_int,
            name: &'static str,
        ) -> Self {
            Command {
                command,
                registration,
                name,
                status: OnceBox::new(),
            }
        }

        /// Whether the kernel offers it; registers on the first call.
        pub(in super::super) fn status(&'static self) -> Result<(), Unsupported> {
            self.status.get_or_init(|| self.register()).clone()
        }

        fn register(&self) -> Result<(), Unsupported> {
            const QUERY: libc::c_int = 0;
            let offered = membarrier(QUERY).map_err(|error| {
                Unsupported::because(format!("the kernel refuses membarrier: {error}"))
            })?;
            if offered & libc::c_long::from(self.command) == 0 {
                return Err(Unsupported::because(format!(
                    "the kernel's membarrier lacks {}",
                    self.name
                )));
            }
            membarrier(self.registration).map_err(|error| {
                Unsupported::because(format!(
                    "the kernel refuses to register membarrier: {error}"
                ))
            })?;
            Ok(())
        }

        /// Calls it, or panics.
        pub(in super::super) fn call(&'static self) {
            if membarrier(self.command).is_ok() {
                return;
            }
            // A process that never asked whether it may is not registered yet.
            if let Err(unsupported) = self.status() {
                panic!("no heavy fence: {unsupported}");
            }
            if let Err(error) = membarrier(self.command) {
                panic!("membarrier worked before and fails now: {error}");
            }
        }
    }

    fn membarrier(command: libc::c_int) -> io::Result<libc::c_long> {
        // SAFETY: the call takes plain numbers and touches no memory of ours.
        let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(result)
        }
    }

    pub(super) fn status() -> Result<(), Unsupported> {
        FENCE.status()
    }

    pub(super) fn heavy() {
        FENCE.call();
    }
}

#[cfg(not(target_os = "linux"))]
mod os {
    use crate::Unsupported;

    pub(super) fn status() -> Result<(), Unsupported> {
        Err(Unsupported::because("membarrier exists on Linux only"))
    }

    pub(super) fn heavy() {
        panic!("no heavy fence: membarrier exists on Linux only");
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Also in a process that has not asked: whichever comes first here.
    #[test]
    fn heavy_asks_by_itself() {
        let heavy = std::panic::catch_unwind(Membarrier::heavy);
        assert_eq!(heavy.is_ok(), Membarrier::supported().is_ok());
        FullFence::heavy();
    }
}
