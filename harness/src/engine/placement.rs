//! Which thread sits on which CPU.
//!
//! Workers take the CPUs in placement order, one each; when the CPUs run out
//! they start over from the first. The detacher takes the first CPU that no
//! worker has. If there is none, it goes where the next worker would have
//! gone, and the record says that it had to share: a detacher that shares its
//! CPU with a holder waits for the scheduler, not for the strategy.

use detach_results::record::Workload;

/// The seats of one round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The CPU of each worker.
    pub workers: Vec<usize>,
    /// The CPU of the detacher, where there is one.
    pub detacher: Option<usize>,
    /// Whether the detacher has to share its CPU with a worker.
    pub detacher_shares_cpu: bool,
    /// Whether there are more threads, detacher included, than CPUs.
    pub oversubscribed: bool,
}

impl Placement {
    /// Seats `workers` threads, and a detacher if wanted, on `cpus`, which are
    /// in placement order.
    ///
    /// # Panics
    ///
    /// When there are no CPUs.
    pub fn new(workers: usize, detacher: bool, cpus: &[usize]) -> Self {
        assert!(!cpus.is_empty(), "a thread needs a CPU");
        let seat = |index: usize| cpus[index % cpus.len()];
        Placement {
            workers: (0..workers).map(seat).collect(),
            detacher: detacher.then(|| seat(workers)),
            detacher_shares_cpu: detacher && workers >= cpus.len(),
            oversubscribed: workers + usize::from(detacher) > cpus.len(),
        }
    }

    /// Threads in all.
    pub fn threads(&self) -> usize {
        self.workers.len() + usize::from(self.detacher.is_some())
    }

    /// The CPU of each thread: the workers', then the detacher's.
    pub fn seats(&self) -> impl Iterator<Item = usize> {
        self.workers.iter().chain(&self.detacher).copied()
    }

    /// The CPUs in use, each once, ascending.
    pub fn cpus(&self) -> Vec<usize> {
        let mut cpus: Vec<usize> = self.seats().collect();
        cpus.sort_unstable();
        cpus.dedup();
        cpus
    }

    /// What the record says about the seats. Where threads could not be
    /// `pinned`, it names no CPUs.
    pub fn workload(&self, pinned: bool) -> Workload {
        Workload {
            devices: 1,
            worker_cpus: if pinned {
                self.workers.clone()
            } else {
                Vec::new()
            },
            detacher_cpu: self.detacher.filter(|_| pinned),
            detacher_shares_cpu: self.detacher_shares_cpu,
            oversubscribed: self.oversubscribed,
            ..Workload::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_take_cpus_in_order_and_the_detacher_the_next() {
        let placement = Placement::new(2, true, &[5, 7, 6]);
        assert_eq!(placement.workers, [5, 7]);
        assert_eq!(placement.detacher, Some(6));
        assert!(!placement.detacher_shares_cpu);
        assert!(!placement.oversubscribed);
        assert_eq!(placement.threads(), 3);
        assert_eq!(placement.cpus(), [5, 6, 7]);
    }

    #[test]
    fn a_detacher_without_a_free_cpu_shares_and_says_so() {
        let placement = Placement::new(2, true, &[0, 1]);
        assert_eq!(placement.detacher, Some(0));
        assert!(placement.detacher_shares_cpu);
        assert!(placement.oversubscribed);
        assert!(placement.workload(true).detacher_shares_cpu);
    }

    #[test]
    fn more_workers_than_cpus_go_round_and_say_so() {
        let placement = Placement::new(4, false, &[3, 1]);
        assert_eq!(placement.workers, [3, 1, 3, 1]);
        assert!(placement.oversubscribed);
        assert_eq!(placement.cpus(), [1, 3]);
        assert!(!Placement::new(2, false, &[3, 1]).oversubscribed);
    }

    #[test]
    fn one_cpu_carries_everybody() {
        let placement = Placement::new(1, true, &[0]);
        assert_eq!(placement.workers, [0]);
        assert_eq!(placement.detacher, Some(0));
        assert!(placement.oversubscribed);
        assert!(!Placement::new(0, true, &[0]).oversubscribed);
    }

    #[test]
    fn unpinned_threads_claim_no_cpu() {
        let workload = Placement::new(1, true, &[0, 1]).workload(false);
        assert!(workload.worker_cpus.is_empty());
        assert_eq!(workload.detacher_cpu, None);
    }
}
