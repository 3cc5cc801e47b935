//! Which sum order is safe on which machine: the table, and its neighbourhood.

use super::explorer::{Verdict, check};
use super::memory::{Fences, Order};
use super::turnstile::{Fault, Hole};
use super::variants::{Arrivals, Migration, Shutting, Sum, Turnstile};

/// The columns: memory, and the fence after the gate is shut.
const COLUMNS: [(&str, Order, Fences); 3] = [
    ("SC, no fence", Order::Sc, Fences::None),
    ("TSO, no fence", Order::Tso, Fences::None),
    ("TSO, heavy fence", Order::Tso, Fences::Heavy),
];

const SAFE: Option<Hole> = None;
const UNSEEN: Option<Hole> = Some(Hole::UnseenEntry);
const FALSE: Option<Hole> = Some(Hole::FalseBalance);

/// How the counters are summed, where holders may run, and the verdict in each
/// column. Where both holes are open, the shorter way leads through the unseen entry.
type Row = (Sum, Migration, [Option<Hole>; 3]);

const ROWS: [Row; 5] = [
    (
        Sum::LeavesThenEnters,
        Migration::Anytime,
        [SAFE, UNSEEN, SAFE],
    ),
    (
        Sum::EntersThenLeaves,
        Migration::Anytime,
        [FALSE, UNSEEN, FALSE],
    ),
    (
        Sum::OnePassEnterThenLeave,
        Migration::Anytime,
        [FALSE, UNSEEN, FALSE],
    ),
    (
        Sum::OnePassLeaveThenEnter,
        Migration::HoldersStay,
        [SAFE, UNSEEN, SAFE],
    ),
    (
        Sum::OnePassLeaveThenEnter,
        Migration::Anytime,
        [FALSE, UNSEEN, FALSE],
    ),
];

/// How many readers, and how often each comes.
type Bounds = (usize, u8);

/// Enough for every counter-example, so explored first.
const SMALL: Bounds = (2, 1);

/// What a cell of the table has to be safe within.
const LARGE: [Bounds; 2] = [(2, 2), (3, 1)];

/// Explores a variant, prints what was found, and returns the hole, if any.
///
/// Counter-examples are looked for with a detacher that stays on a CPU first:
/// they do not need it to migrate, and are easier to follow when it does not.
fn explore(name: &str, variant: Turnstile, larger: &[Bounds]) -> Option<Hole> {
    let mut report = format!("{name}\n");
    let bound = (SMALL, Some(1));
    let free = [SMALL].iter().chain(larger).map(|&bounds| (bounds, None));
    for ((readers, times), detacher_cpu) in [bound].into_iter().chain(free) {
        let bounded = Turnstile {
            readers,
            arrivals: Arrivals::Times(times),
            detacher_cpu,
            ..variant
        };
        match check(&bounded) {
            Verdict::Safe(explored) if detacher_cpu.is_none() => {
                report += &format!("    safe: {readers} readers x {times}: {explored}\n");
            }
            Verdict::Safe(_) => {}
            Verdict::Unsafe { fault, trace } => {
                let hole = bounded.hole(&trace);
                let steps = trace.print();
                println!("{report}    UNSAFE: {fault:?}, {hole:?}\n{steps}");
                assert_eq!(fault, Fault::UseAfterReclaim, "{name}");
                assert_eq!(detacher_cpu, Some(1), "{name}: needs a migrating detacher");
                return Some(hole);
            }
            Verdict::Deadlock { trace } => panic!("{name}: deadlock\n{}", trace.print()),
        }
    }
    println!("{report}");
    None
}

/// One column of the table against all rows.
fn column(number: usize) {
    let (title, order, fences) = COLUMNS[number];
    for (sum, migration, expected) in ROWS {
        let name = format!("{sum:?}, {migration:?}: {title}");
        let variant = Turnstile {
            order,
            fences,
            sum,
            migration,
            ..Turnstile::SOUND
        };
        assert_eq!(explore(&name, variant, &LARGE), expected[number], "{name}");
    }
}

#[test]
fn sequentially_consistent_without_fence() {
    column(0);
}

#[test]
fn tso_without_fence() {
    column(1);
}

#[test]
fn tso_with_heavy_fence() {
    column(2);
}

/// A holder that stays on its CPU saves only the single pass that reads leaves first.
#[test]
fn holders_that_stay_do_not_save_the_other_orders() {
    for sum in [Sum::EntersThenLeaves, Sum::OnePassEnterThenLeave] {
        let variant = Turnstile {
            sum,
            migration: Migration::HoldersStay,
            ..Turnstile::SOUND
        };
        assert_eq!(
            explore(&format!("{sum:?}, HoldersStay"), variant, &[]),
            FALSE
        );
    }
}

/// A look at the gate before counting oneself helps a drain to end (see
/// [`drain`](super::drain)), and makes no wrong order right: a late arrival may
/// have looked before the gate was shut. (Nor does it make a right order wrong: whatever
/// a reader that looks first can do, one that does not look can do as well.)
#[test]
fn a_look_before_counting_makes_no_wrong_order_right() {
    for (sum, migration, expected) in ROWS {
        let variant = Turnstile {
            sum,
            migration,
            pretest: true,
            ..Turnstile::SOUND
        };
        let name = format!("{sum:?}, {migration:?}, look first");
        assert_eq!(explore(&name, variant, &[]), expected[2], "{name}");
    }
}

/// A fence by the detacher alone is not enough: what has to drain is the reader's
/// buffer. With a fence on both sides, which is what locked instructions
/// would give, the heavy fence is not needed.
#[test]
fn ordinary_fences_are_needed_on_both_sides() {
    let with = |fences| Turnstile {
        fences,
        ..Turnstile::SOUND
    };
    let one = explore("fence in detach only", with(Fences::RareSide), &[]);
    assert_eq!(one, UNSEEN);
    let both = explore("fence on both sides", with(Fences::BothSides), &LARGE);
    assert_eq!(both, SAFE);
}

/// What holders have written is in memory before the softc is reclaimed: the
/// detacher saw their leave, and it left the buffer after their writes.
#[test]
fn the_writes_of_holders_land_before_the_reclaim() {
    let variant = Turnstile {
        holders_write: true,
        ..Turnstile::SOUND
    };
    assert_eq!(explore("holders write", variant, &[]), SAFE);
}

/// The whole of it: readers look first, the gate is closed, then sealed. Late
/// arrivals that wait at the closed gate may be counted meanwhile; that costs
/// nothing but time.
#[test]
fn a_gate_that_closes_before_it_seals_is_safe() {
    let variant = Turnstile {
        pretest: true,
        shutting: Shutting::CloseThenSeal,
        ..Turnstile::SOUND
    };
    let hole = explore("look first, closed, then sealed", variant, &[(2, 2)]);
    assert_eq!(hole, SAFE);
}
