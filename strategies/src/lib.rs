//! Ways to kick every thread out of an object before it is reclaimed, behind
//! one trait.
//!
//! Threads enter and leave an object all the time; one day it must go: a device
//! is unplugged, a plug-in unloaded, a configuration exchanged. Whoever takes it
//! away has to turn newcomers away, wait until everybody inside has left, and
//! only then reclaim it. This crate has fourteen ways to do that, from a
//! reference count to per-CPU turnstiles without a single locked instruction.
//! Which one to take depends on how often threads enter, how quickly the object
//! has to go, and what its holders do while they are inside; the rest of the
//! suite exists to measure just that.
//!
//! # Example: unplugging a device that threads are using
//!
//! ```
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use std::thread;
//! use std::time::Duration;
//!
//! use detach_strategies::{DeviceRef, Refcount, Unsupported};
//!
//! /// The driver's state, gone once the device is detached.
//! struct Softc {
//!     packets: AtomicU64,
//! }
//!
//! // `Turnstile` where the machine has restartable sequences; see
//! // `DeviceRef::supported`.
//! type Device = Refcount<Softc>;
//!
//! fn main() -> Result<(), Unsupported> {
//!     let device = Device::attach(Softc {
//!         packets: AtomicU64::new(0),
//!     })?;
//!
//!     let softc = thread::scope(|scope| -> Result<Softc, Unsupported> {
//!         for _ in 0..2 {
//!             scope.spawn(|| -> Result<(), Unsupported> {
//!                 let mut me = Device::register()?;
//!                 // Transmit until somebody pulls the plug.
//!                 loop {
//!                     let Ok(softc) = device.acquire(&me) else {
//!                         return Ok(());
//!                     };
//!                     softc.packets.fetch_add(1, Ordering::Relaxed);
//!                     drop(softc);
//!                     Device::safe_point(&mut me);
//!                 }
//!             });
//!         }
//!         let mut me = Device::register()?;
//!         thread::sleep(Duration::from_millis(1));
//!         Ok(device.detach(&mut me).expect("nobody else detaches it"))
//!     })?;
//!
//!     // Nobody is inside any more: the softc is ours alone.
//!     println!("{} packets", softc.packets.into_inner());
//!     Ok(())
//! }
//! ```
//!
//! # Where to look
//!
//! - [`DeviceRef`] is the contract; [`Reopen`] adds changing one's mind.
//! - [`turnstile`], [`gate_rseq`], [`refcount`], [`fo_restart`],
//!   [`dying_xcall`], [`dying_xcall_ref`] and [`dying_membarrier`] are this
//!   crate's own; [`epoch`], [`mod@rwlock`], [`arc_swap`] and [`mod@seqlock`]
//!   put a library behind the same contract, and [`unprotected`] is the floor.
//!   Each module begins with the algorithm in prose: how it works, why it is
//!   safe, what it costs, what it forbids, where it comes from.
//! - [`Properties`] says the same as data.
//! - [`platform`] has the primitives: the asymmetric fence, restartable
//!   sequences, the topology of the machine.
//! - [`registry`] lists the strategies.
//!
//! # Limits
//!
//! - **A guard that is never dropped** is a holder that never leaves:
//!   [`DeviceRef::detach_timeout`] says `StillHeld`, newcomers are refused, and
//!   the handle can still be dropped. With `dying-membarrier` and `epoch`, which
//!   do not know which device a thread is in, no other device can be detached
//!   either. `dying-xcall` does not mind, nor does `dying-xcall-ref` unless the
//!   holder keeps the device, but there a *registration* that is never dropped
//!   has the same effect.
//! - **A thread that detaches what it keeps** ([`dying_xcall_ref::Kept`]) waits
//!   for itself, for ever; `detach_timeout` says `StillHeld`. Guards borrow their
//!   thread's registration, so the compiler refuses it for them.
//! - **`fork`** in a process with several threads leaves the child with a
//!   copy of every holder but only one thread. It may use what its parent
//!   attached if no other thread was inside at the time (with
//!   `dying-membarrier` and `epoch`: inside any device of the strategy),
//!   and otherwise finds it held for ever, which `detach_timeout` says: what
//!   another thread held when the process forked, an entry, a slot of
//!   `turnstile-slots` and `turnstile-fenced`, or the claim of a detach that
//!   was under way, stays held in the child, where that thread does not exist.
//!   (If another thread was in one of the few instructions that claim the same
//!   device, `detach_timeout` does not even say so but waits.)
//!   With `dying-xcall` and `dying-xcall-ref` it is enough that another
//!   thread was registered and on line, and the child's own devices suffer
//!   as well. What the kernel granted, restartable sequences and
//!   `membarrier`, the child inherits.
//! - **Signal handlers** may acquire and release where
//!   [`Properties::signal_handlers`] says so, but not while their own thread is
//!   inside detach, close or offline: they may wait for it, for ever.
//! - **Unloading a library that contains this crate**: outside of an acquire or a
//!   release no thread refers to its memory, so a host needs to know that nobody
//!   is in it and that no guard, registration or handle is left. With `arc-swap`
//!   the C library keeps it in memory until the threads that used it end.
//! - **A thread with two registrations** can ask to detach what it holds itself.
//!   The compiler does not see that, and it waits for ever; `detach_timeout` says
//!   `StillHeld`.
//! - **A [`Closed`] that is leaked** leaves its device closed: newcomers wait, and
//!   `detach_timeout` says `StillHeld`. A thread that acquires or detaches a device
//!   that it has closed itself waits for itself; the compiler does not see that.
//! - **A releaser that is taken off its CPU** between its leave and the wake-up of
//!   the detacher delays the detach until it runs again.
//! - **`seqlock`** reads what another thread may be writing, with volatile reads,
//!   and tells afterwards whether it has. The language calls that a data race; the
//!   compilers and processors at hand do what the crate expects.
//! - **What the kernel takes back.** A thread that loses its restartable
//!   sequences goes on with an atomic counter. If a sandbox forbids `membarrier`
//!   after it was in use, detach panics, for going on without it would be
//!   unsafe; the device stays closed and its softc goes with the handle.
//! - **Threads at once.** `turnstile-slots` and `turnstile-fenced` have room for
//!   4096 registered threads; the others have no such limit. Records of threads
//!   that ended are used again and never given back.

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

