//! How a detacher sleeps until holders have left, and how a releaser that
//! nobody waits for pays nothing but a load.
//!
//! The waiter says that it waits, then looks at what it waits for; the
//! releaser leaves, then looks whether somebody waits:
//!
//! ```text
//! waiter                           releaser
//! awaited = true                   leave
//! heavy fence                      light fence
//! look: has everybody left?        awaited?  then ring
//! if not, sleep until the bell
//! ```
//!
//! This is store buffering once more. The pair of fences makes sure that not
//! both looks miss the other's write, so a wake-up cannot get lost between
//! them. Nor can it get lost before the sleep: the waiter reads the count of
//! rings before it looks, and sleeps only while the count is still the same.
//!
//! (The count has 32 bits, as a futex has. To be back at the same number it
//! would have to ring 2^32 times while one waiter is on its way to sleep, and
//! each ring needs another waiter that has said once more that it waits.)
//!
//! `awaited` is never taken back by a waiter. Another waiter may rely on it,
//! and all that a forgotten `true` costs is one needless ring.
//!
//! The ring is part of the release. A releaser that claims it and is taken off
//! its CPU before it rings leaves the waiter asleep until it runs again, although
//! every leave has been counted by then; the guard's drop has not returned.
//!
//! Where nobody rings for sure, because releases have no fence or because the
//! work of a library has to be driven, the waiter sleeps in naps and looks
//! again after each.

use super::futex::Futex;
use super::patience::Patience;
use super::sync::{AtomicBool, Ordering, const_new};
use crate::waiting::{Looking, Naps};

/// Where detachers wait and releasers wake them.
#[derive(Debug)]
pub(crate) struct Bell {
    awaited: AtomicBool,
    rings: Futex,
}

impl Bell {
    const_new! {
        pub(crate) fn new() -> Self {
            Bell {
                awaited: AtomicBool::new(false),
                rings: Futex::new(0),
            }
        }
    }

    /// Waits until `ready`, or until patience runs out; tells which.
    ///
    /// `heavy` is the waiter's side of the pair of fences. `rings` tells whether
    /// a leave that makes it ready also rings for sure; if not, sleep is in naps.
    pub(crate) fn wait(
        &self,
        patience: Patience,
        rings: bool,
        heavy: impl Fn(),
        ready: impl Fn() -> bool,
    ) -> bool {
        let mut looking = Looking::new();
        while !ready() {
            if !looking.again() {
                return self.sleep(patience, (!rings).then(Naps::new), heavy, ready);
            }
        }
        true
    }

    fn sleep(
        &self,
        patience: Patience,
        mut naps: Option<Naps>,
        heavy: impl Fn(),
        ready: impl Fn() -> bool,
    ) -> bool {
        loop {
            // Ordering: Acquire pairs with the Release in `ring`: a count that
            // includes a ring also shows what led to it.
            let rings = self.rings.load(Ordering::Acquire);
            // Ordering: Relaxed; ordered before `ready` by `heavy`, which
            // pairs with the light fence before `ring_if_awaited`. An exchange
            // like that in `ring`, so that each change of the word follows on
            // the one before it.
            self.awaited.swap(true, Ordering::Relaxed);
            heavy();
            if ready() {
                return true;
            }
            let Ok(left) = patience.left() else {
                return false;
            };
            let nap = naps.as_mut().map(Naps::next);
            let limit = match (left, nap) {
                (Some(left), Some(nap)) => Some(left.min(nap)),
                (left, nap) => left.or(nap),
            };
            self.rings.wait(rings, limit);
        }
    }

    /// Wakes the waiters, if there are any. Must follow the leave, with a
    /// light fence between.
    #[inline]
    pub(crate) fn ring_if_awaited(&self) {
        // Ordering: Relaxed; the caller's light fence orders it after the
        // leave and pairs with the heavy fence in `wait`.
        if self.awaited.load(Ordering::Relaxed) {
            self.ring();
        }
    }

    #[cold]
    #[inline(never)]
    fn ring(&self) {
        // Ordering: Relaxed; only its atomicity matters: of several releasers
        // one rings. The others' leaves are seen by a waiter that wakes and
        // sets `awaited` again, by the argument at the top.
        if self.awaited.swap(false, Ordering::Relaxed) {
            // Ordering: Release pairs with the Acquire in `wait`.
            self.rings.fetch_add(1, Ordering::Release);
            self.rings.wake_all();
        }
    }
}
