//! What the strategies ask of the operating system and the processor, each
//! with a run-time answer to "is it here?".

pub mod fence;
#[cfg_attr(loom, allow(dead_code, unused_imports))]
pub mod rseq;
pub mod topology;

pub use fence::{AsymmetricFence, FullFence, Membarrier, membarrier_status};
pub use rseq::rseq_status;

/// How many CPUs a table needs room for: those that may ever come online.
pub fn possible_cpus() -> usize {
    use std::sync::OnceLock;
    static POSSIBLE: OnceLock<usize> = OnceLock::new();
    *POSSIBLE.get_or_init(|| topology::Topology::detect().possible_cpus())
}
