//! Strategies that fail in the ways in which a round has to survive.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use detach_strategies::platform::topology;
use detach_strategies::{
    DetachError, Detached, DeviceRef, Properties, Refcount, Unsupported, WaitsFor,
};

use super::detach::{self, Manners};
#[cfg(unix)]
use super::file::{OpenFile, Reading};
use super::stay::{Busy, Long, Touch};
use super::{bulk, bystander, churn, disturbance, fast_path, late_arrivals, latency, many_devices};
use crate::engine::Seen;
use crate::engine::fleet::Fleet;
use crate::engine::round::RoundError;
use crate::engine::softc::{Payload, Softc};

type Sound<S = Softc> = Refcount<S>;

type Bulk = fn(&Fleet, u64, usize, bool) -> Result<Seen, RoundError>;

/// Has room for one thread.
const FULL: u8 = 0;
/// Hands over the softc of another device.
const MIXED_UP: u8 = 1;
/// Is detached as soon as it is attached.
const GONE: u8 = 3;
/// Panics at the third detach.
const PANICS: u8 = 4;
/// Detaches without waiting for anybody, and goes on letting people in.
const EARLY: u8 = 5;
/// Lets people in when it is detached.
const UNDEAD: u8 = 6;
/// Claims that it waits for the holders of every device, and does not.
const BOASTS: u8 = 7;
/// Refuses one entry in four, and lets people in the next time.
const REVOLVING: u8 = 8;
/// Detaches one device as it should, and many without waiting for anybody.
const HASTY: u8 = 9;
/// Does not tell what became of the last of many devices.
const SILENT: u8 = 10;
/// Puts whom it turns away to sleep, and its detacher as well.
const DROWSY: u8 = 11;

struct Faulty<const FAULT: u8, S: Payload = Softc> {
    device: Sound<S>,
    copy: S,
}

/// Registrations of [`FULL`] so far. One test only uses it.
static REGISTERED: AtomicUsize = AtomicUsize::new(0);

/// Entries into [`REVOLVING`] so far. One test only uses it.
static ENTRIES: AtomicUsize = AtomicUsize::new(0);

impl<const FAULT: u8, S: Payload> Faulty<FAULT, S> {
    /// What the winner of a detach gets.
    fn hand_over(softc: S) -> S {
        match FAULT {
            MIXED_UP => S::make(softc.serial() + 1).expect("a word is always there"),
            PANICS if softc.serial() == 2 => panic!("on purpose"),
            _ => softc,
        }
    }
}

impl<const FAULT: u8, S: Payload> DeviceRef for Faulty<FAULT, S> {
    type Softc = S;
    type Registration = <Sound<S> as DeviceRef>::Registration;
    type Guard<'g> = <Sound<S> as DeviceRef>::Guard<'g>;

    const PROPERTIES: Properties = Properties {
        waits_for: match FAULT {
            BOASTS => WaitsFor::EveryDevice,
            _ => WaitsFor::ThisDevice,
        },
        ..Sound::<S>::PROPERTIES
    };

    fn register() -> Result<Self::Registration, Unsupported> {
        // Ordering: Relaxed; only the count matters.
        if FAULT == FULL && REGISTERED.fetch_add(1, Ordering::Relaxed) > 0 {
            return Err(Unsupported::because("there is room for one thread"));
        }
        Sound::<S>::register()
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        let device = Sound::attach(softc)?;
        if FAULT == GONE {
            let _ = device.detach(&mut Sound::<S>::register()?);
        }
        Ok(Faulty {
            device,
            copy: softc,
        })
    }

    fn acquire<'g>(
        &'g self,
        registration: &'g Self::Registration,
    ) -> Result<Self::Guard<'g>, Detached> {
        // Ordering: Relaxed; only the count matters.
        if FAULT == REVOLVING && ENTRIES.fetch_add(1, Ordering::Relaxed) % 4 == 3 {
            return Err(Detached);
        }
        self.device
            .acquire(registration)
            .inspect_err(|_| doze::<FAULT>())
    }

    fn detach(&self, registration: &mut Self::Registration) -> Result<S, Detached> {
        if matches!(FAULT, EARLY | UNDEAD) {
            return Ok(self.copy);
        }
        doze::<FAULT>();
        self.device.detach(registration).map(Self::hand_over)
    }

    fn detach_all(
        devices: &[&Self],
        registration: &mut Self::Registration,
        mut tell: impl FnMut(usize, Result<S, Detached>),
    ) {
        if matches!(FAULT, EARLY | UNDEAD | HASTY) {
            for (place, device) in devices.iter().enumerate() {
                tell(place, Ok(device.copy));
            }
            return;
        }
        let sound: Vec<&Sound<S>> = devices.iter().map(|faulty| &faulty.device).collect();
        Sound::detach_all(&sound, registration, |place, outcome| {
            if FAULT != SILENT || place + 1 < devices.len() {
                tell(place, outcome.map(Self::hand_over));
            }
        });
    }

    fn detach_timeout(
        &self,
        registration: &mut Self::Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        self.device.detach_timeout(registration, patience)
    }
}

