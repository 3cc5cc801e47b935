//! What the strategies are made of: waiting, claiming the right to detach,
//! lists of threads, counters by lane.
//!
//! Everything here takes its atomics and locks from [`sync`], so that the
//! model checker loom can run the very code that ships.

pub(crate) mod area;
pub(crate) mod attachment;
pub(crate) mod bell;
pub(crate) mod futex;
pub(crate) mod once_box;
#[cfg_attr(loom, allow(dead_code))]
pub(crate) mod parcel;
pub(crate) mod patience;
pub(crate) mod roster;
pub(crate) mod sync;
pub(crate) mod together;
