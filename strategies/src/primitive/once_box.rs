//! What a process finds out once, on first use.
//!
//! With the standard library's `OnceLock` everybody waits for the first who asked,
//! and the child of a process that forks meanwhile waits for ever. Here nobody
//! waits: whoever asks before the answer is known finds it out as well, and the
//! first to know decides. So it is for answers of which any is as good. (The once_cell
//! crate has the same as `race::OnceBox`; these lines spare users of the library a
//! dependency.)

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

#[derive(Debug)]
pub(crate) struct OnceBox<T: 'static>(AtomicPtr<T>);

impl<T: Send + Sync> OnceBox<T> {
    pub(crate) const fn new() -> Self {
        OnceBox(AtomicPtr::new(ptr::null_mut()))
    }

    /// The answer; `init` finds it out unless it is known.
    pub(crate) fn get_or_init(&'static self, init: impl FnOnce() -> T) -> &'static T {
        // Ordering: Acquire pairs with the Release below: the answer is complete.
        let known = self.0.load(Ordering::Acquire);
        // SAFETY: what is known came out of a box, and lives for ever.
        if let Some(known) = unsafe { known.as_ref() } {
            return known;
        }
        let mine = Box::into_raw(Box::new(init()));
        // Ordering: Release pairs with the Acquire above and, of those who come
        // too late, with the Acquire here.
        let published =
            self.0
                .compare_exchange(ptr::null_mut(), mine, Ordering::Release, Ordering::Acquire);
        let decided = published.map(|_| mine).unwrap_or_else(|first| {
            // SAFETY: it came out of the box above, and nobody else has seen it.
            drop(unsafe { Box::from_raw(mine) });
            first
        });
        // SAFETY: as above.
        unsafe { &*decided }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn everybody_gets_the_same_and_all_of_it() {
        for _ in 0..100 {
            let cell: &'static OnceBox<[usize; 4]> = Box::leak(Box::new(OnceBox::new()));
            thread::scope(|scope| {
                let threads = [1, 2, 3].map(|who| {
                    scope.spawn(move || {
                        let answer = cell.get_or_init(|| [who; 4]);
                        assert!(answer.iter().all(|part| part == &answer[0]));
                        answer
                    })
                });
                let [first, others @ ..] = threads.map(|thread| thread.join().unwrap());
                assert!(others.iter().all(|&other| ptr::eq(other, first)));
            });
        }
    }
}
