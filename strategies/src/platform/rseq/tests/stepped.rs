//! The sequence is stepped through, and after any instruction, or any two, the
//! thread loses its CPU. No luck is involved, and no second CPU.
//!
//! [`Schedule`] plays the kernel, on an area that the real one does not know.
//! When it takes the CPU away it does what `rseq(2)` says: a thread inside the
//! range goes on at the abort address, and the word is cleared, inside or not.
//! Meanwhile others count twice on every CPU, and the thread goes on elsewhere.
//!
//! An increment must then count once, on the CPU on which it ran, and disturb
//! nobody else's, or say that it did not happen and be right. And once it is
//! over, nothing may refer to its descriptor. A gated one must not count either
//! when its gate has been shut meanwhile.
//!
//! The rule is the documented one; that the kernel's is the same is for the
//! last test here, and for [`moved`](super::moved).

use std::arch::asm;
use std::cell::{Cell, UnsafeCell};
use std::hint::black_box;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use super::super::arch::{self, Aborted};
use super::super::os::Rseq;
use super::stepping::{Next, step};
use super::{COUNTER, OFFSET, Record, SHIFT, broken};
use crate::platform::rseq::gated::{self, Gate};
use crate::primitive::area::Column;

/// An increment under test.
type Increment = unsafe fn(*mut u8, isize, u32) -> Result<(), Aborted>;

const SHIPPED: Increment = arch::increment::<SHIFT, OFFSET>;

const CPUS: usize = 2;

/// What the kernel knows as `struct rseq`.
#[repr(C, align(32))]
struct Area {
    cpu_id_start: Cell<u32>,
    cpu_id: Cell<u32>,
    rseq_cs: Cell<*const Descriptor>,
}

/// What the kernel knows as `struct rseq_cs`.
#[repr(C)]
struct Descriptor {
    version: u32,
    flags: u32,
    start: usize,
    length: usize,
    abort: usize,
}

/// Says which CPU the thread has, takes it away, and watches.
struct Schedule {
    area: Area,
    /// What the counters change by.
    step: u64,
    /// Nobody may count any more.
    shut: Cell<bool>,
    records: UnsafeCell<[Record; CPUS]>,
    /// What the counters come to without the increment under test.
    others: Cell<[u64; CPUS]>,
    /// The increment was seen, on the CPU that the thread had.
    counted: Cell<bool>,
    fault: Cell<Option<&'static str>>,
}

impl Schedule {
    fn new(cpu: u32, step: i64) -> Self {
        Schedule {
            area: Area {
                cpu_id_start: Cell::new(cpu),
                cpu_id: Cell::new(cpu),
                rseq_cs: Cell::new(std::ptr::null()),
            },
            step: step as u64,
            shut: Cell::new(false),
            records: UnsafeCell::new([[0; _]; CPUS]),
            others: Cell::new([0; CPUS]),
            counted: Cell::new(false),
            fault: Cell::new(None),
        }
    }

    fn first(&self) -> *mut u8 {
        self.records.get().cast()
    }

    fn counter(&self, cpu: usize) -> *mut u64 {
        let first = self.first().cast::<Record>();
        // SAFETY: there is a record for the CPU, and a counter in it.
        unsafe { first.add(cpu).cast::<u64>().add(COUNTER) }
    }

    /// Looks at the counters after an instruction.
    fn look(&self) {
        let mut others = self.others.get();
        for (cpu, others) in others.iter_mut().enumerate() {
            // SAFETY: the thread that writes them is stopped, or is this one.
            let now = unsafe { self.counter(cpu).read_volatile() };
            if now == *others {
                continue;
            }
            let here = cpu == self.area.cpu_id.get() as usize;
            if now != others.wrapping_add(self.step) {
                self.fault.set(Some("somebody else's increment was lost"));
            } else if self.counted.get() {
                self.fault.set(Some("the increment happened twice"));
            } else if self.shut.get() {
                self.fault.set(Some("it counted behind a shut gate"));
            } else if !here {
                self.fault
                    .set(Some("the increment went to another CPU's counter"));
            }
            self.counted.set(true);
            *others = now;
        }
        self.others.set(others);
    }

