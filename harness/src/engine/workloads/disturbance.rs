//! `disturbance`: what detaches of other devices cost everybody.
//!
//! A heavy fence interrupts every CPU on which a thread of the process runs,
//! whether that thread has ever heard of the device or not; a cross-call makes
//! every thread answer; a reference count disturbs nobody. So workers run laps
//! on one device, as in `fast_path`, while another thread attaches and detaches
//! devices that nobody else enters, so many times a second. What remains of the
//! workers' throughput at a rate, over their throughput at rate 0, is what the
//! innocent pay.
//!
//! The detacher keeps to its schedule by the clock and, where it cannot keep
//! up, detaches as fast as it can; the rate that was reached is recorded. At
//! rate 0 it does all but attach and detach, so that it costs the workers'
//! cores, which may share something with its own, the same.

use std::hint::spin_loop;
use std::thread;
use std::time::{Duration, Instant};

use detach_strategies::DeviceRef;

use super::fast_path::laps;
use super::laps::{Stint, stint};
use crate::engine::barrier::Pause;
use crate::engine::crew::{Crew, Trouble, all_well};
use crate::engine::fleet::{Fleet, Seat};
use crate::engine::padded::Padded;
use crate::engine::round::{Observed, RoundError};
use crate::engine::softc::Softc;
use crate::engine::{Seen, count};

/// What a thread brings home.
enum Report {
    Worker(Stint),
    Detacher { rate: f64 },
}

/// Workers enter one device while others are detached, `rate` of them a
/// second.
pub(super) fn measure<D>(fleet: &Fleet, iterations: u64, rate: u64) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let device = Padded(D::attach(Softc { serial: 1 })?);
    let crew = Crew::new(fleet);
    let parts = fleet.run(|seat| {
        crew.part(|| match seat {
            Seat::Worker(_) => {
                let stint = stint::<D>(&crew, iterations, |registration, n| {
                    laps::<D>(&device, registration, n)
                })?;
                Ok(Report::Worker(stint))
            }
            Seat::Detacher => detach_others::<D>(&crew, rate),
        })
    });
    let mut stints = Vec::new();
    let mut reached = 0.0;
    for report in all_well(parts)? {
        match report {
            Report::Worker(stint) => stints.push(stint),
            Report::Detacher { rate } => reached = rate,
        }
    }
    let mut seen = Seen::from(stints);
    if let Observed::Cost {
        detaches_per_second,
        ..
    } = &mut seen.observed
    {
        *detaches_per_second = Some(reached);
    }
    count(&mut seen.mechanisms, device.mechanisms());
    Ok(seen)
}

fn detach_others<D>(crew: &Crew, rate: u64) -> Result<Report, Trouble>
where
    D: DeviceRef<Softc = Softc>,
{
    let mut registration = D::register()?;
    crew.meet::<D>(&mut registration)?;
    let start = Instant::now();
    let mut done = 0_u64;
    let mut waiting = crew.barrier.waiting();
    while crew.still_timed() {
        let due = match rate {
            0 => Duration::MAX,
            rate => Duration::from_nanos(done * 1_000_000_000 / rate),
        };
        if start.elapsed() < due {
            // No naps: a CPU that idles is not the same to its neighbours.
            match waiting.next() {
                Pause::Spin => {
                    D::safe_point(&mut registration);
                    spin_loop();
                }
                Pause::Yield | Pause::Nap => D::offline(&mut registration, thread::yield_now),
            }
            continue;
        }
        waiting = crew.barrier.waiting();
        let device = D::attach(Softc { serial: done })?;
        let found = device.detach(&mut registration)?.serial;
        if found != done {
            return Err(Trouble::WrongSoftc {
                expected: done,
                found,
            });
        }
        done += 1;
    }
    Ok(Report::Detacher {
        rate: done as f64 / start.elapsed().as_secs_f64().max(1e-9),
    })
}
