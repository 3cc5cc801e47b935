//! Each claim that a strategy makes about itself, held against its code.
//!
//! The tests take what they expect from `PROPERTIES`, so a claim that is
//! changed there fails here, in both directions: for a "yes" they do what is
//! allowed, at the worst moment that they can arrange, and find no harm; for a
//! "no" they do the same and insist on finding the harm. A claim that cannot be
//! refuted is a claim that is not tested.
//!
//! | claim | how it is tested |
//! |---|---|
//! | `id`, `summary`, `origin` | here |
//! | `reclaim` | [`contract`]: where guards point to, whom detach waits for |
//! | `waits_for` | [`contract`]: a holder elsewhere, a holder here |
//! | `late_arrival` | [`contract`]: a detacher is stopped right after it has closed the gate |
//! | `holder_may_sleep` | [`contract`]: a thread blocks without a word |
//! | `sleepers` | [`contract`]: a holder sleeps, as its strategy wants it to; [`sleeping`]: what else it may do |
//! | `release_elsewhere` | [`guards`]: the compiler tells; a guard travels |
//! | `nesting` | [`nesting`]: a holder is stopped in its second acquire until the detacher sleeps |
//! | `signal_handlers` | [`signals`]: a handler runs at every instruction, and in a storm |
//! | `reopens` | [`guards`]: the compiler tells; [`reopening`]: what it does |
//! | `fast_path` | [`fast_path`]: every instruction is looked at; the handle is made read-only |
//! | `memory` | [`memory`]: a thousand devices are weighed |
//!
//! Nothing here fails because a machine is slow: a wait that must end has a
//! minute, and a wait that must not end is given a little while and taken for
//! endless.

#[cfg(target_os = "linux")]
mod allocator;
mod contract;
mod falsehoods;
mod fast_path;
mod guards;
#[cfg(target_os = "linux")]
mod memory;
mod nesting;
mod reopening;
#[cfg(target_os = "linux")]
mod signals;
mod sleeping;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod stepping;
mod support;
mod together;
mod waking;

use detach_strategies::registry;

/// A name for the command line, of small letters with dashes between them.
fn is_kebab_case(id: &str) -> bool {
    id.split('-').all(|word| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word
                .chars()
                .all(|each| each.is_ascii_lowercase() || each.is_ascii_digit())
    })
}

#[test]
fn every_strategy_has_a_name_of_its_own() {
    let all = registry::all();
    for (index, properties) in all.iter().enumerate() {
        assert!(is_kebab_case(properties.id), "{}", properties.id);
        let namesakes = all[..index]
            .iter()
            .filter(|other| other.id == properties.id);
        assert_eq!(namesakes.count(), 0, "{} twice", properties.id);
    }
}

#[test]
fn names_that_are_not_kebab_case_are_told() {
    for bad in [
        "",
        "Turnstile",
        "dying_xcall",
        "-slots",
        "two--dashes",
        "9lives",
    ] {
        assert!(!is_kebab_case(bad), "{bad:?}");
    }
}

/// One line each, fit for a table.
#[test]
fn every_strategy_describes_itself() {
    for properties in registry::all() {
        for line in [properties.summary, properties.origin] {
            assert!(!line.is_empty(), "{}", properties.id);
            assert_eq!(line.trim(), line, "{}", properties.id);
            assert!(!line.contains(['\n', '|']), "{}: {line}", properties.id);
        }
    }
}
