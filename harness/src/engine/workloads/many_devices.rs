//! `many_devices`: what entering costs when there are 1, 10, ... 10 000 devices
//! and workers enter now this one, now that; and what a device weighs.
//!
//! With one device everything that a strategy touches stays in the nearest
//! cache. With many, each entry finds its counters wherever they were left: in
//! a further cache, or with another CPU. A strategy that keeps its counts in
//! the device touches one line; one that keeps them by CPU or by thread touches
//! another one besides, but no CPU takes it away.
//!
//! Each worker has drawn its itinerary before the clock starts: [`ITINERARY`]
//! devices, all alike or, *skewed*, the first one most often, the second half as
//! often, the third a third as often (Zipf's law, as requests for files and
//! pages follow it roughly). Reading the itinerary is part of a lap, as it is of
//! one of `unprotected`. Devices are allocated one by one, as a program would,
//! and lie wherever the allocator put them.
//!
//! # Bytes per device
//!
//! Counting what a strategy asks of the allocator would count address space
//! that is never touched (tables with room for more threads or CPUs than there
//! are), so [`weigh`] looks at what the system really had to provide: the
//! anonymous memory of the process before and after attaching so many devices
//! and entering each from every worker. It includes what the allocator adds,
//! and leaves out the softc and the pointer to the device. It is done in a
//! process of its own, where no memory lies about that could be used again.

use std::hint::black_box;

use detach_strategies::{DeviceRef, Unsupported};
use rand::distr::weighted::WeightedIndex;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::laps::stint;
use crate::engine::crew::{Crew, Trouble, all_well};
use crate::engine::fleet::{Fleet, Seat};
use crate::engine::round::RoundError;
use crate::engine::softc::Softc;
use crate::engine::{Seen, count};

/// Visits after which a worker begins its itinerary anew.
const ITINERARY: usize = 1 << 14;

/// Enters `devices` devices in an order drawn before.
pub(super) fn measure<D>(
    fleet: &Fleet,
    iterations: u64,
    devices: usize,
    skewed: bool,
) -> Result<Seen, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let devices = attach::<D>(devices)?;
    let crew = Crew::new(fleet);
    let stints = fleet.run(|seat| {
        crew.part(|| {
            let itinerary = itinerary(devices.len(), skewed, seed(seat));
            let devices = black_box(devices.as_slice());
            let mut next = 0;
            stint::<D>(&crew, iterations, |registration, n| {
                // All were written by the thread that attached them. Fetching
                // them the first time is no part of what is asked.
                if next == 0 {
                    enter_each(devices, registration)?;
                }
                laps(devices, &itinerary, &mut next, registration, n)
            })
        })
    });
    let mut seen = Seen::from(all_well(stints)?);
    for device in &devices {
        count(&mut seen.mechanisms, device.mechanisms());
    }
    Ok(seen)
}

/// Anonymous memory per device, in bytes, without the softc: see above. `None`
/// where the system does not tell.
///
/// # Errors
///
/// As a round.
pub(super) fn weigh<D>(fleet: &Fleet, devices: usize) -> Result<Option<f64>, RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    memory::in_small_pages();
    // What registrations take, and the pages of code and stacks, are there
    // before.
    enter_all::<D>(fleet, &attach(1)?)?;
    // Room for the pointers, touched before.
    let mut attached: Vec<Option<Box<D>>> = Vec::new();
    attached.resize_with(devices, || None);
    let Some(before) = memory::anonymous() else {
        return Ok(None);
    };
    for (serial, place) in attached.iter_mut().enumerate() {
        *place = Some(Box::new(D::attach(Softc {
            serial: serial as u64,
        })?));
    }
    let attached: Vec<Box<D>> = attached.into_iter().flatten().collect();
    enter_all(fleet, &attached)?;
    let after = memory::anonymous().unwrap_or(before);
    let each = after.saturating_sub(before) as f64 / devices as f64;
    Ok(Some((each - size_of::<Softc>() as f64).max(0.0)))
}

fn attach<D>(devices: usize) -> Result<Vec<Box<D>>, Unsupported>
where
    D: DeviceRef<Softc = Softc>,
{
    let serials = 0..devices as u64;
    serials
        .map(|serial| D::attach(Softc { serial }).map(Box::new))
        .collect()
}