    /// The thread, about to execute the instruction at `at`, loses its CPU and
    /// gets the other one.
    fn take_away(&self, at: *const u8) -> Next {
        let mut others = self.others.get();
        for (cpu, others) in others.iter_mut().enumerate() {
            *others = others.wrapping_add(self.step << 1);
            // SAFETY: as in `look`.
            unsafe { self.counter(cpu).write_volatile(*others) };
        }
        self.others.set(others);
        let cpu = (self.area.cpu_id.get() + 1) % CPUS as u32;
        self.area.cpu_id_start.set(cpu);
        self.area.cpu_id.set(cpu);
        // SAFETY: a word that is not null is the address of a descriptor.
        let Some(descriptor) = (unsafe { self.area.rseq_cs.take().as_ref() }) else {
            return Next::Step;
        };
        assert_eq!((descriptor.version, descriptor.flags), (0, 0));
        if at.addr().wrapping_sub(descriptor.start) >= descriptor.length {
            return Next::Step;
        }
        let abort = std::ptr::with_exposed_provenance::<u8>(descriptor.abort);
        // SAFETY: the four bytes before the abort address are the signature's.
        let signature = unsafe { abort.sub(4).cast::<u32>().read_unaligned() };
        assert_eq!(signature, 0x5305_3053, "the kernel would kill the process");
        Next::Jump(abort)
    }

    /// Makes an attempt on CPU 0, and takes the CPU away before those
    /// instructions whose numbers are in `when`. Tells what went wrong, or else
    /// how many instructions it took.
    fn run(
        &self,
        mut attempt: impl FnMut(isize) -> Result<(), Aborted>,
        when: &[usize],
        meanwhile: impl Fn(),
    ) -> Result<usize, &'static str> {
        let thread: isize;
        // SAFETY: it reads a word of the thread's own, its own address.
        unsafe { asm!("mov {}, fs:0", out(reg) thread, options(nostack, readonly)) };
        let area = (&raw const self.area).expose_provenance() as isize - thread;
        let mut steps = 0;
        let mut each = |at: *const u8| {
            self.look();
            steps += 1;
            if when.contains(&(steps - 1)) {
                meanwhile();
                self.take_away(at)
            } else {
                Next::Step
            }
        };
        let mut result = Ok(());
        step(&mut each, || {
            result = black_box(attempt(area));
        });
        self.look();
        if let Some(fault) = self.fault.get() {
            Err(fault)
        } else if result.is_ok() != self.counted.get() {
            Err("the result is not what happened")
        } else if !self.area.rseq_cs.get().is_null() {
            Err("the area still refers to the descriptor")
        } else {
            Ok(steps)
        }
    }
}

/// Takes the CPU away at no, any one and any two moments of an attempt; tells the
/// first thing that went wrong.
fn check_each(run: impl Fn(&[usize]) -> Result<usize, &'static str>) -> Result<(), &'static str> {
    let steps = run(&[])?;
    for first in 0..steps {
        for second in first..steps {
            run(&[first, second])?;
        }
    }
    Ok(())
}

/// Runs an increment on `cpu`.
fn run(increment: Increment, cpu: u32, when: &[usize]) -> Result<usize, &'static str> {
    let schedule = Schedule::new(cpu, 1);
    let first = schedule.first();
    // SAFETY: the area is there, its offset right, and there is a record for
    // each CPU.
    let attempt = |area| unsafe { increment(first, area, CPUS as u32) };
    schedule.run(attempt, when, || ())
}

fn check(increment: Increment) -> Result<(), &'static str> {
    check_each(|when| run(increment, 0, when))
}

