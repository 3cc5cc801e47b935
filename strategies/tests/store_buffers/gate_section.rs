//! The gate inside the restartable section, and the word behind it.
//!
//! ```text
//! reader                              detacher
//!   section:                            gate = shut
//!     gate shut: see below              word: sealed
//!     count[cpu] += 1 (commit)          membarrier (parameter)
//!   touch the softc                     sum = count[0] + count[1]
//!   section:                            word += sum - bias
//!     gate shut: word -= 1              wait until word is sealed + 0
//!     count[cpu] -= 1 (commit)          reclaim the softc
//! ```
//!
//! A section that has seen an open gate is either committed or restarted by
//! whatever gets between its test and its commit *on its CPU*. What it does not
//! notice is a store to the gate by another CPU. The membarrier command for
//! restartable sequences (`PRIVATE_EXPEDITED_RSEQ`) closes that window: its
//! interrupt restarts the section that it hits, so once it has returned, nobody who
//! saw the gate open has yet to commit. The plain command (`PRIVATE_EXPEDITED`) is a
//! barrier and nothing more: the section goes on after the interrupt and commits
//! a count that the detacher has already not summed.
//!
//! Some readers' sections never get through; these count in the word, with locked
//! instructions: one by one step that fails if the word is sealed, or by the wrong
//! one that looks at the gate and then counts. Who enters one way may leave the
//! other, as guards do that are handed over.
//!
//! Unlike in [`turnstile`](super::turnstile) the test and the commit are two steps here:
//! the window between them is the subject. Preemption and migration in it restart
//! the section.

use super::explorer::{Action, Model, check};
use super::memory::{Machine, Order};

const READERS: usize = 3;
const CPUS: u8 = 2;

/// The count of CPU 0; that of CPU 1 is the next.
const COUNT: usize = 0;
const GATE: usize = 2;
const WORD: usize = 3;
const FREED: usize = 4;
const VARS: usize = 5;
const NAMES: [&str; VARS] = ["count[0]", "count[1]", "gate", "word", "freed"];

const SHUT: u8 = 1;

/// The word has four bits, of which this one seals it; the count is below, and
/// borrows from it when it runs below zero.
const SEALED: u8 = 8;
const BIAS: u8 = 4;

/// Numbers wrap around here.
const MODULUS: u8 = 16;

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

/// What is wrong with a variant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mistake {
    /// Nothing.
    None,
    /// Who counts in the word looks at the gate, and then counts.
    WordLooksAtGate,
    /// A leave does not look at the gate.
    LeaveLooksAtNothing,
    /// The word begins at zero.
    NoBias,
}

