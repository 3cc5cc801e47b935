//! The drain that sleeps: who wakes the detacher?
//!
//! ```text
//! releaser                            detacher (the gate is sealed already)
//!   left[cpu] += 1                      again: waiting = 1
//!   light fence (parameter)                    heavy fence (parameter)
//!   if waiting == 0: gone                      if entered == left: done
//!   waiting = 0                                futex_wait(waiting, 1)
//!   futex_wake(waiting)                        again
//! ```
//!
//! It is the shape of the gate once more: each side stores its own word, then
//! loads the other's, and if both miss each other the detacher sleeps for ever.
//! That is a state in which nothing can happen, so the search for deadlocks finds it.
//!
//! `futex_wait` compares and goes to sleep as one step and drains the buffer
//! of its CPU first; so does `futex_wake`: the kernel orders both by full barriers.
//! Spurious wake-ups are left out on purpose: they would hide a lost one.
//!
//! Some releasers hold the softc at the beginning; others are late arrivals that
//! count themselves only to be refused, which the detacher may have to
//! wait for as well.

use super::explorer::{Action, Model, check};
use super::liveness::terminates;
use super::memory::{Fences, Machine, Order};
use super::variants::{ENTERED, LEFT, Sum};

const THREADS: usize = 3;
const CPUS: u8 = 2;

const WAITING: usize = 4;
const VARS: usize = 5;
const NAMES: [&str; VARS] = ["entered[0]", "entered[1]", "left[0]", "left[1]", "waiting"];

/// Counters stay below this: each thread enters once.
const MODULUS: u8 = 8;

/// When the detacher says that it is going to sleep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Announce {
    /// Before it counts, as it should.
    BeforeCounting,
    /// After it has counted: a mistake.
    AfterCounting,
}

