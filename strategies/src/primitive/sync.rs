//! Atomics and locks: the standard library's, or loom's under `--cfg loom`.

#[cfg(not(loom))]
pub(crate) use std::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence},
    sync::{Condvar, Mutex, MutexGuard},
};

#[cfg(loom)]
pub(crate) use loom::{
    hint::spin_loop,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize},
    sync::{Condvar, Mutex, MutexGuard},
};

pub(crate) use std::sync::atomic::Ordering;

#[cfg(loom)]
loom::lazy_static! {
    static ref FENCES: AtomicU64 = AtomicU64::new(0);
}

/// loom switches threads before accesses only, so it would take a fence and
/// the access before it for one step. The access here makes it two, and, as
/// one that others touch as well, has loom try the fences in every order.
#[cfg(loom)]
pub(crate) fn fence(order: Ordering) {
    FENCES.fetch_add(1, Ordering::Relaxed);
    loom::sync::atomic::fence(order);
}

/// Locks, and goes on if another thread panicked while it held the lock: none
/// of the locks here guards data that a panic could leave half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Declares a `static` of the process, or of one execution under loom.
macro_rules! process_wide {
    ($(#[$meta:meta])* static $name:ident: $type:ty = $value:expr;) => {
        #[cfg(not(loom))]
        $(#[$meta])*
        static $name: $type = $value;

        #[cfg(loom)]
        loom::lazy_static! {
            $(#[$meta])*
            static ref $name: $type = $value;
        }
    };
}
pub(crate) use process_wide;

/// A `const` constructor, except under loom, whose types have none.
macro_rules! const_new {
    ($(#[$meta:meta])* $visibility:vis fn new() -> Self $body:block) => {
        #[cfg(not(loom))]
        $(#[$meta])*
        $visibility const fn new() -> Self $body

        #[cfg(loom)]
        $(#[$meta])*
        $visibility fn new() -> Self $body
    };
}
pub(crate) use const_new;

/// Stands beside memory that is not atomic. Under loom it has each access
/// checked for a race with the others; otherwise it is nothing.
#[derive(Debug)]
pub(crate) struct Watch {
    #[cfg(loom)]
    cell: loom::cell::UnsafeCell<()>,
}

impl Watch {
    pub(crate) fn new() -> Self {
        Watch {
            #[cfg(loom)]
            cell: loom::cell::UnsafeCell::new(()),
        }
    }

    /// The memory is read.
    #[inline(always)]
    pub(crate) fn reads(&self) {
        #[cfg(loom)]
        self.cell.with(|_| ());
    }

    /// The memory is written.
    #[inline(always)]
    pub(crate) fn writes(&self) {
        #[cfg(loom)]
        self.cell.with_mut(|_| ());
    }
}
