//! What the tortured devices hold: a softc that notices when it is reclaimed
//! under somebody's hands.
//!
//! The softc is a pointer to a *body* and the *generation* that the body had
//! when the device was attached. Bodies live for ever, so looking at one is
//! never undefined, however broken the strategy under test; but a body is
//! poisoned when its device has been detached, and made the body of the very
//! next device that is attached, with another generation. A holder that finds
//! another generation than its own in its body has been betrayed.
//!
//! That is the holders' view. The detacher has one of its own: whoever is
//! inside leaves a *mark* in the body and takes it back before releasing. A
//! mark that is still there when detach returns is a holder that was not
//! waited for, or one whose last stores the detacher does not see, which is as
//! bad. Marks are plain stores with no ordering of their own, so that they lean
//! on the strategy's.

use std::fmt;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use super::SEATS;

/// The generation of a body that belongs to no device.
const RECLAIMED: u64 = 0;

/// What a tortured device hands out. The words say the same thing twice over,
/// so that a copy made of two halves shows.
#[derive(Clone, Copy, Debug)]
pub struct Softc {
    body: &'static Body,
    generation: u64,
    seal: u64,
}

/// What a softc stands for.
#[derive(Debug)]
#[repr(align(128))]
struct Body {
    generation: AtomicU64,
    /// One word for each seat, written by its thread alone: how often it came
    /// in, less how often it left. A guard that changes hands makes two words
    /// change, so only the sum says something.
    marks: [AtomicU64; SEATS],
}

/// Bodies that no device has. The last to be reclaimed is the first to be used
/// again.
static FREE: Mutex<Vec<&'static Body>> = Mutex::new(Vec::new());

/// The newest generation.
static GENERATION: AtomicU64 = AtomicU64::new(RECLAIMED);

