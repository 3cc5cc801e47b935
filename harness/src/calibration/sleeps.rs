//! What it costs to sleep until another thread wakes one.
//!
//! Two threads take turns at one word; whoever has to wait sleeps on a condition
//! variable, as the strategies' waiters do. In a round trip each of them falls
//! asleep once and is woken once, one after the other. Where the CPU that wakes up
//! was idle, the price contains what it takes to leave that state, which in a
//! virtual machine is an exit to the hypervisor and back.

use std::sync::{Condvar, Mutex};
use std::time::Instant;

use super::{median, nanoseconds, team};

/// Round trips, each timed alone; the median counts.
const TRIPS: usize = 400;

/// Nanoseconds of one sleep on the first two CPUs, or both threads on one.
pub(super) fn measure(pair: [usize; 2]) -> f64 {
    const INTACT: &str = "neither thread panics";
    let turn = Mutex::new(0);
    let changed = Condvar::new();
    let trips = team::on_each(&pair, |own| {
        let trip = |_| {
            let begun = Instant::now();
            let waiting = turn.lock().expect(INTACT);
            let others = |turn: &mut usize| *turn % 2 != own;
            let mut turn = changed.wait_while(waiting, others).expect(INTACT);
            *turn += 1;
            drop(turn);
            changed.notify_one();
            nanoseconds(begun.elapsed())
        };
        (0..TRIPS).map(trip).collect::<Vec<f64>>()
    });
    median(&trips[0]) / 2.0
}
