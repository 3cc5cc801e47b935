//! What a holder does between acquire and release.

use std::time::Duration;

use detach_strategies::Unsupported;
use detach_strategies::platform::topology;

use crate::engine::crew::Trouble;
use crate::engine::softc::Softc;
use crate::engine::work::{turns_for, work};

/// A way to spend the time inside.
pub(super) trait Stay<P>: Sync {
    /// Spends it. `visit` counts the visits of the calling worker, from a
    /// different number for each worker.
    fn stay(&self, softc: &P, visit: usize) -> Result<(), Trouble>;

    /// How long the holder sleeps inside, in the way of its strategy: between
    /// two stays of the above. `None` if it does not.
    fn asleep(&self) -> Option<Duration> {
        None
    }

    /// About how long it takes, in nanoseconds.
    fn nanoseconds(&self) -> u64 {
        0
    }
}

/// Reads a word of the softc and leaves.
pub(super) struct Touch;

impl Stay<Softc> for Touch {
    #[inline(always)]
    fn stay(&self, softc: &Softc, _visit: usize) -> Result<(), Trouble> {
        softc.touch();
        Ok(())
    }
}

/// Works.
pub(super) struct Busy {
    nanoseconds: u64,
    turns: u64,
}

impl Busy {
    pub(super) fn new(nanoseconds: u64) -> Self {
        Busy {
            nanoseconds,
            turns: turns_for(nanoseconds),
        }
    }
}

impl Stay<Softc> for Busy {
    #[inline]
    fn stay(&self, softc: &Softc, _visit: usize) -> Result<(), Trouble> {
        softc.touch();
        work(self.turns);
        softc.touch();
        Ok(())
    }

    fn nanoseconds(&self) -> u64 {
        self.nanoseconds
    }
}

/// Long ways to spend the time, which one is decided as late as that: where it
/// takes microseconds, looking it up costs nothing, and the code of each strategy
/// is there once for all of them.
pub(super) enum Long {
    /// Works.
    Busy(Busy),
    /// Sleeps, for at least so long: the system adds what it likes.
    Asleep(Duration),
    /// Moves to another of these CPUs while inside, so that release happens on
    /// another one than acquire did.
    Moving(Vec<usize>),
}

impl Stay<Softc> for Long {
    fn stay(&self, softc: &Softc, visit: usize) -> Result<(), Trouble> {
        softc.touch();
        match self {
            Long::Busy(busy) => busy.stay(softc, visit)?,
            // Its sleep is its strategy's business.
            Long::Asleep(_) => {}
            Long::Moving(cpus) => {
                let cpu = cpus[visit % cpus.len()];
                topology::pin_current_thread(cpu).map_err(|error| {
                    Unsupported::because(format!("cannot move to CPU {cpu}: {error}"))
                })?;
            }
        }
        softc.touch();
        Ok(())
    }

    fn asleep(&self) -> Option<Duration> {
        match self {
            Long::Asleep(time) => Some(*time),
            _ => None,
        }
    }

    fn nanoseconds(&self) -> u64 {
        match self {
            Long::Busy(busy) => busy.nanoseconds,
            Long::Asleep(time) => time.as_nanos() as u64,
            // Two passes through the scheduler.
            Long::Moving(_) => 10_000,
        }
    }
}
