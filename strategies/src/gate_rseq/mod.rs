//! A gate that is tested inside the restartable sequence that counts.
//!
//! # The scheme
//!
//! The turnstile counts an entry, then looks at the gate, and counts two numbers
//! because it cannot stop them when it adds them up. A restartable sequence can
//! do better: test and count are one step there that either happens as a whole or
//! starts again. So the counters can be stopped, and a single net count for each
//! CPU will do.
//!
//! ```text
//! acquire   restartable { unless this CPU is below the limit: stop
//!                         count[cpu] += 1 }
//!           if it stopped: fail if the limit is 0, else count in the word
//!
//! release   restartable { unless this CPU is below the limit: stop
//!                         count[cpu] -= 1 }
//!           if it stopped: take one from the word; the last one out wakes
//!           the detacher
//!
//! detach    limit = 0, seal the word
//!           restart every sequence
//!           word += sum of count over all CPUs, less the bias
//!           sleep until the word says that nobody is left
//!           reclaim the softc
//! ```
//!
//! The *limit* is the number of CPUs while the device is open. It bounds the index
//! of the counter, which is needed anyway; at zero it is a shut gate; and since a
//! release that finds it shut goes to the word, where the last one is known, it
//! is also what tells a release that somebody waits. One load and one comparison
//! are all three. The *word* is an atomic count with a bit that seals it.
//!
//! # Why it is safe
//!
//! *The counters stand still.* The restart is a fence on every CPU that also sends
//! each sequence under way back to its beginning. A sequence that had found the
//! limit open when it came has therefore either committed, and its count is
//! visible to the detacher, or finds the limit at zero when it begins again. A
//! thread that was not running then was taken off its CPU, which restarts its
//! sequence as well. From the return of the call on no counter changes any more.
//!
//! *So does the word, for newcomers.* A thread whose sequence does not get through
//! (somebody steps through it, or the kernel has taken the area away) counts in
//! the word. There the seal is a bit of the count itself: an entry is before the
//! seal in the order of modification of that one word, and counted, or it fails.
//! Testing the limit and then counting elsewhere would leave a gap that no restart
//! closes.
//!
//! *The count is exact.* Every guard is counted once and discounted once, each
//! either by a sequence that commits once or by one instruction on the word.
//! Nothing is remembered in between, so it does not matter which thread or CPU
//! does it: a guard that is made here and dropped there leaves one counter at one
//! too many and another at one too few. What all counters come to, once they stand
//! still, and what the word has seen is the number of guards. Addition modulo 2^64
//! does not mind that a single counter runs below zero.
//!
//! *Nobody is overtaken.* The word begins at a bias, far above any count. The
//! detacher adds up all counters first and then, in one instruction, adds the sum
//! and takes the bias away. From then on the word is the number of guards, and can
//! only fall; the softc goes when it is zero. Until then the word stays far from
//! zero. Holders whose entry has not been added yet leave by it, and without the
//! bias they would take the count below zero: it would borrow from the seal, which
//! lets newcomers in, and a release would take itself for the last one while
//! somebody is inside who was counted on a CPU.
//!
//! *What holders did happened before the reclaim*: the restart is a fence that
//! comes after whatever was discounted by CPU, and what was discounted in the word
//! is a store-release in a sequence of read-modify-writes that the detacher's last
//! look acquires.
//!
//! *No wake-up is lost.* If it is the detacher's addition that makes the word
//! zero, it sees so itself. Otherwise exactly one release does, and knows it; it
//! and the detacher then meet as in the `bell` module, with a full fence each.
//!
//! *Latecomers* find the limit at zero, touch nothing, and are refused; they cannot
//! hold up the drain. One that is on its way to the word finds that sealed. The
//! limit, the counters and the word are in the handle or live for ever, and
//! latecomers keep the handle alive.
//!
//! *Signal handlers* may acquire and release: a signal restarts the sequence it
//! interrupts, what happens outside of one is a single atomic instruction, and
//! waking is a system call.
//!
//! *A detach that gives up* has taken the bias away, or has not if the restart
//! failed. The word tells, so the next call goes on from there: the counters are
//! added once.
//!
//! *Numbers that run over.* The counters wrap around, and do no harm. The count of
//! the word may drift while the device is open, by one with each lap that is
//! counted by CPU one way and in the word the other; it has 2^61 laps of such kind
//! to either side, which takes a thread without sequences 700 years.
//!
//! # Costs
//!
//! Acquire and release: an increment and a decrement of a line that no other CPU
//! writes, and two loads of the limit, which nobody writes as long as nobody
//! detaches. Each holder that leaves after the limit fell pays for a locked
//! instruction. Detach: one membarrier, one pass over the CPUs, and the wait.
//! Memory: 8 bytes per device and CPU.
//!
//! # What it forbids
//!
//! Nothing to holders: they may sleep, migrate, nest, be interrupted by handlers
//! that acquire, and hand their guard to another thread. It does not reopen. It
//! needs a kernel that is known not to lose a restart; see `platform::kernel`.
//!
//! Comes from: Linux's percpu_ref, which stops its counters with a grace period
//! of RCU where this has a system call of a microsecond, and adds them up in the
//! same way; tcmalloc, which stops a CPU's allocations by a word that its
//! sequences test.

