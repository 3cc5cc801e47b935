//! A dying flag and a word per thread.

use std::sync::Arc;

use detach_strategies::DyingMembarrier;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use crate::scenes;
use crate::support::{Body, Softc, UNPROTECTED, holds, is_caught, preemptions};

type Device = DyingMembarrier<Softc>;

#[test]
fn late_arrivals() {
    holds(preemptions(2, 3), || scenes::late_arrivals::<Device>());
}

/// Few threads, so that one may be interrupted inside, and once more before it
/// looks whether somebody sleeps.
#[test]
fn come_and_go() {
    holds(preemptions(3, 5), || scenes::come_and_go::<Device>(1));
}

#[test]
fn two_detachers() {
    holds(preemptions(2, 3), || scenes::two_detachers::<Device>());
}

#[test]
fn detach_gives_up() {
    holds(preemptions(2, 3), || scenes::detach_gives_up::<Device>());
}

#[test]
fn registers_meanwhile() {
    holds(preemptions(2, 4), || {
        scenes::registers_meanwhile::<Device>()
    });
}

#[test]
fn nests() {
    holds(preemptions(2, 4), || scenes::nests::<Device>());
}

#[test]
fn together() {
    holds(preemptions(2, 3), || scenes::together::<Device>());
}

/// A detacher finds the section after the one it was to wait for. The light fence
/// that ships is no fence to the processor, but loom's is a full one, behind which
/// any enter releases. So here is the word by itself, with nothing between the
/// leave and the next enter.
fn next_section(enter: Ordering) {
    let body = Body::new();
    let softc = body.softc();
    let section = Arc::new(AtomicU64::new(1));
    let holder = {
        let section = Arc::clone(&section);
        thread::spawn(move || {
            softc.visit();
            section.store(2, Ordering::Release);
            section.store(3, enter);
        })
    };
    if section.load(Ordering::Acquire) != 1 {
        softc.reclaim();
    }
    holder.join().unwrap();
}

#[test]
fn next_section_tells_of_the_last() {
    holds(preemptions(None, None), || next_section(Ordering::Release));
}

#[test]
fn broken_next_section_entered_without_release() {
    is_caught(None, &UNPROTECTED, || next_section(Ordering::Relaxed));
}
