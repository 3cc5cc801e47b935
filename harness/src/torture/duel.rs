//! A duel: one holder and one detacher, each on a CPU of its own, in as tight a
//! loop as there is.
//!
//! A race between two store buffers cannot be stretched: it happens within the
//! time that a store takes to become visible, or not at all. What helps is
//! many rounds, no locked instruction in the way, and store buffers that are
//! full already.
//!
//! And the two have to run at the same time, which on a busy machine they do
//! not, if each spins its time slice away while the other waits for a CPU. So
//! whoever finds the other absent sleeps until it is back: a thread that has
//! slept is scheduled soon.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use detach_strategies::DeviceRef;
use detach_strategies::platform::topology::pin_current_thread;
use rand::Rng;

use super::board::Board;
use super::detacher::{detach, wait_for};
use super::disturb::{self, Hints, spin};
use super::holder::{Stay, Until};
use super::seat::{Doing, Sitter};
use super::softc::Softc;

const HOLDER: usize = 0;
const DETACHER: usize = 1;

/// How long the other may keep one waiting before one sleeps.
const IMPATIENCE: Duration = Duration::from_micros(100);

/// How long one sleeps at most: a call may come just before one sleeps.
const NAP: Duration = Duration::from_millis(1);

/// Where the two meet.
#[derive(Debug, Default)]
pub(super) struct Meeting {
    /// Devices that the holder has been inside.
    visited: AtomicUsize,
    threads: [OnceLock<Thread>; 2],
    asleep: [AtomicBool; 2],
}

impl Meeting {
    /// Takes part, on a CPU of its own.
    fn join(&self, sitter: &Sitter<'_>, who: usize) {
        let cpus = &sitter.run.cpus;
        if let Some(&cpu) = cpus.get(who % cpus.len().max(1)) {
            // Where pinning is refused the two may share a CPU, and the duel
            // is weaker for it.
            let _ = pin_current_thread(cpu);
        }
        self.threads[who].get_or_init(thread::current);
    }

    /// Sleeps until called, unless `ready` already.
    fn sleep(&self, who: usize, ready: impl Fn() -> bool) {
        // Ordering: Relaxed; a call that is missed costs a nap.
        self.asleep[who].store(true, Ordering::Relaxed);
        if !ready() {
            thread::park_timeout(NAP);
        }
        // Ordering: Relaxed; the same.
        self.asleep[who].store(false, Ordering::Relaxed);
    }

    /// Wakes the other, if it sleeps.
    fn call(&self, who: usize) {
        // Ordering: Relaxed; the same.
        if self.asleep[who].load(Ordering::Relaxed)
            && let Some(thread) = self.threads[who].get()
        {
            thread.unpark();
        }
    }

    fn visited(&self) -> usize {
        // Ordering: Relaxed; a hint when to begin.
        self.visited.load(Ordering::Relaxed)
    }
}

/// Enters and leaves one device after the other until each is gone.
pub(super) fn holder<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    meeting: &Meeting,
) {
    meeting.join(sitter, HOLDER);
    let run = sitter.run;
    let mut me = D::register().expect("the strategy is supported here");
    for number in 0..board.len() {
        let Some(device) = wait_for(sitter, board, &mut me, number) else {
            return;
        };
        let expected = board.expected(number);
        let begun = Instant::now();
        while !board.gone(number) {
            let until = match sitter.random.random_range(0..4) {
                0 => Until::Laps(sitter.random.random_range(0..50)),
                1 => Until::Laps(sitter.random.random_range(0..1000)),
                2 => Until::Looks(sitter.random.random_range(0..300)),
                // The moment at which a detacher has looked often enough and
                // goes to sleep.
                _ => Until::Looks(sitter.random.random_range(190..215)),
            };
            sitter.announce(Doing::Entering, number);
            match device.acquire(&me) {
                Ok(guard) => {
                    let stay = Stay::begin(run, sitter.number, number, *guard, expected);
                    // Ordering: Relaxed; tells the detacher to begin.
                    meeting.visited.store(number + 1, Ordering::Relaxed);
                    until.pass(&stay, &board.hints);
                    drop(stay);
                    drop(guard);
                    sitter.tally.acquires += 1;
                }
                Err(_) => sitter.tally.late += 1,
            }
            D::safe_point(&mut me);
            sitter.idle();
            meeting.call(DETACHER);
            sitter.rest::<D>(&mut me);
            if begun.elapsed() > IMPATIENCE {
                if run.over() {
                    return;
                }
                D::offline(&mut me, || {
                    sitter.parked(|| meeting.sleep(HOLDER, || board.gone(number)));
                });
            }
        }
    }
}

/// Detaches one device after the other, each soon after the holder has come.
pub(super) fn detacher<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    meeting: &Meeting,
) {
    meeting.join(sitter, DETACHER);
    // The holder's store buffer is the one that counts.
    disturb::end();
    let run = sitter.run;
    let mut me = D::register().expect("the strategy is supported here");
    for number in 0..board.len() {
        let Some(device) = wait_for(sitter, board, &mut me, number) else {
            return;
        };
        let begun = Instant::now();
        while meeting.visited() <= number {
            D::safe_point(&mut me);
            spin(10);
            if begun.elapsed() > IMPATIENCE {
                if run.over() {
                    return;
                }
                D::offline(&mut me, || {
                    sitter.parked(|| meeting.sleep(DETACHER, || meeting.visited() > number));
                });
            }
        }
        sitter.rest::<D>(&mut me);
        ambush(sitter, &board.hints);
        let go_on = detach(sitter, board, device, &mut me, number);
        meeting.call(HOLDER);
        if !go_on {
            return;
        }
    }
}

/// Waits until the holder is about to enter, and a little longer.
fn ambush(sitter: &mut Sitter<'_>, hints: &Hints) {
    let before = hints.entering();
    // Some strategies never tell, and a holder may have been put to sleep.
    for _ in 0..1000 {
        if hints.entering() != before {
            break;
        }
        spin(1);
    }
    let laps = 1 << sitter.random.random_range(0..9);
    spin(sitter.random.random_range(0..laps));
    hints.forget_looks();
}
