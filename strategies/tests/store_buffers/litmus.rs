//! The checker checked: litmus tests whose answers are known.
//!
//! If the explorer lost interleavings, or the machine had another memory model
//! than it claims, the verdicts on the protocols would mean nothing. So here
//! the *exact* set of outcomes is compared with what the literature says that
//! x86 allows, on the same explorer and the same machine.

use std::collections::BTreeSet;

use super::explorer::{Action, Graph, Model};
use super::memory::{Fences, Machine, Order};

const X: usize = 0;
const Y: usize = 1;
const NAMES: [&str; 2] = ["x", "y"];
const THREADS: usize = 4;
const REGISTERS: usize = 4;

/// One instruction.
#[derive(Clone, Copy, Debug)]
enum Op {
    Store(usize, u8),
    /// Loads a variable into a register.
    Load(usize, usize),
    /// A full fence by this thread.
    Fence,
    /// The two halves of a heavy fence.
    HeavyIssue,
    HeavyComplete,
    /// The thread migrates.
    MoveTo(u8),
}

use Op::{Fence, HeavyComplete, HeavyIssue, Load, MoveTo, Store};

/// A few short programs, each on a CPU of its choice.
struct Litmus<'a> {
    order: Order,
    programs: &'a [&'a [Op]],
    /// Where each begins.
    pins: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    machine: Machine<4, 2>,
    next: [u8; THREADS],
    /// Where each thread runs.
    pins: [u8; THREADS],
    registers: [u8; REGISTERS],
}

/// A litmus test forbids nothing: its outcomes are collected.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Never {}

impl Model for Litmus<'_> {
    type State = State;
    type Fault = Never;

    fn threads(&self) -> u8 {
        self.programs.len() as u8
    }

    fn cpus(&self) -> u8 {
        4
    }

    fn initial(&self) -> State {
        let mut pins = [0; THREADS];
        pins[..self.pins.len()].copy_from_slice(self.pins);
        State {
            machine: Machine::new(),
            next: [0; THREADS],
            pins,
            registers: [0; REGISTERS],
        }
    }

    fn step(&self, state: &State, action: Action) -> Option<State> {
        let mut after = *state;
        let Action::Step { thread, cpu } = action else {
            after.machine = state.machine.hardware(action)?;
            return Some(after);
        };
        let who = usize::from(thread);
        let op = *self.programs[who].get(usize::from(state.next[who]))?;
        if state.pins[who] != cpu {
            return None;
        }
        after.machine.schedule(cpu, thread);
        match op {
            Store(var, value) => after.machine.store(self.order, cpu, var, value),
            Load(var, register) => after.registers[register] = after.machine.load(cpu, var),
            Fence => after.machine.fence(cpu),
            MoveTo(other) => after.pins[who] = other,
            HeavyIssue => after.machine.heavy_issue(cpu),
            HeavyComplete => {
                if !after.machine.heavy_complete(cpu) {
                    return None;
                }
            }
        }
        after.next[who] += 1;
        Some(after)
    }

    fn fault(&self, _: &State) -> Option<Never> {
        None
    }

    fn finished(&self, state: &State) -> bool {
        let ended = |(next, program): (&u8, &&[Op])| usize::from(*next) == program.len();
        state.next.iter().zip(self.programs).all(ended)
    }

    fn describe(&self, before: &State, action: Action) -> String {
        match action {
            Action::Step { thread, cpu } => {
                let who = usize::from(thread);
                let op = self.programs[who][usize::from(before.next[who])];
                format!("cpu {cpu}: thread {thread}: {op:?}")
            }
            _ => before.machine.describe(action, &NAMES),
        }
    }
}

/// The register contents of every way in which the programs can end.
fn outcomes(order: Order, pins: &[u8], programs: &[&[Op]], registers: usize) -> BTreeSet<String> {
    let litmus = Litmus {
        order,
        programs,
        pins,
    };
    let (graph, end) = Graph::search(&litmus, |_| false);
    assert!(end.is_none(), "a litmus test got stuck");
    let ended = graph.states().iter().filter(|state| litmus.finished(state));
    ended
        .map(|state| state.registers[..registers].iter().map(u8::to_string))
        .map(|digits| digits.collect())
        .collect()
}

fn set(outcomes: &[&str]) -> BTreeSet<String> {
    outcomes.iter().map(ToString::to_string).collect()
}

/// Store buffering, the shape of every race between a flag and a counter:
/// each side stores its own word and loads the other's. "00" is both sides
/// missing each other. `fences` names the first program as the frequent side.
fn store_buffering(order: Order, pins: &[u8; 2], fences: Fences) -> BTreeSet<String> {
    let frequent: &[Op] = match fences {
        Fences::BothSides => &[Store(X, 1), Fence, Load(Y, 0)],
        _ => &[Store(X, 1), Load(Y, 0)],
    };
    let rare: &[Op] = match fences {
        Fences::None => &[Store(Y, 1), Load(X, 1)],
        Fences::RareSide | Fences::BothSides => &[Store(Y, 1), Fence, Load(X, 1)],
        Fences::Heavy => &[Store(Y, 1), HeavyIssue, HeavyComplete, Load(X, 1)],
    };
    outcomes(order, pins, &[frequent, rare], 2)
}

const APART: [u8; 2] = [0, 1];
const TOGETHER: [u8; 2] = [0, 0];

