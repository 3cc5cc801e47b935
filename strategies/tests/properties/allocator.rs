//! The allocator of this test program: the system's, and it watches.
//!
//! What it notes is the calling thread's own business, so tests that run side
//! by side do not see each other's memory.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

#[global_allocator]
static ALLOCATOR: Watching = Watching;

struct Watching;

/// From here on an allocation is an area that is carved up by its owner, of
/// which only the pages that are touched take memory.
pub(crate) const LARGE: usize = 8192;

/// What a thread does with its allocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing special.
    Plain,
    /// Counts them.
    Weigh,
    /// Takes the small ones from the thread's arena.
    Arena,
    /// Must not make any.
    Forbidden,
}

/// How many large allocations a thread can note.
const NOTES: usize = 64;

thread_local! {
    static MODE: Cell<Mode> = const { Cell::new(Mode::Plain) };
    /// Bytes allocated less bytes freed, while weighing, without the large.
    static SMALL: Cell<isize> = const { Cell::new(0) };
    static NOTED: Cell<usize> = const { Cell::new(0) };
    static LARGES: [Cell<(usize, usize)>; NOTES] =
        const { [const { Cell::new((0, 0)) }; NOTES] };
    /// What is left of the arena: where it begins, where it ends.
    static ARENA: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
    /// All of the arena.
    static BOUNDS: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

// SAFETY: all memory is the system allocator's, or comes from the arena, which
// nobody else allocates from and which is never reused.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if let Some(memory) = allocating(layout) {
            return memory;
        }
        // SAFETY: the caller's promise is passed on.
        let memory = unsafe { System.alloc(layout) };
        note(memory, layout);
        memory
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // An arena is zeros to begin with.
        if let Some(memory) = allocating(layout) {
            return memory;
        }
        // SAFETY: the caller's promise is passed on.
        let memory = unsafe { System.alloc_zeroed(layout) };
        note(memory, layout);
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        match MODE.get() {
            Mode::Forbidden => forbidden(),
            Mode::Weigh if layout.size() < LARGE => {
                SMALL.set(SMALL.get() - layout.size().cast_signed());
            }
            _ => {}
        }
        let (start, end) = BOUNDS.get();
        if !(start..end).contains(&memory.addr()) {
            // SAFETY: it came from the system allocator; the rest is the
            // caller's promise.
            unsafe { System.dealloc(memory, layout) }
        }
    }
}

/// What the mode has to say about an allocation.
fn allocating(layout: Layout) -> Option<*mut u8> {
    match MODE.get() {
        Mode::Forbidden => forbidden(),
        Mode::Arena if layout.size() < LARGE => {
            let (start, end) = ARENA.get();
            let memory = start.next_multiple_of(layout.align());
            assert!(memory + layout.size() <= end, "the arena is too small");
            ARENA.set((memory + layout.size(), end));
            Some(memory as *mut u8)
        }
        _ => None,
    }
}

fn note(memory: *mut u8, layout: Layout) {
    if MODE.get() != Mode::Weigh {
        return;
    }
    if layout.size() < LARGE {
        SMALL.set(SMALL.get() + layout.size().cast_signed());
    } else {
        let noted = NOTED.get();
        LARGES.with(|larges| larges[noted].set((memory.addr(), layout.size())));
        NOTED.set(noted + 1);
    }
}

fn forbidden() -> ! {
    MODE.set(Mode::Plain);
    crate::support::isolated::violated("it uses the allocator in a signal handler")
}

fn in_mode<R>(mode: Mode, body: impl FnOnce() -> R) -> R {
    let before = MODE.replace(mode);
    let result = body();
    MODE.set(before);
    result
}

/// Runs `body`, which must not allocate nor free; if it does, the process ends
/// with that verdict.
pub(crate) fn without_allocating<R>(body: impl FnOnce() -> R) -> R {
    in_mode(Mode::Forbidden, body)
}

/// What was allocated and not freed.
#[derive(Debug)]
pub(crate) struct Weight {
    /// Bytes, without the large allocations.
    pub(crate) small: isize,
    /// Address and size of each large one.
    pub(crate) large: Vec<(usize, usize)>,
}

/// Runs `body` and weighs what this thread has allocated in it.
pub(crate) fn weigh<R>(body: impl FnOnce() -> R) -> (R, Weight) {
    SMALL.set(0);
    NOTED.set(0);
    let result = in_mode(Mode::Weigh, body);
    let large = LARGES.with(|larges| larges[..NOTED.get()].iter().map(Cell::get).collect());
    let small = SMALL.get();
    (result, Weight { small, large })
}

/// Runs `body` with its small allocations made between the addresses `start`
/// and `end`, which are never reused. Once for each thread.
///
/// # Safety
///
/// The memory in between is zeros, nobody else's, and stays.
pub(crate) unsafe fn in_arena<R>(start: usize, end: usize, body: impl FnOnce() -> R) -> R {
    BOUNDS.set((start, end));
    ARENA.set((start, end));
    in_mode(Mode::Arena, body)
}

/// Runs `body` without any of the above.
pub(crate) fn allowing<R>(body: impl FnOnce() -> R) -> R {
    in_mode(Mode::Plain, body)
}
