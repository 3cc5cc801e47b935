//! What a run ran on, what it was built from, and what may disturb it.
//!
//! [`probe`] fills the fingerprint that every run records, [`build_info`] says
//! what was built, and [`warnings`] tells what a reader should know before
//! believing a figure. Whatever cannot be found out reads `unknown`; nothing
//! names the owner of the machine.

mod build;
mod concerns;
mod conditions;
mod probe;

pub use build::build_info;
pub use concerns::{Concern, concerns, warnings};
pub use conditions::Conditions;
#[cfg(target_os = "linux")]
pub(crate) use conditions::pressure;
pub use probe::{probe, probe_at};
