//! Turnstiles by thread: for systems without restartable sequences.
//!
//! Each registered thread has a slot, and nobody else writes its counters, so
//! an increment is a load, an addition and a store. The price: a slot is the
//! thread's own, so a guard must be dropped by the thread that acquired it (it
//! is not `Send`), the sums grow with the number of threads instead of CPUs,
//! and a signal handler must keep out, as it could fall between the load and
//! the store.
//!
//! Slots are recycled. A slot's counters carry over from one thread to the
//! next, which is fine, since only sums matter.

use std::cell::Cell;
use std::marker::PhantomData;

use super::lanes::{Counters, Lanes};
use crate::Unsupported;
use crate::primitive::area::{Area, Column};
use crate::primitive::sync::{AtomicBool, AtomicUsize, Ordering, const_new, process_wide};

/// How many threads can be registered at once. Each costs a page of address
/// space per 256 devices, and memory only if it is ever used.
const MAX_THREADS: usize = if cfg!(loom) { 4 } else { 4096 };

process_wide! {
    static AREA: Area<Counters> = Area::new();
}

process_wide! {
    static SLOTS: Slots = Slots::new();
}

/// Which slots are taken. There is no lock that a fork could catch held.
#[derive(Debug)]
struct Slots {
    /// Slots below this number have been used.
    used: AtomicUsize,
    taken: [AtomicBool; MAX_THREADS],
}

impl Slots {
    const_new! {
        fn new() -> Self {
            Slots {
                used: AtomicUsize::new(0),
                taken: nobody(),
            }
        }
    }

    /// The lowest slot that nobody has.
    fn take(&self) -> Result<usize, Unsupported> {
        let slot = self.taken.iter().position(|taken| {
            // Ordering: Relaxed; a look that spares the exchange.
            !taken.load(Ordering::Relaxed)
                // Ordering: Acquire pairs with the Release in `give_back`: the
                // new owner finds the counts as the last one left them.
                && !taken.swap(true, Ordering::Acquire)
        });
        let slot = slot.ok_or_else(|| {
            Unsupported::because(format!("{MAX_THREADS} threads are registered already"))
        })?;
        // Ordering: Release pairs with the Acquire in `used`. A detacher whose
        // heavy fence finds the thread past its enter finds this too.
        self.used.fetch_max(slot + 1, Ordering::Release);
        Ok(slot)
    }

    fn give_back(&self, slot: usize) {
        // Ordering: Release pairs with the Acquire in `take`.
        self.taken[slot].store(false, Ordering::Release);
    }

    fn used(&self) -> usize {
        // Ordering: Acquire pairs with the Release in `take`.
        self.used.load(Ordering::Acquire)
    }
}

#[cfg(not(loom))]
const fn nobody() -> [AtomicBool; MAX_THREADS] {
    [const { AtomicBool::new(false) }; MAX_THREADS]
}

#[cfg(loom)]
fn nobody() -> [AtomicBool; MAX_THREADS] {
    std::array::from_fn(|_| AtomicBool::new(false))
}

/// Turnstiles by thread.
#[derive(Debug)]
pub struct SlotLanes {
    column: Column<Counters>,
}

/// A thread's slot. It may move to another thread, but not be shared.
#[derive(Debug)]
pub struct SlotRegistration {
    slot: usize,
    _not_sync: PhantomData<Cell<()>>,
}

impl Drop for SlotRegistration {
    fn drop(&mut self) {
        SLOTS.give_back(self.slot);
    }
}

impl SlotLanes {
    #[inline(always)]
    fn lane_of(&self, registration: &SlotRegistration) -> &Counters {
        // SAFETY: slots are below MAX_THREADS.
        unsafe { self.column.lane_by_address(registration.slot) }
    }

    fn lanes(&self) -> impl Iterator<Item = &Counters> {
        // SAFETY: the area was made for MAX_THREADS, and no more are used.
        (0..SLOTS.used()).map(|slot| unsafe { self.column.lane(slot) })
    }
}

/// Adds one to a counter that nobody else writes.
#[inline(always)]
fn increment(counter: &crate::primitive::sync::AtomicU64, store: Ordering) {
    // Ordering: Relaxed; the only writer reads its own last store.
    let count = counter.load(Ordering::Relaxed);
    // Ordering: the caller's, explained there.
    counter.store(count.wrapping_add(1), store);
}

// SAFETY: each counts on its own slot, and the sums include every slot ever used;
// leaves are store-releases that `left` acquires.
unsafe impl Lanes for SlotLanes {
    type Registration = SlotRegistration;

    fn supported() -> Result<(), Unsupported> {
        Ok(())
    }

    fn register() -> Result<SlotRegistration, Unsupported> {
        Ok(SlotRegistration {
            slot: SLOTS.take()?,
            _not_sync: PhantomData,
        })
    }

    fn install() -> Result<Self, Unsupported> {
        Ok(SlotLanes {
            column: AREA.take(MAX_THREADS, || SLOTS.used()),
        })
    }

    #[inline(always)]
    fn enter(&self, registration: &SlotRegistration) {
        let lane = self.lane_of(registration);
        // Ordering: Relaxed; the light fence that follows orders it before the
        // test of the gate.
        increment(&lane.entered, Ordering::Relaxed);
    }

    #[inline(always)]
    fn leave(&self, registration: &SlotRegistration) {
        let lane = self.lane_of(registration);
        // Ordering: Release pairs with the Acquire in `left`.
        increment(&lane.left, Ordering::Release);
    }

    fn left(&self) -> u64 {
        self.lanes()
            // Ordering: Acquire pairs with the Release of `leave`: what a
            // holder did, its enter included, is seen by who counts its leave.
            .map(|lane| lane.left.load(Ordering::Acquire))
            .fold(0, u64::wrapping_add)
    }

    fn entered(&self) -> u64 {
        self.lanes()
            // Ordering: Relaxed; the Acquire loads of `left`, which come
            // first, and the heavy fence make visible what has to be.
            .map(|lane| lane.entered.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }

    fn counted(&self) -> Vec<(&'static str, u64)> {
        vec![("plain store", self.entered())]
    }
}

#[cfg(not(loom))]
impl Drop for SlotLanes {
    fn drop(&mut self) {
        AREA.give_back(self.column.alias());
    }
}

#[cfg(all(test, not(loom)))]
impl super::tests::Preset for SlotLanes {
    fn preset(&self, count: u64) {
        super::tests::preset(self.lanes(), count);
    }
}
