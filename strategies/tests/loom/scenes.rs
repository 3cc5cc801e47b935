//! What threads do to a device, whatever its strategy.

use std::sync::Arc;
use std::time::Duration;

use detach_strategies::platform::{AsymmetricFence, FullFence};
use detach_strategies::{DetachError, Detached, DeviceRef};
use loom::thread::{self, JoinHandle};

use crate::support::{Body, Softc};

/// A device of the models; the bounds say what threads may carry along.
pub(crate) trait Device:
    DeviceRef<Softc = Softc, Registration: Send + 'static> + 'static
{
}

impl<D> Device for D where D: DeviceRef<Softc = Softc, Registration: Send + 'static> + 'static {}

/// Uses what all devices of a strategy share, before there are threads. loom
/// makes a `static` when somebody first touches it, and who touches it next is
/// then ordered after that, which in the real thing nobody is.
pub(crate) fn warm_up<D: Device>() {
    // Where a fence is made visible to loom is such a thing, and what follows need
    // not come by a fence.
    FullFence::heavy();
    let body = Body::new();
    let mut me = register::<D>();
    let device = D::attach(body.softc()).expect("supported under loom");
    visit(&device, &me);
    D::safe_point(&mut me);
    device.detach(&mut me).expect("the only one").reclaim();
}

pub(crate) fn attach<D: Device>(body: &Body) -> Arc<D> {
    Arc::new(D::attach(body.softc()).expect("supported under loom"))
}

pub(crate) fn register<D: Device>() -> D::Registration {
    D::register().expect("supported under loom")
}

/// Goes in and out, if the device lets the thread in; tells whether it did.
pub(crate) fn visit<D: Device>(device: &D, me: &D::Registration) -> bool {
    device.acquire(me).map(|softc| softc.visit()).is_ok()
}

/// A thread that comes `times`, or until it is refused. It is registered
/// already, and leaves it to the joiner to unregister it: both would multiply
/// the executions, and have a model of their own.
fn visitor<D: Device>(device: &Arc<D>, times: usize) -> JoinHandle<D::Registration> {
    let device = Arc::clone(device);
    let me = register::<D>();
    thread::spawn(move || {
        for _ in 0..times {
            if !visit(&*device, &me) {
                break;
            }
        }
        me
    })
}

/// Two readers come twice each, a detacher takes the device away. Whoever comes
/// after that is late: between the look at the gate and the enter, between the
/// enter and the second look, or altogether.
pub(crate) fn late_arrivals<D: Device>() {
    warm_up::<D>();
    let body = Body::new();
    let device = attach::<D>(&body);
    let visitors = [2, 2].map(|times| visitor(&device, times));
    let mut me = register::<D>();
    device.detach(&mut me).expect("the only one").reclaim();
    assert!(!visit(&*device, &me), "in after detach");
    let _registrations = visitors.map(|visitor| visitor.join().unwrap());
}

/// Some readers come once each while a detacher takes the device away: enough
/// for most defects.
pub(crate) fn come_and_go<D: Device>(readers: usize) {
    warm_up::<D>();
    let body = Body::new();
    let device = attach::<D>(&body);
    let visitors: Vec<_> = (0..readers).map(|_| visitor(&device, 1)).collect();
    let mut me = register::<D>();
    device.detach(&mut me).expect("the only one").reclaim();
    for visitor in visitors {
        drop(visitor.join().unwrap());
    }
}

/// A holder sleeps inside, a latecomer comes and goes, and a detacher, who must
/// not take the one for the other.
pub(crate) fn sleeper_and_latecomer<D: Device>() {
    warm_up::<D>();
    let body = Body::new();
    let device = attach::<D>(&body);
    let sleeper = {
        let device = Arc::clone(&device);
        let me = register::<D>();
        thread::spawn(move || {
            if let Ok(softc) = device.acquire(&me) {
                // A switch that is no preemption.
                thread::yield_now();
                softc.visit();
            }
            me
        })
    };
    let latecomer = visitor(&device, 1);
    let mut me = register::<D>();
    device.detach(&mut me).expect("the only one").reclaim();
    let _registrations = [sleeper, latecomer].map(|thread| thread.join().unwrap());
}

/// A holder stays as one that sleeps does, without sleeping; then it comes once
/// more, and a detacher takes the device away.
pub(crate) fn stays<D: Device>() {
    warm_up::<D>();
    let body = Body::new();
    let device = attach::<D>(&body);
    let holder = {
        let device = Arc::clone(&device);
        let mut me = register::<D>();
        thread::spawn(move || {
            let stayed = device.stay(&mut me, |softc, _| {
                softc.visit();
                // A switch that is no preemption.
                thread::yield_now();
                softc.visit();
            });
            if stayed.is_ok() {
                visit(&*device, &me);
            }
        })
    };
    let mut me = register::<D>();
    device.detach(&mut me).expect("the only one").reclaim();
    assert!(!visit(&*device, &me), "in after detach");
    holder.join().unwrap();
}

/// Some holders sleep inside for ever, and a detacher takes the device away.
pub(crate) fn sleep_for_ever<D: Device>(sleepers: usize) {
    warm_up::<D>();
    let body = Body::new();
    let device = attach::<D>(&body);
    let sleepers: Vec<_> = (0..sleepers)
        .map(|_| {
            let device = Arc::clone(&device);
            let mut me = register::<D>();
            thread::spawn(move || {
                let _ = device.stay(&mut me, |softc, sleep| {
                    softc.visit();
                    assert_eq!(sleep(Duration::MAX), Err(Detached));
                    softc.visit();
                });
                me
            })
        })
        .collect();
    let mut me = register::<D>();
    device.detach(&mut me).expect("the only one").reclaim();
    for sleeper in sleepers {
        drop(sleeper.join().unwrap());
    }
}

