//! `release_elsewhere` and `reopens`: what the types say, which the compiler
//! knows, and what the first of the two comes to.

use std::marker::PhantomData;
use std::thread;

use detach_strategies::{
    ArcSwap, DetachError, DeviceRef, DyingMembarrier, DyingXcall, DyingXcallRef, Epoch, FoRestart,
    GateRseq, Properties, Refcount, Reopen, Rwlock, Seqlock, Turnstile, TurnstileFenced,
    TurnstileSlots, Unprotected,
};

use crate::support::claims::{all_claims, claims};
use crate::support::waking::InTime;
use crate::support::{SHORT, alone};

/// Something to ask the compiler about. A constant of the type itself is
/// preferred to one of a trait, and it is there only if the bound holds.
struct Ask<T>(PhantomData<T>);

trait Otherwise {
    const IS_SEND: bool = false;
    const CAN_REOPEN: bool = false;
}
impl<T> Otherwise for Ask<T> {}

impl<T: Send> Ask<T> {
    const IS_SEND: bool = true;
}
impl<D: Reopen> Ask<(D,)> {
    const CAN_REOPEN: bool = true;
}

/// What the compiler says about one strategy.
struct Answer {
    properties: Properties,
    guard_is_send: bool,
    can_reopen: bool,
}

macro_rules! answers {
    ($($strategy:ident),* $(,)?) => {
        vec![$(Answer {
            properties: claims::<$strategy<u64>>(),
            guard_is_send: Ask::<<$strategy<u64> as DeviceRef>::Guard<'static>>::IS_SEND,
            can_reopen: Ask::<($strategy<u64>,)>::CAN_REOPEN,
        }),*]
    };
}

fn answers() -> Vec<Answer> {
    answers![
        Unprotected,
        Turnstile,
        TurnstileSlots,
        TurnstileFenced,
        GateRseq,
        Refcount,
        FoRestart,
        DyingXcall,
        DyingXcallRef,
        DyingMembarrier,
        Epoch,
        Rwlock,
        ArcSwap,
        Seqlock,
    ]
}

/// Also that the list above is complete.
#[test]
fn guards_are_send_and_devices_reopen_as_claimed() {
    let answers = answers();
    let asked: Vec<_> = answers.iter().map(|answer| answer.properties.id).collect();
    let all: Vec<_> = all_claims()
        .iter()
        .map(|properties| properties.id)
        .collect();
    assert_eq!(asked, all, "a strategy is missing here");
    for answer in answers {
        let claims = answer.properties;
        assert_eq!(
            answer.guard_is_send, claims.release_elsewhere,
            "{}",
            claims.id
        );
        assert_eq!(answer.can_reopen, claims.reopens, "{}", claims.id);
    }
}

/// The question can be answered both ways.
#[test]
fn the_compiler_is_asked_in_earnest() {
    const {
        assert!(Ask::<u64>::IS_SEND);
        assert!(!Ask::<*const u64>::IS_SEND);
        assert!(Ask::<(Turnstile<u64>,)>::CAN_REOPEN);
        assert!(!Ask::<(Refcount<u64>,)>::CAN_REOPEN);
    }
}

/// A guard travels to another thread and is dropped there; detach waits for it
/// wherever it is, if it waits for anybody.
fn travels<D>() -> &'static str
where
    D: DeviceRef<Softc = u64> + 'static,
    D::Registration: 'static,
    D::Guard<'static>: Send,
{
    let id = D::PROPERTIES.id;
    if D::supported().is_err() {
        return id;
    }
    let mut me = D::register().unwrap();
    let waits = claims::<D>().waits_for != detach_strategies::WaitsFor::Nobody;

    // Dropped on a thread that has never seen the strategy before.
    let device: &'static D = Box::leak(Box::new(D::attach(7).unwrap()));
    let registration: &'static D::Registration = Box::leak(Box::new(D::register().unwrap()));
    let guard = device.acquire(registration).unwrap();
    if waits {
        let result = device.detach_timeout(&mut me, SHORT);
        assert_eq!(result, Err(DetachError::StillHeld), "{id}");
    }
    let elsewhere = thread::spawn(move || {
        assert_eq!(*guard, 7);
        drop(guard);
    });
    elsewhere.join().unwrap();
    assert_eq!(device.detach_in_time(&mut me), Ok(7), "{id}");

    // Many of them, in both directions at once.
    let device: &'static D = Box::leak(Box::new(D::attach(8).unwrap()));
    let guards: Vec<_> = (0..100)
        .map(|_| device.acquire(registration).unwrap())
        .collect();
    let elsewhere = thread::spawn(move || drop(guards));
    for _ in 0..100 {
        drop(device.acquire(registration).unwrap());
    }
    elsewhere.join().unwrap();
    assert_eq!(device.detach_in_time(&mut me), Ok(8), "{id}");
    id
}

#[test]
fn guards_that_are_send_release_elsewhere() {
    let _alone = alone();
    let travelled = [
        travels::<Unprotected<u64>>(),
        travels::<Turnstile<u64>>(),
        travels::<GateRseq<u64>>(),
        travels::<Refcount<u64>>(),
        travels::<FoRestart<u64>>(),
        travels::<ArcSwap<u64>>(),
        travels::<Seqlock<u64>>(),
    ];
    let claimed: Vec<_> = all_claims()
        .iter()
        .filter(|properties| properties.release_elsewhere)
        .map(|properties| properties.id)
        .collect();
    assert_eq!(travelled[..], claimed[..], "a strategy is missing here");
}
