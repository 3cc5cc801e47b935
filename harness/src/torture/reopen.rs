//! Devices that are closed, given another softc, and opened again.
//!
//! As with guards that are `Send`, a visitor of the registry does not know
//! which strategies implement [`Reopen`], so they are listed once more.

use std::thread;
use std::time::Duration;

use detach_strategies::turnstile::{Device, PerCpu, PerThread, PerThreadFenced};
use detach_strategies::{Closed, DetachError, DeviceRef, Reopen};
use rand::Rng;

use super::board::{Board, reclaim};
use super::detacher::{detach, wait_for};
use super::disturb::Dawdling as P;
use super::holder::enter_and_leave;
use super::seat::{Doing, Sitter};
use super::softc::Softc;
use super::together::detach_set;
use super::{Run, Scene};

macro_rules! list {
    ($($device:ty),* $(,)?) => {
        /// The scene, for the strategies that can reopen.
        pub(super) fn scene(id: &str) -> Option<Scene> {
            $(
                if <$device as DeviceRef>::PROPERTIES.id == id {
                    return Some(Scene { name: "reopen", play: play::<$device>, needs: &[] });
                }
            )*
            None
        }
    };
}

list! {
    Device<Softc, PerCpu, P>,
    Device<Softc, PerThread, P>,
    Device<Softc, PerThreadFenced, P>,
}

fn play<D: Reopen<Softc = Softc>>(run: &Run<'_>) {
    let board = Board::<D>::new(run, 60, 4, true);
    thread::scope(|scope| {
        let board = &board;
        for seat in 0..3 {
            scope.spawn(move || {
                let mut sitter = Sitter::new(run, &board.hints, seat, 0);
                enter_and_leave(&mut sitter, board, usize::MAX);
            });
        }
        for seat in 3..5 {
            scope.spawn(move || {
                let mut sitter = Sitter::new(run, &board.hints, seat, 0);
                close_and_detach(&mut sitter, board);
            });
        }
    });
    board.close(run);
}

/// Closes and opens each device of the row some times before it is detached,
/// alone or together with others.
fn close_and_detach<D: Reopen<Softc = Softc>>(sitter: &mut Sitter<'_>, board: &Board<D>) {
    let mut me = D::register().expect("the strategy is supported here");
    for number in 0..board.len() {
        let Some(device) = wait_for(sitter, board, &mut me, number) else {
            return;
        };
        let times = sitter.random.random_range(0..4);
        let taken = (0..times).any(|_| {
            sitter.rest::<D>(&mut me);
            close(sitter, board, device, &mut me, number)
        });
        if !taken && sitter.random.random_bool(0.5) {
            detach_set(sitter, board, &mut me);
        } else if !taken && !detach(sitter, board, device, &mut me, number) {
            return;
        }
    }
}

/// Closes one device and exchanges its softc; tells whether it took the device
/// away altogether.
fn close<D: Reopen<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    device: &D,
    me: &mut D::Registration,
    number: usize,
) -> bool {
    let run = sitter.run;
    // A holder that enters again waits at the closed gate, and this for it, so
    // patience decides how long that may take.
    let patience = Duration::from_micros(sitter.random.random_range(1..2000));
    sitter.announce(Doing::Detaching, number);
    let taken = match device.close(me, patience) {
        Ok(mut closed) => {
            let old = std::mem::replace(&mut *closed, Softc::new());
            if let Err(sight) = reclaim::<D>(old) {
                run.report(&format!("{sight}; device {number}, closed"));
            }
            if sitter.random.random_bool(0.1) {
                let softc = closed.detach();
                board.won(run, number, softc, &mut sitter.tally);
                true
            } else {
                closed.reopen();
                sitter.tally.reopened += 1;
                false
            }
        }
        Err(DetachError::StillHeld) => {
            sitter.tally.gave_up += 1;
            false
        }
        Err(DetachError::Detached) => false,
    };
    run.seats.advance();
    sitter.idle();
    taken
}

#[cfg(test)]
mod tests {
    use detach_strategies::registry;

    use super::*;

    #[test]
    fn exactly_those_that_say_so_are_reopened() {
        for properties in registry::all() {
            assert_eq!(
                scene(properties.id).is_some(),
                properties.reopens,
                "{}",
                properties.id
            );
        }
    }
}