mod contract;
#[cfg(feature = "controls")]
pub mod controls;
pub mod platform;
pub mod points;
mod primitive;
mod properties;

#[cfg(not(loom))]
pub mod arc_swap;
pub mod dying_membarrier;
pub mod dying_xcall;
pub mod dying_xcall_ref;
#[cfg(not(loom))]
pub mod epoch;
pub mod fo_restart;
pub mod gate_rseq;
pub mod refcount;
#[cfg(not(loom))]
pub mod registry;
#[cfg(not(loom))]
pub mod rwlock;
#[cfg(not(loom))]
pub mod seqlock;
pub mod turnstile;
#[cfg(not(loom))]
pub mod unprotected;
pub mod waiting;

pub use contract::{Closed, DetachError, Detached, DeviceRef, Reopen, Unsupported};
pub use properties::{
    Count, FastPath, LateArrival, Memory, Properties, Reclaim, Sleepers, WaitsFor,
};

#[cfg(not(loom))]
#[doc(inline)]
pub use {
    arc_swap::ArcSwap, epoch::Epoch, gate_rseq::GateRseq, rwlock::Rwlock, seqlock::Seqlock,
    turnstile::Turnstile, unprotected::Unprotected,
};
#[doc(inline)]
pub use {
    dying_membarrier::DyingMembarrier,
    dying_xcall::DyingXcall,
    dying_xcall_ref::DyingXcallRef,
    fo_restart::FoRestart,
    refcount::Refcount,
    turnstile::{TurnstileFenced, TurnstileSlots},
};
