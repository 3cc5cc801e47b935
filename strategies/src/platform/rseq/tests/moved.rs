//! Threads count while another one moves them between CPUs; nothing is lost.
//!
//! This is what the kernel does in earnest, and luck decides whether it meets a
//! wrong sequence at the wrong instruction; so many moves make it likely.

use std::ptr::NonNull;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering};
use std::thread;

use super::super::gated::Gate;
use super::super::{NotCounted, Rseq};
use super::{COUNTER, OFFSET, Record, SHIFT};
use crate::platform::possible_cpus;
use crate::platform::topology::allowed_cpus;
use crate::primitive::area::Column;

const THREADS: usize = 4;
const MOVES: usize = 4_000;

/// Confines a thread to a CPU.
fn confine(thread: libc::pid_t, cpu: usize) {
    // SAFETY: all zeros is the empty set, it is of the size told, and the
    // number is below that of its bits.
    let result = unsafe {
        let mut mask: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut mask);
        libc::sched_setaffinity(thread, size_of_val(&mask), &mask)
    };
    assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
}

/// A counter may be below zero, where others went down.
fn sum(counts: impl Iterator<Item = u64>) -> u64 {
    counts.fold(0, u64::wrapping_add)
}

#[test]
fn every_increment_counts_once() {
    if let Ok(rseq) = Rseq::get() {
        // SAFETY: there is a record of 1 << SHIFT bytes for every CPU.
        check(|first| unsafe { rseq.increment::<SHIFT, OFFSET>(first) });
    }
}

#[test]
fn every_gated_count_counts_once() {
    let Ok(rseq) = Rseq::get() else {
        return;
    };
    check(|first| {
        let gate = Gate {
            limit: AtomicU32::new(possible_cpus() as u32),
            counters: Column::of(NonNull::new(first.wrapping_add(OFFSET).cast()).unwrap()),
        };
        // SAFETY: as above.
        let count = || unsafe { rseq.add_if_admitted::<SHIFT, 1>(&gate) };
        // SAFETY: as above.
        let discount = || unsafe { rseq.add_if_admitted::<SHIFT, -1>(&gate) };
        // Up, and down and up again if that goes.
        count()?;
        if discount().is_ok() {
            while count().is_err() {}
        }
        Ok(())
    });
}

/// Counts with `increment`, which is told where the records are.
fn check(increment: impl Fn(*mut u8) -> Result<(), NotCounted> + Sync) {
    let mut cpus = allowed_cpus().unwrap_or_default();
    cpus.retain(|cpu| *cpu < libc::CPU_SETSIZE as usize);
    let mut records = vec![Record::default(); possible_cpus()];
    let first = records.as_mut_ptr() as usize;
    let moved = [const { AtomicI32::new(0) }; THREADS];
    let ready = Barrier::new(THREADS + 1);
    let over = AtomicBool::new(false);
    let work = |me: &AtomicI32| {
        // SAFETY: it takes nothing and returns a number.
        me.store(unsafe { libc::gettid() }, Ordering::Relaxed);
        ready.wait();
        let (mut counted, mut fell_back) = (0u64, 0u64);
        loop {
            for _ in 0..1000 {
                match increment(first as *mut u8) {
                    Ok(()) => counted += 1,
                    Err(_) => fell_back += 1,
                }
            }
            if over.load(Ordering::Relaxed) {
                return (counted, fell_back);
            }
        }
    };
    let (counted, fell_back) = thread::scope(|scope| {
        let workers: Vec<_> = moved.iter().map(|me| scope.spawn(|| work(me))).collect();
        ready.wait();
        for round in 0..MOVES {
            let thread = moved[round % THREADS].load(Ordering::Relaxed);
            // A CPU further each time, half of them a step ahead.
            confine(thread, cpus[(round / THREADS + round) % cpus.len()]);
        }
        over.store(true, Ordering::Relaxed);
        workers.into_iter().fold((0, 0), |sum, worker| {
            let (counted, fell_back) = worker.join().unwrap();
            (sum.0 + counted, sum.1 + fell_back)
        })
    });
    let seen = sum(records.iter().map(|record| record[COUNTER]));
    println!("{counted} counted, {fell_back} fell back");
    assert_eq!(seen, counted);
    assert!(counted > fell_back, "restartable sequences hardly ran");
    let everything = sum(records.iter().flatten().copied());
    assert_eq!(everything, counted, "something else was written to");
}
