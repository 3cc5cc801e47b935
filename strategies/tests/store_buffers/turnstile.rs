//! The turnstile as a transition system.
//!
//! ```text
//! reader                              detacher
//!   [gate not open: refused]            gate = shut
//!   entered[cpu] += 1                   fence (parameter)
//!   gate not open: refused, leave       again: sum the counters (parameter)
//!   touch the softc                            if entered != left: again
//!   left[cpu] += 1                      reclaim the softc
//! ```
//!
//! Each line of the reader is one step, on whichever CPU it happens to run
//! then; the increments are restartable sections of that CPU. Each load of
//! a counter is one step of the detacher. The first line of the reader is the
//! optional test before it counts itself: it never makes an entry legal that
//! would not have been, it only spares refused threads the counters.

use super::explorer::{Action, Model, Trace};
use super::memory::{Fences, Machine};
use super::variants::{Arrivals, ENTERED, LEFT, Migration, Shutting, Turnstile};

/// The most readers that a model may have.
const READERS: usize = 3;
const CPUS: u8 = 2;

const GATE: usize = 4;
const FREED: usize = 5;
const SOFTC: usize = 6;
const VARS: usize = 7;
const NAMES: [&str; VARS] = [
    "entered[0]",
    "entered[1]",
    "left[0]",
    "left[1]",
    "gate",
    "freed",
    "softc",
];

const OPEN: u8 = 0;
/// Threads wait.
const CLOSED: u8 = 1;
/// Threads are refused.
const SEALED: u8 = 2;

/// What a reader does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Reader {
    Pretest,
    Enter,
    Test,
    Touch,
    Leave,
    Gone,
    /// It has touched a softc that was reclaimed.
    Faulted,
}

/// What the detacher does next.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Detacher {
    Shut,
    Fence,
    AwaitFence,
    Seal,
    /// Load counter number so and so.
    Count(u8),
    Reclaim,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct State {
    machine: Machine<{ CPUS as usize }, VARS>,
    readers: [Reader; READERS],
    /// How many times each will still come after this one.
    more: [u8; READERS],
    /// Where each must leave, or [`ANYWHERE`].
    home: [u8; READERS],
    detacher: Detacher,
    /// Entered minus left, as far as it has been summed, modulo
    /// [`Turnstile::modulus`].
    balance: u8,
}

const ANYWHERE: u8 = u8::MAX;

/// What must never happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A holder read a softc that had been reclaimed.
    UseAfterReclaim,
    /// The detacher reclaimed while a holder's write was still on its way.
    WriteAfterReclaim,
}

/// Why a softc was reclaimed under a holder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Hole {
    /// The detacher could not have seen the holder's entry: the gate let it
    /// in, but when the last summation began `entered` was still in a store
    /// buffer or yet to be incremented.
    UnseenEntry,
    /// The holder's entry was in memory when the last summation began, and
    /// was outweighed by a leave whose entry that summation missed.
    FalseBalance,
}

impl Turnstile {
    fn detacher(&self) -> u8 {
        self.readers as u8
    }

    /// Where counters wrap. The bounded models never get that far. Readers that
    /// come for ever do, and would be of no use for a verdict of "safe"; but an
    /// imbalance modulo 2 is an imbalance, so a drain that need not end with
    /// wrapped counters need not end with true ones.
    fn modulus(&self) -> u8 {
        match self.arrivals {
            Arrivals::Times(_) | Arrivals::Persistent(_) => 8,
            Arrivals::Forever => 2,
        }
    }

    fn first(&self) -> Reader {
        if self.pretest {
            Reader::Pretest
        } else {
            Reader::Enter
        }
    }

    /// The reader's visit is over, whether it had `counted` itself or not.
    fn depart(&self, state: &mut State, who: usize, counted: bool) {
        state.home[who] = ANYWHERE;
        state.readers[who] = self.first();
        let comes_again = match self.arrivals {
            Arrivals::Times(_) => false,
            Arrivals::Persistent(_) => !counted,
            Arrivals::Forever => true,
        };
        if comes_again {
            return;
        }
        if state.more[who] == 0 {
            state.readers[who] = Reader::Gone;
        } else {
            state.more[who] -= 1;
        }
    }

