//! The gate behind the turnstiles.

use crate::Detached;
use crate::primitive::futex::Futex;
use crate::primitive::sync::Ordering;
use crate::waiting::Looking;

const OPEN: u32 = 0;
const CLOSED: u32 = 1;
/// Closed, and somebody sleeps at it.
const AWAITED: u32 = 2;
const SEALED: u32 = 3;

/// Open, closed or sealed: threads pass an open gate, wait at a closed one,
/// and are refused by a sealed one.
///
/// In the mail these are three objects, and the device points to one of them;
/// a closed gate is made for each detach and carries the mutex to wait on.
/// Here one word in the handle is all three. The word is what waiters sleep
/// on, so there is no closed gate whose storage somebody would have to reclaim
/// after the last waiter has left it.
#[derive(Debug)]
pub(super) struct Gate {
    state: Futex,
}

impl Gate {
    pub(super) fn new() -> Self {
        Gate {
            state: Futex::new(OPEN),
        }
    }

    /// Whether threads may pass.
    #[inline(always)]
    pub(super) fn is_open(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `reopen`: who passes a
        // gate that was closed meanwhile sees what its owner did to the softc.
        self.state.load(Ordering::Acquire) == OPEN
    }

    /// Whether it is sealed, which it stays.
    pub(super) fn is_sealed(&self) -> bool {
        // Ordering: Relaxed; only the detacher asks, who holds the claim that
        // orders detachers among themselves.
        self.state.load(Ordering::Relaxed) == SEALED
    }

    /// Waits at the gate while it is closed. `Ok` means that it is open again.
    #[cold]
    #[inline(never)]
    pub(super) fn wait(&self) -> Result<(), Detached> {
        let mut looking = Looking::new();
        loop {
            // Ordering: Acquire pairs with the Release in `reopen` and `seal`.
            match self.state.load(Ordering::Acquire) {
                OPEN => return Ok(()),
                SEALED => return Err(Detached),
                _ if looking.again() => {}
                AWAITED => self.state.wait(AWAITED, None),
                // Ordering: Relaxed; it only tells whoever opens or seals the
                // gate to wake us, and that is decided on this word alone.
                // Whatever the outcome, the next turn looks again.
                _ => drop(self.state.compare_exchange(
                    CLOSED,
                    AWAITED,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                )),
            }
        }
    }

    /// Makes newcomers wait. For the holder of the claim.
    pub(super) fn close(&self) {
        // Ordering: Relaxed; the heavy fence that must follow orders it before
        // the sums and pairs with the light fence before `is_open`.
        self.state.store(CLOSED, Ordering::Relaxed);
    }

    /// Lets everybody through again. For the holder of the claim.
    pub(super) fn reopen(&self) {
        // Ordering: Release pairs with the Acquire in `is_open` and `wait`.
        self.leave_closed_for(OPEN, Ordering::Release);
    }

    /// Refuses everybody from now on. For the holder of the claim.
    pub(super) fn seal(&self) {
        // Ordering: Release pairs with the Acquire in `wait`: who is refused
        // may rely on what the detacher did before.
        self.leave_closed_for(SEALED, Ordering::Release);
    }

    fn leave_closed_for(&self, state: u32, order: Ordering) {
        // Ordering: the caller's, explained there.
        if self.state.swap(state, order) == AWAITED {
            self.state.wake_all();
        }
    }
}
