//! Where turnstiles live: one region of memory per lane (a CPU, or a thread),
//! and a device is an offset into all of them.
//!
//! A padded line per CPU inside every device would cost 128 bytes for each CPU
//! and device. A kernel's per-CPU allocator turns this inside out, and so does
//! this one: a chunk holds one page for every lane, and a device has the same
//! 16 bytes in each of these pages. Nothing is padded, and yet no two lanes
//! share a line, since a page belongs to one lane.
//!
//! ```text
//!           device 0       device 1              device 255
//! lane 0   | entered left | entered left | ...  | entered left |   one page
//! lane 1   | entered left | entered left | ...  | entered left |
//! ...
//! ```
//!
//! Chunks are allocated when the ones before are full, and kept for ever. The
//! pages of lanes that were never used are never touched, so they cost address
//! space only.

use crate::primitive::sync::AtomicU64;

/// The turnstile of one device on one lane: a pair of counters that only
/// increase (and wrap around, which subtraction does not mind).
#[derive(Debug)]
#[repr(C)]
pub(super) struct Counters {
    pub(super) entered: AtomicU64,
    pub(super) left: AtomicU64,
}

#[cfg(not(loom))]
pub(super) use real::{Area, Column, SHIFT};

#[cfg(not(loom))]
mod real {
    use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
    use std::mem::size_of;
    use std::ptr::NonNull;
    use std::sync::Mutex;
    use std::sync::atomic::Ordering;

    use super::Counters;
    use crate::primitive::sync::lock;

    /// Binary logarithm of the distance between lanes: a page.
    pub(in super::super) const SHIFT: u32 = 12;
    const PAGE: usize = 1 << SHIFT;
    const DEVICES: usize = PAGE / size_of::<Counters>();

    /// Hands out columns.
    #[derive(Debug)]
    pub(in super::super) struct Area {
        free: Mutex<Vec<Column>>,
    }

    impl Area {
        pub(in super::super) const fn new() -> Self {
            Area {
                free: Mutex::new(Vec::new()),
            }
        }

        /// A column of zeros in an area of so many lanes, of which the first
        /// `used` may ever have been written. It is asked when the column is
        /// ours already: a lane that is used later has nothing in it.
        pub(in super::super) fn take(&self, lanes: usize, used: impl FnOnce() -> usize) -> Column {
            let mut free = lock(&self.free);
            if free.is_empty() {
                free.extend(chunk(lanes));
            }
            let column = free.pop().expect("a chunk holds columns");
            drop(free);
            for lane in 0..used() {
                // SAFETY: `used` is at most `lanes`, says the caller.
                let counters = unsafe { column.lane(lane) };
                // Ordering: Relaxed; whoever gets to know the device gets to
                // know these stores by the same way.
                counters.entered.store(0, Ordering::Relaxed);
                counters.left.store(0, Ordering::Relaxed);
            }
            column
        }

        /// Takes a column back that nobody uses any more.
        pub(in super::super) fn give_back(&self, column: Column) {
            lock(&self.free).push(column);
        }
    }