/// Two detach at once, while a reader comes and goes. One of them wins, and the
/// other returns when the softc is gone.
pub(crate) fn two_detachers<D: Device>() {
    warm_up::<D>();
    let body = Body::new();
    let device = attach::<D>(&body);
    let visitor = visitor(&device, 1);
    let detach = |device: &D, me: &mut D::Registration| {
        let softc = device.detach(me).ok();
        assert!(!visit(device, me), "in after detach");
        softc.map(Softc::reclaim).is_some()
    };
    let other = {
        let device = Arc::clone(&device);
        let mut me = register::<D>();
        thread::spawn(move || detach(&device, &mut me))
    };
    let mut me = register::<D>();
    let won = detach(&device, &mut me);
    assert!(won != other.join().unwrap(), "not exactly one wins");
    let _registration = visitor.join().unwrap();
}

/// A detacher without patience, and another one that has it.
pub(crate) fn detach_gives_up<D: Device>() {
    warm_up::<D>();
    let body = Body::new();
    let device = attach::<D>(&body);
    let visitors = [1, 1].map(|times| visitor(&device, times));
    let mut me = register::<D>();
    let softc = match device.detach_timeout(&mut me, Duration::ZERO) {
        Ok(softc) => softc,
        Err(DetachError::Detached) => unreachable!("nobody else detaches"),
        Err(DetachError::StillHeld) => {
            assert!(!visit(&*device, &me), "in after a detach that gave up");
            device.detach(&mut me).expect("the only one")
        }
    };
    softc.reclaim();
    let _registrations = visitors.map(|visitor| visitor.join().unwrap());
}

/// A thread registers, comes, unregisters, and does it again, while a detacher
/// looks for the holders among the registered.
pub(crate) fn registers_meanwhile<D: Device>() {
    warm_up::<D>();
    let body = Body::new();
    let device = attach::<D>(&body);
    let passer_by = {
        let device = Arc::clone(&device);
        thread::spawn(move || {
            for _ in 0..2 {
                visit(&*device, &register::<D>());
            }
        })
    };
    let mut me = register::<D>();
    device.detach(&mut me).expect("the only one").reclaim();
    passer_by.join().unwrap();
}

/// Two threads register, come and unregister, and a detacher finds nobody inside.
pub(crate) fn one_after_the_other<D: Device>() {
    warm_up::<D>();
    let body = Body::new();
    let device = attach::<D>(&body);
    let passers_by = [(); 2].map(|()| {
        let device = Arc::clone(&device);
        thread::spawn(move || visit(&*device, &register::<D>()))
    });
    for passer_by in passers_by {
        assert!(passer_by.join().unwrap(), "refused by nobody");
    }
    let mut me = register::<D>();
    let softc = device.detach_timeout(&mut me, Duration::ZERO);
    softc.expect("nobody holds it").reclaim();
}

/// A holder comes in again, to the same device and to another one, and leaves
/// in the order in which it came.
pub(crate) fn nests<D: Device>() {
    warm_up::<D>();
    let body = Body::new();
    let device = attach::<D>(&body);
    let other_body = Body::new();
    let other = attach::<D>(&other_body);
    let holder = {
        let (device, other) = (Arc::clone(&device), Arc::clone(&other));
        let me = register::<D>();
        thread::spawn(move || {
            let elsewhere = other.acquire(&me).expect("nobody detaches it");
            let first = device.acquire(&me);
            drop(elsewhere);
            let second = device.acquire(&me);
            for softc in [first, second].into_iter().flatten() {
                softc.visit();
            }
            me
        })
    };
    let mut me = register::<D>();
    device.detach(&mut me).expect("the only one").reclaim();
    let _registration = holder.join().unwrap();
}

/// A holder hands its guard to another thread, which leaves in its place.
pub(crate) fn hands_over<D>()
where
    D: Device<Registration: Sync>,
    for<'g> D::Guard<'g>: Send,
{
    warm_up::<D>();
    let body = Body::new();
    let device = Box::into_raw(Box::new(D::attach(body.softc()).unwrap()));
    let registration = Box::into_raw(Box::new(register::<D>()));
    // SAFETY: both came from boxes, which go when the threads have gone.
    let (shared, holder): (&'static D, &'static D::Registration) =
        unsafe { (&*device, &*registration) };
    let holder = thread::spawn(move || {
        let guard = shared.acquire(holder).ok()?;
        guard.visit();
        Some(thread::spawn(move || {
            guard.visit();
            drop(guard);
        }))
    });
    let mut me = register::<D>();
    shared.detach(&mut me).expect("the only one").reclaim();
    if let Some(heir) = holder.join().unwrap() {
        heir.join().unwrap();
    }
    // SAFETY: they came from boxes, and nobody refers to them any more.
    unsafe {
        drop(Box::from_raw(device));
        drop(Box::from_raw(registration));
    }
}

/// Two devices go in one call, while a reader visits both.
pub(crate) fn together<D: Device>() {
    warm_up::<D>();
    let bodies = [Body::new(), Body::new()];
    let devices = [0, 1].map(|number: usize| attach::<D>(&bodies[number]));
    let reader = {
        let devices = devices.clone();
        let me = register::<D>();
        thread::spawn(move || {
            for device in &devices {
                visit(&**device, &me);
            }
            me
        })
    };
    let mut me = register::<D>();
    let mut taken = 0;
    D::detach_all(&[&*devices[1], &*devices[0]], &mut me, |_, softc| {
        softc.expect("the only one").reclaim();
        taken += 1;
    });
    assert_eq!(taken, 2);
    for device in &devices {
        assert!(!visit(&**device, &me), "in after detach");
    }
    drop(reader.join().unwrap());
}
