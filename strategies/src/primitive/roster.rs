//! The list of registered threads: one record each, found by detachers without
//! a lock, recycled when its thread unregisters.
//!
//! Records are linked once and never unlinked, so a scan needs no protection;
//! what a scan finds may be a record between two owners, and the record's own
//! state says so. The list grows to the largest number of threads that were
//! ever registered at once, and stays there.
//!
//! Whoever joins looks for a record that nobody has. That takes as long as
//! there are records, but no lock, and a lock is what a thread in the middle of
//! joining would leave behind, held for ever, in the child of a process that
//! forks at that moment.

use std::ops::Deref;
use std::ptr;

use super::sync::{AtomicBool, AtomicPtr, Ordering, const_new};

/// All records of one kind.
#[derive(Debug)]
pub(crate) struct Roster<T: 'static> {
    head: AtomicPtr<Record<T>>,
}

/// A record on a line of its own: its thread writes it all the time.
#[derive(Debug)]
#[repr(align(128))]
struct Record<T: 'static> {
    value: T,
    taken: AtomicBool,
    next: *const Record<T>,
}

impl<T> Record<T> {
    /// Takes the record, if nobody has it.
    fn take(&self) -> bool {
        // Ordering: Relaxed; a look that spares the exchange.
        !self.taken.load(Ordering::Relaxed)
            // Ordering: Acquire pairs with the Release in `leave`: the new
            // owner finds what the last one wrote.
            && !self.taken.swap(true, Ordering::Acquire)
    }
}

// SAFETY: `next` is written before the record is published and never again.
unsafe impl<T: Sync> Sync for Record<T> {}
// SAFETY: `next` points to records that live for ever, on no thread's behalf.
unsafe impl<T: Send> Send for Record<T> {}

/// A thread's hold on its record, for giving back once.
#[derive(Debug)]
pub(crate) struct Member<T: 'static>(&'static Record<T>);

impl<T> Clone for Member<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Member<T> {}

impl<T> Deref for Member<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.0.value
    }
}

impl<T: Default + Send + Sync> Roster<T> {
    const_new! {
        pub(crate) fn new() -> Self {
            Roster {
                head: AtomicPtr::new(ptr::null_mut()),
            }
        }
    }

    /// A record for the calling thread, used or new.
    pub(crate) fn join(&self) -> Member<T> {
        let used = self.records().find(|record| record.take());
        Member(used.unwrap_or_else(|| self.link()))
    }

    /// Gives a record back for the next thread that joins.
    pub(crate) fn leave(&self, member: Member<T>) {
        // Ordering: Release pairs with the Acquire in `Record::take`.
        member.0.taken.store(false, Ordering::Release);
    }

    fn link(&self) -> &'static Record<T> {
        // Lives for ever, since a scan may hold on to it at any time.
        let record = Box::leak(Box::new(Record {
            value: T::default(),
            taken: AtomicBool::new(true),
            next: ptr::null(),
        }));
        // Ordering: Relaxed; the exchange below confirms it.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            record.next = head;
            // Ordering: AcqRel. Release pairs with the Acquire in `records`: who
            // finds the record finds it complete. Acquire carries that over
            // from the records behind it. Relaxed on failure: it is retried.
            match self
                .head
                .compare_exchange_weak(head, record, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return record,
                Err(now) => head = now,
            }
        }
    }

    /// What is in every record there is, of present and former threads.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static T> {
        self.records().map(|record| &record.value)
    }

    fn records(&self) -> impl Iterator<Item = &'static Record<T>> {
        // Ordering: Acquire pairs with the Release in `link`.
        let mut next = self.head.load(Ordering::Acquire).cast_const();
        std::iter::from_fn(move || {
            // SAFETY: records are complete when linked, and live for ever.
            let record: &'static Record<T> = unsafe { next.as_ref() }?;
            next = record.next;
            Some(record)
        })
    }
}

/// loom makes every `static` anew for each execution, so there the records must
/// go with their list, or millions of executions fill the memory.
#[cfg(loom)]
impl<T> Drop for Roster<T> {
    fn drop(&mut self) {
        // Ordering: Relaxed; the threads of the execution have been joined.
        let mut next = self.head.load(Ordering::Relaxed);
        while !next.is_null() {
            // SAFETY: `link` leaked it from a box, and with the execution all
            // who could refer to it are gone.
            let record = unsafe { Box::from_raw(next) };
            next = record.next.cast_mut();
        }
    }
}
