//! Detachers: threads that go along the row and take every device away.

use std::thread;
use std::time::Duration;

use detach_strategies::{DetachError, Detached, DeviceRef, Sleepers};
use rand::Rng;

use super::board::{Board, refuses};
use super::disturb::spin;
use super::seat::{Doing, Sitter};
use super::softc::Softc;

/// How long a detach may take that is given all the time in the world, where
/// one that never returns would never be joined.
const AGES: Duration = Duration::from_secs(1);

/// When a detacher goes for the next device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Some time or other.
    Any,
    /// When others are about to enter it.
    Besieged,
}

/// Detaches every device of the row, or finds that another detacher did.
pub(super) fn detach_row<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    pace: Pace,
) {
    let mut me = D::register().expect("the strategy is supported here");
    for number in 0..board.len() {
        let Some(device) = wait_for(sitter, board, &mut me, number) else {
            wake_everybody(sitter, board, &mut me, number);
            return;
        };
        match pace {
            Pace::Any => pause::<D>(sitter, &mut me),
            Pace::Besieged => wait_for_latecomers(sitter, board, &mut me),
        }
        if !detach(sitter, board, device, &mut me, number) {
            wake_everybody(sitter, board, &mut me, number);
            return;
        }
    }
}

/// Those who sleep until a detach wakes them come out when the run is over, too:
/// detaches what is attached from that number on.
pub(super) fn wake_everybody<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    me: &mut D::Registration,
    from: usize,
) {
    if sitter.run.properties.sleepers != Sleepers::Woken {
        return;
    }
    let attached = (from..board.len()).map_while(|number| Some((number, board.device(number)?)));
    for (number, device) in attached {
        while !detach(sitter, board, device, me, number) && !sitter.run.verdict.guilty() {}
    }
}

/// Waits until the device of that number is attached; `None` when the run is
/// over.
pub(super) fn wait_for<'b, D: DeviceRef<Softc = Softc>>(
    sitter: &Sitter<'_>,
    board: &'b Board<D>,
    me: &mut D::Registration,
    number: usize,
) -> Option<&'b D> {
    while !sitter.run.over() {
        if let Some(device) = board.device(number) {
            return Some(device);
        }
        sitter.rest::<D>(me);
        D::safe_point(me);
        thread::yield_now();
    }
    None
}

/// Does something else for a moment.
pub(super) fn pause<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    me: &mut D::Registration,
) {
    sitter.rest::<D>(me);
    match sitter.random.random_range(0..4) {
        0 => spin(sitter.random.random_range(0..5000)),
        1 => {
            let nap = Duration::from_micros(sitter.random.random_range(1..200));
            D::offline(me, || thread::sleep(nap));
        }
        2 => thread::yield_now(),
        _ => {}
    }
}

/// Waits until some threads are about to enter; but not for ever, as some
/// strategies never tell.
fn wait_for_latecomers<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    me: &mut D::Registration,
) {
    sitter.rest::<D>(me);
    let enough = board.hints.entering() + sitter.random.random_range(2..8);
    D::offline(me, || {
        for _ in 0..30 {
            if board.hints.entering() >= enough {
                break;
            }
            thread::sleep(Duration::from_micros(20));
        }
    });
}

/// Detaches one device, with or without patience; tells whether to go on.
pub(super) fn detach<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    device: &D,
    me: &mut D::Registration,
    number: usize,
) -> bool {
    let run = sitter.run;
    loop {
        let patience = match sitter.random.random_range(0..8) {
            0 => Some(Duration::ZERO),
            1 => Some(Duration::from_micros(sitter.random.random_range(1..300))),
            2..5 => Some(AGES),
            _ if run.must_return => Some(AGES),
            _ => None,
        };
        let result = attempt(sitter, board, device, me, number, patience);
        sitter.idle();
        if result == Err(DetachError::StillHeld) {
            if run.over() {
                return false;
            }
            sitter.rest::<D>(me);
            continue;
        }
        knock(sitter, device, me, number);
        return true;
    }
}

/// Calls detach once.
pub(super) fn attempt<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    board: &Board<D>,
    device: &D,
    me: &mut D::Registration,
    number: usize,
    patience: Option<Duration>,
) -> Result<(), DetachError> {
    let run = sitter.run;
    sitter.announce(Doing::Detaching, number);
    let result = match patience {
        Some(patience) => device.detach_timeout(me, patience),
        None => device.detach(me).map_err(|Detached| DetachError::Detached),
    };
    match result {
        Ok(softc) => board.won(run, number, softc, &mut sitter.tally),
        Err(DetachError::Detached) => sitter.tally.beaten += 1,
        Err(DetachError::StillHeld) => sitter.tally.gave_up += 1,
    }
    run.seats.advance();
    result.map(drop)
}

/// Won or beaten, the device is gone, and everybody gets to hear it.
pub(super) fn knock<D: DeviceRef<Softc = Softc>>(
    sitter: &mut Sitter<'_>,
    device: &D,
    me: &D::Registration,
    number: usize,
) {
    let admitted = device.acquire(me).is_ok();
    if admitted && refuses::<D>() {
        let run = sitter.run;
        run.report(&format!("device {number} let somebody in after its detach"));
    }
    sitter.tally.late += u64::from(!admitted);
}
