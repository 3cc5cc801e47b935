//! Where counters live: one region of memory per lane (a CPU, or a thread), and
//! a device is an offset into all of them.
//!
//! A padded line per CPU inside every device would cost 128 bytes for each CPU
//! and device. A kernel's per-CPU allocator turns this inside out, and so does
//! this one: a chunk holds one page for every lane, and a device has a record of
//! a few bytes in each of these pages. Nothing is padded, and yet no two lanes
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

use super::sync::AtomicU64;

/// What a device has on each lane.
///
/// # Safety
///
/// All zeros is the value of `default`.
pub(crate) unsafe trait Record: Default {}

// SAFETY: its default is zero.
unsafe impl Record for AtomicU64 {}

#[cfg(not(loom))]
pub(crate) use real::{Area, Column, SHIFT};

#[cfg(not(loom))]
mod real {
    use std::alloc::{Layout, alloc_zeroed, handle_alloc_error};
    use std::mem::size_of;
    use std::ptr::NonNull;
    use std::sync::Mutex;

    use super::super::sync::lock;
    use super::Record;

    /// Binary logarithm of the distance between lanes: a page.
    pub(crate) const SHIFT: u32 = 12;
    const PAGE: usize = 1 << SHIFT;

    /// Hands out columns.
    #[derive(Debug)]
    pub(crate) struct Area<R> {
        free: Mutex<Vec<Column<R>>>,
    }

    impl<R: Record> Area<R> {
        pub(crate) const fn new() -> Self {
            Area {
                free: Mutex::new(Vec::new()),
            }
        }

        /// A column of zeros in an area of so many lanes, of which the first
        /// `used` may ever have been written. It is asked when the column is
        /// ours already: a lane that is used later has nothing in it.
        pub(crate) fn take(&self, lanes: usize, used: impl FnOnce() -> usize) -> Column<R> {
            let mut free = lock(&self.free);
            if free.is_empty() {
                free.extend(chunk(lanes));
            }
            let column = free.pop().expect("a chunk holds columns");
            drop(free);
            for lane in 0..used() {
                // SAFETY: `used` is at most `lanes`, says the caller, and nobody
                // else has the column.
                unsafe { column.at(lane).write(R::default()) };
            }
            column
        }

        /// Takes a column back that nobody uses any more.
        pub(crate) fn give_back(&self, column: Column<R>) {
            lock(&self.free).push(column);
        }
    }

    /// Allocates a chunk and cuts it into columns, the first on top.
    fn chunk<R: Record>(lanes: usize) -> impl Iterator<Item = Column<R>> {
        // One page more than needed, to begin at a page: asking the allocator
        // for the alignment would make it write the zeros itself, and so touch
        // every page.
        let layout = Layout::from_size_align((lanes + 1) * PAGE, size_of::<R>())
            .expect("a chunk fits the address space");
        // SAFETY: the size is not zero.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(memory) = NonNull::new(memory) else {
            handle_alloc_error(layout)
        };
        // SAFETY: less than a page is skipped, and there is one to spare.
        let first = unsafe { memory.add(memory.align_offset(PAGE)) }.cast::<R>();
        (0..PAGE / size_of::<R>()).rev().map(move |device| Column {
            // SAFETY: a page holds so many.
            first: unsafe { first.add(device) },
        })
    }

    /// The records of one device on every lane.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct Column<R> {
        first: NonNull<R>,
    }

    // SAFETY: a column is a pointer to records that live for ever.
    unsafe impl<R: Sync> Send for Column<R> {}
    // SAFETY: the same.
    unsafe impl<R: Sync> Sync for Column<R> {}

    impl<R> Column<R> {
        /// Where the record on one lane is.
        ///
        /// # Safety
        ///
        /// The area has that lane.
        #[inline(always)]
        unsafe fn at(&self, lane: usize) -> NonNull<R> {
            // SAFETY: the chunk has a page for every lane.
            unsafe { self.first.byte_add(lane << SHIFT) }
        }

        /// The record on one lane.
        ///
        /// # Safety
        ///
        /// The area has that lane.
        #[inline(always)]
        pub(crate) unsafe fn lane(&self, lane: usize) -> &R {
            // SAFETY: the area has the lane, and chunks live for ever.
            unsafe { self.at(lane).as_ref() }
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
        pub(crate) unsafe fn lane_by_address(&self, lane: usize) -> &R {
            // SAFETY: as in `lane`.
            #[cfg_attr(not(target_arch = "x86_64"), allow(unused_mut))]
            let mut lane = unsafe { self.at(lane) }.as_ptr();
            #[cfg(target_arch = "x86_64")]
            #[allow(
                clippy::pointers_in_nomem_asm_block,
                reason = "the address is an operand, and nobody follows it"
            )]
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

        /// The record on lane 0, to compute the others from.
        #[inline(always)]
        pub(crate) fn first(&self) -> *mut u8 {
            self.first.as_ptr().cast()
        }

        /// Records that a test has laid out.
        #[cfg(test)]
        pub(crate) fn of(first: NonNull<R>) -> Self {
            Column { first }
        }

        /// A second name for the same column, for giving it back.
        pub(crate) fn alias(&self) -> Self {
            Column { first: self.first }
        }
    }

    #[cfg(test)]
    mod tests {
        use std::sync::atomic::{AtomicU64, Ordering};

        use super::*;

        const DEVICES: usize = PAGE / size_of::<AtomicU64>();

        #[test]
        fn columns_do_not_overlap_and_are_recycled_clean() {
            static AREA: Area<AtomicU64> = Area::new();
            let lanes = 3;
            let columns: Vec<_> = (0..2 * DEVICES)
                .map(|_| AREA.take(lanes, || lanes))
                .collect();
            for column in &columns {
                for lane in 0..lanes {
                    // SAFETY: the area has three lanes.
                    let counter = unsafe { column.lane(lane) };
                    assert_eq!(counter.fetch_add(1, Ordering::Relaxed), 0);
                }
            }
            for column in columns {
                AREA.give_back(column);
            }
            let column = AREA.take(lanes, || lanes);
            // SAFETY: the area has three lanes.
            let counter = unsafe { column.lane(2) };
            assert_eq!(counter.load(Ordering::Relaxed), 0);
        }
    }
}

#[cfg(loom)]
pub(crate) use model::{Area, Column};

/// Under loom atomics are not plain memory, and two or three lanes suffice.
#[cfg(loom)]
mod model {
    use std::marker::PhantomData;

    use super::Record;

    #[derive(Debug)]
    pub(crate) struct Area<R>(PhantomData<R>);

    impl<R: Record> Area<R> {
        pub(crate) fn new() -> Self {
            Area(PhantomData)
        }

        pub(crate) fn take(&self, lanes: usize, _used: impl FnOnce() -> usize) -> Column<R> {
            Column {
                lanes: (0..lanes).map(|_| R::default()).collect(),
            }
        }
    }

    #[derive(Debug)]
    pub(crate) struct Column<R> {
        lanes: Box<[R]>,
    }

    impl<R> Column<R> {
        /// # Safety
        ///
        /// None; the real one has conditions.
        pub(crate) unsafe fn lane(&self, lane: usize) -> &R {
            &self.lanes[lane]
        }

        /// # Safety
        ///
        /// None; the real one has conditions.
        pub(crate) unsafe fn lane_by_address(&self, lane: usize) -> &R {
            &self.lanes[lane]
        }
    }
}