/// One variant, with the bounds of its exploration.
#[derive(Clone, Copy, Debug)]
struct WakeUp {
    order: Order,
    fences: Fences,
    announce: Announce,
    holders: usize,
    late_arrivals: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Releaser {
    Enter,
    Leave,
    Look,
    Clear,
    Wake,
    Gone,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Detacher {
    Announce,
    Fence,
    AwaitFence,
    Count(u8),
    FutexWait,
    Asleep,
    Done,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    machine: Machine<{ CPUS as usize }, VARS>,
    releasers: [Releaser; THREADS],
    detacher: Detacher,
    balance: u8,
}

/// There is no bad state here but one without a future.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Never {}

impl WakeUp {
    const SOUND: Self = Self {
        order: Order::Tso,
        fences: Fences::Heavy,
        announce: Announce::BeforeCounting,
        holders: 1,
        late_arrivals: 0,
    };

    fn detacher(&self) -> u8 {
        (self.holders + self.late_arrivals) as u8
    }

    fn releaser(&self, before: &State, who: usize, cpu: u8) -> Option<State> {
        let mut state = *before;
        let here = usize::from(cpu);
        let machine = &mut state.machine;
        machine.schedule(cpu, who as u8);
        state.releasers[who] = match before.releasers[who] {
            Releaser::Enter => {
                machine.increment(self.order, cpu, ENTERED + here, MODULUS);
                Releaser::Leave
            }
            Releaser::Leave => {
                machine.increment(self.order, cpu, LEFT + here, MODULUS);
                if self.fences == Fences::BothSides {
                    machine.fence(cpu);
                }
                Releaser::Look
            }
            Releaser::Look if machine.load(cpu, WAITING) == 0 => Releaser::Gone,
            Releaser::Look => Releaser::Clear,
            Releaser::Clear => {
                machine.store(self.order, cpu, WAITING, 0);
                Releaser::Wake
            }
            Releaser::Wake => {
                machine.fence(cpu);
                if before.detacher == Detacher::Asleep {
                    state.detacher = self.start();
                }
                Releaser::Gone
            }
            Releaser::Gone => return None,
        };
        Some(state)
    }

    /// Where the detacher's loop begins.
    fn start(&self) -> Detacher {
        match self.announce {
            Announce::BeforeCounting => Detacher::Announce,
            Announce::AfterCounting => Detacher::Count(0),
        }
    }

    fn detach(&self, before: &State, cpu: u8) -> Option<State> {
        if before.detacher == Detacher::Asleep {
            return None;
        }
        let mut state = *before;
        let machine = &mut state.machine;
        machine.schedule(cpu, self.detacher());
        let (announced, unbalanced) = match self.announce {
            Announce::BeforeCounting => (Detacher::Count(0), Detacher::FutexWait),
            Announce::AfterCounting => (Detacher::FutexWait, Detacher::Announce),
        };
        state.detacher = match before.detacher {
            Detacher::Announce => {
                machine.store(self.order, cpu, WAITING, 1);
                match self.fences {
                    Fences::None => announced,
                    _ => Detacher::Fence,
                }
            }
            Detacher::Fence if self.fences == Fences::Heavy => {
                machine.heavy_issue(cpu);
                Detacher::AwaitFence
            }
            Detacher::Fence => {
                machine.fence(cpu);
                announced
            }
            Detacher::AwaitFence if machine.heavy_complete(cpu) => announced,
            Detacher::Count(number) => {
                let var = Sum::LeavesThenEnters.loads()[usize::from(number)];
                let value = machine.load(cpu, var);
                let signed = if var < LEFT { value } else { MODULUS - value };
                let balance = (before.balance + signed) % MODULUS;
                state.balance = if number < 3 { balance } else { 0 };
                match (number, balance) {
                    (0..3, _) => Detacher::Count(number + 1),
                    (_, 0) => Detacher::Done,
                    _ => unbalanced,
                }
            }
            Detacher::FutexWait => {
                machine.fence(cpu);
                match machine.memory(WAITING) {
                    1 => Detacher::Asleep,
                    _ => self.start(),
                }
            }
            Detacher::AwaitFence | Detacher::Asleep | Detacher::Done => return None,
        };
        Some(state)
    }
}

impl Model for WakeUp {
    type State = State;
    type Fault = Never;

    fn threads(&self) -> u8 {
        self.detacher() + 1
    }

    fn cpus(&self) -> u8 {
        CPUS
    }

    fn initial(&self) -> State {
        let threads = self.holders + self.late_arrivals;
        let mut releasers = [Releaser::Gone; THREADS];
        releasers[..self.holders].fill(Releaser::Leave);
        releasers[self.holders..threads].fill(Releaser::Enter);
        let mut machine = Machine::new();
        // They all entered on one CPU; they leave where they please.
        machine.set_memory(ENTERED, self.holders as u8);
        State {
            machine,
            releasers,
            detacher: self.start(),
            balance: 0,
        }
    }

    fn step(&self, state: &State, action: Action) -> Option<State> {
        match action {
            Action::Step { thread, cpu } if thread == self.detacher() => self.detach(state, cpu),
            Action::Step { thread, cpu } => self.releaser(state, usize::from(thread), cpu),
            _ => {
                let machine = state.machine.hardware(action)?;
                Some(State { machine, ..*state })
            }
        }
    }

    fn fault(&self, _: &State) -> Option<Never> {
        None
    }

    fn finished(&self, state: &State) -> bool {
        let gone = |releaser: &Releaser| *releaser == Releaser::Gone;
        state.detacher == Detacher::Done && state.releasers.iter().all(gone)
    }

    fn describe(&self, before: &State, action: Action) -> String {
        let Action::Step { thread, cpu } = action else {
            return before.machine.describe(action, &NAMES);
        };
        let place = before.machine.describe_schedule(cpu, thread);
        let mut seen = before.machine;
        seen.schedule(cpu, thread);
        if thread == self.detacher() {
            let what = match before.detacher {
                Detacher::Announce => "waiting = 1".to_owned(),
                Detacher::Fence => format!("fence ({:?})", self.fences),
                Detacher::AwaitFence => "the heavy fence is complete".to_owned(),
                Detacher::Count(number) => {
                    let var = Sum::LeavesThenEnters.loads()[usize::from(number)];
                    format!("reads {} = {}", NAMES[var], seen.load(cpu, var))
                }
                Detacher::FutexWait => "futex_wait(waiting, 1)".to_owned(),
                Detacher::Asleep | Detacher::Done => "rests".to_owned(),
            };
            return format!("{place}detacher: {what}");
        }
        let what = match before.releasers[usize::from(thread)] {
            Releaser::Enter => format!("entered[{cpu}] += 1 (late)"),
            Releaser::Leave => format!("left[{cpu}] += 1"),
            Releaser::Look => format!("reads waiting = {}", seen.load(cpu, WAITING)),
            Releaser::Clear => "waiting = 0".to_owned(),
            Releaser::Wake => "futex_wake(waiting)".to_owned(),
            Releaser::Gone => "is gone".to_owned(),
        };
        format!("{place}releaser {thread}: {what}")
    }
}

/// No wake-up is lost within `bounds`: so many holders, so many late arrivals.
fn assert_wakes(variant: WakeUp, bounds: &[(usize, usize)]) {
    for &(holders, late_arrivals) in bounds {
        let bounded = WakeUp {
            holders,
            late_arrivals,
            ..variant
        };
        let name = format!("{bounded:?}");
        let explored = check(&bounded).expect_safe(&name);
        println!("{name}\n    no lost wake-up: {explored}");
    }
}

fn assert_lost(variant: WakeUp) {
    let name = format!("{variant:?}");
    let trace = check(&variant).expect_deadlock(&name);
    println!("{name}\n    LOST WAKE-UP:\n{}", trace.print());
    let end = trace.states[trace.states.len() - 1];
    assert!(end.detacher == Detacher::Asleep, "{name}");
    assert_eq!(end.releasers, [Releaser::Gone; THREADS], "{name}");
}

#[test]
fn with_a_heavy_fence_no_wake_up_is_lost() {
    assert_wakes(WakeUp::SOUND, &[(1, 0), (2, 0), (1, 1), (3, 0)]);
}

/// Nor does the detacher go through its loop for ever.
#[test]
fn a_drain_that_sleeps_ends() {
    for (holders, late_arrivals) in [(2, 0), (1, 1)] {
        let variant = WakeUp {
            holders,
            late_arrivals,
            ..WakeUp::SOUND
        };
        match terminates(&variant, |state| state.detacher == Detacher::Done) {
            Ok(explored) => println!("{variant:?}\n    ends: {explored}"),
            Err(lasso) => panic!("{variant:?} need not end:\n{}", lasso.print()),
        }
    }
}

#[test]
fn with_a_fence_on_both_sides_no_wake_up_is_lost() {
    let fenced = WakeUp {
        fences: Fences::BothSides,
        ..WakeUp::SOUND
    };
    assert_wakes(fenced, &[(2, 0), (1, 1)]);
}

#[test]
fn sequential_consistency_needs_no_fence() {
    let sequential = WakeUp {
        order: Order::Sc,
        fences: Fences::None,
        ..WakeUp::SOUND
    };
    assert_wakes(sequential, &[(2, 0), (1, 1)]);
}

#[test]
fn without_a_heavy_fence_a_wake_up_is_lost() {
    for fences in [Fences::None, Fences::RareSide] {
        assert_lost(WakeUp {
            fences,
            ..WakeUp::SOUND
        });
    }
}

/// No fence helps a detacher that counts first and announces itself afterwards.
#[test]
fn announcing_after_counting_loses_wake_ups_on_any_machine() {
    for (order, fences) in [(Order::Sc, Fences::None), (Order::Tso, Fences::Heavy)] {
        assert_lost(WakeUp {
            order,
            fences,
            announce: Announce::AfterCounting,
            ..WakeUp::SOUND
        });
    }
}
