//! The crate's negative controls, as far as loom can express them. (One pass
//! over CPUs and the gate in a restartable sequence need real ones; the former
//! has a model in `per_cpu`. That polls do not add up shows in who has left
//! meanwhile, which takes threads that come without end; claims in any order end
//! by a limit in time, which loom does not know; and a thread's registrations share
//! their word by a `thread_local`.)

use std::sync::Arc;

use detach_strategies::DeviceRef;
use detach_strategies::controls::{
    DyingMembarrierOnly, KeptLate, LostWakeup, PercpuAddBeforeSum, RefcountNobarrier, RestartEarly,
    TogetherEarly, TurnstileEnterFirst, TurnstileNofence, XcallSleepers,
};
use loom::thread;

use crate::scenes;
use crate::support::{Body, DEADLOCK, Softc, UNPROTECTED, is_caught};

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

/// A thread answers the NOP before it enters the second of two devices.
#[test]
fn together_early() {
    type Device = TogetherEarly<Softc>;
    is_caught(3, &UNPROTECTED, || {
        scenes::warm_up::<Device>();
        let bodies = [Body::new(), Body::new()];
        let devices = [0, 1].map(|number: usize| scenes::attach::<Device>(&bodies[number]));
        let reader = {
            let device = Arc::clone(&devices[1]);
            let mut me = scenes::register::<Device>();
            thread::spawn(move || {
                Device::safe_point(&mut me);
                scenes::visit(&*device, &me)
            })
        };
        let mut me = scenes::register::<Device>();
        Device::detach_all(&[&*devices[0], &*devices[1]], &mut me, |_, softc| {
            softc.expect("the only one").reclaim();
        });
        reader.join().unwrap();
    });
}
