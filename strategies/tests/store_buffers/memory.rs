//! The machine: CPUs with store buffers, threads that wander over them.
//!
//! **x86-TSO.** The memory model of x86 (Sewell, Sarkar, Owens, Zappa Nardelli
//! and Myreen, "x86-TSO: a rigorous and usable programmer's model", 2010) is one
//! memory, and one first-in-first-out buffer of stores for each CPU. A store
//! goes into the buffer of the CPU that executes it and reaches memory at some
//! later moment. A load takes the newest store to its address from the buffer
//! of its own CPU, and memory if there is none. A fence, or a locked
//! instruction, waits until the buffer is empty. Nothing else is reordered.
//! Sequential consistency is the same machine with stores that reach memory
//! at once.
//!
//! **Threads are not CPUs.** A buffer belongs to a CPU, and so does a per-CPU
//! counter; a thread has neither. Whenever a CPU goes over from one thread to
//! another it executes a full barrier (both the scheduler and the architecture
//! see to that), so its buffer drains. A thread that migrates is a thread that
//! is switched out here and switched in there, and drains both buffers.
//! The scheduler is free: between any two steps of a thread any other may
//! run on its CPU, and its next step may happen on any CPU that the model allows.
//! That includes preemption, oversubscription and sleeping holders.
//!
//! **The heavy fence** is `membarrier(PRIVATE_EXPEDITED)`: a full barrier by
//! the caller, then an interrupt to every other CPU, then a full barrier by the
//! caller when all of them have answered. An interrupted CPU executes a full
//! barrier between two instructions of whatever it runs, at a moment of its
//! own between the issue and the completion. (The kernel spares CPUs that do
//! not run the process. They are covered by the barrier of the context switch;
//! here they get a superfluous interrupt.)

use super::explorer::Action;

/// The order in which stores become visible.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// Sequential consistency: at once.
    Sc,
    /// x86-TSO: through the CPU's store buffer.
    Tso,
}

/// The fences of a protocol with two sides, one of them frequent (acquire,
/// release) and one rare (detach).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fences {
    /// None on either side.
    None,
    /// A full fence on the rare side, nothing on the frequent side.
    RareSide,
    /// A full fence on both sides.
    BothSides,
    /// Nothing on the frequent side, a full barrier on every CPU on the rare
    /// side: the asymmetric fence.
    Heavy,
}

/// How many stores a buffer holds: one a byte. No model here issues more between
/// two drains, so the bound excludes no behaviour; one that did would panic.
const DEPTH: u32 = 8;

/// No thread.
const NOBODY: u8 = u8::MAX;

/// CPUs, their buffers, and memory. Values are below 16.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Machine<const CPUS: usize, const VARS: usize> {
    /// Four bits for each variable, the first in the lowest.
    memory: u64,
    /// A byte for each store, `(variable + 1) << 4 | value`, the oldest in the
    /// lowest byte, zeros above the newest.
    buffers: [u64; CPUS],
    /// The thread that each CPU ran last.
    running: [u8; CPUS],
    /// The CPUs that a heavy fence waits for, as a bit mask.
    interrupts: u8,
}

impl<const CPUS: usize, const VARS: usize> Machine<CPUS, VARS> {
    /// All memory zero, all buffers empty, all CPUs idle.
    pub(crate) fn new() -> Self {
        assert!(CPUS <= 8 && VARS < 15);
        Self {
            memory: 0,
            buffers: [0; CPUS],
            running: [NOBODY; CPUS],
            interrupts: 0,
        }
    }

    /// Sets memory, past all buffers: how it was before the beginning.
    pub(crate) fn set_memory(&mut self, var: usize, value: u8) {
        assert!(var < VARS && value < 16);
        self.memory = self.memory & !(15 << (4 * var)) | u64::from(value) << (4 * var);
    }

    /// What memory holds, whatever the buffers say.
    pub(crate) fn memory(&self, var: usize) -> u8 {
        (self.memory >> (4 * var)) as u8 & 15
    }

    /// Whether some buffer holds a store to `var`.
    pub(crate) fn is_buffered(&self, var: usize) -> bool {
        let is_to_var = |entry: &u8| usize::from(entry >> 4) == var + 1;
        self.buffers
            .iter()
            .any(|buffer| buffer.to_le_bytes().iter().any(is_to_var))
    }

    /// Whether `cpu` runs `thread`, which nothing else has interrupted.
    pub(crate) fn runs(&self, cpu: u8, thread: u8) -> bool {
        self.running[usize::from(cpu)] == thread
    }