    /// A step of reader `who`, unless it is gone, or waits, or belongs elsewhere.
    fn reader(&self, before: &State, who: usize, cpu: u8) -> Option<State> {
        let reader = before.readers[who];
        let away = before.home[who] != ANYWHERE && before.home[who] != cpu;
        if away || matches!(reader, Reader::Gone | Reader::Faulted) {
            return None;
        }
        let mut state = *before;
        let here = usize::from(cpu);
        let machine = &mut state.machine;
        machine.schedule(cpu, who as u8);
        match reader {
            Reader::Pretest => match machine.load(cpu, GATE) {
                OPEN => state.readers[who] = Reader::Enter,
                CLOSED => return None,
                _ => self.depart(&mut state, who, false),
            },
            Reader::Enter => {
                machine.increment(self.order, cpu, ENTERED + here, self.modulus());
                if self.fences == Fences::BothSides {
                    machine.fence(cpu);
                }
                if self.migration == Migration::HoldersStay {
                    state.home[who] = cpu;
                }
                state.readers[who] = Reader::Test;
            }
            Reader::Test => match machine.load(cpu, GATE) {
                OPEN => state.readers[who] = Reader::Touch,
                CLOSED => return None,
                _ => state.readers[who] = Reader::Leave,
            },
            Reader::Touch if machine.load(cpu, FREED) != 0 => state.readers[who] = Reader::Faulted,
            Reader::Touch => {
                if self.holders_write {
                    machine.store(self.order, cpu, SOFTC, 1);
                }
                state.readers[who] = Reader::Leave;
            }
            Reader::Leave => {
                machine.increment(self.order, cpu, LEFT + here, self.modulus());
                self.depart(&mut state, who, true);
            }
            Reader::Gone | Reader::Faulted => return None,
        }
        Some(state)
    }

    /// A step of the detacher, unless it is done, or waits for the fence.
    fn detach(&self, before: &State, cpu: u8) -> Option<State> {
        if self.detacher_cpu.is_some_and(|bound| bound != cpu) {
            return None;
        }
        let mut state = *before;
        let machine = &mut state.machine;
        machine.schedule(cpu, self.detacher());
        let shut = match self.shutting {
            Shutting::CloseThenSeal => Detacher::Seal,
            Shutting::Seal | Shutting::SealAfterDrain => Detacher::Count(0),
        };
        state.detacher = match before.detacher {
            Detacher::Shut => {
                let sealed = self.shutting == Shutting::Seal;
                let gate = if sealed { SEALED } else { CLOSED };
                machine.store(self.order, cpu, GATE, gate);
                match self.fences {
                    Fences::None => shut,
                    _ => Detacher::Fence,
                }
            }
            Detacher::Fence if self.fences == Fences::Heavy => {
                machine.heavy_issue(cpu);
                Detacher::AwaitFence
            }
            Detacher::Fence => {
                machine.fence(cpu);
                shut
            }
            Detacher::AwaitFence if machine.heavy_complete(cpu) => shut,
            Detacher::AwaitFence | Detacher::Done => return None,
            Detacher::Seal => {
                machine.store(self.order, cpu, GATE, SEALED);
                Detacher::Count(0)
            }
            Detacher::Count(number) => {
                let var = self.sum.loads()[usize::from(number)];
                let value = machine.load(cpu, var);
                let modulus = self.modulus();
                let signed = if var < LEFT { value } else { modulus - value };
                let balance = (before.balance + signed) % modulus;
                if number < 3 {
                    state.balance = balance;
                    Detacher::Count(number + 1)
                } else {
                    // Whatever the outcome, the next summation begins at zero.
                    state.balance = 0;
                    match balance {
                        0 => Detacher::Reclaim,
                        _ => Detacher::Count(0),
                    }
                }
            }
            Detacher::Reclaim => {
                machine.store(self.order, cpu, FREED, 1);
                Detacher::Done
            }
        };
        Some(state)
    }

    /// Whether the softc has been reclaimed.
    pub(crate) fn drained(&self, state: &State) -> bool {
        state.detacher == Detacher::Done
    }

