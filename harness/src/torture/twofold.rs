//! Threads with two registrations each.
//!
//! A thread enters one device with one registration, and the same or another with
//! the other; leaves in any order; and detaches with one what it does not hold
//! with the other. Where a detach waits for the holders of every device it waits
//! for its own caller then, so it has patience, but not much. That also ends the
//! deadlock of a lock whose readers queue behind a writer: a holder of the device
//! may wait for the one that this thread holds.

use std::thread;
use std::time::Duration;

use detach_strategies::{DeviceRef, WaitsFor};
use rand::Rng;

use super::board::Board;
use super::detacher::{Pace, attempt, detach, detach_row};
use super::holder::{Stay, choose};
use super::seat::{Doing, Sitter};
use super::softc::Softc;
use super::{Run, Scene};

pub(super) fn scene<D: DeviceRef<Softc = Softc>>() -> Scene {
    Scene {
        name: "twofold",
        play: play::<D>,
        needs: match D::PROPERTIES.waits_for {
            WaitsFor::EveryDevice => &[TWOFOLD],
            _ => &[TWOFOLD, ASIDE],
        },
    }
}

const TWOFOLD: super::scenes::Need = (
    |tally| tally.twofold,
    "no thread was inside with two registrations",
);

const ASIDE: super::scenes::Need = (
    |tally| tally.aside,
    "no thread detached with one registration while it was inside with the other",
);

fn play<D: DeviceRef<Softc = Softc>>(run: &Run<'_>) {
    let board = Board::<D>::new(run, 120, 4, false);
    thread::scope(|scope| {
        let board = &board;
        for seat in 0..3 {
            scope.spawn(move || {
                come_with_two(&mut Sitter::new(run, &board.hints, seat, 0), board);
            });
        }
        scope
            .spawn(move || detach_row(&mut Sitter::new(run, &board.hints, 3, 0), board, Pace::Any));
    });
    board.close(run);
}

fn come_with_two<D: DeviceRef<Softc = Softc>>(sitter: &mut Sitter<'_>, board: &Board<D>) {
    let register = || D::register().expect("the strategy is supported here");
    let (mut one, mut other) = (register(), register());
    while !board.finished() && !sitter.run.over() {
        D::offline(&mut other, || sitter.rest::<D>(&mut one));
        let number = choose(sitter, board);
        sitter.announce(Doing::Entering, number);
        if sitter.random.random_bool(0.8) {
            enter_twice(sitter, board, number, &one, &other);
        } else {
            detach_aside(sitter, board, number, &mut one, &mut other);
        }
        D::safe_point(&mut one);
        D::safe_point(&mut other);
        sitter.idle();
    }
}

/// Enters two devices, or one twice, and leaves in any order.
fn enter_twice<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    number: usize,
    one: &D::Registration,
    other: &D::Registration,
) {
    let same = sitter.run.properties.nesting && sitter.random.random_bool(0.5);
    let mut first = enter(sitter, board, number, one);
    let mut second = enter(sitter, board, number + usize::from(!same), other);
    sitter.tally.twofold += u64::from(first.is_some() && second.is_some());
    if sitter.random.random_bool(0.5) {
        std::mem::swap(&mut first, &mut second);
    }
    drop(first);
    if let Some((stay, _)) = &second {
        stay.look_for(sitter.random.random_range(0..1000));
    }
}

/// Enters one device and stays for a while.
fn enter<'r, 'b, D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'r>,
    board: &'b Board<D>,
    number: usize,
    me: &'b D::Registration,
) -> Option<(Stay<'r>, D::Guard<'b>)> {
    let device = board.attached(number)?;
    let Ok(guard) = device.acquire(me) else {
        sitter.tally.late += 1;
        return None;
    };
    sitter.tally.acquires += 1;
    let expected = board.expected(number);
    let stay = Stay::begin(sitter.run, sitter.number, number, *guard, expected);
    if sitter.random.random_bool(0.5) {
        thread::yield_now();
    }
    stay.look_for(sitter.random.random_range(0..500));
    Some((stay, guard))
}

/// Detaches one device with one registration, inside the next one with the other.
fn detach_aside<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    number: usize,
    one: &mut D::Registration,
    other: &mut D::Registration,
) {
    let Some(device) = board.attached(number) else {
        thread::yield_now();
        return;
    };
    // Whoever holds it detaches devices before it only, so nobody waits in a
    // circle.
    if let Some(_held) = enter(sitter, board, number + 1, other) {
        let patience = Duration::from_micros(sitter.random.random_range(0..2000));
        let result = attempt(sitter, board, device, one, number, Some(patience));
        sitter.tally.aside += u64::from(result.is_ok());
        sitter.announce(Doing::Entering, number + 1);
        return;
    }
    D::offline(other, || detach(sitter, board, device, one, number));
}
