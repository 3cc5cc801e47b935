//! What becomes of a device when something goes wrong around it.
//!
//! | fault | here |
//! |---|---|
//! | a holder panics; so does a thread that is off line | [`panics`] |
//! | an epoch reclaims what no detach has taken | [`drops`] |
//! | a guard is leaked, or a registration | [`leaks`] |
//! | a thread ends while it is registered, the process ends while threads run, threads come and go by the ten thousands | [`threads`] |
//! | the CPUs become fewer | [`affinity`] |
//! | ten thousand devices at once | [`crowds`] |
//! | the process forks while it has several threads | [`fork`] |
//! | the kernel takes back what it granted: restartable sequences, membarrier | [`kernel`] |
//!
//! (Counters near their end are tested next to them, in the crate: they cannot
//! be reached from outside in less than centuries.)
//!
//! Nothing here fails because a machine is slow: a wait that must end has a
//! minute, and a wait that must not end is given a little while and taken for
//! endless.

#[cfg(target_os = "linux")]
mod affinity;
mod crowds;
mod drops;
#[cfg(target_os = "linux")]
mod fork;
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod kernel;
mod leaks;
mod panics;
#[path = "../properties/support/mod.rs"]
mod support;
mod threads;
