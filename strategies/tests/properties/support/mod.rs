//! What the tests of this folder and of its neighbour `faults` share.
#![allow(
    dead_code,
    unused_macros,
    unused_imports,
    reason = "each test program uses its part"
)]

pub(crate) mod claims;
pub(crate) mod cue;
pub(crate) mod hooks;
pub(crate) mod isolated;
pub(crate) mod pages;
pub(crate) mod waking;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Long enough that only a real hang reaches it. A test that was told something
/// untrue may wait for what never comes, and should not take all day.
pub(crate) fn long() -> Duration {
    Duration::from_secs(if claims::is_misled() { 1 } else { 60 })
}

/// How long to wait for what must not come.
pub(crate) const SHORT: Duration = Duration::from_millis(50);

/// Some strategies have state of the whole process, and a test that makes a
/// thread stall them would disturb its neighbours. So those tests take turns.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Applies a check to every strategy that this machine supports, each with
/// [`Hooked`](hooks::Hooked) points and a plain number for a softc.
macro_rules! every_strategy {
    ($(#[$meta:meta])* fn $name:ident<$device:ident>($id:ident) $check:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            struct Check;
            impl detach_strategies::registry::Visitor<u64> for Check {
                type Output = ();
                fn visit<$device: detach_strategies::DeviceRef<Softc = u64>>(&mut self) {
                    let $id = $device::PROPERTIES.id;
                    if !$crate::support::claims::concerns($id) {
                        return;
                    }
                    match $device::supported() {
                        Ok(()) => {
                            println!("{}", $id);
                            let _limit = $crate::support::waking::Limit::of($id);
                            $check
                        }
                        Err(why) => println!("{}: {why}", $id),
                    }
                }
            }
            let _alone = $crate::support::alone();
            detach_strategies::registry::visit_all::<u64, $crate::support::hooks::Hooked, _>(
                &mut Check,
            );
        }
    };
}
pub(crate) use every_strategy;

/// Puts a claim to the test in a process of its own for every strategy that
/// this machine supports: the experiment calls `violated` if and only if what
/// the claim says is not so, and `expected` tells what the claim says.
macro_rules! every_strategy_isolated {
    (
        $(#[$meta:meta])*
        fn $name:ident<$device:ident>(expected: $expected:expr) $experiment:block
    ) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            struct Experiment;
            impl detach_strategies::registry::Visitor<u64> for Experiment {
                type Output = ();
                fn visit<$device: detach_strategies::DeviceRef<Softc = u64>>(&mut self) {
                    $experiment
                }
            }
            struct Judge;
            impl detach_strategies::registry::Visitor<u64> for Judge {
                type Output = ();
                fn visit<$device: detach_strategies::DeviceRef<Softc = u64>>(&mut self) {
                    let id = $device::PROPERTIES.id;
                    if !$crate::support::claims::concerns(id) {
                        return;
                    }
                    if let Err(why) = $device::supported() {
                        println!("{id}: {why}");
                        return;
                    }
                    let test = concat!(module_path!(), "::", stringify!($name));
                    let ending = $crate::support::isolated::run(test, id);
                    println!("{id}: {ending:?}");
                    let survived =
                        matches!(ending, $crate::support::isolated::Ending::Survived);
                    let expected: bool = $expected;
                    assert_eq!(survived, expected, "{id}: {ending:?}");
                }
            }
            use $crate::support::hooks::Hooked;
            match $crate::support::isolated::case() {
                Some(id) => {
                    detach_strategies::registry::visit::<u64, Hooked, _>(&id, &mut Experiment)
                        .expect("the parent names a strategy of the registry");
                    $crate::support::isolated::survived();
                }
                None => {
                    detach_strategies::registry::visit_all::<u64, Hooked, _>(&mut Judge);
                }
            }
        }
    };
}
pub(crate) use every_strategy_isolated;
