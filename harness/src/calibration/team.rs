//! Threads that live for one measurement, each on its CPU.

use std::sync::mpsc;
use std::thread;

use detach_strategies::platform::topology::pin_current_thread;

/// Whether a thread can be pinned to every one of `cpus`.
pub(super) fn can_pin(cpus: &[usize]) -> bool {
    thread::scope(|scope| {
        let pins = scope.spawn(|| cpus.iter().all(|&cpu| pin_current_thread(cpu).is_ok()));
        pins.join().expect("pinning does not panic")
    })
}

/// Runs `job` on a thread for each of `cpus`, with its position, and returns
/// what they returned in that order. A thread that cannot be pinned runs
/// wherever the system puts it.
///
/// # Panics
///
/// When a thread cannot be started, or a job panics.
pub(super) fn on_each<T: Send>(cpus: &[usize], job: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let job = &job;
        let mut starts = Vec::new();
        let mut threads = Vec::new();
        for (index, &cpu) in cpus.iter().enumerate() {
            // A job may wait for those of the others, so none begins before all
            // threads are there. Without its start, a thread ends at once.
            let (start, started) = mpsc::channel();
            let thread = thread::Builder::new().spawn_scoped(scope, move || {
                started.recv().ok()?;
                // Whoever needs pinned threads has asked `can_pin`.
                let _ = pin_current_thread(cpu);
                Some(job(index))
            });
            let thread = thread.unwrap_or_else(|error| {
                starts.clear();
                panic!("cannot start a thread: {error}")
            });
            threads.push(thread);
            starts.push(start);
        }
        for start in starts {
            start.send(()).expect("the thread waits for it");
        }
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(result) => result.expect("every thread was told to start"),
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect()
    })
}

/// Runs `job` on a thread of its own on `cpu`, while the caller sleeps.
///
/// # Panics
///
/// As [`on_each`].
pub(crate) fn alone<T: Send>(cpu: usize, job: impl Fn() -> T + Sync) -> T {
    let mut results = on_each(&[cpu], |_| job());
    results.pop().expect("one thread returns one result")
}