/// Every worker enters every device once, all of them being registered at the
/// same time.
fn enter_all<D>(fleet: &Fleet, devices: &[Box<D>]) -> Result<(), RoundError>
where
    D: DeviceRef<Softc = Softc>,
{
    let crew = Crew::new(fleet);
    let parts = fleet.run(|_| {
        crew.part(|| {
            let mut registration = D::register()?;
            crew.meet::<D>(&mut registration)?;
            enter_each(devices, &mut registration)?;
            Ok(crew.meet::<D>(&mut registration)?)
        })
    });
    all_well(parts).map(drop)
}

/// Enters every device once.
fn enter_each<D>(devices: &[Box<D>], registration: &mut D::Registration) -> Result<(), Trouble>
where
    D: DeviceRef<Softc = Softc>,
{
    for device in devices {
        device.acquire(registration)?.touch();
        D::safe_point(registration);
    }
    Ok(())
}

fn seed(seat: Seat) -> u64 {
    match seat {
        Seat::Worker(worker) => worker as u64,
        Seat::Detacher => u64::MAX,
    }
}

/// Which devices to enter, in this order.
fn itinerary(devices: usize, skewed: bool, seed: u64) -> Vec<u32> {
    let mut random = SmallRng::seed_from_u64(seed);
    if skewed {
        let weights = (1..=devices).map(|rank| 1.0 / rank as f64);
        let zipf = WeightedIndex::new(weights).expect("there is a device, and weights are finite");
        (0..ITINERARY)
            .map(|_| random.sample(&zipf) as u32)
            .collect()
    } else {
        (0..ITINERARY)
            .map(|_| random.random_range(0..devices as u32))
            .collect()
    }
}

#[inline(never)]
fn laps<D>(
    devices: &[Box<D>],
    itinerary: &[u32],
    next: &mut usize,
    registration: &mut D::Registration,
    laps: u64,
) -> Result<(), Trouble>
where
    D: DeviceRef<Softc = Softc>,
{
    for _ in 0..laps {
        let device = &devices[itinerary[*next % ITINERARY] as usize];
        *next += 1;
        let guard = device.acquire(registration)?;
        guard.touch();
        drop(guard);
        D::safe_point(registration);
    }
    Ok(())
}

/// What the system has had to provide.
mod memory {
    /// Has the system provide no more memory at a time than it is asked for:
    /// pages of 2 MiB would hide what a device takes.
    #[cfg(target_os = "linux")]
    pub(super) fn in_small_pages() {
        // SAFETY: the call changes a setting of this process and takes numbers
        // only. Where it is refused, the weight comes out too high.
        unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, 1, 0, 0, 0) };
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn in_small_pages() {}

    /// Bytes of the process's memory that are its own and touched; exact, as
    /// the kernel walks the page tables for it.
    #[cfg(target_os = "linux")]
    pub(super) fn anonymous() -> Option<u64> {
        let text = std::fs::read_to_string("/proc/self/smaps_rollup").ok()?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("Anonymous:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib * 1024)
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn anonymous() -> Option<u64> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_itinerary_leads_everywhere_or_mostly_to_the_first() {
        let visits = |skewed, device| {
            let route = itinerary(100, skewed, 3);
            assert_eq!(route.len(), ITINERARY);
            route.iter().filter(|stop| **stop == device).count()
        };
        // 164 of 16384 each, give or take 6 standard deviations.
        for device in [0, 1, 99] {
            assert!((87..=241).contains(&visits(false, device)), "{device}");
        }
        // The 100th harmonic number is 5.187: 3158, 1579 and 32.
        for (device, expected) in [(0, 3_158), (1, 1_579), (99, 32)] {
            let found = visits(true, device);
            let tolerance = 6 * (expected as f64).sqrt() as usize;
            assert!(found.abs_diff(expected) <= tolerance, "{device}: {found}");
        }
    }

    #[test]
    fn workers_do_not_travel_together() {
        let (one, other) = (seed(Seat::Worker(0)), seed(Seat::Worker(1)));
        assert_ne!(itinerary(10, false, one), itinerary(10, false, other));
    }
}