/// One variant, with the bounds of its exploration.
#[derive(Clone, Copy)]
struct GateSection {
    order: Order,
    membarrier: Membarrier,
    mistake: Mistake,
    readers: usize,
    times: u8,
    /// Whose sections do not get through, as bit masks.
    enter_by_word: u8,
    leave_by_word: u8,
    /// Whether a late commit is a fault, or only what it leads to.
    late_commit_is_fault: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Reader {
    /// The section of an enter begins: the test.
    Enter,
    /// It ends: the commit.
    CommitEnter,
    /// It has looked at the gate, and will count in the word.
    EnterWord,
    Touch,
    /// The section of a leave begins.
    Leave,
    CommitLeave,
    LeaveWord,
    Gone,
    CommittedLate,
    AdmittedLate,
    Faulted,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Detacher {
    Shut,
    Seal,
    Issue,
    Await,
    Sum(u8),
    TakeOver,
    Wait,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    machine: Machine<{ CPUS as usize }, VARS>,
    readers: [Reader; READERS],
    more: [u8; READERS],
    detacher: Detacher,
    sum: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    /// A section committed a count after the membarrier had returned.
    LateCommit,
    /// The word let somebody in after it was sealed.
    LateAdmission,
    /// A holder touched a softc that had been reclaimed.
    UseAfterReclaim,
}

type Cpus = Machine<{ CPUS as usize }, VARS>;

/// A locked addition to the word, which drains the buffer.
fn add_to_word(machine: &mut Cpus, cpu: u8, amount: u8) {
    machine.fence(cpu);
    machine.set_memory(WORD, (machine.memory(WORD) + amount) % MODULUS);
}

impl GateSection {
    fn detacher(&self) -> u8 {
        self.readers as u8
    }

    fn bias(&self) -> u8 {
        match self.mistake {
            Mistake::NoBias => 0,
            _ => BIAS,
        }
    }

    /// Commits a count, and tells where the reader goes from here.
    fn commit(&self, state: &mut State, cpu: u8, amount: u8, then: Reader) -> Reader {
        let var = COUNT + usize::from(cpu);
        let count = (state.machine.load(cpu, var) + amount) % MODULUS;
        state.machine.store(self.order, cpu, var, count);
        let frozen = matches!(
            state.detacher,
            Detacher::Sum(_) | Detacher::TakeOver | Detacher::Wait | Detacher::Done
        );
        if frozen && self.late_commit_is_fault {
            Reader::CommittedLate
        } else {
            then
        }
    }

    fn enter_word(&self, state: &mut State, cpu: u8) -> Option<Reader> {
        state.machine.fence(cpu);
        let sealed = state.machine.memory(WORD) & SEALED != 0;
        if sealed && self.mistake != Mistake::WordLooksAtGate {
            return None;
        }
        add_to_word(&mut state.machine, cpu, 1);
        let late = !matches!(state.detacher, Detacher::Shut | Detacher::Seal);
        Some(if late && self.mistake != Mistake::WordLooksAtGate {
            Reader::AdmittedLate
        } else {
            Reader::Touch
        })
    }

    fn reader(&self, before: &State, who: usize, cpu: u8) -> Option<State> {
        let mut state = *before;
        let undisturbed = before.machine.runs(cpu, who as u8);
        state.machine.schedule(cpu, who as u8);
        let shut = state.machine.load(cpu, GATE) == SHUT;
        let is_in = |mask: u8| mask & 1 << who != 0;
        let depart = |more: &mut u8| match more {
            0 => Reader::Gone,
            _ => {
                *more -= 1;
                Reader::Enter
            }
        };
        state.readers[who] = match before.readers[who] {
            Reader::Enter if shut => depart(&mut state.more[who]),
            Reader::Enter if is_in(self.enter_by_word) => Reader::EnterWord,
            Reader::Enter => Reader::CommitEnter,
            // It was switched out in its section, here or elsewhere: the kernel
            // resumes it at the beginning.
            Reader::CommitEnter if !undisturbed => Reader::Enter,
            Reader::CommitEnter => self.commit(&mut state, cpu, 1, Reader::Touch),
            Reader::EnterWord => match self.enter_word(&mut state, cpu) {
                Some(next) => next,
                None => depart(&mut state.more[who]),
            },
            Reader::Touch if state.machine.load(cpu, FREED) != 0 => Reader::Faulted,
            Reader::Touch => Reader::Leave,
            Reader::Leave if self.mistake == Mistake::LeaveLooksAtNothing => Reader::CommitLeave,
            Reader::Leave if shut || is_in(self.leave_by_word) => Reader::LeaveWord,
            Reader::Leave => Reader::CommitLeave,
            Reader::CommitLeave if !undisturbed => Reader::Leave,
            Reader::CommitLeave => {
                let next = depart(&mut state.more[who]);
                self.commit(&mut state, cpu, MODULUS - 1, next)
            }
            Reader::LeaveWord => {
                add_to_word(&mut state.machine, cpu, MODULUS - 1);
                depart(&mut state.more[who])
            }
            Reader::Gone | Reader::CommittedLate | Reader::AdmittedLate | Reader::Faulted => {
                return None;
            }
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
                Detacher::Seal
            }
            Detacher::Seal => {
                machine.fence(cpu);
                machine.set_memory(WORD, machine.memory(WORD) | SEALED);
                match self.membarrier {
                    Membarrier::None => Detacher::Sum(0),
                    _ => Detacher::Issue,
                }
            }
            Detacher::Issue => {
                machine.heavy_issue(cpu);
                Detacher::Await
            }
            Detacher::Await if machine.heavy_complete(cpu) => Detacher::Sum(0),
            Detacher::Sum(number) => {
                let count = machine.load(cpu, COUNT + usize::from(number));
                state.sum = (before.sum + count) % MODULUS;
                match number {
                    0 => Detacher::Sum(1),
                    _ => Detacher::TakeOver,
                }
            }
            Detacher::TakeOver => {
                let amount = (before.sum + MODULUS - self.bias()) % MODULUS;
                add_to_word(machine, cpu, amount);
                state.sum = 0;
                Detacher::Wait
            }
            // It sleeps until somebody makes it true.
            Detacher::Wait if machine.load(cpu, WORD) == SEALED => {
                machine.store(self.order, cpu, FREED, 1);
                Detacher::Done
            }
            Detacher::Await | Detacher::Wait | Detacher::Done => return None,
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
        readers[..self.readers].fill(Reader::Enter);
        let mut machine = Machine::new();
        machine.set_memory(WORD, self.bias());
        State {
            machine,
            readers,
            more: [self.times - 1; READERS],
            detacher: Detacher::Shut,
            sum: 0,
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
                if state.machine.runs(cpu, who as u8) {
                    *reader = match *reader {
                        Reader::CommitEnter => Reader::Enter,
                        Reader::CommitLeave => Reader::Leave,
                        other => other,
                    };
                }
            }
        }
        Some(after)
    }

    fn fault(&self, state: &State) -> Option<Fault> {
        let faults = [
            (Reader::CommittedLate, Fault::LateCommit),
            (Reader::AdmittedLate, Fault::LateAdmission),
            (Reader::Faulted, Fault::UseAfterReclaim),
        ];
        let shown = |(reader, _): &(Reader, Fault)| state.readers.contains(reader);
        faults.into_iter().find(shown).map(|(_, fault)| fault)
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
                Detacher::Seal => "seals the word".to_owned(),
                Detacher::Issue => format!("calls membarrier ({:?})", self.membarrier),
                Detacher::Await => "membarrier returns".to_owned(),
                Detacher::Sum(number) => {
                    let var = COUNT + usize::from(number);
                    format!("reads {} = {}", NAMES[var], seen.load(cpu, var))
                }
                Detacher::TakeOver => format!("adds {} to the word, takes the bias", before.sum),
                Detacher::Wait => "finds nobody left and reclaims".to_owned(),
                Detacher::Done => "is done".to_owned(),
            };
            return format!("{place}detacher: {what}");
        }
        let interrupted = !before.machine.runs(cpu, thread);
        let what = match before.readers[usize::from(thread)] {
            Reader::Enter if seen.load(cpu, GATE) == SHUT => "finds the gate shut",
            Reader::Enter => "begins to enter, finds the gate open",
            Reader::CommitEnter | Reader::CommitLeave if interrupted => {
                "was switched out in its section, which starts again"
            }
            Reader::CommitEnter => "commits count += 1",
            Reader::EnterWord => "tries word += 1",
            Reader::Touch => "touches the softc",
            Reader::Leave => "begins to leave",
            Reader::CommitLeave => "commits count -= 1",
            Reader::LeaveWord => "word -= 1",
            _ => "is gone",
        };
        format!("{place}reader {thread}: {what}")
    }
}