/// Runs the gated sequence on `cpu`; the gate is shut whenever the CPU is taken
/// away, if it `shuts`.
fn run_gated<const STEP: i64>(
    cpu: u32,
    limit: usize,
    shuts: bool,
    when: &[usize],
) -> Result<usize, &'static str> {
    let schedule = Schedule::new(cpu, STEP);
    let gate = Gate {
        limit: AtomicU32::new(limit as u32),
        counters: Column::of(NonNull::new(schedule.counter(0).cast()).unwrap()),
    };
    let gate = black_box(&gate);
    // SAFETY: as in `run`.
    let attempt = |area| unsafe { gated::arch::add_if_admitted::<SHIFT, STEP>(gate, area) };
    schedule.shut.set(limit == 0);
    schedule.run(attempt, when, || {
        if shuts {
            gate.limit.store(0, Ordering::Relaxed);
            schedule.shut.set(true);
        }
    })
}

#[test]
fn it_counts_once_whenever_the_cpu_is_taken_away() {
    assert_eq!(check(SHIPPED), Ok(()));
    assert_eq!(
        check_each(|when| run_gated::<1>(0, CPUS, false, when)),
        Ok(())
    );
    assert_eq!(
        check_each(|when| run_gated::<-1>(0, CPUS, false, when)),
        Ok(())
    );
}

#[test]
fn behind_a_gate_that_was_shut_nobody_counts() {
    assert_eq!(
        check_each(|when| run_gated::<1>(0, CPUS, true, when)),
        Ok(())
    );
    assert_eq!(
        check_each(|when| run_gated::<-1>(0, CPUS, true, when)),
        Ok(())
    );
    assert_eq!(check_each(|when| run_gated::<1>(0, 0, false, when)), Ok(()));
}

/// The check finds what it is for.
#[test]
fn broken_sequences_are_caught() {
    let astray = "the increment went to another CPU's counter";
    for (name, increment, fault) in [
        (
            "CPU before arming",
            broken::cpu_before_arming::<SHIFT, OFFSET> as Increment,
            astray,
        ),
        (
            "CPU before start",
            broken::cpu_before_start::<SHIFT, OFFSET>,
            astray,
        ),
        (
            "end before increment",
            broken::end_before_increment::<SHIFT, OFFSET>,
            astray,
        ),
        (
            "end before store",
            broken::end_before_store::<SHIFT, OFFSET>,
            "somebody else's increment was lost",
        ),
        (
            "end after increment",
            broken::end_after_increment::<SHIFT, OFFSET>,
            "the result is not what happened",
        ),
        (
            "left armed",
            broken::left_armed::<SHIFT, OFFSET>,
            "the area still refers to the descriptor",
        ),
    ] {
        assert_eq!(check(increment), Err(fault), "{name}");
    }
}

/// A thread without a number, or with one that has no record, counts nowhere
/// and leaves nothing behind.
#[test]
fn without_a_cpu_nothing_happens() {
    for cpu in [CPUS as u32, u32::MAX, u32::MAX - 1] {
        // Counting would be a fault: there is no such CPU.
        assert!(run(SHIPPED, cpu, &[]).is_ok());
        assert!(run_gated::<1>(cpu, CPUS, false, &[]).is_ok());
    }
}

/// With a signal after every instruction the kernel itself never lets a
/// sequence get to its end.
#[test]
fn the_kernel_undoes_what_is_interrupted_everywhere() {
    let Ok(rseq) = Rseq::get() else {
        return;
    };
    let records = UnsafeCell::new(vec![Record::default(); crate::platform::possible_cpus()]);
    let mut each = |_: *const u8| Next::Step;
    let mut result = Ok(());
    for _ in 0..100 {
        step(&mut each, || {
            // SAFETY: there is a record for every CPU, and nobody else looks.
            let first = unsafe { (*records.get()).as_mut_ptr() };
            // SAFETY: the same.
            result = unsafe { rseq.increment::<SHIFT, OFFSET>(first.cast()) };
        });
        assert!(result.is_err());
    }
    assert!(records.into_inner().iter().flatten().all(|word| *word == 0));
}
