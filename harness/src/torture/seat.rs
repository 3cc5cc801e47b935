//! The threads of a batch, and what each is doing, for the watchdog to see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use detach_strategies::DeviceRef;
use rand::SeedableRng;
use rand::rngs::SmallRng;

use super::disturb::{self, Hints};
use super::tally::Tally;
use super::{Run, SEATS, Softc, thread_id};

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Doing {
    /// There is no such thread.
    Absent,
    /// It is between two things.
    Idle,
    /// It is entering, inside, or leaving.
    Entering,
    /// It sleeps inside until a detach of the device wakes it.
    Sleeping,
    /// It is in detach.
    Detaching,
    /// It holds nothing, and does nothing until the watchdog is content.
    Parked,
}

/// One thread, as the watchdog sees it.
#[derive(Debug)]
#[repr(align(128))]
pub(super) struct Seat {
    doing: AtomicU8,
    thread: AtomicU32,
    /// Number of the device.
    pub(super) device: AtomicUsize,
    /// Detaches begun.
    pub(super) attempt: AtomicU64,
    /// How often the thread has held nothing.
    free: AtomicU64,
}

impl Seat {
    fn new() -> Self {
        Seat {
            doing: AtomicU8::new(Doing::Absent as u8),
            thread: AtomicU32::new(0),
            device: AtomicUsize::new(0),
            attempt: AtomicU64::new(0),
            free: AtomicU64::new(0),
        }
    }

    pub(super) fn doing(&self) -> Doing {
        // Ordering: Acquire pairs with the Release in `set`: whoever is seen
        // parked has left wherever it was.
        match self.doing.load(Ordering::Acquire) {
            doing if doing == Doing::Idle as u8 => Doing::Idle,
            doing if doing == Doing::Entering as u8 => Doing::Entering,
            doing if doing == Doing::Sleeping as u8 => Doing::Sleeping,
            doing if doing == Doing::Detaching as u8 => Doing::Detaching,
            doing if doing == Doing::Parked as u8 => Doing::Parked,
            _ => Doing::Absent,
        }
    }

    /// The kernel's number of the thread.
    pub(super) fn thread(&self) -> u32 {
        // Ordering: Relaxed; written before the state that made it of interest.
        self.thread.load(Ordering::Relaxed)
    }

    fn free(&self) -> u64 {
        // Ordering: Acquire pairs with the Release in `idle`: what the thread
        // held before is released.
        self.free.load(Ordering::Acquire)
    }

    fn set(&self, doing: Doing) {
        // Ordering: Release pairs with the Acquire in `doing`.
        self.doing.store(doing as u8, Ordering::Release);
    }
}

/// All seats, and what they have in common.
#[derive(Debug)]
pub(super) struct Seats {
    seats: [Seat; SEATS],
    /// Detaches that returned, and batches begun and ended.
    pub(super) progress: AtomicU64,
    /// Guards on their way from one thread to another.
    pub(super) in_transit: AtomicUsize,
    /// The watchdog asks everybody to park.
    pub(super) pause: AtomicBool,
}

impl Seats {
    pub(super) fn new() -> Self {
        Seats {
            seats: [(); SEATS].map(|()| Seat::new()),
            progress: AtomicU64::new(0),
            in_transit: AtomicUsize::new(0),
            pause: AtomicBool::new(false),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter()
    }

    /// Begins a period in which all threads are to hold nothing at some time.
    pub(super) fn period(&self) -> Period {
        Period(self.seats.each_ref().map(Seat::free))
    }

    /// Something went on.
    pub(super) fn advance(&self) {
        // Ordering: Relaxed; only that it changes matters.
        self.progress.fetch_add(1, Ordering::Relaxed);
    }
}

/// How often each thread had held nothing when it began.
#[derive(Debug)]
pub(super) struct Period([u64; SEATS]);

impl Period {
    /// Whether every thread but that on seat `me` has held nothing since, at a
    /// safe point.
    pub(super) fn has_passed(&self, seats: &Seats, me: usize) -> bool {
        let mut seats = seats.iter().zip(self.0).enumerate();
        seats.all(|(number, (seat, before))| {
            number == me
                || matches!(seat.doing(), Doing::Absent | Doing::Parked)
                || seat.free() != before
        })
    }
}

/// A thread on its seat, with what it carries along.
pub(super) struct Sitter<'r> {
    pub(super) run: &'r Run<'r>,
    pub(super) number: usize,
    pub(super) random: SmallRng,
    pub(super) tally: Tally,
    seat: &'r Seat,
}

