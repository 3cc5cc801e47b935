//! Who may detach, and where the softc lies until then.
//!
//! Detaching is a rare and slow affair, so a mutex and a condition variable
//! decide who does it. Losers wait for the winner to finish: when they return
//! "detached", it is true.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;
use std::sync::PoisonError;

use super::patience::Patience;
use super::sync::{Condvar, Mutex, Watch, const_new, lock};
use crate::DetachError;

/// Decides which of several detachers wins.
#[derive(Debug)]
pub(crate) struct Claims {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    /// Losers that sleep; without any there is nobody to wake, which would be
    /// a system call.
    waiting: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Attached,
    Claimed,
    Gone,
}

impl Claims {
    const_new! {
        pub(crate) fn new() -> Self {
            Claims {
                state: Mutex::new(State {
                    phase: Phase::Attached,
                    waiting: 0,
                }),
                changed: Condvar::new(),
            }
        }
    }

    /// Becomes the one detacher, or waits until there is nothing to detach.
    pub(crate) fn claim(&self, patience: Patience) -> Result<Claim<'_>, DetachError> {
        let mut state = lock(&self.state);
        while state.phase == Phase::Claimed {
            let left = patience.left().map_err(|_| DetachError::StillHeld)?;
            state.waiting += 1;
            state = match left {
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    self.changed
                        .wait_timeout(state, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
            state.waiting -= 1;
        }
        if state.phase == Phase::Gone {
            return Err(DetachError::Detached);
        }
        state.phase = Phase::Claimed;
        Ok(Claim { claims: self })
    }

    fn is_gone(&mut self) -> bool {
        let state = self.state.get_mut();
        state.unwrap_or_else(PoisonError::into_inner).phase == Phase::Gone
    }

    fn settle(&self, phase: Phase) {
        let mut state = lock(&self.state);
        state.phase = phase;
        if state.waiting > 0 {
            self.changed.notify_all();
        }
    }
}

/// The right to detach. Dropping it without [`finish`](Self::finish) passes
/// the right on to whoever claims it next.
#[derive(Debug)]
pub(crate) struct Claim<'c> {
    claims: &'c Claims,
}

impl Claim<'_> {
    /// The softc is gone, for ever.
    pub(crate) fn finish(self) {
        self.claims.settle(Phase::Gone);
        std::mem::forget(self);
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.claims.settle(Phase::Attached);
    }
}

/// A softc that lies inside its handle until a detacher moves it out.
#[derive(Debug)]
pub(crate) struct Attachment<S> {
    claims: Claims,
    /// Uninitialised once it is taken. (`ManuallyDrop` would not do: until Rust
    /// 1.96 a handle may not be moved with a box in it that has been freed.)
    softc: UnsafeCell<MaybeUninit<S>>,
    watch: Watch,
}

// SAFETY: the softc is shared by holders on any thread (`S: Sync`) and moved
// out by a detacher on any thread (`S: Send`). Who may do which is up to the
// callers of the unsafe functions below.
unsafe impl<S: Send + Sync> Sync for Attachment<S> {}

impl<S> Attachment<S> {
    pub(crate) fn new(softc: S) -> Self {
        Attachment {
            claims: Claims::new(),
            softc: UnsafeCell::new(MaybeUninit::new(softc)),
            watch: Watch::new(),
        }
    }

    /// Becomes the one detacher, or waits until there is nothing to detach.
    pub(crate) fn claim(&self, patience: Patience) -> Result<Tenure<'_, S>, DetachError> {
        Ok(Tenure {
            claim: self.claims.claim(patience)?,
            attachment: self,
        })
    }

    /// The softc, as a holder sees it.
    ///
    /// # Safety
    ///
    /// The softc has not been taken, and will not be taken or borrowed mutably
    /// while the reference lives.
    #[inline]
    pub(crate) unsafe fn softc(&self) -> &S {
        self.watch.reads();
        // SAFETY: nobody has taken it, and nobody takes or changes it meanwhile,
        // says the caller.
        unsafe { (*self.softc.get()).assume_init_ref() }
    }
}

impl<S> Drop for Attachment<S> {
    fn drop(&mut self) {
        if !self.claims.is_gone() {
            // SAFETY: nobody has taken it, and `&mut self` proves that nobody
            // else refers to it.
            unsafe { self.softc.get_mut().assume_init_drop() }
        }
    }
}

/// The one detacher of an [`Attachment`].
#[derive(Debug)]
pub(crate) struct Tenure<'a, S> {
    claim: Claim<'a>,
    attachment: &'a Attachment<S>,
}

impl<S> Tenure<'_, S> {
    /// Takes the softc away.
    ///
    /// # Safety
    ///
    /// No holder is left, none can come, and all that holders did happened
    /// before this call.
    pub(crate) unsafe fn take(self) -> S {
        self.attachment.watch.writes();
        // SAFETY: the claim makes this the only taker, it has not been taken
        // before (then the phase would be `Gone`), and no holder reads it,
        // says the caller.
        let softc = unsafe { (*self.attachment.softc.get()).assume_init_read() };
        self.claim.finish();
        softc
    }

    /// The softc, while nobody is inside.
    ///
    /// # Safety
    ///
    /// As for [`take`](Self::take), for as long as the reference lives.
    pub(crate) unsafe fn softc_mut(&mut self) -> &mut S {
        self.attachment.watch.writes();
        // SAFETY: the claim shows that it has not been taken, and nobody else
        // refers to it, says the caller.
        unsafe { (*self.attachment.softc.get()).assume_init_mut() }
    }
}
