//! The explorer: breadth-first search through every state a model can reach.
//!
//! A model is a finite transition system. The explorer starts at its initial
//! state, applies every action that is possible there, and goes on until there
//! is no state left that it has not seen. Three things follow from searching
//! breadth first, keeping states whole, and leaving nothing out:
//!
//! * a fault that is found comes with a *shortest* way of reaching it;
//! * a verdict of "safe" means that no interleaving within the model's bounds
//!   leads to a fault. States are compared in full, never by their hash alone,
//!   and there is no reduction (no partial order, no symmetry) whose soundness
//!   one would have to believe;
//! * two runs give the same verdict, the same trace and the same counts.

use std::fmt::{self, Debug, Display, Formatter, Write as _};
use std::hash::{Hash, Hasher};

/// What can happen next. Everything that is not a thread's own step is the
/// hardware acting at a moment of its choosing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    /// A thread takes its next step on a CPU.
    Step { thread: u8, cpu: u8 },
    /// The oldest store in a CPU's buffer reaches memory.
    Flush { cpu: u8 },
    /// A CPU takes the interrupt that a heavy fence has sent it.
    Interrupt { cpu: u8 },
}

/// A finite transition system.
pub(crate) trait Model {
    /// Everything that the future depends on, and nothing else.
    type State: Copy + Eq + Hash;
    /// What must never happen.
    type Fault: Copy + PartialEq + Debug;

    /// How many threads take steps; they are numbered from 0.
    fn threads(&self) -> u8;
    /// How many CPUs they may take them on.
    fn cpus(&self) -> u8;
    /// Where it begins.
    fn initial(&self) -> Self::State;
    /// The state after `action`, or `None` if it is not possible here.
    fn step(&self, state: &Self::State, action: Action) -> Option<Self::State>;
    /// The fault that this state shows, if any.
    fn fault(&self, state: &Self::State) -> Option<Self::Fault>;
    /// Whether it is right that nothing happens any more. A state without
    /// successors that is not finished is a deadlock.
    fn finished(&self, state: &Self::State) -> bool;
    /// `action`, taken in `before`, in words.
    fn describe(&self, before: &Self::State, action: Action) -> String;

    /// Every action that is possible somewhere.
    fn actions(&self) -> Vec<Action> {
        let cpus = 0..self.cpus();
        let steps = (0..self.threads())
            .flat_map(|thread| (0..self.cpus()).map(move |cpu| Action::Step { thread, cpu }));
        steps
            .chain(cpus.clone().map(|cpu| Action::Flush { cpu }))
            .chain(cpus.map(|cpu| Action::Interrupt { cpu }))
            .collect()
    }
}

/// How much was explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    pub(crate) transitions: usize,
}

impl Display for Explored {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} states, {} transitions",
            self.states, self.transitions
        )
    }
}

/// What the search found.
pub(crate) enum Verdict<S, F> {
    /// No reachable state is faulty or stuck.
    Safe(Explored),
    /// A shortest way to a fault.
    Unsafe { fault: F, trace: Trace<S> },
    /// A shortest way to a state from which nothing can happen any more.
    Deadlock { trace: Trace<S> },
}

/// A path from the initial state.
pub(crate) struct Trace<S> {
    /// The states on the path, the initial one first.
    pub(crate) states: Vec<S>,
    /// What led from each state to the next.
    pub(crate) actions: Vec<Action>,
    /// The same in words.
    pub(crate) lines: Vec<String>,
}

impl<S> Trace<S> {
    /// The path as a numbered list.
    pub(crate) fn print(&self) -> String {
        numbered(&self.lines)
    }
}

/// `lines`, indented and numbered.
pub(crate) fn numbered(lines: &[String]) -> String {
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        let _ = writeln!(text, "    {:2}. {line}", number + 1);
    }
    text
}

impl<S, F: Debug> Verdict<S, F> {
    /// How much was explored.
    ///
    /// # Panics
    ///
    /// With the counter-example, if there is one.
    pub(crate) fn expect_safe(self, what: &str) -> Explored {
        match self {
            Self::Safe(explored) => explored,
            Self::Unsafe { fault, trace } => panic!("{what}: {fault:?}\n{}", trace.print()),
            Self::Deadlock { trace } => panic!("{what}: deadlock\n{}", trace.print()),
        }
    }

    /// The fault and the way to it.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn expect_fault(self, what: &str) -> (F, Trace<S>) {
        match self {
            Self::Unsafe { fault, trace } => (fault, trace),
            Self::Safe(explored) => panic!("{what}: no fault in {explored}"),
            Self::Deadlock { trace } => panic!("{what}: deadlock\n{}", trace.print()),
        }
    }

    /// The way into the deadlock.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn expect_deadlock(self, what: &str) -> Trace<S> {
        match self {
            Self::Deadlock { trace } => trace,
            Self::Safe(explored) => panic!("{what}: no deadlock in {explored}"),
            Self::Unsafe { fault, trace } => panic!("{what}: {fault:?}\n{}", trace.print()),
        }
    }
}

/// Explores `model` until a state is faulty or stuck, or none is left.
pub(crate) fn check<M: Model>(model: &M) -> Verdict<M::State, M::Fault> {
    let (graph, end) = Graph::search(model, |_| false);
    match end {
        None => Verdict::Safe(graph.explored()),
        Some((at, None)) => Verdict::Deadlock {
            trace: graph.trace(model, at),
        },
        Some((at, Some(fault))) => Verdict::Unsafe {
            fault,
            trace: graph.trace(model, at),
        },
    }
}

/// Beyond this a model is too large to be called small: stop and say so
/// instead of filling the machine's memory.
const LIMIT: usize = 8_000_000;

