//! What detachers are made of, by itself: the bell, and the right to detach.

use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::thread;

use crate::DetachError;
use crate::primitive::attachment::{Claim, Claims};
use crate::primitive::bell::Bell;
use crate::primitive::parcel::Parcel;
use crate::primitive::patience::Patience;
use crate::primitive::roster::Roster;
use crate::primitive::sync::fence;
use crate::support::{DEADLOCK, holds, is_caught, preemptions};

struct Room {
    left: [AtomicBool; 2],
    bell: Bell,
}

impl Room {
    fn new() -> Arc<Self> {
        warm_up();
        Arc::new(Room {
            left: [AtomicBool::new(false), AtomicBool::new(false)],
            bell: Bell::new(),
        })
    }

    fn wait(&self, heavy: impl Fn()) {
        let empty = || self.left.iter().all(|left| left.load(Ordering::Acquire));
        assert!(self.bell.wait(Patience::FOREVER, true, heavy, empty));
    }

    fn leave(&self, who: usize, light: impl Fn()) {
        self.left[who].store(true, Ordering::Release);
        light();
        self.bell.ring_if_awaited();
    }
}

fn full() {
    fence(Ordering::SeqCst);
}

fn none() {}

/// See `scenes::warm_up`.
fn warm_up() {
    full();
}

fn one_waits(heavy: fn(), light: fn()) {
    let room = Room::new();
    let leavers = [0, 1].map(|who| {
        let room = Arc::clone(&room);
        thread::spawn(move || room.leave(who, light))
    });
    room.wait(heavy);
    for leaver in leavers {
        leaver.join().unwrap();
    }
}

#[test]
fn bell_for_one() {
    holds(preemptions(2, 4), || one_waits(full, full));
}

#[test]
fn bell_for_two() {
    holds(preemptions(2, 3), || {
        let room = Room::new();
        let leaver = {
            let room = Arc::clone(&room);
            thread::spawn(move || {
                room.leave(0, full);
                room.leave(1, full);
            })
        };
        let other = {
            let room = Arc::clone(&room);
            thread::spawn(move || room.wait(full))
        };
        room.wait(full);
        leaver.join().unwrap();
        other.join().unwrap();
    });
}

/// A softc is sent off while somebody waits for it.
#[test]
fn a_parcel_arrives() {
    holds(preemptions(3, None), || {
        warm_up();
        let (parcel, delivery) = Parcel::new(7);
        let holder = thread::spawn(move || drop(parcel));
        assert_eq!(delivery.wait(Patience::FOREVER, None), Some(7));
        holder.join().unwrap();
    });
}

/// A record's next owner finds what the last one left there. In the strategies
/// there is a fence before a record is left, which under loom is a full one.
#[test]
fn a_record_is_passed_on() {
    holds(preemptions(3, None), || {
        let roster = Arc::new(Roster::<AtomicU64>::new());
        let owners = [(); 2].map(|()| {
            let roster = Arc::clone(&roster);
            thread::spawn(move || {
                let record = roster.join();
                // Orderings: Relaxed; nobody else has the record.
                let number = record.load(Ordering::Relaxed);
                record.store(number + 1, Ordering::Relaxed);
                roster.leave(record);
            })
        });
        for owner in owners {
            owner.join().unwrap();
        }
        // Ordering: Relaxed; the owners have ended.
        let numbers = roster.iter().map(|number| number.load(Ordering::Relaxed));
        assert_eq!(numbers.sum::<u64>(), 2, "an owner's write is lost");
    });
}

/// One has the right and gives it up, two others want it: one of them wins, and
/// the other one learns that nothing is left.
#[test]
fn a_claim_is_passed_on() {
    holds(preemptions(3, 5), || {
        let claims = Arc::new(Claims::new());
        let given_up = claims.claim(Patience::FOREVER).unwrap();
        let rivals = [(); 2].map(|()| {
            let claims = Arc::clone(&claims);
            thread::spawn(move || claims.claim(Patience::FOREVER).map(Claim::finish))
        });
        drop(given_up);
        let outcomes = rivals.map(|rival| rival.join().unwrap());
        assert!(outcomes.contains(&Ok(())), "nobody wins");
        assert!(outcomes.contains(&Err(DetachError::Detached)), "two win");
    });
}

#[test]
fn broken_bell_without_the_light_fence() {
    is_caught(3, &DEADLOCK, || one_waits(full, none));
}

#[test]
fn broken_bell_without_the_heavy_fence() {
    is_caught(3, &DEADLOCK, || one_waits(none, full));
}
