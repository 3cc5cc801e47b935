//! Turnstiles by thread, with the light fence and with the full one. Under loom
//! both fences are full, so the forms differ in release: one has a fence there
//! and sleeps until it is woken, the other has none and looks again.

use detach_strategies::{TurnstileFenced, TurnstileSlots};

use crate::scenes;
use crate::support::{Softc, holds, preemptions};

type Slots = TurnstileSlots<Softc>;
type Fenced = TurnstileFenced<Softc>;

#[test]
fn slots_late_arrivals() {
    holds(preemptions(2, 3), || scenes::late_arrivals::<Slots>());
}

#[test]
fn slots_sleeper_and_latecomer() {
    holds(preemptions(2, 3), || {
        scenes::sleeper_and_latecomer::<Slots>();
    });
}

#[test]
fn slots_two_detachers() {
    holds(preemptions(2, 3), || scenes::two_detachers::<Slots>());
}

#[test]
fn slots_detach_gives_up() {
    holds(preemptions(2, 3), || scenes::detach_gives_up::<Slots>());
}

#[test]
fn slots_register_meanwhile() {
    holds(preemptions(2, 4), || scenes::registers_meanwhile::<Slots>());
}

#[test]
fn slots_nest() {
    holds(preemptions(2, 4), || scenes::nests::<Slots>());
}

#[test]
fn fenced_late_arrivals() {
    holds(preemptions(2, 3), || scenes::late_arrivals::<Fenced>());
}

#[test]
fn fenced_two_detachers() {
    holds(preemptions(2, 3), || scenes::two_detachers::<Fenced>());
}

#[test]
fn slots_together() {
    holds(preemptions(2, 3), || scenes::together::<Slots>());
}

/// Whoever takes a slot goes on counting where its last owner stopped. In this form,
/// since a fence after the leave would order all of it.
#[test]
fn fenced_slots_are_passed_on() {
    holds(preemptions(3, None), || {
        scenes::one_after_the_other::<Fenced>()
    });
}
