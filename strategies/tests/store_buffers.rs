//! What the protocols need of the machine: an exhaustive check of small models.
//!
//! The turnstile counts holders with plain stores and asks one heavy fence of
//! the detacher instead of a full fence of every reader. Its safety rests on
//! things that no test of the running code can show and that loom cannot
//! express: stores that sit in a CPU's store buffer while loads overtake them,
//! counters that belong to CPUs while threads migrate, restartable sections
//! that an interrupt does or does not restart, and a barrier that one thread
//! imposes on all CPUs. So the protocols are written down here a second time, as
//! small transition systems on a model of the machine, and *every* interleaving is
//! visited.
//!
//! # What is shown
//!
//! **The turnstile** ([`table`]). Readers do `entered[cpu] += 1`, then test the
//! gate; the detacher shuts the gate, then sums the counters until they balance.
//! Which order of summation is safe, on which machine, with which fence?
//!
//! | order in which counters are read      | SC, no fence | TSO, no fence | TSO, heavy fence |
//! |---------------------------------------|--------------|---------------|------------------|
//! | all leaves, then all enters           | safe         | UNSAFE        | safe             |
//! | all enters, then all leaves           | UNSAFE       | UNSAFE        | UNSAFE           |
//! | per CPU: enter, then leave            | UNSAFE       | UNSAFE        | UNSAFE           |
//! | per CPU: leave, then enter; holders leave on the CPU they entered on | safe | UNSAFE | safe |
//! | per CPU: leave, then enter; holders migrate | UNSAFE | UNSAFE        | UNSAFE           |
//!
//! So two conditions are needed and together they suffice: a full barrier on the
//! CPUs of the readers after the gate is shut, and every leave read before any
//! enter. Each UNSAFE is asserted together with the hole that its shortest
//! counter-example goes through: an entry that the detacher could not see yet, or
//! a late arrival's leave that was counted without its entry and made up for
//! a holder. A fence in the detacher alone does not help; full fences on both sides
//! do, which is what one has without `membarrier`.
//!
//! **The drain ends** ([`drain`]) on every fair path, as soon as readers stop, or even
//! if they never do provided that they look at the gate before they count
//! themselves; without that look, one thread that keeps trying can hold it up.
//!
//! **The gate inside the restartable section** ([`gate_section`]) needs the
//! `membarrier` command that restarts sections. With it any order of summation is
//! safe; with the plain command entries are committed after the fence has returned.
//!
//! **The sleeping drain** ([`wakeup`]) loses no wake-up if the detacher announces
//! itself, executes a heavy fence and counts, in this order; without the heavy
//! fence, or in another order, it may sleep for ever.
//!
//! **The checker itself** is tested on programs whose outcomes are known:
//! [`litmus`] compares the exact outcomes of store buffering, message passing,
//! store forwarding and independent reads with what x86 allows, and [`toys`] checks
//! the search, its traces, and its notion of fairness.
//!
//! # How to read it
//!
//! [`explorer`] is the search, [`liveness`] the check for fair termination, and
//! [`memory`] the machine: these three decide what a verdict means. A model is a
//! state, and a function from a state and an action to the next state. To see
//! the counter-examples and how many states were explored:
//!
//! ```text
//! cargo test -p detach-strategies --test store_buffers -- --nocapture --test-threads 1
//! ```
//!
//! # Bounds: what "safe" means here
//!
//! *Modelled.* Two CPUs with store buffers that are never full; one detacher and,
//! in the safe cells of the table, two readers that come twice and three that come
//! once, so more threads than CPUs (the variants around it are explored with two
//! readers at least, and each prints its bounds); threads that are preempted and
//! migrate between any two steps; late arrivals at any moment; interrupts of
//! the heavy fence at any moment between its issue and its completion; a drain that
//! recounts any number of times. Within these bounds the search is complete.
//!
//! *Not modelled.* More threads, CPUs or visits: the argument that the bounds are large
//! enough is the proof in the prose of the turnstile, which does not depend on
//! their number, not this test. Machines that reorder more than x86: there a leave has
//! to be a release and the detacher's load of it an acquire, which TSO gives
//! for nothing and which loom checks. Reordering by the compiler: the models
//! are executed in program order, and what keeps the compiler to it is
//! the inline assembly and the compiler fence of the strategies. The
//! inside of a restartable section, except where the gate is in it: the kernel is
//! trusted to restart it. The fallback words that are used where no
//! restartable section can be: those are locked instructions, which drain the
//! buffer. Reopening a closed gate. Who keeps the counters alive: they live in the
//! handle, and the borrow checker does.

#[path = "store_buffers/drain.rs"]
mod drain;
#[path = "store_buffers/explorer.rs"]
mod explorer;
#[path = "store_buffers/gate_section.rs"]
mod gate_section;
#[path = "store_buffers/litmus.rs"]
mod litmus;
#[path = "store_buffers/liveness.rs"]
mod liveness;
#[path = "store_buffers/memory.rs"]
mod memory;
#[path = "store_buffers/table.rs"]
mod table;
#[path = "store_buffers/toys.rs"]
mod toys;
#[path = "store_buffers/turnstile.rs"]
mod turnstile;
#[path = "store_buffers/variants.rs"]
mod variants;
#[path = "store_buffers/wakeup.rs"]
mod wakeup;
