//! Threads count while another one moves them between CPUs; nothing is lost.
//!
//! This is what the kernel does in earnest, and luck decides whether it meets a
//! wrong sequence at the wrong instruction; so many moves make it likely.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;

use super::super::Rseq;
use super::{COUNTER, OFFSET, Record, SHIFT};
use crate::platform::possible_cpus;
use crate::platform::topology::allowed_cpus;

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

#[test]
fn every_increment_counts_once() {
    let Ok(rseq) = Rseq::get() else {
        return;
    };
    let mut cpus = allowed_cpus().unwrap_or_default();
    cpus.retain(|cpu| *cpu < libc::CPU_SETSIZE as usize);
    let mut records = vec![Record::default(); possible_cpus()];
    let first = records.as_mut_ptr() as usize;
    let moved = [const { AtomicI32::new(0) }; THREADS];
    let ready = Barrier::new(THREADS + 1);
    let over = AtomicBool::new(false);
    let work = |me: &AtomicI32| {
        let increment =
            // SAFETY: there is a record of 1 << SHIFT bytes for every CPU.
            || unsafe { rseq.increment::<SHIFT, OFFSET>(first as *mut u8) };
        // SAFETY: it takes nothing and returns a number.
        me.store(unsafe { libc::gettid() }, Ordering::Relaxed);
        ready.wait();
        let (mut counted, mut fell_back) = (0u64, 0u64);
        loop {
            for _ in 0..1000 {
                match increment() {
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
    let seen: u64 = records.iter().map(|record| record[COUNTER]).sum();
    println!("{counted} counted, {fell_back} fell back");
    assert_eq!(seen, counted);
    assert!(counted > fell_back, "restartable sequences hardly ran");
    let everything: u64 = records.iter().flatten().sum();
    assert_eq!(everything, counted, "something else was written to");
}
