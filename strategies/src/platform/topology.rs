//! Which CPUs there are, which of them this process may use, and how they
//! belong together.
//!
//! Two things depend on it. Tables with an entry per CPU are sized by the
//! *possible* CPUs, because any of those may come online later. And whoever
//! starts one thread per CPU wants them in an order in which the first few do
//! not share what the later ones have to share: see [`Topology::placement`].
//!
//! On Linux the answer comes from sysfs, limited to the affinity mask. Where
//! sysfs is missing or incomplete every CPU counts as a core of its own. Other
//! systems are asked for the number of CPUs only, and threads are not pinned
//! there. [`Topology::notes`] says in words what had to be guessed.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

mod affinity;
mod cgroup;
mod cpu_list;
mod cpuset;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixture;
mod quota;
mod sysfs;
#[cfg(test)]
mod tests;

pub use affinity::{allowed_cpus, pin_current_thread};
pub use cpu_list::{CpuListError, format_cpu_list, parse_cpu_list};
pub use cpuset::{cpuset, cpuset_at};
pub use quota::{cpu_quota, cpu_quota_at};

/// One CPU (a hardware thread) that the process may use, and what it is part
/// of. Packages, cores and caches are named by numbers that mean nothing but
/// "the same" and "not the same".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu {
    /// The number by which the system knows it.
    pub id: usize,
    /// The package (socket).
    pub package: usize,
    /// The physical core: the lowest number among its hardware threads.
    pub core: usize,
    /// Place among those hardware threads of its core that are allowed;
    /// 0 is the first.
    pub sibling: usize,
    /// The last-level cache: the lowest number among the CPUs that share it.
    pub last_level_cache: usize,
    /// The NUMA node.
    pub node: usize,
    /// The kind of core on machines that mix several, 0 being the fastest.
    pub kind: usize,
}

/// The CPUs of the machine, as far as this process is concerned.
#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    possible: usize,
    /// Ascending by number.
    cpus: Vec<Cpu>,
    pinning: bool,
    quota: Option<f64>,
    notes: Vec<String>,
}

impl Topology {
    /// Looks at this machine. It never fails: what cannot be found out is
    /// guessed, and [`notes`](Self::notes) says so.
    pub fn detect() -> Self {
        let Some(allowed) = allowed_cpus() else {
            let cpus = std::thread::available_parallelism().map_or(1, |count| count.get());
            return Self::flat(cpus, (0..cpus).collect()).note(
                "this system does not tell which CPUs a thread may run on: \
                 CPUs are counted, and threads are not pinned",
            );
        };
        let mut topology = match Self::from_sysfs(Path::new("/sys"), &allowed) {
            Ok(topology) => topology,
            Err(error) => {
                let highest = allowed.iter().max().map_or(0, |cpu| cpu + 1);
                let possible = affinity::configured_cpus().unwrap_or(0).max(highest);
                Self::flat(possible, allowed)
                    .note(&format!("every CPU counts as a core of its own: {error}"))
            }
        };
        topology.quota = cpu_quota();
        topology.pinning = affinity::can_pin();
        if !topology.pinning {
            topology = topology.note("the system refuses to pin threads");
        }
        topology
    }

    /// Reads a tree in the format of Linux's `/sys`, mounted at `root`, and
    /// keeps those CPUs that are online and in `allowed`.
    ///
    /// # Errors
    ///
    /// [`TopologyError`] when the lists of possible and online CPUs are
    /// missing or malformed, or when no allowed CPU is online. Anything less
    /// is guessed and noted.
    pub fn from_sysfs(root: &Path, allowed: &[usize]) -> Result<Self, TopologyError> {
        sysfs::read(root, allowed)
    }

    /// [`from_sysfs`](Self::from_sysfs) for a process that may use every CPU
    /// that is online: the way to look at the tree of another machine.
    ///
    /// # Errors
    ///
    /// As [`from_sysfs`](Self::from_sysfs).
    pub fn from_sysfs_all(root: &Path) -> Result<Self, TopologyError> {
        Self::from_sysfs(root, &sysfs::online(root)?)
    }

    /// `allowed` CPUs of which nothing else is known.
    fn flat(possible: usize, allowed: Vec<usize>) -> Self {
        let cpu = |id| Cpu {
            id,
            package: 0,
            core: id,
            sibling: 0,
            last_level_cache: 0,
            node: 0,
            kind: 0,
        };
        Topology {
            possible,
            cpus: allowed.into_iter().map(cpu).collect(),
            pinning: false,
            quota: None,
            notes: Vec::new(),
        }
    }

    fn note(mut self, note: &str) -> Self {
        self.notes.push(note.to_owned());
        self
    }

    /// The size of a table that has an entry for every CPU that may ever come
    /// online: one more than the highest possible CPU number.
    pub fn possible_cpus(&self) -> usize {
        self.possible
    }

