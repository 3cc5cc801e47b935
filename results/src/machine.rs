//! The fingerprint of a machine: everything about it that a reader needs to
//! judge a figure, and nothing that names its owner.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The word for whatever a probe could not find.
pub const UNKNOWN: &str = "unknown";

/// What a run ran on. Strings read [`UNKNOWN`] where a probe found nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// Whether several hardware threads share a core; absent where unknown and
    /// in records of version 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smt: Option<bool>,
    /// The caches of the first allowed CPU, from the smallest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Cache>,
    /// CPUs' worth of time that the control group grants, if it limits.
    pub cpu_quota: Option<f64>,
    /// The CPUs that the control group allows, where it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpuset: Option<String>,
    /// Memory in MiB, if known.
    pub memory_mib: Option<u64>,
    /// Frequency governor.
    pub governor: String,
    /// Frequencies of the first allowed CPU, where they show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frequency: Option<Frequency>,
    /// Clock source of the kernel.
    pub clock_source: String,
    /// Options of the kernel's command line that matter to measurements; others
    /// are nobody's business.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub boot_options: Vec<String>,
    /// Vulnerabilities of the processor that the kernel works around, by name,
    /// with what it does; those that do not affect it are left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mitigations: BTreeMap<String, String>,
    /// Whether threads can be pinned to CPUs.
    pub pinning: bool,
    /// `registered`, or why restartable sequences are missing.
    pub rseq: String,
    /// `private expedited`, or why membarrier is missing.
    pub membarrier: String,
}

/// One cache.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Cache {
    /// Its level, 1 being the closest to the core.
    pub level: u32,
    /// `Data`, `Instruction` or `Unified`.
    pub kind: String,
    /// Size in KiB.
    pub size_kib: u64,
    /// Bytes of a line, where known.
    pub line_bytes: Option<u32>,
    /// The CPUs that share it, as a list such as `0-3,8`.
    pub shared_by: String,
}

/// Frequencies of a CPU, in MHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Frequency {
    /// The lowest that the driver may choose.
    pub min_mhz: Option<u64>,
    /// The highest that the driver may choose.
    pub max_mhz: Option<u64>,
    /// The one at the time of the probe.
    pub now_mhz: Option<u64>,
}