impl<'r> Sitter<'r> {
    /// Sits down. `hints` are those of its board, and `salt` tells this thread
    /// from others on the same seat.
    pub(super) fn new(run: &'r Run<'r>, hints: &Arc<Hints>, number: usize, salt: u64) -> Self {
        let seed = run.seed_of(number, salt);
        disturb::begin(seed, &run.cpus, hints);
        let seat = &run.seats.seats[number];
        // Ordering: Relaxed; the store of the state publishes it.
        seat.thread.store(thread_id(), Ordering::Relaxed);
        seat.set(Doing::Idle);
        Sitter {
            run,
            number,
            // Not the stream that the points draw from.
            random: SmallRng::seed_from_u64(seed ^ u64::MAX),
            tally: Tally {
                threads: 1,
                ..Tally::default()
            },
            seat,
        }
    }

    /// Announces that the thread is about to enter that device, or to detach.
    pub(super) fn announce(&self, doing: Doing, device: usize) {
        // Ordering: Relaxed, twice; for reports, and the attempt is this
        // thread's own.
        self.seat.device.store(device, Ordering::Relaxed);
        if doing == Doing::Detaching {
            let attempt = self.seat.attempt.load(Ordering::Relaxed);
            self.seat.attempt.store(attempt + 1, Ordering::Relaxed);
        }
        self.seat.set(doing);
    }

    /// The thread holds nothing any more, and has passed a safe point if its
    /// strategy needs them.
    pub(super) fn idle(&self) {
        // Ordering: Relaxed; this thread's own.
        let free = self.seat.free.load(Ordering::Relaxed);
        // Ordering: Release pairs with the Acquire in `Seat::free`.
        self.seat.free.store(free + 1, Ordering::Release);
        self.seat.set(Doing::Idle);
    }

    /// Runs `blocked`, which may take any time, with the thread counted as
    /// parked.
    pub(super) fn parked<R>(&self, blocked: impl FnOnce() -> R) -> R {
        self.seat.set(Doing::Parked);
        let result = blocked();
        self.seat.set(Doing::Idle);
        result
    }

    /// Parks if the watchdog asks for it, off line.
    pub(super) fn rest<D: DeviceRef<Softc = Softc>>(&self, me: &mut D::Registration) {
        // Ordering: Relaxed; a request that is seen some time.
        let asked = || self.run.seats.pause.load(Ordering::Relaxed);
        if asked() {
            D::offline(me, || {
                self.parked(|| {
                    while asked() && !self.run.over() {
                        thread::sleep(Duration::from_millis(1));
                    }
                });
            });
        }
    }
}

impl Drop for Sitter<'_> {
    fn drop(&mut self) {
        disturb::end();
        self.run.add(self.tally);
        self.seat.set(Doing::Absent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_period_passes_when_everybody_else_has_held_nothing() {
        let seats = Seats::new();
        for seat in &seats.seats[..3] {
            seat.set(Doing::Entering);
        }
        let period = seats.period();
        assert!(!period.has_passed(&seats, 0));
        // Ordering: Relaxed; there is one thread.
        seats.seats[1].free.store(1, Ordering::Relaxed);
        assert!(!period.has_passed(&seats, 0), "seat 2 may be inside still");
        seats.seats[2].set(Doing::Parked);
        assert!(period.has_passed(&seats, 0));
        assert!(!period.has_passed(&seats, 1), "seat 0 may be inside still");
        assert!(!seats.period().has_passed(&seats, 0), "a new period");
    }
}