mod counts;
#[cfg(not(loom))]
mod cpus;
mod word;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

pub use counts::Counts;
#[cfg(not(loom))]
pub use cpus::{ByCpu, Registration};

use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::{Attachment, Tenure};
use crate::primitive::bell::Bell;
use crate::primitive::patience::Patience;
use crate::primitive::sync::{AtomicU64, Ordering, fence};
use crate::primitive::together::detach_together;
use crate::{DetachError, Detached, DeviceRef, Properties, Unsupported};
use word::Word;

/// A device behind a gate inside the sequence; see the [module](self).
#[cfg(not(loom))]
pub type GateRseq<S> = Device<S, ByCpu>;

/// A device behind a gate on counters of the kind `C`; `P` is what happens at its
/// [points](crate::points).
// The counters begin it, which spares the fast path to add an offset.
#[repr(C)]
pub struct Device<S, C, P = Undisturbed> {
    counts: C,
    word: Word,
    drained: Bell,
    attachment: Attachment<S>,
    /// Restarts of all sequences, for the records.
    restarts: AtomicU64,
    /// Holders counted or discounted in the word while the gate was open.
    fell_back: AtomicU64,
    _points: PhantomData<P>,
}

impl<S, C: Counts, P> fmt::Debug for Device<S, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Device")
            .field("id", &C::PROPERTIES.id)
            .field("word", &self.word)
            .finish_non_exhaustive()
    }
}

impl<S, C: Counts, P: Points> Device<S, C, P> {
    /// Acquire, when the sequence has not counted.
    #[cold]
    #[inline(never)]
    fn enter_by_word(&self) -> Result<(), Detached> {
        let entered = if self.counts.is_sealed() {
            Err(Detached)
        } else {
            self.note_fallback();
            self.word.enter()
        };
        if entered.is_err() {
            P::at(Point::Refused);
        }
        entered
    }

    /// Release, when the sequence has not counted.
    #[cold]
    #[inline(never)]
    fn leave_by_word(&self) {
        if !self.counts.is_sealed() {
            self.note_fallback();
        }
        let last = self.word.leave();
        P::at(Point::Left);
        if last {
            // Ordering: SeqCst pairs with the fence that the waiter hands to the
            // bell: either it finds nobody left, or this finds it waiting.
            fence(Ordering::SeqCst);
            self.drained.ring_if_awaited();
        }
    }

    fn note_fallback(&self) {
        // Ordering: Relaxed; statistics.
        self.fell_back.fetch_add(1, Ordering::Relaxed);
    }

    fn restart(&self) {
        C::restart();
        // Ordering: Relaxed; statistics.
        self.restarts.fetch_add(1, Ordering::Relaxed);
    }

