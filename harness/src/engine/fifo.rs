//! A stretch of time in which no ordinary thread takes the CPU away.
//!
//! Whatever else runs on a CPU, background services above all, takes its turn
//! by the rules of the ordinary scheduling class. A thread of the class
//! `SCHED_FIFO` goes before all of it. What the hypervisor and the interrupts
//! take, it cannot keep.
//!
//! It is for threads with a CPU of their own. A thread of this class that spins
//! until an ordinary thread on the same CPU does something waits until the
//! kernel's throttling lets the other in, if it does at all; and that
//! throttling (by default 50 ms of every second, once a CPU has been kept for
//! 950 ms) falls on measurements, too. So keep a window short.

use std::io;
use std::marker::PhantomData;

/// Held while the calling thread runs as `SCHED_FIFO` of the lowest priority.
/// Dropping it gives the thread back the class it had before.
#[derive(Debug)]
pub struct FifoWindow {
    before: imp::Class,
    /// The class is that of the thread which entered.
    _not_send: PhantomData<*const ()>,
}

impl FifoWindow {
    /// Enters the class. Threads that are started meanwhile inherit it.
    ///
    /// # Errors
    ///
    /// What the system answers: without a privilege (`CAP_SYS_NICE` or a limit
    /// of real-time priorities) it is permission denied. Other systems than
    /// Linux are [`Unsupported`](io::ErrorKind::Unsupported).
    pub fn enter() -> io::Result<FifoWindow> {
        let before = imp::Class::current()?;
        imp::Class::fifo().apply()?;
        Ok(FifoWindow {
            before,
            _not_send: PhantomData,
        })
    }
}

impl Drop for FifoWindow {
    fn drop(&mut self) {
        // Leaving the class needs no privilege, and there is nobody to tell.
        let _ = self.before.apply();
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use std::io;

    /// A scheduling class, with the priority in it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Class {
        policy: libc::c_int,
        priority: libc::c_int,
    }

    // System calls, not the functions of the C library: musl's refuse, because
    // POSIX means processes by them and the kernel threads.
    impl Class {
        /// The class of the calling thread.
        pub(super) fn current() -> io::Result<Class> {
            // SAFETY: the call takes a number, 0 for the calling thread.
            let policy = check(unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) })?;
            let mut priority: libc::c_int = 0;
            // SAFETY: the kernel writes a `sched_param`, which is one `int`, to
            // the pointer.
            check(unsafe { libc::syscall(libc::SYS_sched_getparam, 0, &raw mut priority) })?;
            Ok(Class {
                policy: policy as libc::c_int,
                priority,
            })
        }

        /// The lowest priority of `SCHED_FIFO`.
        pub(super) fn fifo() -> Class {
            Class {
                // Without SCHED_RESET_ON_FORK: a thread that has no privilege
                // but a limit could not take that mark off again.
                policy: libc::SCHED_FIFO,
                priority: 1,
            }
        }

        /// Puts the calling thread into the class.
        pub(super) fn apply(self) -> io::Result<()> {
            let Class { policy, priority } = self;
            // SAFETY: the kernel reads a `sched_param`, which is one `int`, from
            // the pointer.
            let result = unsafe {
                libc::syscall(libc::SYS_sched_setscheduler, 0, policy, &raw const priority)
            };
            check(result).map(drop)
        }
    }

    fn check(result: libc::c_long) -> io::Result<libc::c_long> {
        if result < 0 {
            Err(io::Error::last_os_error())
        } else {
            Ok(result)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;

    /// There are none to choose from.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Class;

    impl Class {
        pub(super) fn current() -> io::Result<Class> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(super) fn fifo() -> Class {
            Class
        }

        pub(super) fn apply(self) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_window_is_granted_or_refused_and_leaves_nothing_behind() {
        // The class belongs to the thread, and a test may share its thread.
        let look = || imp::Class::current().unwrap();
        std::thread::spawn(move || {
            let before = look();
            match FifoWindow::enter() {
                Ok(window) => {
                    assert_eq!(look(), imp::Class::fifo());
                    drop(window);
                }
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
            }
            assert_eq!(look(), before);
        })
        .join()
        .unwrap();
    }

    #[cfg(not(target_os = "linux"))]
    #[test]
    fn other_systems_have_no_window() {
        let error = FifoWindow::enter().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    }
}
