//! Does it end? Termination on every fair path.
//!
//! A drain recounts until the counters balance, so its states form cycles, and
//! the absence of deadlocks says little. What one wants to know is whether the
//! goal is reached on every path of a *fair* scheduler: one that does not leave
//! an actor aside for ever that could move all the time (weak fairness). Actors
//! are the threads, the store buffers and the pending interrupts. Migration is
//! no actor: nothing has to migrate.
//!
//! The check is exact. An infinite path stays, from some moment on, within one
//! strongly connected component of the states that are not goals. A component
//! holds a fair path if and only if each actor either moves within it, or cannot
//! move in one of its states: walk round all of it for ever. So the
//! drain ends on every fair path if and only if no component is like that, and if
//! one is, a loop through it is the counter-example.

use std::collections::VecDeque;

use super::explorer::{Action, Explored, Graph, Model, numbered};

/// A path that never reaches the goal although everybody gets their turn.
pub(crate) struct Lasso {
    /// The way to the loop.
    pub(crate) stem: Vec<String>,
    /// What then repeats.
    pub(crate) turn: Vec<String>,
}

impl Lasso {
    /// Both parts as numbered lists.
    pub(crate) fn print(&self) -> String {
        let (stem, turn) = (numbered(&self.stem), numbered(&self.turn));
        format!("{stem}  and then for ever:\n{turn}")
    }
}

/// Checks that every fair path of `model` reaches a state where `goal` holds.
///
/// # Panics
///
/// If a state that is not a goal is faulty or stuck, with the way to it.
pub(crate) fn terminates<M: Model>(
    model: &M,
    goal: impl Fn(&M::State) -> bool,
) -> Result<Explored, Lasso> {
    let (graph, end) = Graph::search(model, &goal);
    if let Some((at, fault)) = end {
        let trace = graph.trace(model, at).print();
        panic!(
            "{}:\n{trace}",
            fault.map_or("stuck".into(), |fault| format!("{fault:?}"))
        );
    }
    let edges = Edges::new(model, &graph, goal);
    match edges.fair_component() {
        None => Ok(graph.explored()),
        Some(component) => {
            let entry = component.iter().position(|&inside| inside).unwrap_or(0);
            let describe =
                |&(at, action): &(usize, Action)| model.describe(&graph.states()[at], action);
            Err(Lasso {
                stem: graph.trace(model, entry).lines,
                turn: edges
                    .fair_loop(entry, &component)
                    .iter()
                    .map(describe)
                    .collect(),
            })
        }
    }
}

struct Edge {
    to: usize,
    action: Action,
    /// A bit that stands for whoever acts.
    actor: u32,
}

/// The transitions between states that are not goals, and from there to goals.
struct Edges {
    from: Vec<Vec<Edge>>,
    /// The bits of all actors.
    actors: u32,
}

impl Edges {
    fn new<M: Model>(model: &M, graph: &Graph<M::State>, goal: impl Fn(&M::State) -> bool) -> Self {
        let (threads, cpus) = (model.threads(), model.cpus());
        let bit = |action| match action {
            Action::Step { thread, .. } => 1 << thread,
            Action::Flush { cpu } => 1 << (threads + cpu),
            Action::Interrupt { cpu } => 1 << (threads + cpus + cpu),
        };
        let actions = model.actions();
        let successors = |state: &M::State| {
            let edge = |&action: &Action| {
                let next = model.step(state, action)?;
                Some(Edge {
                    to: graph.find(&next).expect("every successor has been found"),
                    action,
                    actor: bit(action),
                })
            };
            match goal(state) {
                true => Vec::new(),
                false => actions.iter().filter_map(edge).collect(),
            }
        };
        Self {
            from: graph.states().iter().map(successors).collect(),
            actors: actions.iter().fold(0, |all, &action| all | bit(action)),
        }
    }

    /// Whoever can move in state `at`.
    fn enabled(&self, at: usize) -> u32 {
        self.from[at].iter().fold(0, |all, edge| all | edge.actor)
    }

