//! Points at which each thread runs what it was told to run there.

use std::cell::Cell;
use std::ptr;

use detach_strategies::points::{Point, Points};

/// A thread's hook, or null. It must stay valid while it is set. A thin pointer
/// to the fat one: a signal handler must not find it half written.
type Hook = *const &'static dyn Fn(Point);

thread_local! {
    static HOOK: Cell<Hook> = const { Cell::new(ptr::null()) };
}

/// Calls the hook of the thread that passes.
#[derive(Debug)]
pub(crate) struct Hooked;

impl Points for Hooked {
    fn at(point: Point) {
        // Taken out meanwhile: what a hook does is not hooked itself.
        let back = Back(HOOK.replace(ptr::null()));
        // SAFETY: `with_hook` keeps the hook alive while it is set.
        if let Some(hook) = unsafe { back.0.as_ref() } {
            hook(point);
        }
    }
}

/// Sets a hook again, on every way out.
struct Back(Hook);

impl Drop for Back {
    fn drop(&mut self) {
        HOOK.set(self.0);
    }
}

/// Runs `body` with `hook` called at every point that this thread passes.
pub(crate) fn with_hook<R>(hook: &dyn Fn(Point), body: impl FnOnce() -> R) -> R {
    let hook: *const &dyn Fn(Point) = &hook;
    // Only the lifetime changes: `Back` takes the hook out again before this
    // function returns, and it is the thread's own.
    let _back = Back(HOOK.replace(hook.cast()));
    body()
}

/// Runs `body` without a hook.
pub(crate) fn without_hook<R>(body: impl FnOnce() -> R) -> R {
    let _back = Back(HOOK.replace(ptr::null()));
    body()
}
