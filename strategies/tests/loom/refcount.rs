//! The reference count.

use detach_strategies::Refcount;

use crate::scenes;
use crate::support::{Softc, holds, preemptions};

type Device = Refcount<Softc>;

#[test]
fn late_arrivals() {
    holds(preemptions(3, 4), || scenes::late_arrivals::<Device>());
}

#[test]
fn two_detachers() {
    holds(preemptions(2, 4), || scenes::two_detachers::<Device>());
}

#[test]
fn detach_gives_up() {
    holds(preemptions(2, 4), || scenes::detach_gives_up::<Device>());
}

#[test]
fn nests() {
    holds(preemptions(3, 5), || scenes::nests::<Device>());
}

#[test]
fn hands_over() {
    holds(preemptions(3, 4), || scenes::hands_over::<Device>());
}