    /// The states of a component that holds a fair path: of all of these, the
    /// component with the state that is nearest to the start.
    fn fair_component(&self) -> Option<Vec<bool>> {
        let component = self.components();
        let mut moves = vec![0; self.from.len()];
        let mut always_enabled = vec![self.actors; self.from.len()];
        for (at, edges) in self.from.iter().enumerate() {
            always_enabled[component[at]] &= self.enabled(at);
            for edge in edges {
                if component[edge.to] == component[at] {
                    moves[component[at]] |= edge.actor;
                }
            }
        }
        // A component without a move is a single state, on no cycle.
        let fair = |&it: &usize| moves[it] != 0 && always_enabled[it] & !moves[it] == 0;
        let it = component.iter().copied().find(fair)?;
        Some(component.iter().map(|&other| other == it).collect())
    }

    /// The number of each state's strongly connected component (Tarjan's
    /// algorithm, with a stack of its own instead of recursion).
    fn components(&self) -> Vec<usize> {
        const UNSEEN: usize = usize::MAX;
        let states = self.from.len();
        let mut component = vec![UNSEEN; states];
        let mut seen_as = vec![UNSEEN; states];
        let mut low = vec![0; states];
        let mut open = Vec::new();
        let (mut seen, mut found) = (0, 0);
        for root in 0..states {
            if seen_as[root] != UNSEEN {
                continue;
            }
            // Pairs of a state and the number of its edges followed so far.
            let mut path = vec![(root, 0)];
            while let Some(&mut (at, ref mut followed)) = path.last_mut() {
                if *followed == 0 {
                    (seen_as[at], low[at]) = (seen, seen);
                    seen += 1;
                    open.push(at);
                }
                if let Some(edge) = self.from[at].get(*followed) {
                    *followed += 1;
                    if seen_as[edge.to] == UNSEEN {
                        path.push((edge.to, 0));
                    } else if component[edge.to] == UNSEEN {
                        low[at] = low[at].min(seen_as[edge.to]);
                    }
                    continue;
                }
                path.pop();
                if let Some(&(parent, _)) = path.last() {
                    low[parent] = low[parent].min(low[at]);
                }
                if low[at] == seen_as[at] {
                    while let Some(member) = open.pop() {
                        component[member] = found;
                        if member == at {
                            break;
                        }
                    }
                    found += 1;
                }
            }
        }
        component
    }

    /// A walk from `entry` back to it, within its component, on which each actor
    /// moves or is unable to. (It need not be the shortest.)
    fn fair_loop(&self, entry: usize, inside: &[bool]) -> Vec<(usize, Action)> {
        let mut walk: Vec<(usize, Action)> = Vec::new();
        let mut at = entry;
        let mut satisfied = self.actors & !self.enabled(at);
        while satisfied != self.actors {
            // The nearest move of, or disablement of, an actor not yet served.
            let serves =
                |edge: &Edge| (edge.actor | !self.enabled(edge.to)) & !satisfied & self.actors != 0;
            let path = self.path(at, inside, serves);
            for (from, edge) in path {
                satisfied |= self.actors & (edge.actor | !self.enabled(edge.to));
                walk.push((from, edge.action));
                at = edge.to;
            }
        }
        if at != entry || walk.is_empty() {
            let back = self.path(at, inside, |edge| edge.to == entry);
            walk.extend(back.iter().map(|(from, edge)| (*from, edge.action)));
        }
        walk
    }

    /// The shortest path within a component that ends with an edge that is `last`.
    fn path(
        &self,
        start: usize,
        inside: &[bool],
        last: impl Fn(&Edge) -> bool,
    ) -> Vec<(usize, &Edge)> {
        let mut parents = vec![None; self.from.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for edge in self.from[at].iter().filter(|edge| inside[edge.to]) {
                if last(edge) {
                    let mut path = vec![(at, edge)];
                    let mut here = at;
                    while here != start {
                        let (from, edge) = parents[here].expect("a parent");
                        path.push((from, edge));
                        here = from;
                    }
                    path.reverse();
                    return path;
                }
                if parents[edge.to].is_none() {
                    parents[edge.to] = Some((at, edge));
                    queue.push_back(edge.to);
                }
            }
        }
        unreachable!("a component is strongly connected");
    }
}