/// Leaves the CPU idle, if that is the fault.
fn doze<const FAULT: u8>() {
    if FAULT == DROWSY {
        thread::sleep(Duration::from_micros(10));
    }
}

fn fleet(workers: usize, detacher: bool) -> Fleet {
    Fleet::new(workers, detacher, &[0, 1]).unwrap()
}

fn plain_detach<D>(fleet: &Fleet, iterations: u64) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    detach::measure::<D, _>(fleet, iterations, &Manners::polite(Touch))
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
    let error = plain_detach::<Faulty<MIXED_UP>>(&fleet(2, true), 5)
        .err()
        .unwrap();
    let RoundError::WrongSoftc { expected, found } = error else {
        panic!("{error}");
    };
    assert_eq!((expected, found), (0, 1));
}

#[test]
fn a_panic_ends_the_round_and_goes_on_to_the_caller() {
    let fleet = fleet(2, true);
    let round = || plain_detach::<Faulty<PANICS>>(&fleet, 5);
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(round)).is_err());
    // The threads have survived it.
    assert!(plain_detach::<Sound>(&fleet, 5).is_ok());
}

/// Holds long enough for any detacher to be faster.
fn long_detach<D>(fleet: &Fleet) -> RoundError
where
    D: DeviceRef<Softc = Softc>,
{
    let manners = Manners::polite(Busy::new(20_000));
    let round = detach::measure::<D, _>(fleet, 1_000, &manners);
    round.err().unwrap()
}

#[test]
fn a_holder_that_is_overtaken_ends_the_round() {
    let error = long_detach::<Faulty<EARLY>>(&fleet(1, true));
    assert!(matches!(error, RoundError::Overtaken), "{error}");
    assert!(error.to_string().contains("does not protect"), "{error}");
    // With company that nobody will ever refuse.
    let error = long_detach::<Faulty<EARLY>>(&fleet(3, true));
    assert!(matches!(error, RoundError::Overtaken), "{error}");
}

#[test]
fn a_holder_that_is_overtaken_in_bulk_ends_the_round() {
    // Nobody is ever refused, so somebody is inside all the time.
    let fleet = fleet(2, true);
    for (together, round) in [
        (false, bulk::measure::<Faulty<EARLY>> as Bulk),
        (true, bulk::measure::<Faulty<HASTY>>),
    ] {
        let error = round(&fleet, 1_000, 10, together).err().unwrap();
        assert!(matches!(error, RoundError::Overtaken), "{error}");
    }
    // The faults of one way are not those of the other.
    assert!(bulk::measure::<Faulty<HASTY>>(&fleet, 3, 10, false).is_ok());
}

#[test]
fn many_detaches_together_are_told_each_with_its_own_softc() {
    let fleet = fleet(1, true);
    assert!(bulk::measure::<Sound>(&fleet, 3, 10, true).is_ok());
    let wrong = bulk::measure::<Faulty<MIXED_UP>>(&fleet, 3, 10, true);
    assert!(matches!(wrong, Err(RoundError::WrongSoftc { .. })));
    let untold = bulk::measure::<Faulty<SILENT>>(&fleet, 3, 10, true);
    assert!(matches!(untold, Err(RoundError::Refused)));
}

#[cfg(unix)]
#[test]
fn a_holder_that_reads_from_a_strangers_file_ends_the_round() {
    let round = detach::measure::<Faulty<EARLY, OpenFile>, _>(
        &fleet(1, true),
        10_000,
        &Manners::polite(Reading),
    );
    // Which of the two a holder notices first, nobody knows.
    match round.err().unwrap() {
        RoundError::WrongFile { found, .. } => assert_eq!(found, u64::MAX),
        error => assert!(matches!(error, RoundError::Overtaken), "{error}"),
    }
}

#[cfg(unix)]
#[test]
fn a_descriptor_that_was_given_to_a_stranger_reads_as_a_strangers() {
    let file = OpenFile::make(7).unwrap();
    assert!(Reading.read_at(&file, 3).is_ok());
    file.reclaim().unwrap();
    let error = RoundError::from(Reading.read_at(&file, 3).unwrap_err());
    assert!(
        matches!(
            error,
            RoundError::WrongFile {
                expected: 7,
                found: u64::MAX
            }
        ),
        "{error}"
    );
    file.bury();
}

