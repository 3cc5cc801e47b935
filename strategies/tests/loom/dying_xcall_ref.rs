//! A dying flag, a cross-call, and a count of those who sleep. What it shares
//! with `dying-xcall` has its models there; here somebody keeps the device.

use std::sync::Arc;
use std::time::Duration;

use detach_strategies::{DetachError, DeviceRef, DyingXcallRef};
use loom::thread::{self, JoinHandle};

use crate::scenes::{self, attach, register, visit, warm_up};
use crate::support::{Body, Softc, holds, preemptions};

type Device = DyingXcallRef<Softc>;
type Cpu = <Device as DeviceRef>::Registration;

/// A thread that keeps the device across something that no guard may span. At
/// its end it goes off line.
fn keeper(device: &Arc<Device>, meanwhile: fn(&mut Cpu)) -> JoinHandle<()> {
    let device = Arc::clone(device);
    let mut me = register::<Device>();
    thread::spawn(move || {
        if let Ok(kept) = device.acquire(&me).map(|guard| guard.keep()) {
            meanwhile(&mut me);
            kept.visit();
        }
    })
}

/// The last to let go may be either of them, or the detacher comes later.
fn kept_by_two(meanwhile: fn(&mut Cpu)) {
    warm_up::<Device>();
    let body = Body::new();
    let device = attach::<Device>(&body);
    let keepers = [(); 2].map(|()| keeper(&device, meanwhile));
    let mut me = register::<Device>();
    device.detach(&mut me).expect("the only one").reclaim();
    assert!(!visit(&*device, &me), "in after detach");
    for keeper in keepers {
        keeper.join().unwrap();
    }
}

#[test]
fn stays() {
    holds(preemptions(2, 3), || scenes::stays::<Device>());
}

#[test]
fn kept_across_safe_points() {
    holds(preemptions(1, 2), || kept_by_two(Device::safe_point));
}

#[test]
fn kept_off_line() {
    holds(preemptions(1, 2), || {
        kept_by_two(|me| Device::offline(me, thread::yield_now));
    });
}

#[test]
fn detach_gives_up() {
    holds(preemptions(2, 3), || {
        warm_up::<Device>();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let keeper = keeper(&device, Device::safe_point);
        let mut me = register::<Device>();
        let softc = match device.detach_timeout(&mut me, Duration::ZERO) {
            Ok(softc) => softc,
            Err(DetachError::Detached) => unreachable!("nobody else detaches"),
            Err(DetachError::StillHeld) => device.detach(&mut me).expect("the only one"),
        };
        softc.reclaim();
        keeper.join().unwrap();
    });
}

/// Whoever keeps the device lets go on a thread that is not registered.
#[test]
fn let_go_elsewhere() {
    holds(preemptions(2, 3), || {
        warm_up::<Device>();
        let body = Body::new();
        let device = Box::into_raw(Box::new(Device::attach(body.softc()).unwrap()));
        // SAFETY: it came from a box, which goes when the threads have gone.
        let shared: &'static Device = unsafe { &*device };
        let holder = {
            let me = register::<Device>();
            thread::spawn(move || {
                let kept = shared.acquire(&me).ok()?.keep();
                drop(me);
                Some(thread::spawn(move || kept.visit()))
            })
        };
        let mut me = register::<Device>();
        shared.detach(&mut me).expect("the only one").reclaim();
        if let Some(heir) = holder.join().unwrap() {
            heir.join().unwrap();
        }
        // SAFETY: it came from a box, and nobody refers to it any more.
        drop(unsafe { Box::from_raw(device) });
    });
}
