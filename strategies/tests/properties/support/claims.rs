//! The claims that a test goes by: those of the strategies, except that a test
//! run may be told to believe one falsehood about one strategy. Then it must
//! fail; that is how [`falsehoods`](crate::falsehoods) tests the tests.

use std::sync::OnceLock;

use detach_strategies::{
    Count, DeviceRef, LateArrival, Properties, Reclaim, Sleepers, WaitsFor, registry,
};

/// The variable that says what to believe: `id/falsehood`.
pub(crate) const BELIEVE: &str = "DETACH_STRATEGIES_BELIEVE";

/// A claim made untrue.
#[derive(Debug)]
pub(crate) struct Falsehood {
    /// What to call it.
    pub(crate) name: String,
    /// The test that has to see it.
    pub(crate) test: &'static str,
    /// The claims with it.
    pub(crate) claims: Properties,
}

/// The strategy and the falsehood to believe about it.
fn believed() -> Option<&'static (String, String)> {
    static BELIEVED: OnceLock<Option<(String, String)>> = OnceLock::new();
    let read = || {
        let told = std::env::var(BELIEVE).ok()?;
        let alone = std::env::args().any(|argument| argument == "--exact");
        assert!(alone, "{BELIEVE} is for one test, which has to fail");
        let (id, name) = told.split_once('/').expect("id/falsehood");
        Some((id.to_owned(), name.to_owned()))
    };
    BELIEVED.get_or_init(read).as_ref()
}

/// What to go by in place of `claims`.
fn with_belief(claims: Properties) -> Properties {
    match believed() {
        Some((id, name)) if id == claims.id => {
            falsehoods(claims)
                .into_iter()
                .find(|falsehood| falsehood.name == *name)
                .expect("a falsehood of the list")
                .claims
        }
        _ => claims,
    }
}

/// What the strategy claims.
pub(crate) fn claims<D: DeviceRef>() -> Properties {
    with_belief(D::PROPERTIES)
}

/// What all strategies claim.
pub(crate) fn all_claims() -> Vec<Properties> {
    registry::all().into_iter().map(with_belief).collect()
}

/// Whether a test that goes from strategy to strategy should look at this one.
pub(crate) fn concerns(id: &str) -> bool {
    believed().is_none_or(|(about, _)| about == id)
}

/// Whether this run is told to believe a falsehood.
pub(crate) fn is_misled() -> bool {
    believed().is_some()
}

/// Everything untrue that can be said about a strategy of which `claims` are
/// true, one thing at a time.
pub(crate) fn falsehoods(claims: Properties) -> Vec<Falsehood> {
    let mut all = Vec::new();
    let mut say = |name: String, test, change: &dyn Fn(&mut Properties)| {
        let mut claims = claims;
        change(&mut claims);
        all.push(Falsehood { name, test, claims });
    };

    for reclaim in [Reclaim::AfterHolders, Reclaim::Snapshots, Reclaim::Never] {
        if reclaim != claims.reclaim {
            let name = format!("reclaim={reclaim:?}");
            say(name, "contract::reclaim", &|claims| {
                claims.reclaim = reclaim
            });
        }
    }
    for waits_for in [
        WaitsFor::ThisDevice,
        WaitsFor::EveryDevice,
        WaitsFor::Nobody,
    ] {
        if waits_for != claims.waits_for {
            let name = format!("waits_for={waits_for:?}");
            say(name, "contract::waits_for", &|claims| {
                claims.waits_for = waits_for
            });
        }
    }
    for late in [LateArrival::Refused, LateArrival::Admitted] {
        if late != claims.late_arrival {
            let name = format!("late_arrival={late:?}");
            say(name, "contract::late_arrival", &|claims| {
                claims.late_arrival = late
            });
        }
    }

    for sleepers in [Sleepers::AsOthers, Sleepers::Counted, Sleepers::Woken] {
        if sleepers != claims.sleepers {
            let name = format!("sleepers={sleepers:?}");
            say(name, "contract::sleepers", &|claims| {
                claims.sleepers = sleepers;
            });
        }
    }

    let mut flip = |name: &str, test, flag: fn(&mut Properties) -> &mut bool| {
        say(format!("not-{name}"), test, &|claims| *flag(claims) ^= true);
    };
    let types = "guards::guards_are_send_and_devices_reopen_as_claimed";
    flip("holder_may_sleep", "contract::holder_may_sleep", |c| {
        &mut c.holder_may_sleep
    });
    flip("release_elsewhere", types, |c| &mut c.release_elsewhere);
    flip("reopens", types, |c| &mut c.reopens);
    flip("nesting", "nesting::nesting", |c| &mut c.nesting);
    if cfg!(target_os = "linux") {
        flip("signal_handlers", "signals::signal_handlers", |c| {
            &mut c.signal_handlers
        });
        let test = "fast_path::shared_writes::shared_writes_are_told";
        flip("shared_writes", test, |c| &mut c.fast_path.shared_writes);
    }

    if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        let test = "fast_path::barriers_are_as_many_as_claimed";
        let other = match claims.fast_path.locked {
            Count::Exactly(locked) => Count::Exactly(locked + 1),
            // Far more than a library would use for an entry.
            Count::AtLeast(locked) => Count::AtLeast(locked + 8),
        };
        say("more-locked".into(), test, &|claims| {
            claims.fast_path.locked = other
        });
        if let Count::Exactly(locked @ 1..) = claims.fast_path.locked {
            let fewer = Count::Exactly(locked - 1);
            say("fewer-locked".into(), test, &|claims| {
                claims.fast_path.locked = fewer
            });
        }
        if let Some(fewer) = claims.fast_path.fences.checked_sub(1) {
            say("fewer-fences".into(), test, &|claims| {
                claims.fast_path.fences = fewer
            });
        }
        if let Count::Exactly(_) = claims.fast_path.locked {
            say("more-fences".into(), test, &|claims| {
                claims.fast_path.fences += 1
            });
        }
    }

    if cfg!(target_os = "linux") {
        let test = "memory::a_thousand_devices_weigh_what_they_claim";
        // More than the page that an area has beyond its turnstiles.
        say("more-memory".into(), test, &|claims| {
            claims.memory.fixed += 24
        });
        say("less-memory".into(), test, &|claims| {
            claims.memory.fixed -= 4
        });
        say("more-by-cpu".into(), test, &|claims| {
            claims.memory.per_cpu += 32
        });
        say("more-by-thread".into(), test, &|claims| {
            claims.memory.per_thread += 8
        });
        if claims.memory.per_cpu > 0 {
            say("less-by-cpu".into(), test, &|claims| {
                claims.memory.per_cpu -= 8
            });
        }
        if claims.memory.per_thread > 0 {
            say("less-by-thread".into(), test, &|claims| {
                claims.memory.per_thread -= 8
            });
        }
    }
    all
}
