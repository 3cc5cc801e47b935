//! What the strategies ask of the operating system and the processor, each
//! with a run-time answer to "is it here?".

pub mod fence;
#[cfg(target_os = "linux")]
mod kernel;
mod possible;
#[cfg_attr(loom, allow(dead_code))]
pub mod restart;
#[cfg_attr(loom, allow(dead_code, unused_imports))]
pub mod rseq;
pub mod topology;

pub use fence::{AsymmetricFence, FullFence, Membarrier, membarrier_status};
pub use possible::possible_cpus;
pub use restart::restart_status;
pub use rseq::rseq_status;
