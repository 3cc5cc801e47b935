//! Where the destructor of a softc runs that no detach has taken.

use std::sync::mpsc;
use std::thread::{self, ThreadId};
use std::time::Duration;

use detach_strategies::{DetachError, DeviceRef, Epoch};

use crate::support::alone;

/// Tells which thread drops it.
struct Tells(mpsc::Sender<ThreadId>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.send(thread::current().id()).expect("somebody asks");
    }
}

/// A detach of an epoch gives up, so its garbage waits for whoever collects. The
/// softc must go with its handle, and not on the innocent thread that collects.
#[test]
fn an_epoch_drops_its_softc_with_the_handle() {
    let _alone = alone();
    let (drops, dropped) = mpsc::channel();
    let mut me = Epoch::<Tells>::register().unwrap();
    let holder = Epoch::<Tells>::register().unwrap();
    let device = Epoch::attach(Tells(drops)).unwrap();
    let guard = device.acquire(&holder).unwrap();
    let outcome = device.detach_timeout(&mut me, Duration::ZERO).map(drop);
    assert_eq!(outcome, Err(DetachError::StillHeld));
    drop(guard);
    drop(device);
    assert_eq!(dropped.try_recv(), Ok(thread::current().id()));
    let innocent = thread::spawn(|| {
        let mut me = Epoch::<u64>::register().unwrap();
        Epoch::attach(7u64).unwrap().detach(&mut me)
    });
    assert_eq!(innocent.join().unwrap(), Ok(7));
    assert!(dropped.try_recv().is_err(), "dropped twice");
}
