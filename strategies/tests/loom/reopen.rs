//! The gate: threads wait at a closed one, go through when it opens again, and
//! are refused when it is sealed. In what fashion the turnstiles count makes no
//! difference here; the gate is the same in all forms.

use std::sync::Arc;
use std::time::Duration;

use detach_strategies::{Closed, DetachError, DeviceRef, Reopen, TurnstileSlots};
use loom::thread::{self, JoinHandle};

use crate::primitive::sync::Watch;
use crate::scenes::{attach, register, visit, warm_up};
use crate::support::{Body, Softc, holds, preemptions};

type Device = TurnstileSlots<Softc>;

/// Comes once; tells whether it was let in.
fn visitor(device: &Arc<Device>) -> JoinHandle<bool> {
    let device = Arc::clone(device);
    let me = register::<Device>();
    thread::spawn(move || visit(&*device, &me))
}

/// Everybody gets in, before or after the owner's change, and nobody waits for
/// ever at a gate that is open.
#[test]
fn close_and_reopen() {
    holds(preemptions(2, 3), || {
        warm_up::<Device>();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let visitors = [(); 2].map(|()| visitor(&device));
        let mut me = register::<Device>();
        let mut closed = device.close(&mut me, Duration::MAX).unwrap();
        closed.change();
        closed.reopen();
        for visitor in visitors {
            assert!(visitor.join().unwrap(), "refused by a gate that opened");
        }
        device.detach(&mut me).unwrap().reclaim();
    });
}

/// Whoever waits at the gate when it is sealed is refused, not forgotten, and sees
/// what its owner did before that.
#[test]
fn close_and_detach() {
    holds(preemptions(2, 3), || {
        warm_up::<Device>();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let notice = Arc::new(Watch::new());
        let visitors = [(); 2].map(|()| {
            let (device, notice) = (Arc::clone(&device), Arc::clone(&notice));
            let me = register::<Device>();
            thread::spawn(move || {
                if !visit(&*device, &me) {
                    notice.reads();
                }
            })
        });
        let mut me = register::<Device>();
        let mut closed = device.close(&mut me, Duration::MAX).unwrap();
        closed.change();
        notice.writes();
        closed.detach().reclaim();
        for visitor in visitors {
            visitor.join().unwrap();
        }
        assert!(!visit(&*device, &me), "in after detach");
    });
}

/// A close that gives up opens the gate again.
#[test]
fn close_gives_up() {
    holds(preemptions(2, 3), || {
        warm_up::<Device>();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let visitors = [(); 2].map(|()| visitor(&device));
        let mut me = register::<Device>();
        match device.close(&mut me, Duration::ZERO) {
            Ok(mut closed) => closed.change(),
            Err(DetachError::StillHeld) => {}
            Err(DetachError::Detached) => unreachable!("nobody detaches it"),
        }
        for visitor in visitors {
            assert!(visitor.join().unwrap(), "refused by a gate that opened");
        }
        device.detach(&mut me).unwrap().reclaim();
    });
}

/// One closes and reopens, another one detaches, a reader comes.
#[test]
fn close_against_detach() {
    holds(preemptions(2, 3), || {
        warm_up::<Device>();
        let body = Body::new();
        let device = attach::<Device>(&body);
        let visitor = visitor(&device);
        let closer = {
            let device = Arc::clone(&device);
            let mut me = register::<Device>();
            thread::spawn(move || match device.close(&mut me, Duration::MAX) {
                Ok(mut closed) => closed.change(),
                Err(DetachError::Detached) => assert!(!visit(&*device, &me)),
                Err(DetachError::StillHeld) => unreachable!("patience is endless"),
            })
        };
        let mut me = register::<Device>();
        device.detach(&mut me).unwrap().reclaim();
        closer.join().unwrap();
        visitor.join().unwrap();
    });
}
