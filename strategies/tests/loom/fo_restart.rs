//! A reference count whose sleepers are woken. What it shares with `refcount`
//! has its models there; here somebody sleeps.

use std::sync::Arc;

use detach_strategies::{Detached, DeviceRef, FoRestart};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

use crate::scenes::{self, attach, register, warm_up};
use crate::support::{Body, Softc, holds, preemptions};

type Device = FoRestart<Softc>;

#[test]
fn late_arrivals() {
    holds(preemptions(2, 3), || scenes::late_arrivals::<Device>());
}

#[test]
fn one_sleeps_for_ever() {
    holds(preemptions(3, None), || {
        scenes::sleep_for_ever::<Device>(1);
    });
}

#[test]
fn two_sleep_for_ever() {
    holds(preemptions(2, 3), || scenes::sleep_for_ever::<Device>(2));
}

/// One holder sleeps until another one has done something. A detacher comes
/// some time or other, so that it may come out with an error instead; but it
/// comes out.
#[test]
fn one_holder_wakes_another() {
    holds(preemptions(2, 3), || {
        warm_up::<Device>();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let done = Arc::new(AtomicBool::new(false));
        let sleeper = {
            let (device, done) = (Arc::clone(&device), Arc::clone(&done));
            let me = register::<Device>();
            thread::spawn(move || {
                let Ok(guard) = device.acquire(&me) else {
                    return;
                };
                // Ordering: Acquire pairs with the Release of the waker.
                match guard.sleep(|| done.load(Ordering::Acquire)) {
                    Ok(()) => guard.visit(),
                    Err(Detached) => {}
                }
            })
        };
        let waker = {
            let device = Arc::clone(&device);
            let me = register::<Device>();
            thread::spawn(move || {
                if let Ok(guard) = device.acquire(&me) {
                    // Ordering: Release pairs with the Acquire of the sleeper.
                    done.store(true, Ordering::Release);
                    guard.wakeup();
                }
            })
        };
        waker.join().unwrap();
        let mut me = register::<Device>();
        device.detach(&mut me).expect("the only one").reclaim();
        sleeper.join().unwrap();
    });
}
