//! Models of every protocol of our own, explored by loom.
//!
//! Compiled to nothing without `--cfg loom`; run by `ci/loom`, whose head says
//! what this proves and what it cannot. What is explored is the code that
//! ships: its `primitive::sync` takes atomics and locks from loom here.
//!
//! Each model is a handful of threads. loom runs it again and again, once for
//! every way in which the threads can take turns and in which their loads can
//! return older values than the newest, as far as the language's memory model
//! allows. It reports
//!
//! - an access to a softc that does not happen before or after the detacher's,
//!   at each look through a guard, and inside the softc once more;
//! - a holder that sees a softc after its reclamation;
//! - a deadlock: some thread waits for what will never come, such as a wake-up
//!   that got lost.
//!
//! The number of ways is bounded by the number of preemptions in each, that is,
//! switches away from a thread that could go on; switches from threads that
//! wait come on top. Each model names two bounds, one for the short form and
//! one for the full form, and how long the latter took on two cores of a busy
//! virtual machine.
#![cfg(loom)]

#[cfg(feature = "controls")]
mod controls;
mod dying_membarrier;
mod dying_xcall;
mod dying_xcall_ref;
mod fo_restart;
mod gate_rseq;
mod per_cpu;
/// The shipped files, compiled into this test as the crate keeps them to itself.
#[allow(dead_code, unused_imports, unused_macros)]
#[path = "../../src/primitive/mod.rs"]
mod primitive;
mod primitives;
mod refcount;
mod reopen;
mod scenes;
mod support;
mod turnstile;
#[allow(dead_code, unreachable_pub)]
#[path = "../../src/waiting.rs"]
mod waiting;

/// For the files of `primitive`, which expect them here.
use detach_strategies::{DetachError, Detached};
