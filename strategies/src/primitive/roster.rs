//! The list of registered threads: one record each, found by detachers without
//! a lock, recycled when its thread unregisters.
//!
//! Records are linked once and never unlinked, so a scan needs no protection;
//! what a scan finds may be a record between two owners, and the record's own
//! state says so. The list grows to the largest number of threads that were
//! ever registered at once, and stays there.

use std::ops::Deref;
use std::ptr;

use super::sync::{AtomicPtr, Mutex, Ordering, const_new, lock};

/// All records of one kind.
#[derive(Debug)]
pub(crate) struct Roster<T: 'static> {
    head: AtomicPtr<Record<T>>,
    free: Mutex<Vec<&'static Record<T>>>,
}

/// A record on a line of its own: its thread writes it all the time.
#[derive(Debug)]
#[repr(align(128))]
struct Record<T: 'static> {
    value: T,
    next: *const Record<T>,
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
                free: Mutex::new(Vec::new()),
            }
        }
    }

    /// A record for the calling thread, used or new.
    pub(crate) fn join(&self) -> Member<T> {
        let used = lock(&self.free).pop();
        Member(used.unwrap_or_else(|| self.link()))
    }

    /// Gives a record back for the next thread that joins.
    pub(crate) fn leave(&self, member: Member<T>) {
        lock(&self.free).push(member.0);
    }

    fn link(&self) -> &'static Record<T> {
        // Lives for ever, since a scan may hold on to it at any time.
        let record = Box::leak(Box::new(Record {
            value: T::default(),
            next: ptr::null(),
        }));
        // Ordering: Relaxed; the exchange below confirms it.
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            record.next = head;
            // Ordering: AcqRel. Release pairs with the Acquire in `iter`: who
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

    /// Every record there is, of present and former threads.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'static T> {
        // Ordering: Acquire pairs with the Release in `link`.
        let mut next = self.head.load(Ordering::Acquire).cast_const();
        std::iter::from_fn(move || {
            // SAFETY: records are complete when linked, and live for ever.
            let record: &'static Record<T> = unsafe { next.as_ref() }?;
            next = record.next;
            Some(&record.value)
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
