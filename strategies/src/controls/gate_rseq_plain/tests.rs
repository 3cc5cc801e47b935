//! The window is not the defect: nobody comes through it late where the right
//! call is made. (That many do where it is not, the torture sees.)

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use super::*;
use crate::platform::restart;

/// The membarrier that restarts.
struct Restart;

impl Stop for Restart {
    const NAME: &'static str = restart::NAME;

    fn supported() -> Result<(), Unsupported> {
        restart::restart_status()
    }

    fn call() {
        restart::restart();
    }
}

#[test]
fn nobody_commits_late_through_the_window() {
    const ROUNDS: u32 = 500;
    if Stretched::<Restart>::supported().is_err() {
        return;
    }
    for round in 0..ROUNDS {
        let counts = Stretched::<Restart>::install().unwrap();
        let over = AtomicBool::new(false);
        let begun = AtomicU64::new(0);
        let frozen = thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let me = Stretched::<Restart>::register().unwrap();
                    while !over.load(Ordering::Relaxed) {
                        begun.fetch_add(1, Ordering::Relaxed);
                        counts.enter(&me);
                    }
                });
            }
            while begun.load(Ordering::Relaxed) < 4 {
                thread::yield_now();
            }
            counts.seal();
            Stretched::<Restart>::restart();
            let frozen = counts.sum();
            over.store(true, Ordering::Relaxed);
            frozen
        });
        // Whoever was in the window is out of it by now.
        assert_eq!(counts.sum(), frozen, "round {round}");
    }
}