/// Where a state was first reached from.
#[derive(Clone, Copy)]
struct Origin {
    parent: u32,
    action: Option<Action>,
}

/// The states found so far, each with the way to it.
pub(crate) struct Graph<S> {
    states: Vec<S>,
    origins: Vec<Origin>,
    index: Index,
    transitions: usize,
}

impl<S: Copy + Eq + Hash> Graph<S> {
    /// Explores `model`, without going on from the states where `stop` holds.
    ///
    /// Ends early at a state that is faulty (`Some(fault)`) or stuck (`None`),
    /// and names it by its number. States are numbered in the order in which
    /// they were found, so in the order of their distance from the start.
    #[allow(clippy::type_complexity)] // A pair of two plain things.
    pub(crate) fn search<M: Model<State = S>>(
        model: &M,
        stop: impl Fn(&S) -> bool,
    ) -> (Self, Option<(usize, Option<M::Fault>)>) {
        let mut graph = Self {
            states: Vec::new(),
            origins: Vec::new(),
            index: Index::new(),
            transitions: 0,
        };
        let actions = model.actions();
        graph.insert(model.initial(), 0, None);
        let mut at = 0;
        while at < graph.states.len() {
            let state = graph.states[at];
            if let Some(fault) = model.fault(&state) {
                return (graph, Some((at, Some(fault))));
            }
            let mut stuck = true;
            if stop(&state) {
                stuck = false;
            } else {
                for &action in &actions {
                    if let Some(next) = model.step(&state, action) {
                        stuck = false;
                        graph.transitions += 1;
                        graph.insert(next, at, Some(action));
                    }
                }
            }
            if stuck && !model.finished(&state) {
                return (graph, Some((at, None)));
            }
            at += 1;
        }
        (graph, None)
    }

    /// All states, in the order in which they were found.
    pub(crate) fn states(&self) -> &[S] {
        &self.states
    }

    /// The number of a state that has been found.
    pub(crate) fn find(&self, state: &S) -> Option<usize> {
        self.index.find(&self.states, state).ok()
    }

    pub(crate) fn explored(&self) -> Explored {
        Explored {
            states: self.states.len(),
            transitions: self.transitions,
        }
    }

    /// The shortest way to state number `at`.
    pub(crate) fn trace<M: Model<State = S>>(&self, model: &M, mut at: usize) -> Trace<S> {
        let mut trace = Trace {
            states: vec![self.states[at]],
            actions: Vec::new(),
            lines: Vec::new(),
        };
        while let Some(action) = self.origins[at].action {
            at = self.origins[at].parent as usize;
            trace.actions.push(action);
            trace.lines.push(model.describe(&self.states[at], action));
            trace.states.push(self.states[at]);
        }
        trace.states.reverse();
        trace.actions.reverse();
        trace.lines.reverse();
        trace
    }

    fn insert(&mut self, state: S, parent: usize, action: Option<Action>) {
        if let Err(place) = self.index.find(&self.states, &state) {
            assert!(self.states.len() < LIMIT, "more than {LIMIT} states");
            self.states.push(state);
            self.origins.push(Origin {
                parent: parent as u32,
                action,
            });
            self.index.occupy(&self.states, place);
        }
    }
}

/// An open-addressed hash table from a state to its number. It holds numbers,
/// so that a state is kept once, and beside each the upper half of the hash, so
/// that most of those in the way need not be compared.
struct Index {
    /// `hash & !LOWER | number + 1`, or 0 where free. A power of two in size.
    slots: Vec<u64>,
}

const LOWER: u64 = u32::MAX as u64;

impl Index {
    fn new() -> Self {
        Self {
            slots: vec![0; 1 << 10],
        }
    }

    /// The number of `state`, or else the slot where it belongs and its hash.
    fn find<S: Eq + Hash>(&self, states: &[S], state: &S) -> Result<usize, (usize, u64)> {
        let hash = hash(state);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            let held = self.slots[slot];
            if held == 0 {
                return Err((slot, hash));
            }
            if (held ^ hash) & !LOWER == 0 {
                let number = (held & LOWER) as usize - 1;
                if states[number] == *state {
                    return Ok(number);
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Puts the last of `states` where it belongs, and grows when two thirds full.
    fn occupy<S: Eq + Hash>(&mut self, states: &[S], (slot, hash): (usize, u64)) {
        self.slots[slot] = hash & !LOWER | states.len() as u64;
        if states.len() * 3 > self.slots.len() * 2 {
            self.slots = vec![0; self.slots.len() * 4];
            for (number, state) in states.iter().enumerate() {
                if let Err((slot, hash)) = self.find(&states[..number], state) {
                    self.slots[slot] = hash & !LOWER | (number as u64 + 1);
                }
            }
        }
    }
}

/// A fixed hash: no random seed, so that every run is alike, and few
/// operations, because the tests run unoptimised.
fn hash<S: Hash>(state: &S) -> u64 {
    let mut mixer = Mixer(0);
    state.hash(&mut mixer);
    mixer.finish()
}

struct Mixer(u64);

impl Mixer {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while let Some((chunk, more)) = rest.split_first_chunk() {
            self.mix(u64::from_le_bytes(*chunk));
            rest = more;
        }
        let mut word = 0;
        for &byte in rest {
            word = word << 8 | u64::from(byte);
        }
        self.mix(word);
    }

    // Array lengths are constant within a model.
    fn write_usize(&mut self, _: usize) {}

    fn write_u8(&mut self, byte: u8) {
        self.mix(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.mix(word);
    }

    fn write_isize(&mut self, discriminant: isize) {
        self.mix(discriminant as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}
