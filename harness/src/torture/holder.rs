//! Holders: threads that enter, stay in some manner, and leave.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::thread;
use std::time::{Duration, Instant};

use detach_strategies::{Detached, DeviceRef, Reclaim, Sleepers};
use rand::Rng;

use super::Run;
use super::board::Board;
use super::detacher::wait_for;
use super::disturb::{Hints, migrate, spin};
use super::seat::{Doing, Sitter};
use super::softc::{Sight, Softc};

/// A stay inside a device: from the first look at the softc to the last.
pub(super) struct Stay<'r> {
    run: &'r Run<'r>,
    softc: Softc,
    seat: usize,
    device: usize,
}

impl<'r> Stay<'r> {
    /// Begins a stay with the softc that a guard showed. `expected` is the one
    /// that the device was attached with, where that is known.
    pub(super) fn begin(
        run: &'r Run<'r>,
        seat: usize,
        device: usize,
        softc: Softc,
        expected: Option<u64>,
    ) -> Self {
        let stay = Stay {
            run,
            softc,
            seat,
            device,
        };
        if let Err(sight) = softc.whole() {
            stay.report(sight);
        } else if expected.is_some_and(|expected| expected != softc.generation()) {
            run.report(&format!("device {device} showed the softc of another"));
        } else if run.marks() {
            softc.mark(seat);
        }
        stay.look();
        stay
    }

    /// Goes on with a stay that another thread has begun.
    pub(super) fn take_over(run: &'r Run<'r>, seat: usize, device: usize, softc: Softc) -> Self {
        let stay = Stay {
            run,
            softc,
            seat,
            device,
        };
        stay.look();
        stay
    }

    /// Ends this thread's part of the stay; another one takes over.
    pub(super) fn hand_over(self) {
        std::mem::forget(self);
    }

    /// Looks whether the softc is still there.
    #[inline]
    pub(super) fn look(&self) {
        if self.run.properties.reclaim != Reclaim::Snapshots
            && let Err(sight) = self.softc.alive()
        {
            self.report(sight);
        }
    }

    /// Looks again and again.
    pub(super) fn look_for(&self, laps: u32) {
        for _ in 0..laps {
            self.look();
            std::hint::spin_loop();
        }
    }

    #[cold]
    fn report(&self, sight: Sight) {
        self.run.report(&format!("{sight}; device {}", self.device));
    }
}

impl Drop for Stay<'_> {
    fn drop(&mut self) {
        self.look();
        if self.run.marks() && self.softc.whole().is_ok() {
            self.softc.unmark(self.seat);
        }
    }
}

/// Enters devices of the board until all are gone, or `limit` times.
pub(super) fn enter_and_leave<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    limit: usize,
) {
    let run = sitter.run;
    let mut me = D::register().expect("the strategy is supported here");
    for _ in 0..limit {
        if board.finished() || run.over() {
            return;
        }
        sitter.rest::<D>(&mut me);
        let device = choose(sitter, board);
        sitter.announce(Doing::Entering, device);
        // Late arrivals come in swarms.
        let knocks = if board.gone(device) { 20 } else { 1 };
        for _ in 0..knocks {
            if sitter.random.random_bool(0.1) {
                sleep_inside(sitter, board, &mut me, device);
            } else {
                visit(sitter, board, &me, device, 0);
            }
            D::safe_point(&mut me);
        }
        sitter.idle();
        if sitter.random.random_bool(0.05) {
            let nap = Duration::from_micros(sitter.random.random_range(1..100));
            D::offline(&mut me, || thread::sleep(nap));
        }
    }
}

/// A device to enter: most likely one of the window, at times one before it.
pub(super) fn choose<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
) -> usize {
    let from = board.detached().saturating_sub(1);
    (from + sitter.random.random_range(0..4)).min(board.len() - 1)
}