    /// The CPUs that are online and that this process may use, ascending by
    /// number.
    pub fn cpus(&self) -> &[Cpu] {
        &self.cpus
    }

    /// The numbers of those CPUs in the order in which threads should fill
    /// them.
    ///
    /// First one hardware thread of every physical core, then the second ones,
    /// and so on: two threads that share a core slow each other down more than
    /// any other pair. Within that, socket by socket and last-level cache by
    /// last-level cache, so that a few threads stay close together; where
    /// cores differ in speed, the faster ones first.
    pub fn placement(&self) -> Vec<usize> {
        let mut cpus = self.cpus.clone();
        cpus.sort_by_key(|cpu| {
            let Cpu {
                id,
                package,
                sibling,
                last_level_cache,
                node,
                kind,
                ..
            } = *cpu;
            (sibling, package, node, last_level_cache, kind, id)
        });
        cpus.into_iter().map(|cpu| cpu.id).collect()
    }

    /// Keeps only the CPUs in `chosen`.
    ///
    /// # Errors
    ///
    /// [`TopologyError::NotAllowed`] when one of them is not there.
    pub fn restricted_to(&self, chosen: &[usize]) -> Result<Self, TopologyError> {
        let mut topology = self.clone();
        let known: Vec<usize> = self.cpus.iter().map(|cpu| cpu.id).collect();
        let missing = |cpu: &&usize| !known.contains(cpu);
        let refused: Vec<usize> = chosen.iter().filter(missing).copied().collect();
        if !refused.is_empty() {
            return Err(TopologyError::NotAllowed {
                refused,
                allowed: known,
            });
        }
        topology.cpus.retain(|cpu| chosen.contains(&cpu.id));
        topology.rank_siblings();
        Ok(topology)
    }

    /// Packages (sockets) among the CPUs.
    pub fn packages(&self) -> usize {
        self.distinct(|cpu| cpu.package)
    }

    /// Physical cores among the CPUs.
    pub fn cores(&self) -> usize {
        self.distinct(|cpu| cpu.core)
    }

    /// Groups of the CPUs that share a last-level cache.
    pub fn last_level_caches(&self) -> usize {
        self.distinct(|cpu| cpu.last_level_cache)
    }

    /// NUMA nodes among the CPUs.
    pub fn numa_nodes(&self) -> usize {
        self.distinct(|cpu| cpu.node)
    }

    /// Kinds of cores among the CPUs; more than one on hybrid machines.
    pub fn core_kinds(&self) -> usize {
        self.distinct(|cpu| cpu.kind)
    }

    /// Whether threads can be pinned to these CPUs.
    pub fn pinning(&self) -> bool {
        self.pinning
    }

    /// The CPUs' worth of time that the control group grants, if it limits.
    /// Only [`detect`](Self::detect) looks for it.
    pub fn quota(&self) -> Option<f64> {
        self.quota
    }

    /// What had to be guessed, in words.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    fn distinct(&self, part: impl Fn(&Cpu) -> usize) -> usize {
        let mut parts: Vec<usize> = self.cpus.iter().map(part).collect();
        parts.sort_unstable();
        parts.dedup();
        parts.len()
    }

    /// Numbers the hardware threads of each core among those that are left: a
    /// process confined to second siblings has no first ones to avoid.
    fn rank_siblings(&mut self) {
        for index in 0..self.cpus.len() {
            let core = self.cpus[index].core;
            let before = &self.cpus[..index];
            let sibling = before.iter().filter(|cpu| cpu.core == core).count();
            self.cpus[index].sibling = sibling;
        }
    }
}

/// Why there is no such topology.
#[derive(Debug)]
pub enum TopologyError {
    /// A file of the tree cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// A file of the tree holds no list of CPUs.
    Malformed(PathBuf, CpuListError),
    /// None of the allowed CPUs is online.
    NothingLeft,
    /// CPUs were asked for that the process may not use.
    NotAllowed {
        /// The ones it may not use.
        refused: Vec<usize>,
        /// The ones it may.
        allowed: Vec<usize>,
    },
}

impl fmt::Display for TopologyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TopologyError::Unreadable(path, error) => {
                write!(f, "cannot read {}: {error}", path.display())
            }
            TopologyError::Malformed(path, error) => write!(f, "{}: {error}", path.display()),
            TopologyError::NothingLeft => f.write_str("none of the allowed CPUs is online"),
            TopologyError::NotAllowed { refused, allowed } => write!(
                f,
                "this process may not use CPU {}; it may use {}",
                format_cpu_list(refused),
                format_cpu_list(allowed)
            ),
        }
    }
}

impl Error for TopologyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            TopologyError::Unreadable(_, error) => Some(error),
            TopologyError::Malformed(_, error) => Some(error),
            _ => None,
        }
    }
}
