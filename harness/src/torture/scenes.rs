//! The scenes that are played in turn, and who is on stage.

use std::thread;

use detach_strategies::DeviceRef;
use detach_strategies::registry::Visitor;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::board::Board;
use super::detacher::{Pace, detach_row};
use super::holder::Besieging::{Long, Short};
use super::holder::{besiege, enter_and_leave};
use super::seat::Sitter;
use super::softc::Softc;
use super::tally::Tally;
use super::{Run, disturb, duel, hand_over, polls, reopen, together, twofold};

/// One way to torture.
#[derive(Clone, Copy)]
pub(super) struct Scene {
    /// What it is called in reports.
    pub(super) name: &'static str,
    /// Plays one batch of devices.
    pub(super) play: fn(&Run<'_>),
    /// What must have been done for the scene to count as played.
    pub(super) needs: &'static [Need],
}

/// A count that must not be zero, and what it means if it is.
pub(super) type Need = (fn(&Tally) -> u64, &'static str);

/// Lists the scenes that fit a strategy, except for the duel.
pub(super) struct Crowded;

impl Visitor<Softc> for Crowded {
    type Output = Vec<Scene>;

    fn visit<D: DeviceRef<Softc = Softc>>(&mut self) -> Vec<Scene> {
        let id = D::PROPERTIES.id;
        let everywhere = [
            polls::scene::<D>(),
            twofold::scene::<D>(),
            Scene {
                name: "crowd",
                play: play_crowd::<D>,
                needs: &[],
            },
            Scene {
                name: "siege",
                play: play_siege::<D>,
                needs: &[],
            },
            Scene {
                name: "churn",
                play: play_churn::<D>,
                needs: &[],
            },
        ];
        let somewhere = [
            together::scene::<D>(),
            hand_over::scene(id),
            reopen::scene(id),
        ];
        let somewhere = somewhere.into_iter().flatten();
        everywhere.into_iter().chain(somewhere).collect()
    }
}

/// The duel, for strategies that clog their store buffers.
pub(super) struct Duelling;

impl Visitor<Softc> for Duelling {
    type Output = Scene;

    fn visit<D: DeviceRef<Softc = Softc>>(&mut self) -> Scene {
        Scene {
            name: "duel",
            play: play_duel::<D>,
            needs: &[],
        }
    }
}

/// One holder and one detacher, each on its own CPU.
fn play_duel<D: DeviceRef<Softc = Softc>>(run: &Run<'_>) {
    let board = Board::<D>::new(run, 2000, 8, false);
    let meeting = duel::Meeting::default();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut sitter = Sitter::new(run, &board.hints, 0, 0);
            duel::holder(&mut sitter, &board, &meeting);
        });
        scope.spawn(|| {
            let mut sitter = Sitter::new(run, &board.hints, 1, 0);
            duel::detacher(&mut sitter, &board, &meeting);
        });
    });
    board.close(run);
}

/// More threads than CPUs, all of them delayed wherever it may hurt, and up to
/// three detachers that compete.
fn play_crowd<D: DeviceRef<Softc = Softc>>(run: &Run<'_>) {
    let mut random = SmallRng::seed_from_u64(run.seed_of(0, 1));
    let holders = random.random_range(2..6);
    let detachers = random.random_range(1..4);
    let board = Board::<D>::new(run, 200, 4, false);
    thread::scope(|scope| {
        let board = &board;
        for seat in 0..holders {
            scope.spawn(move || {
                let mut sitter = Sitter::new(run, &board.hints, seat, 0);
                enter_and_leave(&mut sitter, board, usize::MAX);
            });
        }
        for seat in holders..holders + detachers {
            scope.spawn(move || {
                detach_row(
                    &mut Sitter::new(run, &board.hints, seat, 0),
                    board,
                    Pace::Any,
                );
            });
        }
    });
    board.close(run);
}

/// Threads that register, enter a few times and go, again and again.
fn play_churn<D: DeviceRef<Softc = Softc>>(run: &Run<'_>) {
    let board = Board::<D>::new(run, 100, 4, false);
    thread::scope(|scope| {
        let board = &board;
        for seat in 0..3 {
            scope.spawn(move || {
                for salt in 0.. {
                    if board.finished() || run.over() {
                        break;
                    }
                    thread::scope(|short| {
                        short.spawn(|| {
                            let mut sitter = Sitter::new(run, &board.hints, seat, salt);
                            enter_and_leave(&mut sitter, board, 3);
                        });
                    });
                }
            });
        }
        scope
            .spawn(move || detach_row(&mut Sitter::new(run, &board.hints, 3, 0), board, Pace::Any));
    });
    board.close(run);
}

/// Everybody at the same device: one holder who stays long, latecomers who come
/// and go without end, and a detacher.
fn play_siege<D: DeviceRef<Softc = Softc>>(run: &Run<'_>) {
    let board = Board::<D>::new(run, 200, 4, false);
    thread::scope(|scope| {
        for seat in 0..5 {
            let board = &board;
            scope.spawn(move || {
                let mut sitter = Sitter::new(run, &board.hints, seat, 0);
                match seat {
                    0 => detach_row(&mut sitter, board, Pace::Besieged),
                    1 => besiege(&mut sitter, board, Long),
                    _ => {
                        disturb::be_restless();
                        besiege(&mut sitter, board, Short);
                    }
                }
            });
        }
    });
    board.close(run);
}