const ORDERS: [Order; 2] = [Order::Sc, Order::Tso];

/// The protocol as it should be, with one reader, whose sections get through.
const SOUND: GateSection = GateSection {
    order: Order::Tso,
    membarrier: Membarrier::Restarting,
    mistake: Mistake::None,
    readers: 1,
    times: 1,
    enter_by_word: 0,
    leave_by_word: 0,
    late_commit_is_fault: true,
};

fn name(variant: &GateSection) -> String {
    format!(
        "gate in section, {:?}, {:?}, mistake: {:?}",
        variant.order, variant.membarrier, variant.mistake
    )
}

fn assert_fault(variant: &GateSection, expected: Fault) {
    let name = name(variant);
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
                ..SOUND
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
            membarrier: Membarrier::Plain,
            late_commit_is_fault: false,
            ..SOUND
        };
        assert_fault(&variant, Fault::UseAfterReclaim);
    }
}

/// With restarts no commit is late. So the counts are final when the summing
/// begins, and nobody is overtaken and nobody's leave is lost, whichever way the
/// readers enter and leave.
#[test]
fn a_restarting_membarrier_freezes_the_counts() {
    let ways = [
        (0b00, 0b00),
        (0b01, 0b00),
        (0b00, 0b01),
        (0b01, 0b10),
        (0b11, 0b11),
    ];
    let bounds = ways.map(|ways| (ways, 2, 1)).into_iter();
    let larger = [
        ((0b00, 0b00), 2, 2),
        ((0b01, 0b10), 2, 2),
        ((0b001, 0b010), 3, 1),
    ];
    for ((enter_by_word, leave_by_word), readers, times) in bounds.chain(larger) {
        let variant = GateSection {
            readers,
            times,
            enter_by_word,
            leave_by_word,
            ..SOUND
        };
        let name = format!(
            "{}, {readers} readers x {times}, by word {enter_by_word:03b} {leave_by_word:03b}",
            name(&variant)
        );
        let explored = check(&variant).expect_safe(&name);
        println!("{name}\n    safe: {explored}");
    }
}

/// No restart reaches who has looked at the gate and will count elsewhere.
#[test]
fn a_fallback_that_only_looks_at_the_gate_is_overtaken() {
    for order in ORDERS {
        let variant = GateSection {
            order,
            mistake: Mistake::WordLooksAtGate,
            enter_by_word: 0b1,
            ..SOUND
        };
        assert_fault(&variant, Fault::UseAfterReclaim);
    }
}

/// Who leaves by a count that nobody reads any more is waited for in vain.
#[test]
fn a_leave_that_does_not_look_at_the_gate_is_lost() {
    let variant = GateSection {
        mistake: Mistake::LeaveLooksAtNothing,
        late_commit_is_fault: false,
        ..SOUND
    };
    let trace = check(&variant).expect_deadlock(&name(&variant));
    println!("{}\n{}", name(&variant), trace.print());
}

/// Without a bias the first holder that leaves after the gate was shut takes the
/// count below zero, which borrows from the seal.
#[test]
fn without_a_bias_the_seal_does_not_hold() {
    let variant = GateSection {
        mistake: Mistake::NoBias,
        readers: 2,
        enter_by_word: 0b10,
        ..SOUND
    };
    assert_fault(&variant, Fault::LateAdmission);
}
