//! A word that threads can sleep on.
//!
//! On Linux it is the futex system call, which a signal handler may make as
//! well; elsewhere, and under loom, a mutex and a condition variable stand in.

use std::ops::Deref;
use std::time::Duration;

use super::sync::AtomicU32;

#[cfg(all(target_os = "linux", not(loom)))]
mod os {
    use super::*;

    /// A word that threads can sleep on.
    #[derive(Debug)]
    pub(crate) struct Futex {
        word: AtomicU32,
    }

    impl Futex {
        pub(crate) const fn new(value: u32) -> Self {
            Futex {
                word: AtomicU32::new(value),
            }
        }

        pub(super) fn word(&self) -> &AtomicU32 {
            &self.word
        }

        /// Sleeps while the word reads `value`: until woken, until `limit` has
        /// passed, or until it wakes for no reason.
        pub(crate) fn wait(&self, value: u32, limit: Option<Duration>) {
            let limit = limit.map(|limit| libc::timespec {
                tv_sec: limit.as_secs().try_into().unwrap_or(libc::time_t::MAX),
                tv_nsec: limit.subsec_nanos() as _,
            });
            let limit = limit.as_ref().map_or(std::ptr::null(), std::ptr::from_ref);
            // SAFETY: both pointers are valid or null for the length of the
            // call, and FUTEX_WAIT writes neither. Every outcome of the call
            // (woken, value differs, timed out, interrupted) is a return that
            // the caller has to expect anyway.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    self.word.as_ptr(),
                    libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
                    value,
                    limit,
                );
            }
        }

        /// Wakes every sleeper.
        pub(crate) fn wake_all(&self) {
            // SAFETY: FUTEX_WAKE does not access the word, it only names it.
            unsafe {
                libc::syscall(
                    libc::SYS_futex,
                    self.word.as_ptr(),
                    libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
                    i32::MAX,
                );
            }
        }
    }
}

#[cfg(any(not(target_os = "linux"), loom))]
mod os {
    use super::super::sync::{Condvar, Mutex, Ordering, lock, spin_loop};
    use super::*;

    /// A word that threads can sleep on.
    #[derive(Debug)]
    pub(crate) struct Futex {
        word: AtomicU32,
        lock: Mutex<()>,
        changed: Condvar,
    }

    impl Futex {
        #[cfg(not(loom))]
        pub(crate) const fn new(value: u32) -> Self {
            Futex {
                word: AtomicU32::new(value),
                lock: Mutex::new(()),
                changed: Condvar::new(),
            }
        }

        #[cfg(loom)]
        pub(crate) fn new(value: u32) -> Self {
            Futex {
                word: AtomicU32::new(value),
                lock: Mutex::new(()),
                changed: Condvar::new(),
            }
        }

        pub(super) fn word(&self) -> &AtomicU32 {
            &self.word
        }

        /// Sleeps while the word reads `value`: until woken, until `limit` has
        /// passed, or until it wakes for no reason.
        pub(crate) fn wait(&self, value: u32, limit: Option<Duration>) {
            if cfg!(loom) && limit.is_some() {
                // loom knows no time. A time limit may pass at any moment, so
                // returning at once is one of the legal outcomes; its spin
                // hint makes it run somebody else first.
                spin_loop();
                return;
            }
            let held = lock(&self.lock);
            // Ordering: Relaxed is enough, because a waker changes the word
            // before it takes the lock that is held here: either this load
            // sees the change, or the waker is yet to notify.
            if self.word.load(Ordering::Relaxed) != value {
                return;
            }
            match limit {
                None => drop(self.changed.wait(held)),
                Some(limit) => drop(self.changed.wait_timeout(held, limit)),
            }
        }

        /// Wakes every sleeper.
        pub(crate) fn wake_all(&self) {
            // Taking the lock waits for a sleeper that has compared the word
            // but not gone to sleep yet.
            drop(lock(&self.lock));
            self.changed.notify_all();
        }
    }
}

pub(crate) use os::Futex;

impl Deref for Futex {
    type Target = AtomicU32;

    #[inline]
    fn deref(&self) -> &AtomicU32 {
        self.word()
    }
}
