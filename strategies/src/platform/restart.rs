//! Restarting every sequence of the process: the fence of a gate that is tested
//! inside a restartable sequence.
//!
//! `membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ)` of Linux 5.10 does what
//! the [heavy fence](super::fence) does, and restarts what it interrupts: when it
//! returns, a sequence that any thread had begun before has committed, or will
//! begin again. It does not restart the caller's own, who is in none.
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
/// If the kernel refuses what it granted before, or was never asked: going on
/// without the restarts would be unsafe. Whoever attaches asks.
pub(crate) fn restart() {
    os::restart();
}

#[cfg(target_os = "linux")]
mod os {
    use std::sync::OnceLock;

    use super::super::fence::membarrier;
    use super::super::kernel;
    use crate::Unsupported;

    // Of the kernel's `enum membarrier_cmd`, which never changes.
    const QUERY: libc::c_int = 0;
    const PRIVATE_EXPEDITED_RSEQ: libc::c_int = 1 << 7;
    const REGISTER_PRIVATE_EXPEDITED_RSEQ: libc::c_int = 1 << 8;

    pub(super) fn status() -> Result<(), Unsupported> {
        static STATUS: OnceLock<Result<(), Unsupported>> = OnceLock::new();
        STATUS
            .get_or_init(|| {
                let offered = membarrier(QUERY).map_err(|error| {
                    Unsupported::because(format!("the kernel refuses membarrier: {error}"))
                })?;
                if offered & libc::c_long::from(PRIVATE_EXPEDITED_RSEQ) == 0 {
                    return Err(Unsupported::because(
                        "the kernel's membarrier lacks PRIVATE_EXPEDITED_RSEQ (Linux 5.10)",
                    ));
                }
                kernel::restarts_when_told()?;
                membarrier(REGISTER_PRIVATE_EXPEDITED_RSEQ).map_err(|error| {
                    Unsupported::because(format!(
                        "the kernel refuses to register membarrier: {error}"
                    ))
                })?;
                Ok(())
            })
            .clone()
    }

    pub(super) fn restart() {
        if let Err(error) = membarrier(PRIVATE_EXPEDITED_RSEQ) {
            panic!("membarrier worked before and fails now: {error}");
        }
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
