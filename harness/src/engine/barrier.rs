//! Where the threads of a round meet.
//!
//! A barrier of the standard library puts its threads to sleep, and waking
//! them takes longer than some rounds do: the last to wake would start when
//! the first is nearly done. This one spins, so that all leave within the time
//! that a cache line takes to travel. Where threads outnumber CPUs, spinning
//! would keep the thread that is waited for off its CPU, so there it yields.
//!
//! Yielding is not enough where CPUs outnumber what runs them, as in a virtual
//! machine whose host has fewer: the guest finds nobody else to run, and its CPU
//! spins on at the expense of the one that is waited for. So a waiter naps in
//! the end, which lets the host have its CPU. Nobody starts from a nap: all meet
//! twice, first with whatever patience it takes, then, when all are awake,
//! without naps.
//!
//! It can be broken: when a thread of the round fails or panics, the others
//! must not wait for it for ever. Whoever works between two meetings holds an
//! [`Alarm`], and an alarm that is dropped without having been disarmed breaks
//! the barrier.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::padded::Padded;

/// How often a waiter looks before it yields, when every thread has a CPU. A
/// look takes a few nanoseconds; whoever is not there after some hundred
/// microseconds has lost its CPU to a stranger, perhaps to this very thread.
const LOOKS: u32 = 20_000;

/// The same when threads outnumber CPUs.
const LOOKS_OVERSUBSCRIBED: u32 = 50;

/// How long a waiter yields before it naps: several time slices.
const YIELDING: Duration = Duration::from_millis(10);

/// How long a nap is.
pub(super) const NAP: Duration = Duration::from_millis(1);

/// A barrier for a fixed number of threads, which can be used again and again.
#[derive(Debug)]
pub struct SpinBarrier {
    parties: usize,
    looks: u32,
    /// Parties that wait for the present meeting.
    waiting: Padded<AtomicUsize>,
    /// Meetings that took place. Waiters watch it, apart from `waiting`, which
    /// every arrival writes.
    meetings: Padded<AtomicUsize>,
    broken: Padded<AtomicBool>,
}

/// What to do before the next look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// Next to nothing.
    Spin,
    /// Let another thread have the CPU.
    Yield,
    /// Let another machine have it: sleep for a [`NAP`].
    Nap,
}

/// A wait, from one look to the next.
#[derive(Debug)]
pub(super) struct Waiting {
    /// How often to look before yielding.
    looks: u32,
    yielding: Option<Instant>,
}

impl Waiting {
    pub(super) fn next(&mut self) -> Pause {
        if let Some(fewer) = self.looks.checked_sub(1) {
            self.looks = fewer;
            Pause::Spin
        } else if self.yielding.get_or_insert_with(Instant::now).elapsed() < YIELDING {
            Pause::Yield
        } else {
            Pause::Nap
        }
    }
}

/// A thread of the round failed; there will be no meeting any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl SpinBarrier {
    /// A barrier for `parties` threads, which yield early when they outnumber
    /// the CPUs.
    pub fn new(parties: usize, oversubscribed: bool) -> Self {
        SpinBarrier {
            parties,
            looks: if oversubscribed {
                LOOKS_OVERSUBSCRIBED
            } else {
                LOOKS
            },
            waiting: Padded::default(),
            meetings: Padded::default(),
            broken: Padded::default(),
        }
    }

    /// Begins to wait for something, here or elsewhere in the same round.
    pub(super) fn waiting(&self) -> Waiting {
        Waiting {
            looks: self.looks,
            yielding: None,
        }
    }

    /// Waits until all parties are here. What each did before the meeting is
    /// visible to all after it.
    ///
    /// # Errors
    ///
    /// [`Broken`] when a party failed.
    pub fn wait(&self) -> Result<(), Broken> {
        self.wait_with(|| thread::sleep(NAP))
    }

    /// The same with other naps.
    fn wait_with(&self, nap: impl Fn()) -> Result<(), Broken> {
        self.meet(nap)?;
        self.meet(thread::yield_now)
    }

    /// A single meeting, for which a waiter looks, then yields, then naps.
    fn meet(&self, nap: impl Fn()) -> Result<(), Broken> {
        // Ordering: Acquire pairs with the Release below. Nobody can start the
        // next meeting before this thread has arrived at the present one, so
        // the number cannot change between here and the arrival.
        let meeting = self.meetings.load(Ordering::Acquire);
        // Ordering: AcqRel; the Release half hands on what this thread did, and
        // the Acquire half lets the last to arrive collect it from all others.
        if self.waiting.fetch_add(1, Ordering::AcqRel) + 1 == self.parties {
            // Ordering: Relaxed; nobody adds to it until the meeting is over,
            // and the Release below orders this before that.
            self.waiting.store(0, Ordering::Relaxed);
            // Ordering: Release pairs with the Acquire loads of the waiters and
            // passes on what was collected.
            self.meetings
                .store(meeting.wrapping_add(1), Ordering::Release);
        } else {
            let mut waiting = self.waiting();
            // Ordering: Acquire pairs with the Release store of the last one.
            while self.meetings.load(Ordering::Acquire) == meeting {
                if self.is_broken() {
                    return Err(Broken);
                }
                match waiting.next() {
                    Pause::Spin => spin_loop(),
                    Pause::Yield => thread::yield_now(),
                    Pause::Nap => nap(),
                }
            }
        }
        Ok(())
    }

    /// Sends everybody home: those who wait, and those who will.
    pub fn smash(&self) {
        // Ordering: Release pairs with the Acquire in `is_broken`, so that the
        // reason is visible to whoever sees the barrier broken.
        self.broken.store(true, Ordering::Release);
    }

    /// Whether a party failed.
    pub fn is_broken(&self) -> bool {
        // Ordering: Acquire pairs with the Release in `smash`.
        self.broken.load(Ordering::Acquire)
    }

    /// Breaks the barrier unless it is disarmed.
    #[must_use = "an alarm that is dropped goes off"]
    pub fn alarm(&self) -> Alarm<'_> {
        Alarm { barrier: self }
    }
}

