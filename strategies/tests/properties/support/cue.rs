//! How threads of a test wait for each other, and how a test finds that one of
//! its threads sleeps.

use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};

use super::long;

/// Something that happens once.
#[derive(Debug, Default)]
pub(crate) struct Cue(AtomicBool);

impl Cue {
    pub(crate) const fn new() -> Self {
        Cue(AtomicBool::new(false))
    }

    pub(crate) fn give(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn given(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Waits for it.
    #[track_caller]
    pub(crate) fn wait(&self) {
        assert!(self.within(long()), "waited in vain");
    }

    /// Waits for it, but no longer than `limit`; tells whether it came.
    pub(crate) fn within(&self, limit: Duration) -> bool {
        within(limit, || self.given())
    }
}

/// Waits until `condition`, but no longer than `limit`; tells whether it came.
pub(crate) fn within(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    while !condition() {
        if begin.elapsed() > limit {
            return false;
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    true
}

/// A thread that others may look at.
#[derive(Debug, Default)]
pub(crate) struct Watched(AtomicI32);

impl Watched {
    pub(crate) const fn new() -> Self {
        Watched(AtomicI32::new(0))
    }

    /// The calling thread is the one to look at.
    pub(crate) fn watch_me(&self) {
        #[cfg(target_os = "linux")]
        // SAFETY: it takes nothing and returns a number.
        let id = unsafe { libc::gettid() };
        #[cfg(not(target_os = "linux"))]
        let id = 1;
        self.0.store(id, Ordering::Release);
    }

    /// Whether the thread sleeps in the kernel right now.
    ///
    /// Where the system does not say, it is given some time and taken to sleep.
    pub(crate) fn sleeps(&self) -> bool {
        if cfg!(target_os = "linux") {
            return self.sleep().is_some();
        }
        std::thread::sleep(Duration::from_millis(50));
        self.0.load(Ordering::Acquire) != 0
    }

    /// Which of its sleeps the thread is in, if it is in one and the system says.
    pub(crate) fn sleep(&self) -> Option<u64> {
        let id = self.0.load(Ordering::Acquire);
        let status = std::fs::read_to_string(format!("/proc/self/task/{id}/status")).ok()?;
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
        let asleep = field("State:")?.trim_start().starts_with('S');
        let sleeps = field("voluntary_ctxt_switches:")?.trim().parse().ok()?;
        asleep.then_some(sleeps)
    }
}
