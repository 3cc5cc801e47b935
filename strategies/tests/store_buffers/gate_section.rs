//! The gate inside the restartable section.
//!
//! ```text
//! reader                              detacher
//!   section:                            gate = shut
//!     gate not open: refused            membarrier (parameter)
//!     entered[cpu] += 1 (commit)        again: sum the counters
//!   touch the softc                            if entered != left: again
//!   left[cpu] += 1                      reclaim the softc
//! ```
//!
//! A reader that is refused touches no counter, and a section that has seen an
//! open gate is either committed or restarted by whatever gets between its test
//! and its commit *on its CPU*. What it does not notice is a store to the gate
//! by another CPU. The membarrier command for restartable sequences
//! (`PRIVATE_EXPEDITED_RSEQ`) closes that window: its interrupt restarts
//! the section that it hits, so once it has returned, nobody who saw the gate
//! open has yet to commit. The plain command (`PRIVATE_EXPEDITED`) is a barrier
//! and nothing more: the section goes on after the interrupt and commits
//! an entry that the detacher has already not counted.
//!
//! Unlike in [`turnstile`](super::turnstile) the test and the commit are two steps here:
//! the window between them is the subject. Preemption and migration in it restart
//! the section.

use super::explorer::{Action, Model, check};
use super::memory::{Machine, Order};
use super::variants::{ENTERED, LEFT, Sum};

const READERS: usize = 3;
const CPUS: u8 = 2;

const GATE: usize = 4;
const FREED: usize = 5;
const VARS: usize = 6;
const NAMES: [&str; VARS] = [
    "entered[0]",
    "entered[1]",
    "left[0]",
    "left[1]",
    "gate",
    "freed",
];

const SHUT: u8 = 1;

/// Counters stay below this: three readers come once each, or two come twice.
const MODULUS: u8 = 8;

/// What the detacher calls after it has shut the gate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Membarrier {
    /// Nothing.
    None,
    /// A barrier on every CPU.
    Plain,
    /// A barrier on every CPU that restarts the section it interrupts.
    Restarting,
}

