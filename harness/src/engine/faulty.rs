//! Strategies that fail in the ways in which a round has to survive.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use detach_strategies::{DetachError, Detached, DeviceRef, Properties, Refcount, Unsupported};

use super::detach;
use super::fast_path;
use super::fleet::Fleet;
use super::round::RoundError;
use super::softc::Softc;

type Sound = Refcount<Softc>;

/// Has room for one thread.
const FULL: u8 = 0;
/// Hands over the softc of another device.
const MIXED_UP: u8 = 1;
/// Never becomes free.
const STUCK: u8 = 2;
/// Is detached as soon as it is attached.
const GONE: u8 = 3;
/// Panics at the third detach.
const PANICS: u8 = 4;

struct Faulty<const FAULT: u8> {
    device: Sound,
}

/// Registrations of [`FULL`] so far. One test only uses it.
static REGISTERED: AtomicUsize = AtomicUsize::new(0);

impl<const FAULT: u8> DeviceRef for Faulty<FAULT> {
    type Softc = Softc;
    type Registration = <Sound as DeviceRef>::Registration;
    type Guard<'g> = <Sound as DeviceRef>::Guard<'g>;

    const PROPERTIES: Properties = Sound::PROPERTIES;

    fn register() -> Result<Self::Registration, Unsupported> {
        // Ordering: Relaxed; only the count matters.
        if FAULT == FULL && REGISTERED.fetch_add(1, Ordering::Relaxed) > 0 {
            return Err(Unsupported::because("there is room for one thread"));
        }
        Sound::register()
    }

    fn attach(softc: Softc) -> Result<Self, Unsupported> {
        let device = Sound::attach(softc)?;
        if FAULT == GONE {
            let _ = device.detach(&mut Sound::register()?);
        }
        Ok(Faulty { device })
    }

    fn acquire<'g>(
        &'g self,
        registration: &'g Self::Registration,
    ) -> Result<Self::Guard<'g>, Detached> {
        self.device.acquire(registration)
    }

    fn detach(&self, registration: &mut Self::Registration) -> Result<Softc, Detached> {
        self.device.detach(registration)
    }

    fn detach_timeout(
        &self,
        registration: &mut Self::Registration,
        patience: Duration,
    ) -> Result<Softc, DetachError> {
        let softc = self.device.detach_timeout(registration, patience)?;
        match FAULT {
            MIXED_UP => Ok(Softc {
                serial: softc.serial + 1,
            }),
            STUCK => Err(DetachError::StillHeld),
            PANICS if softc.serial == 2 => panic!("on purpose"),
            _ => Ok(softc),
        }
    }
}

fn fleet(workers: usize, detacher: bool) -> Fleet {
    Fleet::new(workers, detacher, &[0, 1]).unwrap()
}

#[test]
fn a_thread_that_cannot_register_ends_the_round() {
    let error = fast_path::shared::<Faulty<FULL>>(&fleet(3, false), 10)
        .err()
        .unwrap();
    assert!(matches!(&error, RoundError::Unsupported(_)), "{error}");
    assert!(error.to_string().contains("room for one thread"), "{error}");
}

#[test]
fn a_device_that_refuses_entry_ends_the_round() {
    for round in [
        fast_path::shared::<Faulty<GONE>>,
        fast_path::private::<Faulty<GONE>>,
    ] {
        let error = round(&fleet(2, false), 10).err().unwrap();
        assert!(matches!(error, RoundError::Refused), "{error}");
    }
}

#[test]
fn a_wrong_softc_ends_the_round() {
    let error = detach::measure::<Faulty<MIXED_UP>>(&fleet(2, true), 5)
        .err()
        .unwrap();
    let RoundError::WrongSoftc { expected, found } = error else {
        panic!("{error}");
    };
    assert_eq!((expected, found), (0, 1));
}

#[test]
fn a_detach_without_end_ends_the_round() {
    let error = detach::measure::<Faulty<STUCK>>(&fleet(2, true), 5)
        .err()
        .unwrap();
    assert!(matches!(error, RoundError::StillHeld), "{error}");
    assert!(
        error.to_string().contains("still held after 10 s"),
        "{error}"
    );
}

#[test]
fn a_panic_ends_the_round_and_goes_on_to_the_caller() {
    let fleet = fleet(2, true);
    let round = || detach::measure::<Faulty<PANICS>>(&fleet, 5);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(round)).is_err());
    // The threads have survived it.
    assert!(detach::measure::<Sound>(&fleet, 5).is_ok());
}
