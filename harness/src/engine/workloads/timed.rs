//! What the scenarios have in common in which nothing but detaches is timed.

use std::ops::Range;
use std::time::{Duration, Instant};

use detach_results::latency;
use detach_strategies::DeviceRef;

use crate::engine::Seen;
use crate::engine::barrier::Broken;
use crate::engine::crew::{Crew, Trouble, all_well};
use crate::engine::noise::ThreadNoise;
use crate::engine::round::{Phases, RoundError};

/// Between the arrival of the last worker and the detach, in nanoseconds:
/// several laps, and no multiple of one. Where holders stay for long, more is
/// added at the upper end.
pub(super) const SETTLE_NS: Range<u64> = 500..2_500;

/// Nanoseconds since the start of the batch, comparable between threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Clock(Instant::now())
    }

    #[inline(always)]
    pub(super) fn now(self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// Lets the others go on for so many nanoseconds.
pub(super) fn settle<D: DeviceRef>(
    crew: &Crew,
    clock: Clock,
    registration: &mut D::Registration,
    nanoseconds: u64,
) -> Result<(), Broken> {
    let until = clock.now() + nanoseconds;
    crew.wait_until::<D>(registration, || clock.now() >= until)
}

/// What a detacher brings home.
#[derive(Default)]
pub(super) struct Timed {
    /// Nanoseconds of each detach.
    pub(super) latencies: Vec<u64>,
    /// Detaches that overtook a holder of another device.
    pub(super) overtook: u64,
    /// From the first detach to the last.
    pub(super) took: Duration,
}

/// What a thread brings home: if it was the detacher, its times.
pub(super) type Home = (Option<Timed>, ThreadNoise);

/// Adds what the threads of a batch have brought home; returns how many holders
/// of other devices were overtaken.
pub(super) fn gather(
    parts: Vec<Result<Home, Trouble>>,
    phases: &mut Phases,
    seen: &mut Seen,
) -> Result<u64, RoundError> {
    let mut overtook = 0;
    for (timed, noise) in all_well(parts)? {
        let (timed, noise) = match timed {
            Some(timed) => (timed, noise.of_detacher()),
            None => (Timed::default(), noise),
        };
        for latency in timed.latencies {
            latency::record(&mut phases.latency, latency);
            phases.total += Duration::from_nanos(latency);
        }
        overtook += timed.overtook;
        seen.took += timed.took;
        seen.noise = [seen.noise, noise].into_iter().sum();
    }
    Ok(overtook)
}
