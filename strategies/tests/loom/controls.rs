//! The crate's negative controls, as far as loom can express them. (One pass
//! over CPUs and the gate in a restartable sequence need real ones; the former
//! has a model in `per_cpu`.)

use detach_strategies::controls::{
    DyingMembarrierOnly, KeptLate, LostWakeup, PercpuAddBeforeSum, RefcountNobarrier, RestartEarly,
    TogetherEarly, TurnstileEnterFirst, TurnstileNofence, XcallSleepers,
};

use crate::scenes;
use crate::support::{DEADLOCK, Softc, UNPROTECTED, is_caught};

#[test]
fn turnstile_nofence() {
    is_caught(3, &UNPROTECTED, || {
        scenes::come_and_go::<TurnstileNofence<Softc>>(1);
    });
}

#[test]
fn turnstile_enter_first() {
    is_caught(3, &UNPROTECTED, || {
        scenes::sleeper_and_latecomer::<TurnstileEnterFirst<Softc>>();
    });
}

#[test]
fn refcount_nobarrier() {
    is_caught(3, &UNPROTECTED, || {
        scenes::come_and_go::<RefcountNobarrier<Softc>>(1);
    });
}

#[test]
fn dying_membarrier_only() {
    is_caught(3, &UNPROTECTED, || {
        scenes::come_and_go::<DyingMembarrierOnly<Softc>>(1);
    });
}

#[test]
fn lost_wakeup() {
    is_caught(3, &DEADLOCK, || {
        scenes::come_and_go::<LostWakeup<Softc>>(1);
    });
}

#[test]
fn percpu_add_before_sum() {
    is_caught(4, &UNPROTECTED, || {
        scenes::come_and_go::<PercpuAddBeforeSum<Softc>>(2);
    });
}

#[test]
fn xcall_sleepers() {
    is_caught(3, &UNPROTECTED, || {
        scenes::registers_meanwhile::<XcallSleepers<Softc>>();
    });
}

#[test]
fn kept_late() {
    is_caught(3, &UNPROTECTED, || scenes::stays::<KeptLate<Softc>>());
}

#[test]
fn restart_early() {
    is_caught(3, &DEADLOCK, || {
        scenes::sleep_for_ever::<RestartEarly<Softc>>(1);
    });
}

#[test]
fn together_early() {
    is_caught(3, &UNPROTECTED, || {
        scenes::together::<TogetherEarly<Softc>>()
    });
}