/// Enters one device, stays, and leaves.
fn visit<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    me: &D::Registration,
    number: usize,
    depth: u32,
) {
    let Some(device) = board.device(number) else {
        // Not attached yet: somebody has to run for that.
        thread::yield_now();
        return;
    };
    let Ok(guard) = device.acquire(me) else {
        sitter.tally.late += 1;
        return;
    };
    sitter.tally.acquires += 1;
    sitter.tally.nested += u64::from(depth > 0);
    let stay = Stay::begin(
        sitter.run,
        sitter.number,
        number,
        *guard,
        board.expected(number),
    );
    let properties = &sitter.run.properties;
    match sitter.random.random_range(0..100) {
        0..40 => {
            let laps = sitter.random.random_range(0..1000);
            stay.look_for(laps);
        }
        40..55 => {
            for _ in 0..3 {
                thread::yield_now();
                stay.look();
            }
        }
        55..65 if properties.holder_may_sleep => {
            thread::sleep(Duration::from_micros(sitter.random.random_range(1..200)));
        }
        65..75 => {
            let moved = migrate(&mut sitter.random, &sitter.run.cpus);
            sitter.tally.migrations += u64::from(moved);
        }
        75..90 if properties.nesting && depth < 3 => {
            visit(sitter, board, me, number, depth + 1);
        }
        // Another device, and only one with a higher number: with locks, two
        // holders that wait for each other's device would be a deadlock of
        // the holders' making.
        90..95 if number + 1 < board.len() => {
            visit(sitter, board, me, number + 1, depth);
        }
        95.. => {
            sitter.tally.panics += 1;
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                // Dropped in this order.
                let _inside = (stay, guard);
                // Like a panic, without the message on standard error.
                resume_unwind(Box::new("a holder fails"));
            }));
            assert!(panicked.is_err());
            return;
        }
        _ => {}
    }
    stay.look();
    drop(stay);
    drop(guard);
}

/// Enters one device, sleeps inside in the way of its strategy, and leaves.
fn sleep_inside<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    me: &mut D::Registration,
    number: usize,
) {
    let run = sitter.run;
    let properties = &run.properties;
    let Some(device) = board.device(number) else {
        thread::yield_now();
        return;
    };
    if !properties.holder_may_sleep && properties.sleepers == Sleepers::AsOthers {
        return;
    }
    // Whoever is woken sleeps until then.
    let woken = properties.sleepers == Sleepers::Woken && sitter.random.random_bool(0.5);
    let time = if woken {
        run.longest_sleep()
    } else {
        Duration::from_micros(sitter.random.random_range(1..200))
    };
    let stayed = device.stay(me, |softc, sleep| {
        let expected = board.expected(number);
        let stay = Stay::begin(run, sitter.number, number, *softc, expected);
        let begun = Instant::now();
        if woken {
            sitter.announce(Doing::Sleeping, number);
        }
        let slept = sleep(time);
        sitter.announce(Doing::Entering, number);
        if woken && (slept.is_ok() || begun.elapsed() >= time) {
            run.report(&format!("nobody woke who slept in device {number}"));
        }
        stay.look();
    });
    match stayed {
        Ok(()) => sitter.tally.acquires += 1,
        Err(Detached) => sitter.tally.late += 1,
    }
}

/// How a thread takes part in a siege.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Besieging {
    /// It is inside nearly all the time.
    Long,
    /// It comes and goes.
    Short,
}

/// Enters and leaves each device of the row until it is gone.
pub(super) fn besiege<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    besieging: Besieging,
) {
    let run = sitter.run;
    let mut me = D::register().expect("the strategy is supported here");
    for number in 0..board.len() {
        let Some(device) = wait_for(sitter, board, &mut me, number) else {
            return;
        };
        while !board.gone(number) {
            if run.over() {
                return;
            }
            sitter.rest::<D>(&mut me);
            sitter.announce(Doing::Entering, number);
            match device.acquire(&me) {
                Ok(guard) => {
                    let expected = board.expected(number);
                    let stay = Stay::begin(run, sitter.number, number, *guard, expected);
                    if besieging == Besieging::Long {
                        linger(sitter, &stay);
                    }
                    drop(stay);
                    drop(guard);
                    sitter.tally.acquires += 1;
                }
                Err(_) => sitter.tally.late += 1,
            }
            D::safe_point(&mut me);
            sitter.idle();
        }
    }
}

/// Stays inside for long, asleep if that is allowed.
fn linger(sitter: &mut Sitter<'_>, stay: &Stay<'_>) {
    let naps = sitter.random.random_range(1..6);
    for _ in 0..naps {
        if sitter.run.properties.holder_may_sleep {
            thread::sleep(Duration::from_micros(sitter.random.random_range(1..200)));
        } else {
            thread::yield_now();
        }
        stay.look();
    }
}

/// How long a holder of a duel stays.
pub(super) enum Until {
    /// So many looks at the softc.
    Laps(u32),
    /// Until detachers have looked so often whether everybody has left.
    Looks(u64),
}

impl Until {
    /// Stays that long.
    pub(super) fn pass(&self, stay: &Stay<'_>, hints: &Hints) {
        match *self {
            Until::Laps(laps) => stay.look_for(laps),
            Until::Looks(looks) => {
                // The limit is for strategies whose detachers do not look.
                for _ in 0..2000 {
                    if hints.looks() >= looks {
                        return;
                    }
                    stay.look();
                    spin(1);
                }
            }
        }
    }
}
