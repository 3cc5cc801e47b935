//! What the two strategies that care for sleepers offer to those who have a
//! guard in hand: `dying-xcall-ref` keeps a device, `fo-restart` sleeps in it.

use std::cell::Cell;
use std::thread;
use std::time::Duration;

use detach_strategies::points::{Point, Undisturbed};
use detach_strategies::{
    DetachError, Detached, DeviceRef, DyingXcallRef, FoRestart, dying_xcall_ref,
};

use crate::support::cue::{Cue, Watched, within};
use crate::support::hooks::{Hooked, with_hook};
use crate::support::waking::InTime;
use crate::support::{SHORT, alone, long};

type Ref = DyingXcallRef<u64>;
type Restart = FoRestart<u64>;

/// What is kept does not borrow its thread's registration, and may travel.
const _: () = {
    const fn is_send<T: Send>() {}
    is_send::<dying_xcall_ref::Kept<'static, u64, Undisturbed>>();
};

/// A holder keeps a device across everything that a guard must not span; its
/// device waits for it, and no other does.
#[test]
fn a_kept_device_waits_for_its_keeper_alone() {
    let _alone = alone();
    let mut me = Ref::register().unwrap();
    let kept_device = Ref::attach(1).unwrap();
    let bystander = Ref::attach(2).unwrap();
    let kept = Cue::new();
    let enough = Cue::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut other = Ref::register().unwrap();
            let softc = kept_device.acquire(&other).unwrap().keep();
            Ref::safe_point(&mut other);
            Ref::offline(&mut other, || {
                kept.give();
                enough.wait();
            });
            Ref::safe_point(&mut other);
            // Let go by a thread that has never heard of the strategy.
            scope.spawn(move || assert_eq!(*softc, 1));
        });
        kept.wait();
        assert_eq!(bystander.detach_in_time(&mut me), Ok(2));
        for _ in 0..50 {
            let result = kept_device.detach_timeout(&mut me, Duration::from_millis(1));
            assert_eq!(result, Err(DetachError::StillHeld));
            assert_eq!(kept_device.acquire(&me).err(), Some(Detached));
        }
        enough.give();
        assert_eq!(kept_device.detach_in_time(&mut me), Ok(1));
    });
}

/// Several may keep it, one several times over, and the last one counts.
#[test]
fn the_last_keeper_counts() {
    let _alone = alone();
    let mut me = Ref::register().unwrap();
    let device = Ref::attach(1).unwrap();
    let mut kept: Vec<_> = (0..3)
        .map(|_| device.acquire(&me).unwrap().keep())
        .collect();
    while kept.pop().is_some() {
        let result = device.detach_timeout(&mut me, Duration::ZERO);
        let expected = match kept.is_empty() {
            true => Ok(1),
            false => Err(DetachError::StillHeld),
        };
        assert_eq!(result, expected);
    }
}

/// A detach has begun, and whoever is inside decides to keep the device: the
/// NOP waits for the decision, the count for the rest.
#[test]
fn a_holder_may_keep_a_device_that_is_dying() {
    type Hooked = dying_xcall_ref::Device<u64, self::Hooked>;

    let _alone = alone();
    let device = Hooked::attach(1).unwrap();
    let inside = Cue::new();
    let closed = Cue::new();
    let answered = Cue::new();
    let sleeps = Watched::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut me = Hooked::register().unwrap();
            let guard = device.acquire(&me).unwrap();
            inside.give();
            closed.wait();
            let kept = guard.keep();
            Hooked::offline(&mut me, || {
                answered.give();
                assert!(within(long(), || sleeps.sleeps()), "nobody waits for it");
            });
            assert_eq!(*kept, 1);
        });
        inside.wait();
        let mut me = Hooked::register().unwrap();
        sleeps.watch_me();
        let drained = Cell::new(false);
        let hook = |point| match point {
            Point::Closed => closed.give(),
            Point::Drained => drained.set(true),
            Point::Summing => assert!(!drained.get()),
            _ => {}
        };
        let result = with_hook(&hook, || device.detach_in_time(&mut me));
        assert_eq!(result, Ok(1));
        assert!(answered.given() && drained.get());
    });
}