#[test]
fn store_buffering_needs_tso() {
    let sc = store_buffering(Order::Sc, &APART, Fences::None);
    assert_eq!(sc, set(&["01", "10", "11"]));
    let tso = store_buffering(Order::Tso, &APART, Fences::None);
    assert_eq!(tso, set(&["00", "01", "10", "11"]));
}

#[test]
fn store_buffering_is_forbidden_by_fences_on_both_sides_only() {
    let one = store_buffering(Order::Tso, &APART, Fences::RareSide);
    assert_eq!(one, set(&["00", "01", "10", "11"]));
    let both = store_buffering(Order::Tso, &APART, Fences::BothSides);
    assert_eq!(both, set(&["01", "10", "11"]));
}

/// The lemma under everything else: a barrier on every CPU by one side
/// replaces the fence that the other side leaves out.
#[test]
fn store_buffering_is_forbidden_by_a_heavy_fence_on_one_side() {
    let heavy = store_buffering(Order::Tso, &APART, Fences::Heavy);
    assert_eq!(heavy, set(&["01", "10", "11"]));
}

/// Threads that share a CPU share its buffer and cannot miss each other.
#[test]
fn store_buffering_cannot_happen_on_one_cpu() {
    let tso = store_buffering(Order::Tso, &TOGETHER, Fences::None);
    assert_eq!(tso, set(&["01", "10", "11"]));
}

/// A context switch is a full barrier. Two threads take turns on one CPU: if the
/// second has seen the store of the first and not yet that of another CPU,
/// then that CPU, having fenced, sees the store of the first. ("100" would be
/// a store still in the buffer when the second thread ran.)
#[test]
fn a_context_switch_drains_the_buffer() {
    let first: &[Op] = &[Store(X, 1)];
    let second: &[Op] = &[Load(X, 0), Load(Y, 1)];
    let other: &[Op] = &[Store(Y, 1), Fence, Load(X, 2)];
    let seen = outcomes(Order::Tso, &[0, 0, 1], &[first, second, other], 3);
    assert_eq!(
        seen,
        set(&["000", "001", "010", "011", "101", "110", "111"])
    );
}

/// A thread that migrates leaves no store behind.
#[test]
fn migration_drains_the_buffer() {
    let wanderer: &[Op] = &[Store(X, 1), MoveTo(2), Load(Y, 0)];
    let other: &[Op] = &[Store(Y, 1), Fence, Load(X, 1)];
    let seen = outcomes(Order::Tso, &APART, &[wanderer, other], 2);
    assert_eq!(seen, set(&["01", "10", "11"]));
}

/// A fence drains the whole buffer, not only its oldest store.
#[test]
fn a_fence_drains_all_of_the_buffer() {
    let left: &[Op] = &[Store(X, 1), Store(X, 2), Fence, Load(Y, 0)];
    let right: &[Op] = &[Store(Y, 1), Fence, Load(X, 1)];
    let seen = outcomes(Order::Tso, &APART, &[left, right], 2);
    assert_eq!(seen, set(&["02", "10", "11", "12"]));
}

/// A CPU sees the newest of its own stores, wherever it is.
#[test]
fn a_cpu_sees_its_newest_store() {
    let writer: &[Op] = &[Store(X, 1), Store(X, 2), Load(X, 0)];
    let reader: &[Op] = &[Load(X, 1), Load(X, 2)];
    let seen = outcomes(Order::Tso, &APART, &[writer, reader], 3);
    assert_eq!(seen, set(&["200", "201", "202", "211", "212", "222"]));
}

/// Buffers are first in, first out, and loads are not reordered: who sees the
/// flag sees the message. (This is why x86 needs no fence for a release.)
#[test]
fn message_passing_works_under_tso() {
    let writer: &[Op] = &[Store(X, 1), Store(Y, 1)];
    let reader: &[Op] = &[Load(Y, 0), Load(X, 1)];
    let allowed = set(&["00", "01", "11"]);
    for order in [Order::Sc, Order::Tso] {
        assert_eq!(outcomes(order, &APART, &[writer, reader], 2), allowed);
    }
}

/// A load takes its own CPU's store from the buffer before others can see it.
#[test]
fn a_cpu_forwards_from_its_own_buffer() {
    let left: &[Op] = &[Store(X, 1), Load(X, 0), Load(Y, 1)];
    let right: &[Op] = &[Store(Y, 1), Load(Y, 2), Load(X, 3)];
    let tso = outcomes(Order::Tso, &APART, &[left, right], 4);
    assert_eq!(tso, set(&["1010", "1011", "1110", "1111"]));
    let sc = outcomes(Order::Sc, &APART, &[left, right], 4);
    assert_eq!(sc, set(&["1011", "1110", "1111"]));
}

/// There is one memory: two readers never disagree on the order of two
/// independent writes ("1010" would be that).
#[test]
fn independent_reads_of_independent_writes_agree() {
    let readers: [&[Op]; 2] = [&[Load(X, 0), Load(Y, 1)], &[Load(Y, 2), Load(X, 3)]];
    let programs = [&[Store(X, 1)], &[Store(Y, 1)], readers[0], readers[1]];
    let seen = outcomes(Order::Tso, &[0, 1, 2, 3], &programs, 4);
    assert_eq!(seen.len(), 15);
    assert!(!seen.contains("1010"));
}
