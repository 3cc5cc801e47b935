//! What the threads of one round share, and how they fail together.

use std::hint::spin_loop;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use detach_strategies::{Detached, DeviceRef, Unsupported};

use super::barrier::{Broken, NAP, Pause, SpinBarrier};
use super::fleet::Fleet;
use super::padded::Padded;
use super::round::RoundError;

/// The shared part of one round.
#[derive(Debug)]
pub(super) struct Crew {
    pub(super) barrier: SpinBarrier,
    workers: usize,
    finished: Padded<AtomicUsize>,
}

/// Why a thread gave up.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It cannot run here.
    Unsupported(Unsupported),
    /// An attached device refused entry, or somebody else detached it.
    Refused,
    /// Detach handed over another softc than was attached.
    WrongSoftc { expected: u64, found: u64 },
    /// Detach returned while a holder was inside.
    Overtaken,
    /// A detached device let somebody in.
    Admitted,
    /// A holder read from another file than its device's.
    WrongFile { expected: u64, found: u64 },
    /// The system refused something that is no strategy's business.
    Io(io::Error),
    /// Another thread gave up first.
    Broken,
}

impl From<Unsupported> for Trouble {
    fn from(unsupported: Unsupported) -> Self {
        Trouble::Unsupported(unsupported)
    }
}

impl From<Detached> for Trouble {
    fn from(_: Detached) -> Self {
        Trouble::Refused
    }
}

impl From<Broken> for Trouble {
    fn from(_: Broken) -> Self {
        Trouble::Broken
    }
}

impl Crew {
    pub(super) fn new(fleet: &Fleet) -> Self {
        let placement = fleet.placement();
        Crew {
            barrier: SpinBarrier::new(placement.threads(), placement.oversubscribed),
            workers: placement.workers.len(),
            finished: Padded::default(),
        }
    }

    /// Does one thread's part of the round. If it fails or panics, the others
    /// are sent home.
    pub(super) fn part<T>(&self, work: impl FnOnce() -> Result<T, Trouble>) -> Result<T, Trouble> {
        let alarm = self.barrier.alarm();
        let done = work()?;
        alarm.disarm();
        Ok(done)
    }

    /// Meets the others, off line: nobody waits for a thread that waits here.
    pub(super) fn meet<D>(&self, registration: &mut D::Registration) -> Result<(), Broken>
    where
        D: DeviceRef,
    {
        D::offline(registration, || self.barrier.wait())
    }

    /// Waits until `ready`, at safe points all the while: looks, yields and naps
    /// as the barrier does.
    pub(super) fn wait_until<D>(
        &self,
        registration: &mut D::Registration,
        ready: impl Fn() -> bool,
    ) -> Result<(), Broken>
    where
        D: DeviceRef,
    {
        let mut waiting = self.barrier.waiting();
        while !ready() {
            if self.barrier.is_broken() {
                return Err(Broken);
            }
            match waiting.next() {
                Pause::Spin => {
                    D::safe_point(registration);
                    spin_loop();
                }
                Pause::Yield => D::offline(registration, thread::yield_now),
                Pause::Nap => D::offline(registration, || thread::sleep(NAP)),
            }
        }
        Ok(())
    }

    /// Says that the calling worker is done with what is timed.
    pub(super) fn finish(&self) {
        // Ordering: Relaxed; only the count matters, no data goes with it.
        self.finished.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether the others still need company: some worker is being timed.
    pub(super) fn still_timed(&self) -> bool {
        // Ordering: Relaxed; see `finish`.
        self.finished.load(Ordering::Relaxed) < self.workers && !self.barrier.is_broken()
    }
}

/// What all threads have done, or why the first one failed. Those that gave up
/// because another one did have nothing to say.
pub(super) fn all_well<T>(parts: Vec<Result<T, Trouble>>) -> Result<Vec<T>, RoundError> {
    let mut done = Vec::with_capacity(parts.len());
    let mut broken = false;
    for part in parts {
        match part {
            Ok(part) => done.push(part),
            Err(Trouble::Broken) => broken = true,
            Err(trouble) => return Err(trouble.into()),
        }
    }
    assert!(!broken, "a barrier breaks only when some thread fails");
    Ok(done)
}

impl From<Trouble> for RoundError {
    /// # Panics
    ///
    /// For [`Trouble::Broken`], which is another thread's trouble.
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Unsupported(unsupported) => RoundError::Unsupported(unsupported),
            Trouble::Refused => RoundError::Refused,
            Trouble::WrongSoftc { expected, found } => RoundError::WrongSoftc { expected, found },
            Trouble::Overtaken => RoundError::Overtaken,
            Trouble::Admitted => RoundError::Admitted,
            Trouble::WrongFile { expected, found } => RoundError::WrongFile { expected, found },
            Trouble::Io(error) => RoundError::Io(error),
            Trouble::Broken => unreachable!("the thread that failed has its own trouble"),
        }
    }
}
