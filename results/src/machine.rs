//! The fingerprint of a machine: everything about it that a reader needs to
//! judge a figure, and nothing that names its owner.

use serde::{Deserialize, Serialize};

/// The word for whatever a probe could not find.
pub const UNKNOWN: &str = "unknown";

/// What a run ran on. Strings read [`UNKNOWN`] where a probe found nothing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// A name made of CPU model and count, fit for a folder; never a host name.
    pub id: String,
    /// CPU model as the machine names it.
    pub cpu_model: String,
    /// Architecture: `x86_64`, `aarch64`, ...
    pub architecture: String,
    /// Operating system.
    pub os: String,
    /// Kernel release.
    pub kernel: String,
    /// C library and version.
    pub libc: String,
    /// Hypervisor, `none`, or unknown.
    pub hypervisor: String,
    /// CPUs that may ever come online.
    pub possible_cpus: usize,
    /// CPUs that this process may use, in placement order.
    pub allowed_cpus: Vec<usize>,
    /// Physical cores among the allowed CPUs.
    pub cores: usize,
    /// Packages (sockets) among the allowed CPUs.
    pub packages: usize,
    /// NUMA nodes among the allowed CPUs.
    pub numa_nodes: usize,
    /// Groups of allowed CPUs that share a last-level cache.
    pub last_level_caches: usize,
    /// CPUs' worth of time that the control group grants, if it limits.
    pub cpu_quota: Option<f64>,
    /// Memory in MiB, if known.
    pub memory_mib: Option<u64>,
    /// Frequency governor.
    pub governor: String,
    /// Clock source of the kernel.
    pub clock_source: String,
    /// Whether threads can be pinned to CPUs.
    pub pinning: bool,
    /// `registered`, or why restartable sequences are missing.
    pub rseq: String,
    /// `private expedited`, or why membarrier is missing.
    pub membarrier: String,
}
