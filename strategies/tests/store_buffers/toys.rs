//! The checker checked: toys whose graphs one can count by hand.
//!
//! [`litmus`](super::litmus) checks the machine; this checks the search itself,
//! its verdicts, and the notion of fairness.

use std::hash::{Hash, Hasher};

use super::explorer::{Action, Explored, Model, check};
use super::liveness::terminates;

/// Two threads and what each step of theirs does to a pair of small numbers.
struct Toy {
    step: fn([u8; 2], thread: u8) -> Option<[u8; 2]>,
    bad: fn([u8; 2]) -> bool,
    finished: fn([u8; 2]) -> bool,
}

const NOTHING_BAD: fn([u8; 2]) -> bool = |_| false;

impl Model for Toy {
    type State = [u8; 2];
    type Fault = ();

    fn threads(&self) -> u8 {
        2
    }

    fn cpus(&self) -> u8 {
        1
    }

    fn initial(&self) -> [u8; 2] {
        [0, 0]
    }

    fn step(&self, state: &[u8; 2], action: Action) -> Option<[u8; 2]> {
        match action {
            Action::Step { thread, .. } => (self.step)(*state, thread),
            _ => None,
        }
    }

    fn fault(&self, state: &[u8; 2]) -> Option<()> {
        (self.bad)(*state).then_some(())
    }

    fn finished(&self, state: &[u8; 2]) -> bool {
        (self.finished)(*state)
    }

    fn describe(&self, before: &[u8; 2], action: Action) -> String {
        format!("{action:?} at {before:?}")
    }
}

/// Each thread advances its own number to `end`.
fn advance(state: [u8; 2], thread: u8, end: u8) -> Option<[u8; 2]> {
    let mut next = state;
    next[usize::from(thread)] += 1;
    (next[usize::from(thread)] <= end).then_some(next)
}

/// Two threads of `n` steps have `(n + 1)^2` states and `2 n (n + 1)`
/// transitions.
#[test]
fn every_interleaving_is_visited_once() {
    let grid = Toy {
        step: |state, thread| advance(state, thread, 99),
        bad: NOTHING_BAD,
        finished: |state| state == [99, 99],
    };
    let explored = check(&grid).expect_safe("a grid");
    let expected = Explored {
        states: 100 * 100,
        transitions: 2 * 99 * 100,
    };
    assert_eq!(explored, expected);
}

/// States are recognised when they come again, also those that were found
/// before the table grew: two counters that wrap at 90 have `90^2` states.
#[test]
fn a_cycle_ends_where_it_began() {
    let torus = Toy {
        step: |state, thread| advance(state, thread, 90).map(|next| next.map(|n| n % 90)),
        bad: NOTHING_BAD,
        finished: |_| false,
    };
    let explored = check(&torus).expect_safe("a torus");
    let expected = Explored {
        states: 90 * 90,
        transitions: 2 * 90 * 90,
    };
    assert_eq!(explored, expected);
}

/// States with the same hash stay different states.
#[test]
fn hashes_decide_nothing() {
    /// One thread counts to 20.
    struct Colliding;

    #[derive(Clone, Copy, PartialEq, Eq)]
    struct Number(u8);

    impl Hash for Number {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }

    impl Model for Colliding {
        type State = Number;
        type Fault = ();

        fn threads(&self) -> u8 {
            1
        }

        fn cpus(&self) -> u8 {
            1
        }

        fn initial(&self) -> Number {
            Number(0)
        }

        fn step(&self, state: &Number, action: Action) -> Option<Number> {
            let steps = matches!(action, Action::Step { .. }) && state.0 < 20;
            steps.then_some(Number(state.0 + 1))
        }

        fn fault(&self, _: &Number) -> Option<()> {
            None
        }

        fn finished(&self, state: &Number) -> bool {
            state.0 == 20
        }

        fn describe(&self, before: &Number, _: Action) -> String {
            format!("{} + 1", before.0)
        }
    }

    assert_eq!(check(&Colliding).expect_safe("a count").states, 21);
}

/// The trace to a fault has as many steps as are needed, and each of them is a
/// transition of the model.
#[test]
fn a_counter_example_is_shortest_and_replays() {
    let grid = Toy {
        step: |state, thread| advance(state, thread, 9),
        bad: |state| state[0] >= 3 && state[1] >= 4,
        finished: |state| state == [9, 9],
    };
    let ((), trace) = check(&grid).expect_fault("a corner of the grid");
    assert_eq!(trace.actions.len(), 7);
    assert_eq!(trace.lines.len(), 7);
    for (pair, &action) in trace.states.windows(2).zip(&trace.actions) {
        assert_eq!(grid.step(&pair[0], action), Some(pair[1]));
    }
    assert_eq!(trace.states[0], grid.initial());
    assert_eq!(trace.states[7], [3, 4]);
}

/// Two threads that take two locks in opposite orders. A number is how many
/// locks the thread holds; 3 is "has released both".
#[test]
fn a_deadlock_is_found() {
    let locks = Toy {
        step: |state, thread| {
            let other = state[usize::from(1 - thread)];
            let mine = state[usize::from(thread)];
            // The first lock of one is the second of the other.
            let wanted_is_free = match mine {
                0 => other != 2,
                1 => other != 1 && other != 2,
                _ => true,
            };
            wanted_is_free.then(|| advance(state, thread, 3))?
        },
        bad: NOTHING_BAD,
        finished: |state| state == [3, 3],
    };
    let trace = check(&locks).expect_deadlock("two locks");
    assert_eq!(trace.states[2], [1, 1]);
    assert_eq!(trace.actions.len(), 2);
}

/// A thread that polls a flag makes a cycle, but not a fair one: the thread
/// that will set the flag can move all the time.
#[test]
fn polling_ends_under_fairness() {
    let polling = Toy {
        step: |[flag, done], thread| match thread {
            0 => (flag == 0).then_some([1, done]),
            _ => (done == 0).then_some([flag, flag]),
        },
        bad: NOTHING_BAD,
        finished: |state| state == [1, 1],
    };
    let explored = terminates(&polling, |state| state[1] == 1).map_err(|lasso| lasso.print());
    assert_eq!(explored.map(|explored| explored.states), Ok(3));
}

/// A thread that polls a flag which another raises and lowers may miss it for
/// ever although both get their turn.
#[test]
fn a_flag_that_flickers_can_be_missed_for_ever() {
    let flicker = Toy {
        step: |[flag, done], thread| match thread {
            0 => Some([1 - flag, done]),
            _ => (done == 0).then_some([flag, flag]),
        },
        bad: NOTHING_BAD,
        finished: |_| false,
    };
    let Err(lasso) = terminates(&flicker, |state| state[1] == 1) else {
        panic!("the loop was missed");
    };
    assert!(lasso.stem.is_empty());
    let moves = |thread: u8| {
        let step = format!("thread: {thread}");
        lasso
            .turn
            .iter()
            .filter(|line| line.contains(&step))
            .count()
    };
    assert!(moves(0) >= 2 && moves(1) >= 1, "{}", lasso.print());
}

/// A thread that waits for what nobody will do is not saved by fairness.
#[test]
fn waiting_for_nobody_does_not_end() {
    let waiting = Toy {
        step: |state, thread| (thread == 1).then_some(state),
        bad: NOTHING_BAD,
        finished: |_| false,
    };
    assert!(terminates(&waiting, |state| state[1] == 1).is_err());
}
