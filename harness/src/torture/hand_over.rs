//! Guards that are released by another thread than the one that acquired them.
//!
//! Only some strategies allow it, and the compiler knows which: their guards
//! are `Send`. A visitor of the registry knows less, so these are listed here
//! once more, and a test compares the list with what the properties say.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use detach_strategies::DeviceRef;
use rand::Rng;

use super::board::Board;
use super::detacher::{Pace, detach_row};
use super::disturb::{Hints, migrate};
use super::holder::Stay;
use super::seat::{Doing, Sitter};
use super::softc::Softc;
use super::{Run, Scene};

/// A guard on its way, with what its receiver needs to know.
struct Parcel<G> {
    guard: G,
    softc: Softc,
    device: usize,
}

macro_rules! list {
    ($($(#[$meta:meta])* $device:ty),* $(,)?) => {
        /// The scene, for the strategies whose guards are `Send`.
        pub(super) fn scene(id: &str) -> Option<Scene> {
            $(
                $(#[$meta])*
                if <$device as DeviceRef>::PROPERTIES.id == id {
                    return Some(Scene { name: "hand-over", play: play::<$device>, needs: &[] });
                }
            )*
            None
        }
    };
}

use super::disturb::Dawdling as P;
use detach_strategies::controls::{GateRseqPlain, TurnstileNet};
use detach_strategies::{
    arc_swap, fo_restart, gate_rseq, refcount, seqlock, turnstile, unprotected,
};
list! {
    unprotected::Device<Softc, P>,
    turnstile::Device<Softc, turnstile::PerCpu, P>,
    gate_rseq::Device<Softc, gate_rseq::ByCpu, P>,
    refcount::Device<Softc, P>,
    fo_restart::Device<Softc, P>,
    arc_swap::Device<Softc, P>,
    seqlock::Device<Softc, P>,
    TurnstileNet<Softc, P>,
    GateRseqPlain<Softc, P>,
}

fn play<D>(run: &Run<'_>)
where
    D: DeviceRef<Softc = Softc> + 'static,
    D::Registration: Sync,
    for<'g> D::Guard<'g>: Send,
{
    let board = Board::<D>::new(run, 120, 4, false);
    thread::scope(|scope| {
        let board = &board;
        for pair in 0..2 {
            scope.spawn(move || give::<D>(run, 2 * pair, board));
        }
        scope
            .spawn(move || detach_row(&mut Sitter::new(run, &board.hints, 4, 0), board, Pace::Any));
    });
    board.close(run);
}

/// Acquires guards and hands them to a thread of its own making.
fn give<D>(run: &Run<'_>, seat: usize, board: &Board<D>)
where
    D: DeviceRef<Softc = Softc> + 'static,
    D::Registration: Sync,
    for<'g> D::Guard<'g>: Send,
{
    let me = D::register().expect("the strategy is supported here");
    thread::scope(|scope| {
        let (sender, receiver) = sync_channel(3);
        scope.spawn(move || receive::<D>(run, &board.hints, seat + 1, receiver));
        let mut sitter = Sitter::new(run, &board.hints, seat, 0);
        while !board.finished() && !run.over() {
            give_one(&mut sitter, board, &me, &sender);
            // A registration that is shared allows no safe point; strategies
            // that need one do not let go of their guards.
            // Ordering: Relaxed; a request that is seen some time.
            if run.seats.pause.load(Ordering::Relaxed) {
                sitter.parked(|| thread::sleep(std::time::Duration::from_millis(1)));
            }
        }
    });
}

fn give_one<'g, D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &'g Board<D>,
    me: &'g D::Registration,
    sender: &SyncSender<Parcel<D::Guard<'g>>>,
) {
    let run = sitter.run;
    let ahead = sitter.random.random_range(0..3);
    let number = (board.detached() + ahead).min(board.len() - 1);
    let Some(device) = board.device(number) else {
        thread::yield_now();
        return;
    };
    sitter.announce(Doing::Entering, number);
    match device.acquire(me) {
        Ok(guard) => {
            sitter.tally.acquires += 1;
            let softc = *guard;
            Stay::begin(run, sitter.number, number, softc, board.expected(number)).hand_over();
            // Ordering: Release pairs with the Acquire of the watchdog.
            run.seats.in_transit.fetch_add(1, Ordering::Release);
            let parcel = Parcel {
                guard,
                softc,
                device: number,
            };
            assert!(
                sender.send(parcel).is_ok(),
                "the receiver outlives the sender"
            );
        }
        Err(_) => sitter.tally.late += 1,
    }
    sitter.idle();
}

fn receive<'g, D>(
    run: &Run<'_>,
    hints: &Arc<Hints>,
    seat: usize,
    receiver: Receiver<Parcel<D::Guard<'g>>>,
) where
    D: DeviceRef<Softc = Softc> + 'g,
{
    let mut sitter = Sitter::new(run, hints, seat, 0);
    while let Ok(parcel) = sitter.parked(|| receiver.recv()) {
        let Parcel {
            guard,
            softc,
            device,
        } = parcel;
        sitter.announce(Doing::Entering, device);
        let stay = Stay::take_over(run, seat, device, softc);
        if sitter.random.random_bool(0.3) {
            let moved = migrate(&mut sitter.random, &run.cpus);
            sitter.tally.migrations += u64::from(moved);
        }
        stay.look_for(sitter.random.random_range(0..300));
        drop(stay);
        drop(guard);
        // Ordering: Release pairs with the Acquire of the watchdog: the guard
        // is gone.
        run.seats.in_transit.fetch_sub(1, Ordering::Release);
        sitter.tally.handed_over += 1;
        sitter.idle();
    }
}

#[cfg(test)]
mod tests {
    use detach_strategies::registry;

    use super::*;

    #[test]
    fn exactly_those_that_say_so_are_handed_over() {
        for properties in registry::all() {
            assert_eq!(
                scene(properties.id).is_some(),
                properties.release_elsewhere,
                "{}",
                properties.id
            );
        }
    }
}