    /// Claims the device and seals it.
    fn seal(&self, patience: Patience) -> Result<Tenure<'_, S>, DetachError> {
        let tenure = self.attachment.claim(patience)?;
        self.counts.seal();
        self.word.seal();
        P::at(Point::Closed);
        Ok(tenure)
    }

    /// Waits until everybody has left, and takes the softc.
    ///
    /// # Safety
    ///
    /// The device was sealed, and a restart has followed.
    unsafe fn take(&self, tenure: Tenure<'_, S>, patience: Patience) -> Result<S, DetachError> {
        P::at(Point::Fenced);
        if self.word.is_biased() {
            let frozen = self.counts.sum();
            P::at(Point::Summing);
            self.word.take_over(frozen);
        }
        let drained = self.drained.wait(
            patience,
            true,
            // Ordering: SeqCst pairs with the fence in `leave_by_word`.
            || fence(Ordering::SeqCst),
            || {
                P::at(Point::Summing);
                self.word.is_empty()
            },
        );
        if !drained {
            return Err(DetachError::StillHeld);
        }
        P::at(Point::Drained);
        // SAFETY: the counters stood still when they were added up, the word has
        // taken them over, is sealed and empty, and its load acquired what
        // holders did. See the module.
        Ok(unsafe { tenure.take() })
    }

    fn detach_within(&self, patience: Patience) -> Result<S, DetachError> {
        let tenure = self.seal(patience)?;
        if self.word.is_biased() {
            self.restart();
        }
        // SAFETY: sealed, and restarted just now or by an earlier call that
        // took the bias away.
        unsafe { self.take(tenure, patience) }
    }
}

impl<S: Send + Sync + 'static, C: Counts, P: Points> DeviceRef for Device<S, C, P> {
    type Softc = S;
    type Registration = C::Registration;
    type Guard<'g>
        = Guard<'g, S, C, P>
    where
        Self: 'g;

    const PROPERTIES: Properties = C::PROPERTIES;

    fn supported() -> Result<(), Unsupported> {
        C::supported()
    }

    fn register() -> Result<C::Registration, Unsupported> {
        C::register()
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Ok(Device {
            counts: C::install()?,
            word: Word::new(),
            drained: Bell::new(),
            attachment: Attachment::new(softc),
            restarts: AtomicU64::new(0),
            fell_back: AtomicU64::new(0),
            _points: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(
        &'g self,
        registration: &'g C::Registration,
    ) -> Result<Guard<'g, S, C, P>, Detached> {
        P::at(Point::BeforeEnter);
        if !self.counts.enter(registration) {
            self.enter_by_word()?;
        }
        P::at(Point::Admitted);
        Ok(Guard {
            device: self,
            registration,
        })
    }

    fn detach(&self, _: &mut C::Registration) -> Result<S, Detached> {
        // Without a time limit "still held" cannot be the answer.
        self.detach_within(Patience::FOREVER).map_err(|_| Detached)
    }

    fn detach_timeout(
        &self,
        _: &mut C::Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        self.detach_within(Patience::of(patience))
    }

    fn detach_all(
        devices: &[&Self],
        _: &mut C::Registration,
        tell: impl FnMut(usize, Result<S, Detached>),
    ) {
        detach_together(
            devices,
            |device| device.seal(Patience::none()),
            || devices[0].restart(),
            |device, tenure| {
                // SAFETY: `seal` has sealed it, and the restart has followed.
                let taken = unsafe { device.take(tenure, Patience::FOREVER) };
                taken.map_err(|_| Detached)
            },
            |device| {
                device
                    .detach_within(Patience::FOREVER)
                    .map_err(|_| Detached)
            },
            tell,
        );
    }

    fn mechanisms(&self) -> Vec<(&'static str, u64)> {
        // Ordering: Relaxed; statistics.
        vec![
            ("atomic fallback", self.fell_back.load(Ordering::Relaxed)),
            (C::RESTART, self.restarts.load(Ordering::Relaxed)),
        ]
    }
}

/// Proof of being counted by a [`Device`].
pub struct Guard<'g, S, C: Counts, P = Undisturbed>
where
    P: Points,
{
    device: &'g Device<S, C, P>,
    registration: &'g C::Registration,
}

impl<S, C: Counts, P: Points> fmt::Debug for Guard<'_, S, C, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(self.device).finish()
    }
}

impl<S, C: Counts, P: Points> Deref for Guard<'_, S, C, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: counted before the counters, or the word, were stopped, so the
        // detacher waits for it; see the module.
        unsafe { self.device.attachment.softc() }
    }
}

impl<S, C: Counts, P: Points> Drop for Guard<'_, S, C, P> {
    #[inline]
    fn drop(&mut self) {
        P::at(Point::BeforeLeave);
        if !self.device.counts.leave(self.registration) {
            self.device.leave_by_word();
        }
    }
}
