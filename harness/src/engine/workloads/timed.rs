//! What the scenarios have in common in which nothing but detaches is timed.

use std::time::Duration;

use detach_results::latency;

use crate::engine::Seen;
use crate::engine::crew::{Trouble, all_well};
use crate::engine::noise::ThreadNoise;
use crate::engine::round::{Phases, RoundError};

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
        let timed = timed.unwrap_or_default();
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
