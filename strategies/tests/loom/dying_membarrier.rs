//! A dying flag and a word per thread.

use detach_strategies::DyingMembarrier;

use crate::scenes;
use crate::support::{Softc, holds, preemptions};

type Device = DyingMembarrier<Softc>;

#[test]
fn late_arrivals() {
    holds(preemptions(2, 3), || scenes::late_arrivals::<Device>());
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