    /// Lets `cpu` run `thread`, switching context and migrating as needed.
    pub(crate) fn schedule(&mut self, cpu: u8, thread: u8) {
        if self.runs(cpu, thread) {
            return;
        }
        let mut other = 0;
        while other < CPUS {
            if self.running[other] == thread {
                self.running[other] = NOBODY;
                self.fence(other as u8);
            }
            other += 1;
        }
        self.fence(cpu);
        self.running[usize::from(cpu)] = thread;
    }

    /// Stores on `cpu`.
    pub(crate) fn store(&mut self, order: Order, cpu: u8, var: usize, value: u8) {
        if order == Order::Sc {
            self.set_memory(var, value);
            return;
        }
        assert!(var < VARS && value < 16);
        let buffer = &mut self.buffers[usize::from(cpu)];
        let held = DEPTH - buffer.leading_zeros() / 8;
        assert!(held < DEPTH, "a model needs deeper store buffers");
        *buffer |= ((var as u64 + 1) << 4 | u64::from(value)) << (8 * held);
    }

    /// Loads what `cpu` sees.
    pub(crate) fn load(&self, cpu: u8, var: usize) -> u8 {
        let mut value = self.memory(var);
        // The newest store to the variable is the last one found.
        let mut buffer = self.buffers[usize::from(cpu)];
        while buffer != 0 {
            if (buffer >> 4 & 15) as usize == var + 1 {
                value = buffer as u8 & 15;
            }
            buffer >>= 8;
        }
        value
    }

    /// A restartable section that increments a word of its CPU: it loads the
    /// number of the CPU, loads the word, and commits with one plain store.
    /// Anything that runs on this CPU in between makes it start again, so it
    /// is one step as far as this CPU is concerned. To all others it is a
    /// store like any other: it is seen when it leaves the buffer. Only the
    /// CPU itself writes the word, so the load cannot be outdated.
    pub(crate) fn increment(&mut self, order: Order, cpu: u8, var: usize, modulus: u8) {
        let value = (self.load(cpu, var) + 1) % modulus;
        self.store(order, cpu, var, value);
    }

    /// A full barrier on `cpu`: its buffer drains.
    pub(crate) fn fence(&mut self, cpu: u8) {
        while self.flush(cpu) {}
    }

    /// The oldest store of `cpu` reaches memory; `false` if there is none.
    fn flush(&mut self, cpu: u8) -> bool {
        let buffer = &mut self.buffers[usize::from(cpu)];
        let oldest = *buffer as u8;
        *buffer >>= 8;
        if oldest != 0 {
            self.set_memory(usize::from(oldest >> 4) - 1, oldest & 15);
        }
        oldest != 0
    }

    /// The first half of a heavy fence called on `cpu`: full barrier, and an
    /// interrupt to every other CPU.
    pub(crate) fn heavy_issue(&mut self, cpu: u8) {
        self.fence(cpu);
        self.interrupts = ((1 << CPUS) - 1) & !(1 << cpu);
    }

    /// The second half: `false` as long as a CPU has not answered.
    #[must_use]
    pub(crate) fn heavy_complete(&mut self, cpu: u8) -> bool {
        self.fence(cpu);
        self.interrupts == 0
    }

    /// The actions of the hardware itself; `None` if not possible, and for
    /// the steps of threads.
    pub(crate) fn hardware(&self, action: Action) -> Option<Self> {
        let mut after = *self;
        match action {
            Action::Flush { cpu } => after.flush(cpu).then_some(after),
            Action::Interrupt { cpu } if self.interrupts & 1 << cpu != 0 => {
                after.fence(cpu);
                after.interrupts &= !(1 << cpu);
                Some(after)
            }
            Action::Interrupt { .. } | Action::Step { .. } => None,
        }
    }

    /// [`hardware`](Self::hardware) in words.
    pub(crate) fn describe(&self, action: Action, names: &[&str]) -> String {
        match action {
            Action::Flush { cpu } => {
                let oldest = self.buffers[usize::from(cpu)] as u8;
                let name = names[usize::from(oldest >> 4) - 1];
                let value = oldest & 15;
                format!("cpu {cpu}: the store {name} = {value} leaves the buffer")
            }
            Action::Interrupt { cpu } => {
                format!("cpu {cpu}: interrupt of the heavy fence, the buffer drains")
            }
            Action::Step { thread, cpu } => format!("cpu {cpu}: thread {thread}"),
        }
    }

    /// Where a step happens, in words, and whether it takes a context switch.
    pub(crate) fn describe_schedule(&self, cpu: u8, thread: u8) -> String {
        let idle = self.running[usize::from(cpu)] == NOBODY;
        if idle || self.runs(cpu, thread) {
            format!("cpu {cpu}: ")
        } else {
            format!("cpu {cpu}: (switch) ")
        }
    }
}
