//! The watchdog: tells a detach that waits from one that hangs.
//!
//! How long a detach takes says nothing; the machine may be busy. So the
//! watchdog does not time it, it looks at the state of the matter. When nothing
//! has gone on for a while, it asks every thread to park, holding nothing.
//! Once all have, nobody is inside any device and nobody is about to leave one,
//! so nobody is left who could wake a detacher. If a detacher still sleeps
//! now, and at every one of many further looks has not run in between, then
//! its wake-up has been lost. A detacher that had been woken would be running,
//! or waiting for a CPU, and the kernel says so.
//!
//! (A holder that sleeps until a detach wakes it does not park. It is looked at
//! like a detacher: if it sleeps on, too, then its wake-up has been lost.)
//!
//! (It also ends the turn of a scene, as it looks at the clock anyway.)
//!
//! A detacher that runs all the time and finds no end, or a holder that does
//! not come out, is given a generous time before it counts as stuck.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use super::seat::{Doing, Seat};
use super::{Run, TURN};

/// Between two looks.
const EVERY: Duration = Duration::from_millis(5);

/// Without progress for so long, everybody is asked to park.
const SUSPICIOUS: Duration = Duration::from_millis(50);

/// Without progress for so long, something is stuck, whatever it is.
const STUCK: Duration = Duration::from_secs(60);

/// A sleeping detacher, or a holder that only a detach wakes, at one look.
#[derive(Debug, PartialEq, Eq)]
struct Sleeper {
    seat: usize,
    detaches: bool,
    device: usize,
    attempt: u64,
    /// How often the kernel has taken its CPU away or got it back.
    switches: u64,
}

/// Watches until `done`.
pub(super) fn watch(run: &Run<'_>, done: impl Fn() -> bool) {
    let mut progress = None;
    let mut since = Instant::now();
    let mut asleep: Option<(Vec<Sleeper>, u32)> = None;
    let mut turn = (None, Instant::now());
    while !done() {
        thread::sleep(EVERY);
        // Ordering: Relaxed; the conductor counts the batches.
        let batch = Some(run.batch.load(Ordering::Relaxed));
        if turn.0 != batch {
            turn = (batch, Instant::now());
        }
        if turn.1.elapsed() > TURN || run.finished() {
            // Ordering: Relaxed; a hint to stop.
            run.turn_over.store(true, Ordering::Relaxed);
        }
        // Ordering: Relaxed; only that it changes matters.
        let now = run.seats.progress.load(Ordering::Relaxed);
        if progress != Some(now) {
            progress = Some(now);
            since = Instant::now();
            asleep = None;
            // Ordering: Relaxed; a request that is seen some time.
            run.seats.pause.store(false, Ordering::Relaxed);
            continue;
        }
        if since.elapsed() < SUSPICIOUS {
            continue;
        }
        // Ordering: Relaxed; the same.
        run.seats.pause.store(true, Ordering::Relaxed);
        asleep = match (sleepers(run), asleep) {
            (None, _) => None,
            (Some(now), Some((before, looks))) if now == before => Some((now, looks + 1)),
            (Some(now), _) => Some((now, 1)),
        };
        match &asleep {
            Some((sleepers, looks)) if *looks > run.looks_before_hang => {
                let detaching = sleepers.iter().find(|sleeper| sleeper.detaches);
                let device = detaching.map_or(0, |sleeper| sleeper.device);
                run.stuck(&format!(
                    "detach of device {device} sleeps although nobody is inside, or only who \
                     sleeps until it wakes him; nobody has run between {looks} looks"
                ));
                return;
            }
            _ => {}
        }
        if since.elapsed() > STUCK {
            run.stuck(&format!(
                "nothing has gone on for {} s: {}",
                STUCK.as_secs(),
                describe(run)
            ));
            return;
        }
    }
}

/// The detachers and the holders that only a detach wakes, if there are
/// detachers, all of them sleep, and everybody else is parked.
fn sleepers(run: &Run<'_>) -> Option<Vec<Sleeper>> {
    let mut sleepers = Vec::new();
    for (number, seat) in run.seats.iter().enumerate() {
        match seat.doing() {
            Doing::Absent | Doing::Parked => {}
            Doing::Idle | Doing::Entering => return None,
            Doing::Detaching => sleepers.push(sleeper(number, seat, true)?),
            Doing::Sleeping => sleepers.push(sleeper(number, seat, false)?),
        }
    }
    // Ordering: Acquire pairs with the Release of the receiver: it has dropped
    // the guard that it stopped counting.
    let in_transit = run.seats.in_transit.load(Ordering::Acquire);
    let any = sleepers.iter().any(|sleeper| sleeper.detaches);
    (in_transit == 0 && any).then_some(sleepers)
}

fn sleeper(number: usize, seat: &Seat, detaches: bool) -> Option<Sleeper> {
    let switches = switches_of_sleeping(seat.thread())?;
    Some(Sleeper {
        seat: number,
        detaches,
        // Ordering: Relaxed, twice; compared with the next look.
        device: seat.device.load(Ordering::Relaxed),
        attempt: seat.attempt.load(Ordering::Relaxed),
        switches,
    })
}

/// The context switches of a thread of this process, if it sleeps.
#[cfg(target_os = "linux")]
fn switches_of_sleeping(thread: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/self/task/{thread}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim_start_matches(':').trim())
    };
    if !field("State")?.starts_with('S') {
        return None;
    }
    let voluntary: u64 = field("voluntary_ctxt_switches")?.parse().ok()?;
    let involuntary: u64 = field("nonvoluntary_ctxt_switches")?.parse().ok()?;
    Some(voluntary + involuntary)
}

/// Nobody can tell here whether a thread sleeps, so only the time limit works.
#[cfg(not(target_os = "linux"))]
fn switches_of_sleeping(_thread: u32) -> Option<u64> {
    None
}

/// What everybody is doing.
fn describe(run: &Run<'_>) -> String {
    let mut text = String::new();
    for (number, seat) in run.seats.iter().enumerate() {
        let doing = seat.doing();
        if doing != Doing::Absent {
            // Ordering: Relaxed; for reading.
            let device = seat.device.load(Ordering::Relaxed);
            // Writing to a string cannot fail.
            let _ = write!(text, "[thread {number}: {doing:?}, device {device}] ");
        }
    }
    text.truncate(text.trim_end().len());
    text
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;
    use crate::torture::thread_id;

    #[test]
    fn a_thread_that_sleeps_is_told_from_one_that_runs() {
        // This very thread runs, or it could not ask.
        assert_eq!(switches_of_sleeping(thread_id()), None);

        let (tell, told) = channel();
        let (wake, woken) = channel::<()>();
        let sleeper = thread::spawn(move || {
            tell.send(thread_id()).unwrap();
            woken.recv().unwrap();
        });
        let id = told.recv().unwrap();
        while switches_of_sleeping(id).is_none() {
            thread::yield_now();
        }
        wake.send(()).unwrap();
        sleeper.join().unwrap();
        assert_eq!(switches_of_sleeping(id), None, "it is gone");
    }
}
