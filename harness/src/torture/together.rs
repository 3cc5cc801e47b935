//! Devices that several threads detach in sets that overlap, each in an order of
//! its own, while others detach them one by one.
//!
//! A call holds many claims at once, so it must not wait for one that somebody
//! else holds while it holds any; the watchdog sees those who do. Each place of a
//! set is told once, and the board sees that each softc is handed over once.

use std::thread;

use detach_strategies::controls::{together_early, together_holding};
use detach_strategies::{Detached, DeviceRef, registry};
use rand::Rng;
use rand::seq::SliceRandom;

use super::board::Board;
use super::detacher::{Pace, detach_row, knock, pause};
use super::holder::enter_and_leave;
use super::seat::{Doing, Sitter};
use super::softc::Softc;
use super::{Run, Scene};

/// Devices attached at a time, and at most in a set.
const WINDOW: usize = 8;

/// The scene, for all strategies. There is no time limit to the call, so of the
/// controls it is for those that are sure to return from it.
pub(super) fn scene<D: DeviceRef<Softc = Softc>>() -> Option<Scene> {
    let id = D::PROPERTIES.id;
    let strategies = registry::all();
    let sound = strategies.iter().any(|strategy| strategy.id == id);
    let returns = [together_early::CONTROL.id, together_holding::CONTROL.id].contains(&id);
    (sound || returns).then_some(Scene {
        name: "together",
        play: play::<D>,
        needs: &[(|tally| tally.together, "no devices were detached together")],
    })
}

fn play<D: DeviceRef<Softc = Softc>>(run: &Run<'_>) {
    let board = Board::<D>::new(run, 300, WINDOW, false);
    thread::scope(|scope| {
        let board = &board;
        for seat in 0..7 {
            scope.spawn(move || {
                let mut sitter = Sitter::new(run, &board.hints, seat, 0);
                match seat {
                    0..3 => enter_and_leave(&mut sitter, board, usize::MAX),
                    3..6 => detach_sets(&mut sitter, board),
                    _ => detach_row(&mut sitter, board, Pace::Any),
                }
            });
        }
    });
    board.close(run);
}

fn detach_sets<D: DeviceRef<Softc = Softc>>(sitter: &mut Sitter<'_>, board: &Board<D>) {
    let mut me = D::register().expect("the strategy is supported here");
    while !board.finished() && !sitter.run.over() {
        pause::<D>(sitter, &mut me);
        detach_set(sitter, board, &mut me);
    }
}

/// Detaches some of the devices that are attached, perhaps one that is gone, and
/// perhaps one that is named twice.
pub(super) fn detach_set<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    me: &mut D::Registration,
) {
    let run = sitter.run;
    let from = board.detached().saturating_sub(1);
    let mut set: Vec<(usize, &D)> = (from..from + WINDOW)
        .filter_map(|number| Some((number, board.attached(number)?)))
        .collect();
    set.shuffle(&mut sitter.random);
    set.truncate(sitter.random.random_range(1..=WINDOW));
    if sitter.random.random_bool(0.2) {
        set.extend_from_within(..1.min(set.len()));
    }
    let devices: Vec<&D> = set.iter().map(|(_, device)| *device).collect();
    let mut told = vec![0; set.len()];
    let first = set.first().map_or(from, |(number, _)| *number);
    sitter.announce(Doing::Detaching, first);
    let tally = &mut sitter.tally;
    D::detach_all(&devices, me, |place, result| {
        told[place] += 1;
        match result {
            Ok(softc) => {
                board.won(run, set[place].0, softc, tally);
                tally.together += u64::from(devices.len() > 1);
            }
            Err(Detached) => tally.beaten += 1,
        }
        run.seats.advance();
    });
    sitter.idle();
    for ((number, device), told) in set.into_iter().zip(told) {
        if told != 1 {
            run.report(&format!(
                "a detach of many devices told {told} times what became of device {number}"
            ));
        }
        knock(sitter, device, me, number);
    }
}