    /// Which of the two holes a counter-example went through.
    ///
    /// # Panics
    ///
    /// If the trace does not end with a holder that touched a reclaimed softc.
    pub(crate) fn hole(&self, trace: &Trace<State>) -> Hole {
        let end = trace.states[trace.states.len() - 1];
        let faulted = |reader: &Reader| *reader == Reader::Faulted;
        let victim = end.readers.iter().position(faulted).expect("a victim");
        // The step with which it last counted itself, the counter, the value.
        let steps = trace.actions.iter().enumerate().rev();
        let mut entries = steps.filter_map(|(at, action)| match *action {
            Action::Step { thread, cpu } if usize::from(thread) == victim => {
                let enters = trace.states[at].readers[victim] == Reader::Enter;
                enters.then_some((at, cpu))
            }
            _ => None,
        });
        let (entry, cpu) = entries.next().expect("an entry");
        let counter = ENTERED + usize::from(cpu);
        let stored = trace.states[entry + 1].machine.load(cpu, counter);
        // The state in which the last summation began.
        let begins = |state: &State| state.detacher == Detacher::Count(0);
        let start = trace.states.iter().rposition(begins).expect("a summation");
        // Counters of bounded models do not wrap.
        if entry < start && trace.states[start].machine.memory(counter) >= stored {
            Hole::FalseBalance
        } else {
            Hole::UnseenEntry
        }
    }

    fn describe_reader(&self, before: &State, who: usize, cpu: u8) -> String {
        let gate = match before.machine.load(cpu, GATE) {
            OPEN => "finds the gate open",
            _ => "finds the gate shut",
        };
        let what = match before.readers[who] {
            Reader::Pretest => format!("{gate} (before counting itself)"),
            Reader::Enter => format!("entered[{cpu}] += 1"),
            Reader::Test => gate.to_owned(),
            Reader::Touch => "touches the softc".to_owned(),
            Reader::Leave => format!("left[{cpu}] += 1"),
            Reader::Gone | Reader::Faulted => "is gone".to_owned(),
        };
        format!("reader {who}: {what}")
    }

    fn describe_detacher(&self, before: &State, cpu: u8) -> String {
        let what = match before.detacher {
            Detacher::Shut if self.shutting != Shutting::Seal => "closes the gate".to_owned(),
            Detacher::Shut | Detacher::Seal => "seals the gate".to_owned(),
            Detacher::Fence if self.fences == Fences::Heavy => "issues a heavy fence".to_owned(),
            Detacher::Fence => "full fence".to_owned(),
            Detacher::AwaitFence => "the heavy fence is complete".to_owned(),
            Detacher::Count(number) => {
                let var = self.sum.loads()[usize::from(number)];
                format!("reads {} = {}", NAMES[var], before.machine.load(cpu, var))
            }
            Detacher::Reclaim => "finds balance and reclaims".to_owned(),
            Detacher::Done => "is done".to_owned(),
        };
        format!("detacher: {what}")
    }
}

impl Model for Turnstile {
    type State = State;
    type Fault = Fault;

    fn threads(&self) -> u8 {
        self.detacher() + 1
    }

    fn cpus(&self) -> u8 {
        CPUS
    }

    fn initial(&self) -> State {
        assert!(self.readers <= READERS);
        let mut readers = [Reader::Gone; READERS];
        readers[..self.readers].fill(self.first());
        let more = match self.arrivals {
            Arrivals::Times(times) | Arrivals::Persistent(times) => times - 1,
            Arrivals::Forever => 0,
        };
        State {
            machine: Machine::new(),
            readers,
            more: [more; READERS],
            home: [ANYWHERE; READERS],
            detacher: Detacher::Shut,
            balance: 0,
        }
    }

    fn step(&self, state: &State, action: Action) -> Option<State> {
        match action {
            Action::Step { thread, cpu } if thread == self.detacher() => self.detach(state, cpu),
            Action::Step { thread, cpu } => self.reader(state, usize::from(thread), cpu),
            _ => {
                let machine = state.machine.hardware(action)?;
                Some(State { machine, ..*state })
            }
        }
    }

    fn fault(&self, state: &State) -> Option<Fault> {
        if state.readers.contains(&Reader::Faulted) {
            return Some(Fault::UseAfterReclaim);
        }
        let late = self.drained(state) && state.machine.is_buffered(SOFTC);
        late.then_some(Fault::WriteAfterReclaim)
    }

    fn finished(&self, state: &State) -> bool {
        let gone = |reader: &Reader| *reader == Reader::Gone;
        self.drained(state) && state.readers.iter().all(gone)
    }

    fn describe(&self, before: &State, action: Action) -> String {
        let Action::Step { thread, cpu } = action else {
            return before.machine.describe(action, &NAMES);
        };
        let place = before.machine.describe_schedule(cpu, thread);
        // What the thread sees once the context switch has drained the buffer.
        let mut seen = *before;
        seen.machine.schedule(cpu, thread);
        let what = if thread == self.detacher() {
            self.describe_detacher(&seen, cpu)
        } else {
            self.describe_reader(&seen, usize::from(thread), cpu)
        };
        place + &what
    }
}
