//! `churn`: threads that live for one visit.
//!
//! Strategies that count by thread make each thread register first, and some
//! never take the memory for it back. A server with a thread for each request
//! pays for that every time. A lap here is: start a thread, which registers,
//! acquires, reads a word, releases, unregisters and ends; wait for it. Starting
//! and ending a thread takes far longer than anything else in it; what
//! `unprotected` takes is that, and the difference is the strategy's.
//!
//! The threads inherit the CPU of the worker that starts them.

use std::thread;
use std::time::Instant;

use detach_strategies::DeviceRef;

use super::laps::Stint;
use crate::engine::crew::{Crew, Trouble, all_well};
use crate::engine::fleet::Fleet;
use crate::engine::noise::ThreadNoise;
use crate::engine::padded::Padded;
use crate::engine::round::RoundError;
use crate::engine::softc::Softc;
use crate::engine::{Seen, count};

/// Each worker starts `iterations` threads, one after the other.
pub(super) fn measure<D>(fleet: &Fleet, iterations: u64) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let device = Padded(D::attach(Softc { serial: 1 })?);
    let crew = Crew::new(fleet);
    let stints = fleet.run(|_| crew.part(|| work::<D>(&crew, &device, iterations)));
    let mut seen = Seen::from(all_well(stints)?);
    count(&mut seen.mechanisms, device.mechanisms());
    Ok(seen)
}

fn work<D>(crew: &Crew, device: &D, iterations: u64) -> Result<Stint, Trouble>
where
    D: DeviceRef<Softc = Softc>,
{
    life(device)?;
    crew.barrier.wait()?;
    let noise = ThreadNoise::now();
    let start = Instant::now();
    for _ in 0..iterations {
        life(device)?;
    }
    let elapsed = start.elapsed();
    let noise = noise.until_now();
    crew.finish();
    while crew.still_timed() {
        life(device)?;
    }
    Ok(Stint { elapsed, noise })
}

/// The life of one thread.
fn life<D>(device: &D) -> Result<(), Trouble>
where
    D: DeviceRef<Softc = Softc>,
{
    thread::scope(|scope| {
        let visitor = thread::Builder::new().spawn_scoped(scope, || -> Result<(), Trouble> {
            let registration = D::register()?;
            device.acquire(&registration)?.touch();
            Ok(())
        });
        let visitor = visitor.map_err(Trouble::Io)?;
        match visitor.join() {
            Ok(visited) => visited,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}