/// Without a registration to borrow, a thread may come to wait for itself.
#[test]
fn who_detaches_what_it_keeps_waits_for_itself() {
    let _alone = alone();
    let mut me = Ref::register().unwrap();
    let device = Ref::attach(1).unwrap();
    let kept = device.acquire(&me).unwrap().keep();
    let result = device.detach_timeout(&mut me, SHORT);
    assert_eq!(result, Err(DetachError::StillHeld));
    drop(kept);
    assert_eq!(device.detach_in_time(&mut me), Ok(1));
}

/// A keeper that is never dropped never leaves, and is nobody else's business.
#[test]
fn a_leaked_keeper_never_leaves() {
    let _alone = alone();
    let mut me = Ref::register().unwrap();
    let device = Ref::attach(1).unwrap();
    std::mem::forget(device.acquire(&me).unwrap().keep());
    let result = device.detach_timeout(&mut me, SHORT);
    assert_eq!(result, Err(DetachError::StillHeld));
    let other = Ref::attach(2).unwrap();
    assert_eq!(other.detach_in_time(&mut me), Ok(2));
}

/// What a sleeper waits for never comes. It comes out with an error, and the
/// detach returns; whoever sleeps in another device sleeps on.
#[test]
fn a_sleeper_is_woken_by_the_detach_of_its_device() {
    let mut me = Restart::register().unwrap();
    let device = Restart::attach(1).unwrap();
    let other = Restart::attach(2).unwrap();
    let out = [Cue::new(), Cue::new()];
    let asleep = [Watched::new(), Watched::new()];
    let detacher = Watched::new();
    thread::scope(|scope| {
        for ((device, out), asleep) in [&device, &other].into_iter().zip(&out).zip(&asleep) {
            scope.spawn(move || {
                let me = Restart::register().unwrap();
                let guard = device.acquire(&me).unwrap();
                asleep.watch_me();
                assert_eq!(guard.sleep(|| false), Err(Detached));
                out.give();
            });
        }
        for asleep in &asleep {
            assert!(within(long(), || asleep.sleeps()));
        }
        let detach = scope.spawn(|| {
            let mut me = Restart::register().unwrap();
            detacher.watch_me();
            device.detach_in_time(&mut me)
        });
        // It sleeps if there is somebody to wait for.
        assert!(within(long(), || detacher.sleeps() || detach.is_finished()));
        asleep[0].is_woken("the sleeper", || out[0].given());
        assert_eq!(detach.join().unwrap(), Ok(1));
        assert!(!out[1].given() && asleep[1].sleeps());
        assert_eq!(other.detach_in_time(&mut me), Ok(2));
    });
}

/// A device that is going lets nobody sleep, for however short a time.
#[test]
fn nobody_falls_asleep_in_a_device_that_is_dying() {
    let mut me = Restart::register().unwrap();
    let device = Restart::attach(1).unwrap();
    let mine = Restart::register().unwrap();
    let guard = device.acquire(&mine).unwrap();
    let result = device.detach_timeout(&mut me, Duration::ZERO);
    assert_eq!(result, Err(DetachError::StillHeld));
    assert_eq!(guard.sleep(|| false), Err(Detached));
    assert_eq!(guard.sleep_timeout(long(), || false), Err(Detached));
    // But what it came for it may have.
    assert_eq!(guard.sleep(|| true), Ok(()));
    assert_eq!(guard.sleep_timeout(Duration::ZERO, || true), Ok(true));
    drop(guard);
    assert_eq!(device.detach_in_time(&mut me), Ok(1));
}

/// One holder waits for what another one does.
#[test]
fn a_sleeper_is_woken_by_another_holder() {
    let me = Restart::register().unwrap();
    let device = Restart::attach(1).unwrap();
    let done = Cue::new();
    let asleep = Watched::new();
    let guard = device.acquire(&me).unwrap();
    assert_eq!(guard.sleep_timeout(SHORT / 10, || false), Ok(false));
    thread::scope(|scope| {
        let sleeper = scope.spawn(|| {
            let me = Restart::register().unwrap();
            let guard = device.acquire(&me).unwrap();
            asleep.watch_me();
            // Longer than anybody waits for it.
            let woken = guard.sleep_timeout(10 * long(), || done.given());
            (woken, done.given())
        });
        assert!(within(long(), || asleep.sleeps()));
        guard.wakeup();
        assert!(within(long(), || asleep.sleeps()), "it sleeps on");
        done.give();
        guard.wakeup();
        asleep.is_woken("the sleeper", || sleeper.is_finished());
        assert_eq!(sleeper.join().unwrap(), (Ok(true), true));
    });
}