/// Held by a party while it works; see [`SpinBarrier::alarm`].
#[derive(Debug)]
pub struct Alarm<'b> {
    barrier: &'b SpinBarrier,
}

impl Alarm<'_> {
    /// The work went well.
    pub fn disarm(self) {
        std::mem::forget(self);
    }
}

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        self.barrier.smash();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn nobody_leaves_before_all_have_come() {
        const PARTIES: usize = 4;
        const MEETINGS: usize = 500;
        let barrier = SpinBarrier::new(PARTIES, true);
        let arrivals = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..PARTIES {
                scope.spawn(|| {
                    for meeting in 1..=MEETINGS {
                        // Ordering: Relaxed; the barrier is what is tested, and
                        // it has to order this.
                        arrivals.fetch_add(1, Ordering::Relaxed);
                        barrier.wait().unwrap();
                        // Ordering: Relaxed; as above.
                        assert_eq!(arrivals.load(Ordering::Relaxed), meeting * PARTIES);
                        barrier.wait().unwrap();
                    }
                });
            }
        });
    }

    #[test]
    fn a_single_party_never_waits() {
        let barrier = SpinBarrier::new(1, false);
        assert_eq!(barrier.wait(), Ok(()));
        assert_eq!(barrier.wait(), Ok(()));
    }

    #[test]
    fn a_wait_spins_so_often_then_yields_then_naps() {
        let mut waiting = SpinBarrier::new(2, true).waiting();
        let begun = Instant::now();
        for _ in 0..LOOKS_OVERSUBSCRIBED {
            assert_eq!(waiting.next(), Pause::Spin);
        }
        while waiting.next() == Pause::Yield {}
        assert!(begun.elapsed() >= YIELDING);
        assert_eq!(waiting.next(), Pause::Nap);
    }

    #[test]
    fn whoever_waits_for_long_naps_and_is_waited_for() {
        let barrier = SpinBarrier::new(2, true);
        let left = AtomicBool::new(false);
        let (napping, naps) = mpsc::sync_channel(1);
        thread::scope(|scope| {
            scope.spawn(|| {
                let nap = || {
                    // The first one wakes the other party; the nap is over
                    // when that one has come.
                    if napping.try_send(()).is_ok() {
                        // Ordering: Acquire, as in `meet`.
                        while barrier.meetings.load(Ordering::Acquire) == 0 {
                            thread::yield_now();
                        }
                        for _ in 0..1_000 {
                            thread::yield_now();
                            // Ordering: Relaxed; nothing is read on its word.
                            assert!(!left.load(Ordering::Relaxed), "left behind");
                        }
                    }
                };
                barrier.wait_with(nap).unwrap();
            });
            // Sends the other one home if it does not nap.
            let alarm = barrier.alarm();
            naps.recv_timeout(Duration::from_secs(60)).expect("no nap");
            barrier.wait().unwrap();
            alarm.disarm();
            // Ordering: Relaxed; as above.
            left.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn a_panic_sends_the_others_home() {
        let barrier = SpinBarrier::new(2, true);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| barrier.wait());
            let failing = scope.spawn(|| {
                let _alarm = barrier.alarm();
                panic!("on purpose");
            });
            assert!(failing.join().is_err());
            assert_eq!(waiter.join().unwrap(), Err(Broken));
        });
    }

    #[test]
    fn a_disarmed_alarm_breaks_nothing() {
        let barrier = SpinBarrier::new(1, false);
        barrier.alarm().disarm();
        assert!(!barrier.is_broken());
        drop(barrier.alarm());
        assert!(barrier.is_broken());
    }
}
