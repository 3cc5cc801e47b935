//! `memory`: a thousand devices are attached and entered, and weighed.
//!
//! What a device takes is its handle, what was allocated for it, and its share
//! of the areas in which turnstiles lie. Of these areas only the pages that
//! are in memory count: they are laid out for all CPUs, or threads, that there
//! could be, and untouched pages cost nothing.
//!
//! Not counted is what the allocator adds to each allocation. An area has a
//! page more than it has lanes (so that these begin at a page), which shows as up
//! to one record more of each device that lies in one.

use detach_strategies::points::Undisturbed;
use detach_strategies::registry::{self, Visitor};
use detach_strategies::{DeviceRef, platform};

use crate::allocator::weigh;
use crate::support::claims::{claims, concerns};
use crate::support::isolated;
use crate::support::pages::resident;

/// So many devices fill an area, or two.
const SHARE: usize = 512;

/// How many are weighed.
const DEVICES: usize = 2 * SHARE;

/// How many threads are registered meanwhile.
const THREADS: usize = 8;

/// What is in memory of a large allocation.
fn present((start, size): (usize, usize)) -> usize {
    resident(start, size).min(size)
}

/// Bytes of one device without its softc, which is nothing.
fn weigh_devices<D: DeviceRef<Softc = ()>>() -> usize {
    let registrations: Vec<_> = (0..THREADS).map(|_| D::register().unwrap()).collect();
    let attach = || {
        let device = D::attach(()).unwrap();
        for registration in &registrations {
            drop(device.acquire(registration).unwrap());
        }
        device
    };
    // What all devices share comes with the first ones, which fill an area.
    let first: Vec<D> = (0..SHARE).map(|_| attach()).collect();
    let mut devices = Vec::with_capacity(DEVICES);
    let ((), weight) = weigh(|| devices.extend((0..DEVICES).map(|_| attach())));
    drop(first);

    let small = usize::try_from(weight.small).expect("devices allocate more than they free");
    let large: usize = weight.large.into_iter().map(present).sum();
    println!("{} {small} {large}", size_of::<D>());
    assert_eq!(small % DEVICES, 0, "devices differ");
    size_of::<D>() + small / DEVICES + large / DEVICES
}

/// In a process of its own, where no area has been begun and no other thread is
/// registered.
#[test]
fn a_thousand_devices_weigh_what_they_claim() {
    struct Weigh;
    impl Visitor<()> for Weigh {
        type Output = ();
        fn visit<D: DeviceRef<Softc = ()>>(&mut self) {
            let claims = claims::<D>().memory;
            let claimed = claims.bytes(platform::possible_cpus(), THREADS);
            let slack = claims.per_cpu + claims.per_thread;
            let weighed = weigh_devices::<D>();
            if !(claimed..=claimed + slack).contains(&weighed) {
                isolated::violated(format!("claims {claimed} bytes, takes {weighed}"));
            }
        }
    }
    struct Judge;
    impl Visitor<()> for Judge {
        type Output = ();
        fn visit<D: DeviceRef<Softc = ()>>(&mut self) {
            let id = D::PROPERTIES.id;
            if !concerns(id) {
                return;
            }
            match D::supported() {
                Ok(()) => {
                    let test =
                        concat!(module_path!(), "::a_thousand_devices_weigh_what_they_claim");
                    assert_eq!(isolated::run(test, id), isolated::Ending::Survived, "{id}");
                }
                Err(why) => println!("{id}: {why}"),
            }
        }
    }
    if let Some(id) = isolated::case() {
        // A huge page in the place of a small one would be counted as touched.
        let (yes, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
        // SAFETY: it takes plain numbers.
        unsafe { libc::prctl(libc::PR_SET_THP_DISABLE, yes, unused, unused, unused) };
        registry::visit::<(), Undisturbed, _>(&id, &mut Weigh).unwrap();
        isolated::survived();
    }
    registry::visit_all::<(), Undisturbed, _>(&mut Judge);
}

#[test]
fn bytes_add_up() {
    let memory = detach_strategies::Memory {
        fixed: 100,
        per_cpu: 10,
        per_thread: 1,
    };
    assert_eq!(memory.bytes(3, 4), 134);
}
