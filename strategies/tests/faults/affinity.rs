//! The CPUs that the process may run on become fewer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use detach_strategies::points::Undisturbed;
use detach_strategies::registry::{self, Visitor};
use detach_strategies::{DeviceRef, Reclaim};

use crate::support::cue::within;
use crate::support::isolated::{self, Ending};
use crate::support::long;
use crate::support::waking::InTime;

/// Whether a device of theirs was reclaimed.
type Softc = &'static AtomicBool;

struct Shrink {
    masks: Vec<libc::cpu_set_t>,
}

impl Visitor<Softc> for Shrink {
    type Output = ();
    fn visit<D: DeviceRef<Softc = Softc>>(&mut self) {
        const ROUNDS: usize = 12;
        const HOLDERS: u64 = 3;
        if D::supported().is_err() {
            return;
        }
        let devices: Vec<D> = (0..ROUNDS)
            .map(|_| D::attach(Box::leak(Box::default())).unwrap())
            .collect();
        let entered: Vec<_> = (0..ROUNDS).map(|_| AtomicU64::new(0)).collect();
        let over: Vec<_> = (0..ROUNDS).map(|_| AtomicBool::new(false)).collect();
        thread::scope(|scope| {
            for _ in 0..HOLDERS {
                scope.spawn(|| {
                    let mut me = D::register().unwrap();
                    for ((device, entered), over) in devices.iter().zip(&entered).zip(&over) {
                        while !over.load(Ordering::Relaxed) {
                            if let Ok(guard) = device.acquire(&me) {
                                let reclaimed = guard.load(Ordering::Relaxed)
                                    && D::PROPERTIES.reclaim == Reclaim::AfterHolders;
                                assert!(!reclaimed, "{}", D::PROPERTIES.id);
                            }
                            entered.fetch_add(1, Ordering::Relaxed);
                            D::safe_point(&mut me);
                        }
                    }
                });
            }
            let mut me = D::register().unwrap();
            for (round, device) in devices.iter().enumerate() {
                let entered = || entered[round].load(Ordering::Relaxed);
                D::offline(&mut me, || assert!(within(long(), || entered() > 0)));
                confine(&self.masks[round % self.masks.len()]);
                let before = entered();
                D::offline(&mut me, || assert!(within(long(), || entered() > before)));
                let softc = device.detach_in_time(&mut me);
                softc.unwrap().store(true, Ordering::Relaxed);
                over[round].store(true, Ordering::Relaxed);
            }
        });
        confine(&self.masks[0]);
    }
}

/// Confines every thread that there is now to `mask`.
fn confine(mask: &libc::cpu_set_t) {
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        let name = task.unwrap().file_name();
        let id = name.to_str().and_then(|id| id.parse().ok()).unwrap();
        // SAFETY: the mask is valid and of the size told. It fails for a
        // thread that is gone by now.
        unsafe { libc::sched_setaffinity(id, size_of::<libc::cpu_set_t>(), mask) };
    }
}

/// The CPUs that the process may run on become fewer, and other ones, and all
/// of them again, while threads come and go and devices are detached. A thread
/// is then moved in the middle of what it does.
#[test]
fn the_cpus_become_fewer() {
    if isolated::case().is_some() {
        // SAFETY: all zeros is the empty set; the call fills it, and it is of
        // the size told.
        let all = unsafe {
            let mut all: libc::cpu_set_t = std::mem::zeroed();
            let result = libc::sched_getaffinity(0, size_of_val(&all), &mut all);
            assert_eq!(result, 0);
            all
        };
        // All of them, then one alone, then another.
        let mut masks = vec![all];
        for cpu in 0..libc::CPU_SETSIZE as usize {
            // SAFETY: the number is below the size of the set.
            if unsafe { libc::CPU_ISSET(cpu, &all) } && masks.len() < 4 {
                // SAFETY: the same; all zeros is the empty set.
                masks.push(unsafe {
                    let mut one: libc::cpu_set_t = std::mem::zeroed();
                    libc::CPU_SET(cpu, &mut one);
                    one
                });
            }
        }
        registry::visit_all::<Softc, Undisturbed, _>(&mut Shrink { masks });
        isolated::survived();
    }
    let test = concat!(module_path!(), "::the_cpus_become_fewer");
    assert_eq!(isolated::run(test, "all"), Ending::Survived);
}