#[test]
fn a_detached_device_that_lets_people_in_ends_the_round() {
    let error = late_arrivals::measure::<Faulty<UNDEAD>>(&fleet(2, false), 10)
        .err()
        .unwrap();
    assert!(matches!(error, RoundError::Admitted), "{error}");
}

#[test]
fn a_strategy_that_does_not_wait_for_strangers_must_not_claim_it() {
    let fleet = fleet(1, true);
    let error = bystander::measure::<Faulty<BOASTS>>(&fleet, 100_000, 1_000_000)
        .err()
        .unwrap();
    assert!(matches!(error, RoundError::Overtaken), "{error}");
    // The same without the claim.
    assert!(bystander::measure::<Sound>(&fleet, 3, 100_000).is_ok());
    // And with more bystanders than there are CPUs.
    assert!(bystander::measure::<Sound>(&self::fleet(3, true), 3, 100_000).is_ok());
}

#[test]
fn a_stranger_that_comes_back_as_another_ends_the_round() {
    let error = disturbance::measure::<Faulty<MIXED_UP>>(&fleet(1, true), 1_000_000, 1_000_000)
        .err()
        .unwrap();
    assert!(matches!(error, RoundError::WrongSoftc { .. }), "{error}");
}

/// Every scenario that times visits notices a device that lets nobody in.
#[test]
fn a_device_that_refuses_entry_ends_a_round_of_any_kind() {
    type Gone = Faulty<GONE>;
    let (two, beside) = (fleet(2, false), fleet(1, true));
    for (name, round) in [
        ("hold", fast_path::hold::<Gone>(&two, 10, 100)),
        ("latency", latency::measure::<Gone>(&two, 10)),
        (
            "many_devices",
            many_devices::measure::<Gone>(&two, 10, 5, false),
        ),
        ("churn", churn::measure::<Gone>(&two, 3)),
        ("disturbance", disturbance::measure::<Gone>(&beside, 10, 0)),
    ] {
        let error = round.err().unwrap();
        assert!(matches!(error, RoundError::Refused), "{name}: {error}");
    }
}

/// However holders spend their time, they notice that they were overtaken.
#[test]
fn a_holder_that_is_overtaken_notices_it_asleep_or_elsewhere() {
    let fleet = fleet(1, true);
    let mut stays = vec![
        Long::Busy(Busy::new(10_000)),
        Long::Asleep(Duration::from_micros(100)),
    ];
    // Where threads can be moved.
    stays.extend(topology::allowed_cpus().map(Long::Moving));
    for stay in stays {
        let manners = Manners::polite(stay);
        let round = detach::measure::<Faulty<EARLY>, _>(&fleet, 1_000, &manners);
        let error = round.err().unwrap();
        assert!(matches!(error, RoundError::Overtaken), "{error}");
    }
}

/// Whoever knocks on a device that is gone must not be let in. This one turns
/// its holders away at first, so that they begin to knock.
#[test]
fn a_door_that_opens_again_ends_the_round() {
    let manners = Manners {
        stay: Touch,
        knock: true,
    };
    let round = detach::measure::<Faulty<REVOLVING>, _>(&fleet(1, true), 1_000, &manners);
    let error = round.err().unwrap();
    assert!(matches!(error, RoundError::Admitted), "{error}");
}

/// Each worker is turned away once by each device, and sleeps then. What the
/// detacher does is not asked.
#[cfg(target_os = "linux")]
#[test]
fn it_is_counted_how_often_workers_sleep() {
    type Drowsy = Faulty<DROWSY>;
    let detaches = 100;
    for workers in [1, 2] {
        let fleet = fleet(workers, true);
        let slept = |round: Result<Seen, RoundError>| round.unwrap().noise.slept.unwrap();
        let turned_away = workers as u64 * detaches;
        let drowsy = slept(plain_detach::<Drowsy>(&fleet, detaches));
        assert!(
            (turned_away..turned_away + detaches).contains(&drowsy),
            "{drowsy}"
        );
        // The system may put somebody to sleep for reasons of its own.
        let sound = slept(plain_detach::<Sound>(&fleet, detaches));
        assert!(sound < turned_away / 2, "{sound}");
        let strangers = slept(bystander::measure::<Drowsy>(&fleet, detaches, 10_000));
        assert!(strangers < turned_away / 2, "{strangers}");
        let bulk = slept(bulk::measure::<Drowsy>(&fleet, 10, 10, true));
        assert!(bulk >= 10, "{bulk}");
    }
}
