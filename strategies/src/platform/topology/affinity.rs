//! The affinity mask of the calling thread, on Linux; elsewhere nobody knows.

pub use imp::{allowed_cpus, pin_current_thread};
pub(super) use imp::{can_pin, configured_cpus};

#[cfg(target_os = "linux")]
mod imp {
    use std::io;

    const BITS: usize = libc::c_ulong::BITS as usize;

    /// A mask of CPUs without the limit of 1024 that `cpu_set_t` has.
    struct Mask(Vec<libc::c_ulong>);

    impl Mask {
        fn of_this_thread() -> io::Result<Self> {
            let mut words = 1024 / BITS;
            loop {
                let mut mask = Mask(vec![0; words]);
                // SAFETY: the pointer is to as many writable bytes as the
                // length says, and the kernel writes no more than that.
                let status =
                    unsafe { libc::sched_getaffinity(0, mask.bytes(), mask.0.as_mut_ptr().cast()) };
                if status == 0 {
                    return Ok(mask);
                }
                let error = io::Error::last_os_error();
                // EINVAL: the mask of the kernel is larger.
                if error.raw_os_error() != Some(libc::EINVAL) || words * BITS >= 1 << 20 {
                    return Err(error);
                }
                words *= 2;
            }
        }

        fn apply(&self) -> io::Result<()> {
            // SAFETY: the pointer is to as many readable bytes as the length
            // says.
            let status =
                unsafe { libc::sched_setaffinity(0, self.bytes(), self.0.as_ptr().cast()) };
            if status == 0 {
                Ok(())
            } else {
                Err(io::Error::last_os_error())
            }
        }

        fn bytes(&self) -> usize {
            size_of_val(self.0.as_slice())
        }
    }

    /// The CPUs that the calling thread may run on, ascending; `None` where
    /// the system does not tell.
    pub fn allowed_cpus() -> Option<Vec<usize>> {
        let mask = Mask::of_this_thread().ok()?;
        let allowed = |cpu: &usize| mask.0[cpu / BITS] >> (cpu % BITS) & 1 == 1;
        Some((0..mask.0.len() * BITS).filter(allowed).collect())
    }

    /// Confines the calling thread to one CPU.
    ///
    /// # Errors
    ///
    /// What the system answers: the CPU is not allowed or not online, or
    /// pinning is refused or unknown here.
    pub fn pin_current_thread(cpu: usize) -> io::Result<()> {
        let mut mask = Mask(vec![0; (cpu / BITS + 1).max(1024 / BITS)]);
        mask.0[cpu / BITS] = 1 << (cpu % BITS);
        mask.apply()
    }

    /// Whether masks may be set at all: sets the one that is set.
    pub(in super::super) fn can_pin() -> bool {
        Mask::of_this_thread().and_then(|mask| mask.apply()).is_ok()
    }

    /// CPUs that the system is configured for, online or not.
    pub(in super::super) fn configured_cpus() -> Option<usize> {
        // SAFETY: sysconf has no preconditions.
        usize::try_from(unsafe { libc::sysconf(libc::_SC_NPROCESSORS_CONF) }).ok()
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::io;

    /// The CPUs that the calling thread may run on, ascending; `None` where
    /// the system does not tell.
    pub fn allowed_cpus() -> Option<Vec<usize>> {
        None
    }

    /// Confines the calling thread to one CPU.
    ///
    /// # Errors
    ///
    /// What the system answers: the CPU is not allowed or not online, or
    /// pinning is refused or unknown here.
    pub fn pin_current_thread(_cpu: usize) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(in super::super) fn can_pin() -> bool {
        false
    }

    pub(in super::super) fn configured_cpus() -> Option<usize> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_pinned_thread_may_use_one_cpu_only() {
        std::thread::spawn(|| {
            let last = *allowed_cpus().unwrap().last().unwrap();
            assert!(can_pin());
            pin_current_thread(last).unwrap();
            assert_eq!(allowed_cpus().unwrap(), [last]);
        })
        .join()
        .unwrap();
    }

    #[test]
    fn an_absent_cpu_is_refused() {
        // No machine has that many; beyond the 1024 of `cpu_set_t` on purpose.
        assert!(pin_current_thread(60_000).is_err());
    }
}
