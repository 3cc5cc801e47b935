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
//! space only. Right before its pages a chunk has a bit for each of its columns
//! that says whether the column is taken. There is no lock: a process may fork
//! while one of its threads attaches a device, and the child would find the lock
//! held for ever.

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
    use std::marker::PhantomData;
    use std::mem::size_of;
    use std::ptr::{self, NonNull};

    use super::super::sync::{AtomicPtr, AtomicU64, Ordering};
    use super::Record;

    /// Binary logarithm of the distance between lanes: a page.
    pub(crate) const SHIFT: u32 = 12;
    const PAGE: usize = 1 << SHIFT;

    /// The columns that one word tells of.
    const BITS: usize = u64::BITS as usize;

    /// The most words it takes: for the smallest records.
    const WORDS: usize = PAGE / size_of::<AtomicU64>() / BITS;

    /// Hands out columns.
    #[derive(Debug)]
    pub(crate) struct Area<R> {
        newest: AtomicPtr<Head>,
        /// Where a column was last made or given back, and so may be had.
        hint: AtomicPtr<Head>,
        _records: PhantomData<R>,
    }

    /// What stands right before the pages of a chunk.
    #[derive(Debug)]
    struct Head {
        older: *mut Head,
        taken: [AtomicU64; WORDS],
    }

    /// A chunk, which lives for ever. The pointer is good for its pages, too.
    #[derive(Clone, Copy, Debug)]
    struct Chunk(NonNull<Head>);

    impl<R: Record> Area<R> {
        pub(crate) const fn new() -> Self {
            Area {
                newest: AtomicPtr::new(ptr::null_mut()),
                hint: AtomicPtr::new(ptr::null_mut()),
                _records: PhantomData,
            }
        }

        /// A column of zeros in an area of so many lanes, of which the first
        /// `used` may ever have been written. It is asked when the column is
        /// ours already: a lane that is used later has nothing in it.
        pub(crate) fn take(&self, lanes: usize, used: impl FnOnce() -> usize) -> Column<R> {
            // Ordering: Acquire pairs with the Release in `give_back` and
            // `link`: the chunk is complete.
            let hinted = NonNull::new(self.hint.load(Ordering::Acquire)).map(Chunk);
            let column = hinted
                .into_iter()
                .chain(self.chunks())
                .find_map(Chunk::take)
                .unwrap_or_else(|| self.link(lanes));
            for lane in 0..used() {
                // SAFETY: `used` is at most `lanes`, says the caller, and nobody
                // else has the column.
                unsafe { column.at(lane).write(R::default()) };
            }
            column
        }

        /// Takes a column back that nobody uses any more.
        pub(crate) fn give_back(&self, column: Column<R>) {
            let (chunk, number) = column.place();
            let word = &chunk.head().taken[number / BITS];
            // Ordering: Release pairs with the Acquire in `Chunk::take`: what
            // the records were used for is over.
            word.fetch_and(!(1 << (number % BITS)), Ordering::Release);
            // Ordering: Release pairs with the Acquire in `take`.
            self.hint.store(chunk.0.as_ptr(), Ordering::Release);
        }

        fn chunks(&self) -> impl Iterator<Item = Chunk> {
            // Ordering: Acquire pairs with the Release in `link`.
            let mut next = self.newest.load(Ordering::Acquire);
            std::iter::from_fn(move || {
                let chunk = Chunk(NonNull::new(next)?);
                next = chunk.head().older;
                Some(chunk)
            })
        }

        /// Adds a chunk, and takes its first column.
        fn link(&self, lanes: usize) -> Column<R> {
            let head = allocate(lanes);
            let newest = head.as_ptr();
            // Ordering: Relaxed; the exchange below confirms it.
            let mut older = self.newest.load(Ordering::Relaxed);
            loop {
                let mut taken = [const { AtomicU64::new(0) }; WORDS];
                *taken[0].get_mut() = 1;
                // SAFETY: there is room for it, and it is ours until linked.
                unsafe { head.write(Head { older, taken }) };
                // Ordering: AcqRel. Release pairs with the Acquire in `chunks`:
                // who finds the chunk finds it complete. Acquire carries that
                // over from the chunks behind it. Relaxed on failure: it is
                // retried.
                match self.newest.compare_exchange_weak(
                    older,
                    newest,
                    Ordering::AcqRel,
                    Ordering::Relaxed,
                ) {
                    Ok(_) => break,
                    Err(now) => older = now,
                }
            }
            // Ordering: Release pairs with the Acquire in `take`.
            self.hint.store(newest, Ordering::Release);
            Chunk(head).column(0)
        }
    }

    /// Memory for a chunk, all zeros: its head, right before a page for each
    /// lane.
    fn allocate(lanes: usize) -> NonNull<Head> {
        // One page more than needed, to begin at a page: asking the allocator
        // for the alignment would make it write the zeros itself, and so touch
        // every page.
        let size = size_of::<Head>() + (lanes + 1) * PAGE;
        let layout = Layout::from_size_align(size, align_of::<Head>())
            .expect("a chunk fits the address space");
        // SAFETY: the size is not zero.
        let memory = unsafe { alloc_zeroed(layout) };
        let Some(memory) = NonNull::new(memory) else {
            handle_alloc_error(layout)
        };
        // SAFETY: beyond the room for the head less than a page is skipped, and
        // there is one to spare. Back from there is the head, which is aligned,
        // as its size is a multiple of its alignment.
        unsafe {
            let room = memory.add(size_of::<Head>());
            let pages = room.add(room.align_offset(PAGE));
            pages.cast::<Head>().sub(1)
        }
    }

    impl Chunk {
        fn head(self) -> &'static Head {
            // SAFETY: a chunk's head is complete, and lives for ever.
            unsafe { self.0.as_ref() }
        }

        /// The column of that number, which a page has room for.
        fn column<R>(self, number: usize) -> Column<R> {
            // SAFETY: the pages follow the head.
            let first = unsafe { self.0.add(1).cast::<R>().add(number) };
            Column { first }
        }

        /// The first column that is free.
        fn take<R>(self) -> Option<Column<R>> {
            let columns = PAGE / size_of::<R>();
            let words = &self.head().taken[..columns / BITS];
            words.iter().enumerate().find_map(|(index, word)| {
                // Ordering: Relaxed; the read-modify-write below decides.
                let mut taken = word.load(Ordering::Relaxed);
                while taken != u64::MAX {
                    let free = taken.trailing_ones();
                    // Ordering: Acquire pairs with the Release in `give_back`.
                    taken = word.fetch_or(1 << free, Ordering::Acquire);
                    if taken & (1 << free) == 0 {
                        return Some(self.column(index * BITS + free as usize));
                    }
                }
                None
            })
        }
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

        /// The chunk that the column is in, and its number there.
        fn place(&self) -> (Chunk, usize) {
            let offset = self.first.addr().get() % PAGE;
            // SAFETY: an area made the column, so this is back to the beginning of
            // the page of lane 0, and to the head right before it.
            let head = unsafe { self.first.byte_sub(offset).cast::<Head>().sub(1) };
            (Chunk(head), offset / size_of::<R>())
        }

        /// A second name for the same column, for giving it back.
        pub(crate) fn alias(&self) -> Self {
            Column { first: self.first }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        const DEVICES: usize = PAGE / size_of::<AtomicU64>();

        #[test]
        fn columns_do_not_overlap_and_are_recycled_clean() {
            static AREA: Area<AtomicU64> = Area::new();
            let lanes = 3;
            let columns: Vec<_> = (0..2 * DEVICES + 1)
                .map(|_| AREA.take(lanes, || lanes))
                .collect();
            assert_eq!(AREA.chunks().count(), 3);
            for column in &columns {
                for lane in 0..lanes {
                    // SAFETY: the area has three lanes.
                    let counter = unsafe { column.lane(lane) };
                    assert_eq!(counter.fetch_add(1, Ordering::Relaxed), 0);
                }
            }
            // In another order, so that no chunk is the right one by luck.
            let (odd, even): (Vec<_>, Vec<_>) = columns
                .into_iter()
                .enumerate()
                .partition(|(index, _)| index % 2 != 0);
            for (_, column) in odd.into_iter().chain(even).rev() {
                AREA.give_back(column);
            }
            for _ in 0..2 * DEVICES + 1 {
                let column = AREA.take(lanes, || lanes);
                // SAFETY: the area has three lanes.
                let counter = unsafe { column.lane(2) };
                assert_eq!(counter.load(Ordering::Relaxed), 0);
            }
            assert_eq!(AREA.chunks().count(), 3, "a column is lost");
        }

        /// Of many threads that take and give back, no two have the same column
        /// at once.
        #[test]
        fn a_column_is_one_thread_s() {
            static AREA: Area<AtomicU64> = Area::new();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        for _ in 0..2000 {
                            let columns = [(); 3].map(|()| AREA.take(1, || 1));
                            for column in columns {
                                // SAFETY: the area has a lane.
                                let counter = unsafe { column.lane(0) };
                                assert_eq!(counter.fetch_add(1, Ordering::Relaxed), 0);
                                AREA.give_back(column);
                            }
                        }
                    });
                }
            });
            // Each thread may have found none while the others looked.
            assert!(AREA.chunks().count() <= 4);
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
