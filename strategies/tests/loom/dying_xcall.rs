//! A dying flag and a cross-call: safe points, life on and off line, and
//! cross-calls that cross.

use std::sync::Arc;
use std::time::Duration;

use detach_strategies::{DetachError, DeviceRef, DyingXcall};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread::{self, JoinHandle};

use crate::scenes::{attach, register, registers_meanwhile, visit, warm_up};
use crate::support::{Body, Softc, UNPROTECTED, holds, is_caught, preemptions};

type Device = DyingXcall<Softc>;
type Cpu = <Device as DeviceRef>::Registration;

/// A thread that comes, does something that is no visit, and comes again. At
/// its end it goes off line.
fn visitor(device: &Arc<Device>, between: fn(&mut Cpu)) -> JoinHandle<()> {
    let device = Arc::clone(device);
    let mut me = register::<Device>();
    thread::spawn(move || {
        visit(&*device, &me);
        between(&mut me);
        visit(&*device, &me);
    })
}

#[test]
fn safe_points() {
    holds(preemptions(1, 2), || {
        warm_up::<Device>();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let visitors = [(); 2].map(|()| visitor(&device, Device::safe_point));
        let mut me = register::<Device>();
        device.detach(&mut me).unwrap().reclaim();
        assert!(!visit(&*device, &me), "in after detach");
        for visitor in visitors {
            visitor.join().unwrap();
        }
    });
}

#[test]
fn off_line_and_back() {
    holds(preemptions(2, 4), || {
        warm_up::<Device>();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let visitor = visitor(&device, |me| Device::offline(me, || {}));
        let mut me = register::<Device>();
        device.detach(&mut me).unwrap().reclaim();
        visitor.join().unwrap();
    });
}

#[test]
fn cpus_come_and_go() {
    holds(preemptions(2, 4), || registers_meanwhile::<Device>());
}

/// A CPU that answers at a safe point and stays on line: nothing that it does later
/// wakes the detacher.
#[test]
fn answers_on_line() {
    holds(preemptions(2, None), || {
        warm_up::<Device>();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let [mut first, mut last] = [(); 2].map(|()| register::<Device>());
        let mut me = register::<Device>();
        // Asks both, and the call below waits for the answers to this.
        let asked = device.detach_timeout(&mut me, Duration::ZERO);
        assert_eq!(asked.err(), Some(DetachError::StillHeld));
        // Rings, so that nobody is known to wait any more.
        Device::safe_point(&mut first);
        let last = thread::spawn(move || {
            // A switch that is no preemption: the detacher goes to sleep.
            thread::yield_now();
            Device::safe_point(&mut last);
            last
        });
        device.detach(&mut me).unwrap().reclaim();
        drop(last.join().unwrap());
    });
}

/// Each detacher is a CPU as well, and must not keep the other one waiting.
#[test]
fn two_detachers() {
    holds(preemptions(1, 2), || {
        warm_up::<Device>();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let detach = |device: &Device| {
            let mut me = register::<Device>();
            device.detach(&mut me).map(Softc::reclaim).is_ok()
        };
        let other = {
            let device = Arc::clone(&device);
            thread::spawn(move || detach(&device))
        };
        let won = detach(&device);
        assert!(won != other.join().unwrap(), "not exactly one wins");
    });
}

/// A cross-call with a larger number overtakes one with a smaller number, between
/// the number and the mailbox, and the answer to it must be good for both. The CPU
/// that answers stays on line until the device is gone, for going off line takes a
/// fence, which in loom orders more than the language promises.
#[test]
fn cross_calls_cross() {
    holds(preemptions(1, 2), || {
        warm_up::<Device>();
        // When a thread waits, loom goes on with who has yielded least, and with
        // others only within the bound. When the overtaker does, it shall be the
        // CPU, so this thread has to have yielded, to somebody.
        let nobody = thread::spawn(|| {});
        thread::yield_now();
        nobody.join().unwrap();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let other_body = Body::new();
        let other = attach::<Device>(&other_body);
        let gone = Arc::new(AtomicBool::new(false));
        let cpu = {
            let (device, gone) = (Arc::clone(&device), Arc::clone(&gone));
            let mut me = register::<Device>();
            thread::spawn(move || {
                Device::safe_point(&mut me);
                visit(&*device, &me);
                // Ordering: Relaxed, so that it orders nothing by itself.
                while !gone.load(Ordering::Relaxed) {
                    thread::yield_now();
                    Device::safe_point(&mut me);
                }
            })
        };
        let overtaker = {
            let mut me = register::<Device>();
            thread::spawn(
                move || match other.detach_timeout(&mut me, Duration::ZERO) {
                    Ok(softc) => softc.reclaim(),
                    Err(error) => assert_eq!(error, DetachError::StillHeld),
                },
            )
        };
        let mut me = register::<Device>();
        device.detach(&mut me).unwrap().reclaim();
        // Ordering: Relaxed, as above.
        gone.store(true, Ordering::Relaxed);
        cpu.join().unwrap();
        overtaker.join().unwrap();
    });
}

/// What the compiler refuses: a holder that spans a safe point.
#[test]
fn broken_holder_spans_a_safe_point() {
    is_caught(3, &UNPROTECTED, || {
        warm_up::<Device>();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let sleeper = {
            let device = Arc::clone(&device);
            let mut me = register::<Device>();
            thread::spawn(move || {
                let softc = device.acquire(&me).map(|softc| *softc);
                Device::safe_point(&mut me);
                if let Ok(softc) = softc {
                    softc.visit();
                }
            })
        };
        let mut me = register::<Device>();
        device.detach(&mut me).unwrap().reclaim();
        sleeper.join().unwrap();
    });
}
