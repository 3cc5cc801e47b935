//! How every strategy is measured.
//!
//! The [`engine`] owns the threads and runs rounds, and nothing else measures.
//! Two schedulers ask it for rounds: criterion, behind `cargo bench`, and the
//! `detach-bench` command.

pub mod calibration;
pub mod campaign;
pub mod cargo_bench;
pub mod engine;
pub mod machine;
pub mod torture;