/// One variant, with the bounds of its exploration.
#[derive(Clone, Copy)]
struct GateSection {
    order: Order,
    membarrier: Membarrier,
    sum: Sum,
    readers: usize,
    times: u8,
    /// Whether a late commit is a fault, or only what it leads to.
    late_commit_is_fault: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Reader {
    /// The section begins: the test.
    Test,
    /// The section ends: the commit.
    Commit,
    Touch,
    Leave,
    Gone,
    CommittedLate,
    Faulted,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Detacher {
    Shut,
    Issue,
    Await,
    Count(u8),
    Reclaim,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    machine: Machine<{ CPUS as usize }, VARS>,
    readers: [Reader; READERS],
    more: [u8; READERS],
    detacher: Detacher,
    balance: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// A section committed an entry after the membarrier had returned.
    LateCommit,
    /// A holder touched a softc that had been reclaimed.
    UseAfterReclaim,
}

impl GateSection {
    fn detacher(&self) -> u8 {
        self.readers as u8
    }

    fn reader(&self, before: &State, who: usize, cpu: u8) -> Option<State> {
        let mut state = *before;
        let here = usize::from(cpu);
        let undisturbed = before.machine.runs(cpu, who as u8);
        let machine = &mut state.machine;
        machine.schedule(cpu, who as u8);
        let depart = |more: &mut u8| match more {
            0 => Reader::Gone,
            _ => {
                *more -= 1;
                Reader::Test
            }
        };
        state.readers[who] = match before.readers[who] {
            Reader::Test if machine.load(cpu, GATE) == SHUT => depart(&mut state.more[who]),
            Reader::Test => Reader::Commit,
            // It was switched out in its section, here or elsewhere: the kernel
            // resumes it at the beginning.
            Reader::Commit if !undisturbed => Reader::Test,
            Reader::Commit => {
                machine.increment(self.order, cpu, ENTERED + here, MODULUS);
                let fence_is_over = matches!(
                    before.detacher,
                    Detacher::Count(_) | Detacher::Reclaim | Detacher::Done
                );
                if fence_is_over && self.late_commit_is_fault {
                    Reader::CommittedLate
                } else {
                    Reader::Touch
                }
            }
            Reader::Touch if machine.load(cpu, FREED) != 0 => Reader::Faulted,
            Reader::Touch => Reader::Leave,
            Reader::Leave => {
                machine.increment(self.order, cpu, LEFT + here, MODULUS);
                depart(&mut state.more[who])
            }
            Reader::Gone | Reader::CommittedLate | Reader::Faulted => return None,
        };
        Some(state)
    }

    fn detach(&self, before: &State, cpu: u8) -> Option<State> {
        let mut state = *before;
        let machine = &mut state.machine;
        machine.schedule(cpu, self.detacher());
        state.detacher = match before.detacher {
            Detacher::Shut => {
                machine.store(self.order, cpu, GATE, SHUT);
                match self.membarrier {
                    Membarrier::None => Detacher::Count(0),
                    _ => Detacher::Issue,
                }
            }
            Detacher::Issue => {
                machine.heavy_issue(cpu);
                Detacher::Await
            }
            Detacher::Await if machine.heavy_complete(cpu) => Detacher::Count(0),
            Detacher::Await | Detacher::Done => return None,
            Detacher::Count(number) => {
                let var = self.sum.loads()[usize::from(number)];
                let value = machine.load(cpu, var);
                let signed = if var < LEFT { value } else { MODULUS - value };
                let balance = (before.balance + signed) % MODULUS;
                state.balance = if number < 3 { balance } else { 0 };
                match (number, balance) {
                    (0..3, _) => Detacher::Count(number + 1),
                    (_, 0) => Detacher::Reclaim,
                    _ => Detacher::Count(0),
                }
            }
            Detacher::Reclaim => {
                machine.store(self.order, cpu, FREED, 1);
                Detacher::Done
            }
        };
        Some(state)
    }
}

impl Model for GateSection {
    type State = State;
    type Fault = Fault;

    fn threads(&self) -> u8 {
        self.detacher() + 1
    }

    fn cpus(&self) -> u8 {
        CPUS
    }

    fn initial(&self) -> State {
        let mut readers = [Reader::Gone; READERS];
        readers[..self.readers].fill(Reader::Test);
        State {
            machine: Machine::new(),
            readers,
            more: [self.times - 1; READERS],
            detacher: Detacher::Shut,
            balance: 0,
        }
    }

    fn step(&self, state: &State, action: Action) -> Option<State> {
        let mut after = match action {
            Action::Step { thread, cpu } if thread == self.detacher() => {
                return self.detach(state, cpu);
            }
            Action::Step { thread, cpu } => return self.reader(state, usize::from(thread), cpu),
            _ => State {
                machine: state.machine.hardware(action)?,
                ..*state
            },
        };
        if let Action::Interrupt { cpu } = action
            && self.membarrier == Membarrier::Restarting
        {
            for (who, reader) in after.readers.iter_mut().enumerate() {
                if *reader == Reader::Commit && state.machine.runs(cpu, who as u8) {
                    *reader = Reader::Test;
                }
            }
        }
        Some(after)
    }

    fn fault(&self, state: &State) -> Option<Fault> {
        if state.readers.contains(&Reader::CommittedLate) {
            Some(Fault::LateCommit)
        } else {
            let faulted = state.readers.contains(&Reader::Faulted);
            faulted.then_some(Fault::UseAfterReclaim)
        }
    }

    fn finished(&self, state: &State) -> bool {
        let gone = |reader: &Reader| *reader == Reader::Gone;
        state.detacher == Detacher::Done && state.readers.iter().all(gone)
    }

    fn describe(&self, before: &State, action: Action) -> String {
        let (thread, cpu) = match action {
            Action::Step { thread, cpu } => (thread, cpu),
            Action::Interrupt { cpu } if self.membarrier == Membarrier::Restarting => {
                return format!("cpu {cpu}: interrupt, drains the buffer and restarts a section");
            }
            _ => return before.machine.describe(action, &NAMES),
        };
        let place = before.machine.describe_schedule(cpu, thread);
        let mut seen = before.machine;
        seen.schedule(cpu, thread);
        if thread == self.detacher() {
            let what = match before.detacher {
                Detacher::Shut => "shuts the gate".to_owned(),
                Detacher::Issue => format!("calls membarrier ({:?})", self.membarrier),
                Detacher::Await => "membarrier returns".to_owned(),
                Detacher::Count(number) => {
                    let var = self.sum.loads()[usize::from(number)];
                    format!("reads {} = {}", NAMES[var], seen.load(cpu, var))
                }
                Detacher::Reclaim => "finds balance and reclaims".to_owned(),
                Detacher::Done => "is done".to_owned(),
            };
            return format!("{place}detacher: {what}");
        }
        let what = match before.readers[usize::from(thread)] {
            Reader::Test if seen.load(cpu, GATE) == SHUT => "finds the gate shut".to_owned(),
            Reader::Test => "begins its section, finds the gate open".to_owned(),
            Reader::Commit if !before.machine.runs(cpu, thread) => {
                "was switched out in its section, which starts again".to_owned()
            }
            Reader::Commit => format!("commits entered[{cpu}] += 1"),
            Reader::Touch => "touches the softc".to_owned(),
            Reader::Leave => format!("left[{cpu}] += 1"),
            Reader::Gone | Reader::CommittedLate | Reader::Faulted => "is gone".to_owned(),
        };
        format!("{place}reader {thread}: {what}")
    }
}

const ORDERS: [Order; 2] = [Order::Sc, Order::Tso];

/// Counter-examples need one reader, if late commits are what is looked for.
const SMALLEST: GateSection = GateSection {
    order: Order::Tso,
    membarrier: Membarrier::Plain,
    sum: Sum::LeavesThenEnters,
    readers: 1,
    times: 1,
    late_commit_is_fault: true,
};

fn assert_fault(variant: &GateSection, expected: Fault) {
    let name = format!(
        "gate in section, {:?}, {:?}",
        variant.order, variant.membarrier
    );
    let (fault, trace) = check(variant).expect_fault(&name);
    println!("{name}\n    UNSAFE: {fault:?}\n{}", trace.print());
    assert_eq!(fault, expected, "{name}");
}

/// A barrier alone does not close the window, and store buffers have no part in
/// it: a sequentially consistent machine commits late just as well.
#[test]
fn a_plain_membarrier_lets_late_commits_through() {
    for order in ORDERS {
        for membarrier in [Membarrier::None, Membarrier::Plain] {
            let variant = GateSection {
                order,
                membarrier,
                ..SMALLEST
            };
            assert_fault(&variant, Fault::LateCommit);
        }
    }
}

/// And a late commit is not harmless.
#[test]
fn a_late_commit_leads_to_use_after_reclaim() {
    for order in ORDERS {
        let variant = GateSection {
            order,
            late_commit_is_fault: false,
            ..SMALLEST
        };
        assert_fault(&variant, Fault::UseAfterReclaim);
    }
}

/// With restarts no commit is late. So the enters are final when the counting
/// begins, refused readers leave no trace in any counter, and every sum order
/// is safe, with migrating holders too.
#[test]
fn a_restarting_membarrier_lets_none_through_and_frees_the_sum_order() {
    let sums = [
        Sum::LeavesThenEnters,
        Sum::EntersThenLeaves,
        Sum::OnePassEnterThenLeave,
        Sum::OnePassLeaveThenEnter,
    ];
    let bounds = sums.map(|sum| (sum, 2, 1)).into_iter();
    let larger = [(2, 2), (3, 1)].map(|(readers, times)| (Sum::LeavesThenEnters, readers, times));
    for (sum, readers, times) in bounds.chain(larger) {
        let variant = GateSection {
            membarrier: Membarrier::Restarting,
            sum,
            readers,
            times,
            ..SMALLEST
        };
        let name = format!("gate in section, Restarting, {sum:?}, {readers} readers x {times}");
        let explored = check(&variant).expect_safe(&name);
        println!("{name}\n    safe: {explored}");
    }
}