    /// Allocates a chunk and cuts it into columns, the first on top.
    fn chunk(lanes: usize) -> impl Iterator<Item = Column> {
        // One page more than needed, to begin at a page: asking the allocator
        // for the alignment would make it write the zeros itself, and so touch
        // every page.
        let layout = Layout::from_size_align((lanes + 1) * PAGE, size_of::<Counters>())
            .expect("a chunk fits the address space");
        // SAFETY: the size is not zero.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(memory) = NonNull::new(memory) else {
            handle_alloc_error(layout)
        };
        // SAFETY: less than a page is skipped, and there is one to spare.
        let first = unsafe { memory.add(memory.align_offset(PAGE)) }.cast::<Counters>();
        (0..DEVICES).rev().map(move |device| Column {
            // SAFETY: a page holds so many.
            first: unsafe { first.add(device) },
        })
    }

    /// The counters of one device on every lane.
    #[derive(Debug)]
    pub(in super::super) struct Column {
        first: NonNull<Counters>,
    }

    // SAFETY: a column is a pointer to atomics that live for ever.
    unsafe impl Send for Column {}
    // SAFETY: the same.
    unsafe impl Sync for Column {}

    impl Column {
        /// The counters on one lane.
        ///
        /// # Safety
        ///
        /// The area has that lane.
        #[inline(always)]
        pub(in super::super) unsafe fn lane(&self, lane: usize) -> &Counters {
            // SAFETY: the chunk has a page for every lane and lives for ever.
            unsafe { self.first.byte_add(lane << SHIFT).as_ref() }
        }

        /// [`lane`](Self::lane), with its address added up in a register.
        ///
        /// A counter that is incremented again and again is loaded soon after it
        /// was stored. Current Intel cores hand a store on to the next load in no
        /// time if both address it by one register and a constant, and take some
        /// seven cycles if an index is involved, so the addition that an index
        /// saves is well spent.
        ///
        /// # Safety
        ///
        /// As [`lane`](Self::lane).
        #[inline(always)]
        pub(in super::super) unsafe fn lane_by_address(&self, lane: usize) -> &Counters {
            // SAFETY: as in `lane`.
            #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
            let mut lane = unsafe { self.first.byte_add(lane << SHIFT) }.as_ptr();
            #[cfg(target_arch = "x86_64")]
            // SAFETY: no instruction at all; the compiler just cannot see that
            // the address that comes out is the sum that went in.
            unsafe {
                std::arch::asm!(
                    "/* {0} */",
                    inout(reg) lane,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            // SAFETY: as in `lane`.
            unsafe { &*lane }
        }

        /// The counters on lane 0, to compute the others from.
        #[inline(always)]
        pub(in super::super) fn first(&self) -> *mut u8 {
            self.first.as_ptr().cast()
        }

        /// A second name for the same column, for giving it back.
        pub(in super::super) fn alias(&self) -> Column {
            Column { first: self.first }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn columns_do_not_overlap_and_are_recycled_clean() {
            static AREA: Area = Area::new();
            let lanes = 3;
            let columns: Vec<_> = (0..2 * DEVICES)
                .map(|_| AREA.take(lanes, || lanes))
                .collect();
            for column in &columns {
                for lane in 0..lanes {
                    // SAFETY: the area has three lanes.
                    let counters = unsafe { column.lane(lane) };
                    assert_eq!(counters.entered.fetch_add(1, Ordering::Relaxed), 0);
                    assert_eq!(counters.left.fetch_add(2, Ordering::Relaxed), 0);
                }
            }
            for column in columns {
                AREA.give_back(column);
            }
            let column = AREA.take(lanes, || lanes);
            // SAFETY: the area has three lanes.
            let counters = unsafe { column.lane(2) };
            assert_eq!(counters.entered.load(Ordering::Relaxed), 0);
            assert_eq!(counters.left.load(Ordering::Relaxed), 0);
        }
    }
}

#[cfg(loom)]
pub(super) use model::{Area, Column};

/// Under loom atomics are not plain memory, and two or three lanes suffice.
#[cfg(loom)]
mod model {
    use super::Counters;
    use crate::primitive::sync::AtomicU64;

    #[derive(Debug)]
    pub(in super::super) struct Area;

    impl Area {
        pub(in super::super) fn new() -> Self {
            Area
        }

        pub(in super::super) fn take(&self, lanes: usize, _used: impl FnOnce() -> usize) -> Column {
            let counters = || Counters {
                entered: AtomicU64::new(0),
                left: AtomicU64::new(0),
            };
            Column {
                lanes: (0..lanes).map(|_| counters()).collect(),
            }
        }
    }

    #[derive(Debug)]
    pub(in super::super) struct Column {
        lanes: Box<[Counters]>,
    }

    impl Column {
        /// # Safety
        ///
        /// None; the real one has conditions.
        pub(in super::super) unsafe fn lane(&self, lane: usize) -> &Counters {
            &self.lanes[lane]
        }

        /// # Safety
        ///
        /// None; the real one has conditions.
        pub(in super::super) unsafe fn lane_by_address(&self, lane: usize) -> &Counters {
            &self.lanes[lane]
        }
    }
}
