//! Several detachers that poll the same device, most of whom give up for good.
//!
//! Polls add up: what one call has seen leave, the next one need not wait for.
//! Whether they do is decided by state. A poller that is the last to go on with
//! its device counts *periods*, in each of which every thread has held nothing at
//! some time. Nobody can enter the device any more, so after the first of them
//! nobody is left in it, nor is anybody inside any other device who was there
//! when the device was closed. A few periods more are granted to strategies that
//! work in epochs; whoever is told "still held" after that waits for somebody who
//! came later.
//!
//! That must not be left to luck: a poll that forgets what the last one saw comes
//! through as soon as nobody is inside anywhere. So two more threads relieve each
//! other in a device of their own. One leaves when the other has come and a poll
//! has ended after that, so that whoever is found inside by a poll is there when
//! it ends.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use detach_strategies::{DetachError, DeviceRef, Reclaim};
use rand::Rng;

use super::board::Board;
use super::detacher::{attempt, knock, pause, wait_for, wake_everybody};
use super::disturb::{self, spin};
use super::holder::Besieging::Long;
use super::holder::{Stay, besiege};
use super::seat::{Doing, Period, Sitter};
use super::softc::Softc;
use super::{Run, Scene};

/// Threads that poll each device.
const POLLERS: usize = 3;

/// Periods after which polls must have come through. Epochs need three.
const ENOUGH: u32 = 6;

/// What the threads of a batch share.
struct Relay<D> {
    /// Those who have not given up, by device.
    willing: Box<[AtomicUsize]>,
    /// Polls that ended.
    polls: AtomicU64,
    elsewhere: D,
    /// Who of the two came last.
    last: AtomicUsize,
}

pub(super) fn scene<D: DeviceRef<Softc = Softc>>() -> Scene {
    let waits = D::PROPERTIES.reclaim == Reclaim::AfterHolders;
    Scene {
        name: "polls",
        play: play::<D>,
        needs: if waits {
            &[(
                |tally| tally.polled,
                "no poller detached a device that another had given up",
            )]
        } else {
            &[]
        },
    }
}

fn play<D: DeviceRef<Softc = Softc>>(run: &Run<'_>) {
    let board = Board::<D>::new(run, 60, 4, false);
    let softc = Softc::new();
    let relay = Relay {
        willing: (0..board.len())
            .map(|_| AtomicUsize::new(POLLERS))
            .collect(),
        polls: AtomicU64::new(0),
        elsewhere: D::attach(softc).expect("the strategy is supported here"),
        last: AtomicUsize::new(0),
    };
    thread::scope(|scope| {
        let (board, relay) = (&board, &relay);
        for seat in 0..3 + POLLERS {
            scope.spawn(move || {
                let mut sitter = Sitter::new(run, &board.hints, seat, 0);
                match seat {
                    0 | 1 => relieve(&mut sitter, board, relay, softc),
                    2 => besiege(&mut sitter, board, Long),
                    _ => poll_row(&mut sitter, board, relay),
                }
            });
        }
    });
    board.close(run);
    drop(relay);
    softc.retire();
}

/// Is inside elsewhere whenever the other one is not.
fn relieve<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    relay: &Relay<D>,
    softc: Softc,
) {
    let run = sitter.run;
    // What counts is that it is inside, not how it got there.
    disturb::end();
    let mut me = D::register().expect("the strategy is supported here");
    let go_on = || !board.finished() && !run.over();
    while go_on() {
        sitter.rest::<D>(&mut me);
        sitter.announce(Doing::Entering, board.len());
        let guard = relay.elsewhere.acquire(&me).expect("nobody detaches it");
        let expected = Some(softc.generation());
        let stay = Stay::begin(run, sitter.number, board.len(), *guard, expected);
        sitter.tally.acquires += 1;
        // Ordering: Release pairs with the Acquire below: it is inside.
        relay.last.store(sitter.number, Ordering::Release);
        let mut relieved = None;
        // Ordering: Relaxed; a request that is seen some time.
        while go_on() && !run.seats.pause.load(Ordering::Relaxed) {
            // Ordering: Acquire, twice; pairs with the Release above, and in
            // `poll`.
            let polls = relay.polls.load(Ordering::Acquire);
            if relay.last.load(Ordering::Acquire) != sitter.number
                && *relieved.get_or_insert(polls) != polls
            {
                break;
            }
            stay.look();
            spin(20);
            thread::yield_now();
        }
        drop(stay);
        drop(guard);
        D::safe_point(&mut me);
        sitter.idle();
    }
}

/// Polls every device of the row until it is gone, or others do.
fn poll_row<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    relay: &Relay<D>,
) {
    let mut me = D::register().expect("the strategy is supported here");
    for number in 0..board.len() {
        let gone = wait_for(sitter, board, &mut me, number).is_some_and(|device| {
            pause::<D>(sitter, &mut me);
            poll(sitter, board, relay, device, &mut me, number)
        });
        if !gone {
            wake_everybody(sitter, board, &mut me, number);
            return;
        }
    }
}

/// Polls one device until it is gone; tells whether to go on.
fn poll<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    relay: &Relay<D>,
    device: &D,
    me: &mut D::Registration,
    number: usize,
) -> bool {
    let run = sitter.run;
    let willing = &relay.willing[number];
    let mut polls = sitter.random.random_range(1..4);
    let mut period: Option<Period> = None;
    let mut periods = 0;
    while !run.over() {
        sitter.rest::<D>(me);
        // Ordering: Acquire pairs with the Release of those who give up: their
        // last poll has ended.
        let willing_now = willing.load(Ordering::Acquire);
        let (alone, given_up) = (willing_now == 1, willing_now < POLLERS);
        let passed = |period: &Period| period.has_passed(&run.seats, sitter.number);
        let passed = period.as_ref().is_some_and(passed);
        let patience = if alone {
            Duration::ZERO
        } else {
            Duration::from_micros(sitter.random.random_range(0..100))
        };
        let result = attempt(sitter, board, device, me, number, Some(patience));
        D::safe_point(me);
        sitter.idle();
        // Ordering: Release pairs with the Acquire in `relieve`.
        relay.polls.fetch_add(1, Ordering::Release);
        if result != Err(DetachError::StillHeld) {
            sitter.tally.polled += u64::from(given_up && result.is_ok());
            knock(sitter, device, me, number);
            return true;
        }
        if alone {
            periods += u32::from(passed);
            if periods == ENOUGH {
                run.report(&format!(
                    "polls of device {number} do not add up: still held, although every thread \
                     has been outside {ENOUGH} times since it was closed"
                ));
            }
            if passed || period.is_none() {
                period = Some(run.seats.period());
            }
            D::offline(me, thread::yield_now);
            continue;
        }
        polls -= 1;
        if polls == 0 {
            // Ordering: Release pairs with the Acquire above, and Acquire with
            // itself, so that the last one knows of all others.
            let left = willing.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |willing| {
                (willing > 1).then(|| willing - 1)
            });
            if left.is_ok() {
                return others_do(sitter, board, me, number);
            }
            polls = 1;
        }
        pause::<D>(sitter, me);
    }
    false
}

/// Waits until somebody else has detached the device; tells whether to go on.
fn others_do<D: DeviceRef<Softc = Softc>>(
    sitter: &Sitter<'_>,
    board: &Board<D>,
    me: &mut D::Registration,
    number: usize,
) -> bool {
    while !board.gone(number) {
        if sitter.run.over() {
            return false;
        }
        sitter.rest::<D>(me);
        D::safe_point(me);
        sitter.idle();
        D::offline(me, || thread::sleep(Duration::from_micros(50)));
    }
    true
}
