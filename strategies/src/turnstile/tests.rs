//! Counters that run over.
//!
//! A lane's counters have 64 bits, and so have their sums; everything is
//! computed modulo 2^64. Let `E` and `L` be the true sums of a pass, as numbers
//! without an end, and `e` and `l` what the detacher computes: `e = E mod 2^64`
//! and `l = L mod 2^64`, whatever single counters or partial sums ran over on
//! the way, since addition modulo 2^64 does not care.
//!
//! The detacher takes `e == l` for `E == L`. As `E >= L` (the module tells why),
//! it is wrong only if `E - L` is a multiple of 2^64 other than 0. But `E - L`
//! counts the threads inside at the moment between the two passes (guards that
//! were leaked included) plus those that entered during the second pass; after
//! the gate was shut the latter are at most one for each thread. So there would
//! have to be 2^64 guards at once. At one leaked guard in a nanosecond that
//! takes 584 years, and they all belong to one device.
//!
//! A counter of 32 bits would not do: four seconds of leaking would fill it.

use std::sync::{Barrier, OnceLock};
use std::thread;
use std::time::Duration;

use super::lanes::Counters;
use super::*;

/// Long enough that only a real hang reaches it.
const LONG: Duration = Duration::from_secs(60);

/// Lanes that can pretend to have been used a lot.
pub(super) trait Preset {
    /// Takes every counter to `count`, as so many entries and leaves would.
    fn preset(&self, count: u64);
}

pub(super) fn preset<'l>(lanes: impl Iterator<Item = &'l Counters>, count: u64) {
    for lane in lanes {
        // Ordering: Relaxed; the device is nobody else's yet.
        lane.entered.store(count, Ordering::Relaxed);
        lane.left.store(count, Ordering::Relaxed);
    }
}

/// Does something with every form that this machine supports.
macro_rules! every_form {
    ($check:ident) => {
        if rseq_works() {
            $check::<PerCpu>();
        }
        if Membarrier::supported().is_ok() {
            $check::<PerThread>();
        }
        $check::<PerThreadFenced>();
    };
}

fn rseq_works() -> bool {
    Turnstile::<u64>::supported().is_ok()
}

/// A device whose counters are all `short` of running over.
fn near_the_edge<F>(short: u64) -> Device<u64, F>
where
    F: Form<u64, Lanes: Preset>,
{
    let device = Device::<u64, F>::attach(7).unwrap();
    device.lanes.preset(short.wrapping_neg());
    device
}

/// One thread, alone: counters run over between an enter and its leave, and in
/// the middle of nested ones.
#[test]
fn a_holder_is_seen_across_the_edge() {
    fn check<F: Form<u64, Lanes: Preset>>() {
        for short in 0..4 {
            let mut me = Device::<u64, F>::register().unwrap();
            let other = Device::<u64, F>::register().unwrap();
            let device = near_the_edge::<F>(short);
            let guards = [(); 3].map(|()| device.acquire(&other).unwrap());
            for guard in guards {
                let result = device.detach_timeout(&mut me, Duration::from_millis(2));
                assert_eq!(result, Err(DetachError::StillHeld), "{}", F::PROPERTIES.id);
                drop(guard);
            }
            let result = device.detach_timeout(&mut me, LONG);
            assert_eq!(result, Ok(7), "{}", F::PROPERTIES.id);
        }
    }
    every_form!(check);
}

/// Several threads at once, each of which takes its counters over the edge
/// while others come and go.
#[test]
fn sums_agree_across_the_edge() {
    const THREADS: usize = 4;
    const ENTRIES: u64 = 2000;
    fn check<F: Form<u64, Lanes: Preset>>() {
        let mut me = Device::<u64, F>::register().unwrap();
        let device = OnceLock::new();
        let registered = Barrier::new(THREADS + 1);
        let start = Barrier::new(THREADS + 1);
        let half = Barrier::new(THREADS + 1);
        let over = Barrier::new(THREADS + 1);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    // Before the counters are set, so that the slot has one.
                    let me = Device::<u64, F>::register().unwrap();
                    registered.wait();
                    start.wait();
                    let device: &Device<u64, F> = device.get().unwrap();
                    for _ in 0..ENTRIES {
                        drop(device.acquire(&me).unwrap());
                    }
                    let guard = device.acquire(&me).unwrap();
                    half.wait();
                    over.wait();
                    drop(guard);
                });
            }
            registered.wait();
            let device = device.get_or_init(|| near_the_edge::<F>(ENTRIES / 2));
            start.wait();
            half.wait();
            let result = device.detach_timeout(&mut me, Duration::from_millis(2));
            assert_eq!(result, Err(DetachError::StillHeld), "{}", F::PROPERTIES.id);
            over.wait();
            let result = device.detach_timeout(&mut me, LONG);
            assert_eq!(result, Ok(7), "{}", F::PROPERTIES.id);
        });
    }
    every_form!(check);
}