fn free() -> std::sync::MutexGuard<'static, Vec<&'static Body>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seal(body: &Body, generation: u64) -> u64 {
    (std::ptr::from_ref(body) as u64).rotate_left(32)
        ^ generation.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Softc {
    /// A softc with the body that was reclaimed last.
    pub(super) fn new() -> Self {
        let body = free().pop().unwrap_or_else(|| {
            Box::leak(Box::new(Body {
                generation: AtomicU64::new(RECLAIMED),
                marks: [const { AtomicU64::new(0) }; SEATS],
            }))
        });
        // Ordering: Relaxed; only to draw different numbers.
        let generation = GENERATION.fetch_add(1, Ordering::Relaxed) + 1;
        // Ordering: Relaxed; attaching the device publishes it.
        body.generation.store(generation, Ordering::Relaxed);
        Softc {
            body,
            generation,
            seal: seal(body, generation),
        }
    }

    /// Which softc this is; no two have the same number.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the copy is whole.
    pub(super) fn whole(&self) -> Result<(), Sight> {
        if self.seal == seal(self.body, self.generation) {
            Ok(())
        } else {
            Err(Sight::Torn)
        }
    }

    /// Whether the body is still this softc's.
    #[inline]
    pub(super) fn alive(&self) -> Result<(), Sight> {
        // Ordering: Relaxed; a strategy that protects orders it.
        match self.body.generation.load(Ordering::Relaxed) {
            now if now == self.generation => Ok(()),
            RECLAIMED => Err(Sight::Reclaimed),
            now => Err(Sight::Reused {
                mine: self.generation,
                now,
            }),
        }
    }

    /// Leaves a mark: the thread on that seat is inside.
    pub(super) fn mark(&self, seat: usize) {
        self.step(seat, 1);
    }

    /// Takes a mark back, maybe that of another seat.
    pub(super) fn unmark(&self, seat: usize) {
        self.step(seat, u64::MAX);
    }

    fn step(&self, seat: usize, by: u64) {
        let mark = &self.body.marks[seat];
        // Ordering: Relaxed, twice; one thread writes it, and the detacher's
        // look is ordered by the strategy or by nothing.
        mark.store(
            mark.load(Ordering::Relaxed).wrapping_add(by),
            Ordering::Relaxed,
        );
    }

    /// Poisons the body and makes it available again: what a detacher does
    /// with the softc that it got. Tells if that was too early.
    pub(super) fn reclaim(self) -> Result<(), Sight> {
        self.whole()?;
        self.alive()?;
        let inside = self
            .body
            .marks
            .iter()
            // Ordering: Relaxed; the strategy has ordered it after the marks
            // were taken back.
            .fold(0, |sum: u64, mark| {
                sum.wrapping_add(mark.load(Ordering::Relaxed))
            });
        // Ordering: Relaxed; whoever gets to see it was not waited for.
        self.body.generation.store(RECLAIMED, Ordering::Relaxed);
        if inside != 0 {
            // Somebody will take the marks back some time, so nobody else may
            // have the body.
            return Err(Sight::Marked { inside });
        }
        free().push(self.body);
        Ok(())
    }

    /// Makes the body available again without a look.
    pub(super) fn retire(self) {
        // Ordering: Relaxed; the threads that knew it have been joined.
        self.body.generation.store(RECLAIMED, Ordering::Relaxed);
        for mark in &self.body.marks {
            // Ordering: Relaxed; the same.
            mark.store(0, Ordering::Relaxed);
        }
        free().push(self.body);
    }
}

/// What should not have been seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// A holder's softc had been reclaimed.
    Reclaimed,
    /// A holder's softc had become another device's.
    Reused {
        /// The holder's generation.
        mine: u64,
        /// The one it found.
        now: u64,
    },
    /// A copy of the softc that never existed as such.
    Torn,
    /// The detacher found marks.
    Marked {
        /// The sum of them.
        inside: u64,
    },
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sight::Reclaimed => f.write_str("a holder found its softc reclaimed"),
            Sight::Reused { mine, now } => write!(
                f,
                "a holder found its softc, number {mine}, reused for number {now}"
            ),
            Sight::Torn => f.write_str("a softc was made of two halves"),
            // More left than came in, as far as the detacher can tell.
            Sight::Marked { inside } if inside.cast_signed() < 0 => {
                f.write_str("detach returned before what its holders did was visible to it")
            }
            Sight::Marked { inside } => write!(
                f,
                "detach returned while {inside} holder(s) had not left, or not visibly so"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_reused_at_once_and_its_old_holder_notices() {
        // Other tests share the bodies, so another may come between.
        let noticed = (0..1000).any(|_| {
            let old = Softc::new();
            assert_eq!(old.alive(), Ok(()));
            assert_eq!(old.reclaim(), Ok(()));
            assert!(old.alive().is_err());
            let new = Softc::new();
            let reused = std::ptr::eq(old.body, new.body);
            if reused {
                let (mine, now) = (old.generation, new.generation);
                assert_eq!(old.alive(), Err(Sight::Reused { mine, now }));
            }
            assert_eq!(new.reclaim(), Ok(()));
            reused
        });
        assert!(noticed);
    }

    #[test]
    fn marks_are_found_at_reclaim() {
        let softc = Softc::new();
        softc.mark(0);
        softc.mark(1);
        softc.unmark(2); // taken over from seat 1
        assert_eq!(softc.reclaim(), Err(Sight::Marked { inside: 1 }));
    }

    #[test]
    fn two_halves_do_not_pass_for_a_softc() {
        let (one, other) = (Softc::new(), Softc::new());
        let torn = Softc {
            generation: other.generation,
            ..one
        };
        assert_eq!(torn.whole(), Err(Sight::Torn));
        one.retire();
        other.retire();
    }

    #[test]
    fn a_softc_is_not_reclaimed_twice() {
        let softc = Softc::new();
        assert_eq!(softc.reclaim(), Ok(()));
        assert!(softc.reclaim().is_err());
    }
}
