//! Restarting every sequence of the process: the fence of a gate that is tested
//! inside a restartable sequence.
//!
//! `membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ)` of Linux 5.10 does what
//! the [heavy fence](super::fence) does, and restarts what it interrupts: when it
//! returns, a sequence that another thread had begun before has committed, or will
//! begin again. The caller is in none.
//!
//! Some kernels lose a restart now and then; `kernel` tells which.

use crate::Unsupported;

/// What the call is named in records.
pub(crate) const NAME: &str = "membarrier-rseq";

/// Whether this kernel restarts sequences when it is told to; registers the
/// process on the first call.
///
/// Call it before threads are started: registering while several run costs a
/// grace period of the kernel, milliseconds.
///
/// # Errors
///
/// [`Unsupported`] with the kernel's reason: too old, forbidden by a filter, known
/// to lose restarts, or no Linux at all.
pub fn restart_status() -> Result<(), Unsupported> {
    os::status()
}

/// Restarts every sequence of the process, and is a heavy fence.
///
/// # Panics
///
/// If the machine does not have it ([`restart_status`] tells), or the kernel
/// refuses what it granted before: going on without the restarts would be unsafe.
pub(crate) fn restart() {
    os::restart();
}

#[cfg(target_os = "linux")]
mod os {
    use super::super::fence::Command;
    use super::super::kernel;
    use crate::Unsupported;
    use crate::primitive::once_box::OnceBox;

    static RESTART: Command = Command::new(1 << 7, 1 << 8, "PRIVATE_EXPEDITED_RSEQ (Linux 5.10)");

    pub(super) fn status() -> Result<(), Unsupported> {
        static STATUS: OnceBox<Result<(), Unsupported>> = OnceBox::new();
        let ask = || RESTART.status().and_then(|()| kernel::restarts_when_told());
        STATUS.get_or_init(ask).clone()
    }

    pub(super) fn restart() {
        RESTART.call();
    }
}

#[cfg(not(target_os = "linux"))]
mod os {
    use crate::Unsupported;

    pub(super) fn status() -> Result<(), Unsupported> {
        Err(Unsupported::because("membarrier exists on Linux only"))
    }

    pub(super) fn restart() {
        panic!("no restart of sequences: membarrier exists on Linux only");
    }
}
