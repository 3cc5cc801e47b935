//! Does the drain of the turnstile end, and under whose pressure does it not?

use super::liveness::{Lasso, terminates};
use super::memory::{Fences, Order};
use super::variants::{Arrivals, Shutting, Turnstile};

/// Explores whether every fair path of `variant` ends with the reclaim.
fn drains(name: &str, variant: Turnstile) -> Result<(), Lasso> {
    match terminates(&variant, |state| variant.drained(state)) {
        Ok(explored) => {
            println!("{name}\n    ends on every fair path: {explored}");
            Ok(())
        }
        Err(lasso) => {
            println!("{name}\n    need not end:\n{}", lasso.print());
            Err(lasso)
        }
    }
}

/// Readers that stop coming at some time let the drain end, whether they look
/// at the gate first or not, and whether late arrivals are refused or wait first.
#[test]
fn the_drain_ends_when_readers_stop() {
    for pretest in [false, true] {
        for shutting in [Shutting::Seal, Shutting::CloseThenSeal] {
            let variant = Turnstile {
                pretest,
                shutting,
                ..Turnstile::SOUND
            };
            let name = format!("readers stop, look first: {pretest}, {shutting:?}");
            assert!(drains(&name, variant).is_ok());
        }
    }
}

/// Readers that never stop coming do not hold the drain up, if they look at the
/// gate before they count themselves: once they can see that it is shut, each
/// has at most one counted entry left to undo.
#[test]
fn the_drain_ends_under_late_arrivals_that_look_first() {
    for shutting in [Shutting::Seal, Shutting::CloseThenSeal] {
        let variant = Turnstile {
            arrivals: Arrivals::Persistent(1),
            pretest: true,
            shutting,
            ..Turnstile::SOUND
        };
        let name = format!("late arrivals for ever, look first, {shutting:?}");
        assert!(drains(&name, variant).is_ok());
    }
}

/// Without that look a single thread that keeps trying can keep the counters
/// out of balance whenever they are read. One reader on a sequentially consistent
/// machine is enough.
#[test]
fn late_arrivals_that_count_themselves_first_can_hold_the_drain_up_for_ever() {
    let variant = Turnstile {
        order: Order::Sc,
        fences: Fences::None,
        readers: 1,
        arrivals: Arrivals::Forever,
        ..Turnstile::SOUND
    };
    let lasso = drains("late arrivals for ever, counted first", variant);
    let turn = lasso.expect_err("a drain that need not end").turn;
    let happens = |what: &str| turn.iter().any(|line| line.contains(what));
    assert!(happens("detacher: reads"), "the detacher gets its turn");
    assert!(happens("finds the gate shut"), "the reader is refused");
}

/// A late arrival that waits while it is counted must be let go before the
/// detacher waits for the balance, or each waits for the other.
#[test]
fn sealing_only_after_the_drain_never_ends() {
    let variant = Turnstile {
        shutting: Shutting::SealAfterDrain,
        ..Turnstile::SOUND
    };
    assert!(drains("sealed after the drain", variant).is_err());
}
