//! Ten thousand devices at once.

use detach_strategies::{LateArrival, WaitsFor};

use crate::support::every_strategy;
use crate::support::waking::InTime;

const DEVICES: u64 = 10_000;

/// Every so many devices have a holder while the others are detached.
const HELD: u64 = 1000;

every_strategy! {
    /// All are attached, then all entered, then all detached; each gives back
    /// the softc that it was attached with.
    fn ten_thousand_devices<D>(id) {
        let mut me = D::register().unwrap();
        let devices: Vec<D> = (0..DEVICES).map(|softc| D::attach(softc).unwrap()).collect();
        for (softc, device) in (0..).zip(&devices) {
            assert_eq!(*device.acquire(&me).unwrap(), softc, "{id}");
        }

        // Holders in some of them, where they do not hold up the others.
        let held = |softc: &u64| {
            D::PROPERTIES.waits_for != WaitsFor::EveryDevice && softc.is_multiple_of(HELD)
        };
        let holder = D::PROPERTIES.holder_may_sleep.then(|| D::register().unwrap());
        let guards: Vec<_> = (0..)
            .zip(&devices)
            .filter(|(softc, _)| held(softc))
            .map(|(_, device)| device.acquire(holder.as_ref().expect("it may sleep")).unwrap())
            .collect();
        for (softc, device) in (0..).zip(&devices).filter(|(softc, _)| !held(softc)) {
            assert_eq!(device.detach_in_time(&mut me), Ok(softc), "{id}");
        }
        for (softc, guard) in (0..DEVICES).filter(held).zip(guards) {
            assert_eq!(*guard, softc, "{id}");
        }
        for (softc, device) in (0..).zip(&devices).filter(|(softc, _)| held(softc)) {
            assert_eq!(device.detach_in_time(&mut me), Ok(softc), "{id}");
        }
        if D::PROPERTIES.late_arrival != LateArrival::Admitted {
            assert!(devices.iter().all(|device| device.acquire(&me).is_err()), "{id}");
        }
    }
}
