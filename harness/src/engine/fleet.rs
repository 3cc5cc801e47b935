//! The threads that measure: started once, pinned for good.
//!
//! Starting a thread takes longer than many a round, and a fresh thread has
//! cold caches and no memory of its own yet. So a fleet lives as long as the
//! engine does, and a round is one job that every thread of it gets.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use std::{fmt, io, thread};

use detach_strategies::platform::topology;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rayon::{ThreadPool, ThreadPoolBuilder};

use super::fifo::FifoWindow;
use super::placement::Placement;

/// A pool of threads with fixed seats: workers 0, 1, ... and perhaps a
/// detacher.
#[derive(Debug)]
pub struct Fleet {
    pool: ThreadPool,
    placement: Placement,
    unpinned: Option<Unpinned>,
    keeps_cpus: AtomicBool,
    /// Of the next job that needs chance.
    seed: AtomicU64,
}

/// Who a thread of a fleet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seat {
    /// A worker, by number from 0.
    Worker(usize),
    /// The detacher.
    Detacher,
}

/// Why threads run wherever the system puts them.
#[derive(Debug)]
pub struct Unpinned {
    cpu: usize,
    error: io::Error,
}

impl fmt::Display for Unpinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Unpinned { cpu, error } = self;
        write!(f, "cannot pin a thread to CPU {cpu}: {error}")
    }
}

impl Fleet {
    /// Starts `workers` threads, and a detacher if wanted, on `cpus`, which
    /// are in placement order.
    ///
    /// Where the system does not let some thread be pinned, the fleet counts as
    /// unpinned; [`unpinned`](Self::unpinned) tells why.
    ///
    /// # Errors
    ///
    /// When the system refuses to start that many threads.
    ///
    /// # Panics
    ///
    /// When there are no CPUs, or neither workers nor a detacher.
    pub fn new(workers: usize, detacher: bool, cpus: &[usize]) -> io::Result<Self> {
        let placement = Placement::new(workers, detacher, cpus);
        let threads = placement.threads();
        assert!(threads > 0, "a fleet has at least one thread");
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(move |index| match index {
                index if index < workers => format!("worker-{index}"),
                _ => String::from("detacher"),
            })
            .build()
            .map_err(io::Error::other)?;
        // The pool has a limit of its own, and says nothing when it applies it.
        if pool.current_num_threads() != threads {
            return Err(io::Error::other(format!(
                "{threads} threads are more than a pool can have"
            )));
        }
        let unpinned = pin(&pool, &placement);
        Ok(Fleet {
            pool,
            placement,
            unpinned,
            keeps_cpus: AtomicBool::new(false),
            seed: AtomicU64::new(0),
        })
    }

    /// Where chance begins.
    pub(super) fn seed(&self, seed: u64) {
        // Ordering: Relaxed; one thread hands out jobs.
        self.seed.store(seed, Ordering::Relaxed);
    }

    /// Chance for one job: another one each time, or short jobs would all see
    /// the same few draws.
    pub(super) fn chance(&self) -> SmallRng {
        // Ordering: Relaxed, as above. The generator spreads seeds that follow
        // each other.
        SmallRng::seed_from_u64(self.seed.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether jobs run as `SCHED_FIFO` from now on, where that is permitted.
    pub(super) fn keep_cpus(&self, keeps: bool) {
        // Ordering: Relaxed; the pool hands jobs to its threads with ordering
        // of its own.
        self.keeps_cpus.store(keeps, Ordering::Relaxed);
    }

    /// Who sits where.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Why the threads are not pinned, if they are not.
    pub fn unpinned(&self) -> Option<&Unpinned> {
        self.unpinned.as_ref()
    }

    /// For the time in which threads move: when it is dropped, each is pinned
    /// to its seat again.
    pub(super) fn moved(&self) -> Moved<'_> {
        Moved(self)
    }

    /// Runs `job` on every thread, workers first, and returns what each
    /// returned, in that order.
    ///
    /// # Panics
    ///
    /// When the job panicked on a thread, after it ended on all of them.
    pub fn run<T: Send>(&self, job: impl Fn(Seat) -> T + Sync) -> Vec<T> {
        let workers = self.placement.workers.len();
        // Ordering: Relaxed; see `keep_cpus`.
        let keeps_cpus = self.keeps_cpus.load(Ordering::Relaxed);
        self.pool.broadcast(|context| {
            make_way();
            let _window = keeps_cpus.then(FifoWindow::enter);
            job(match context.index() {
                index if index < workers => Seat::Worker(index),
                _ => Seat::Detacher,
            })
        })
    }
}

/// See [`Fleet::moved`].
pub(super) struct Moved<'f>(&'f Fleet);

impl Drop for Moved<'_> {
    fn drop(&mut self) {
        pin(&self.0.pool, &self.0.placement);
    }
}

/// Lets the thread that handed the job out finish doing so. It has woken us and
/// may sit behind us on our CPU; unless it gets to sleep now, it takes its turn
/// in the middle of what we measure. Yielding is not enough: a scheduler that is
/// fair to us lets us go on.
fn make_way() {
    thread::sleep(Duration::from_micros(10));
}

/// Pins every thread to its seat; returns the first refusal.
fn pin(pool: &ThreadPool, placement: &Placement) -> Option<Unpinned> {
    let seats: Vec<usize> = placement.seats().collect();
    let refusals = pool.broadcast(|context| {
        let cpu = seats[context.index()];
        let error = topology::pin_current_thread(cpu).err()?;
        Some(Unpinned { cpu, error })
    });
    refusals.into_iter().flatten().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_cpus() -> Vec<usize> {
        topology::allowed_cpus().unwrap_or_else(|| vec![0])
    }

    #[test]
    fn a_job_runs_once_on_every_seat_in_order() {
        let fleet = Fleet::new(3, true, &some_cpus()).unwrap();
        for _ in 0..10 {
            let seats = fleet.run(|seat| seat);
            assert_eq!(
                seats,
                [
                    Seat::Worker(0),
                    Seat::Worker(1),
                    Seat::Worker(2),
                    Seat::Detacher
                ]
            );
        }
    }

    #[test]
    fn threads_persist_between_jobs() {
        let fleet = Fleet::new(2, false, &some_cpus()).unwrap();
        let first = fleet.run(|_| std::thread::current().id());
        let second = fleet.run(|_| std::thread::current().id());
        assert_eq!(first, second);
        assert_ne!(first[0], first[1]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn each_thread_may_use_its_own_cpu_only() {
        let fleet = Fleet::new(2, true, &some_cpus()).unwrap();
        assert!(fleet.unpinned().is_none());
        let masks = fleet.run(|_| topology::allowed_cpus().unwrap());
        let seats: Vec<Vec<usize>> = fleet.placement().seats().map(|cpu| vec![cpu]).collect();
        assert_eq!(masks, seats);
    }

    #[test]
    fn a_fleet_that_cannot_be_pinned_says_so() {
        // No machine has that many CPUs, and elsewhere nothing can be pinned.
        let fleet = Fleet::new(1, false, &[60_000]).unwrap();
        let reason = fleet.unpinned().unwrap().to_string();
        assert!(reason.contains("60000"), "{reason}");
        assert_eq!(fleet.run(|seat| seat), [Seat::Worker(0)]);
    }
}
