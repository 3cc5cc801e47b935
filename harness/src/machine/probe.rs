//! The fingerprint of the machine at hand.

use std::path::Path;

use detach_results::id::machine_id;
use detach_results::machine::{Machine, UNKNOWN};
use detach_strategies::Unsupported;
use detach_strategies::platform::topology::{Topology, cpuset_at, format_cpu_list};
use detach_strategies::platform::{membarrier_status, rseq_status};

mod files;
mod hypervisor;
mod kernel;
mod processor;
mod system;
#[cfg(test)]
mod tests;

use files::Files;
use system::{libc_version, sysctl};

/// Takes the fingerprint of this machine.
pub fn probe() -> Machine {
    probe_at(Path::new("/"), &Topology::detect())
}

/// [`probe`] with files read below `root` and a topology that is given. What
/// comes from system calls still comes from this machine.
pub fn probe_at(root: &Path, topology: &Topology) -> Machine {
    let files = Files(root);
    let allowed_cpus = topology.placement();
    let first = allowed_cpus.first().copied();
    let cpu_model = files
        .cpu_model()
        .or_else(|| sysctl(&["machdep.cpu.brand_string", "hw.model"]))
        .unwrap_or_else(unknown);
    Machine {
        id: machine_id(&cpu_model, allowed_cpus.len()),
        cpu_model,
        architecture: std::env::consts::ARCH.to_owned(),
        os: files
            .os_name()
            .unwrap_or_else(|| std::env::consts::OS.to_owned()),
        kernel: files
            .line("proc/sys/kernel/osrelease")
            .or_else(|| sysctl(&["kern.osrelease"]))
            .unwrap_or_else(unknown),
        libc: libc_version(),
        hypervisor: files.hypervisor(),
        possible_cpus: topology.possible_cpus(),
        cores: topology.cores(),
        packages: topology.packages(),
        numa_nodes: topology.numa_nodes(),
        last_level_caches: topology.last_level_caches(),
        smt: files.smt(&allowed_cpus),
        caches: first.map(|cpu| files.caches(cpu)).unwrap_or_default(),
        cpuset: cpuset_at(root).map(|cpus| format_cpu_list(&cpus)),
        frequency: first.and_then(|cpu| files.frequency(cpu)),
        boot_options: files.boot_options(),
        mitigations: files.mitigations(),
        cpu_quota: topology.quota(),
        memory_mib: files.memory_mib().or_else(|| {
            let bytes: u64 = sysctl(&["hw.memsize", "hw.physmem"])?.parse().ok()?;
            Some(bytes >> 20)
        }),
        governor: files.governor(&allowed_cpus).unwrap_or_else(unknown),
        clock_source: files
            .line("sys/devices/system/clocksource/clocksource0/current_clocksource")
            .unwrap_or_else(unknown),
        pinning: topology.pinning(),
        rseq: status("registered", rseq_status()),
        membarrier: status("private expedited", membarrier_status()),
        allowed_cpus,
    }
}

fn unknown() -> String {
    UNKNOWN.to_owned()
}

fn status(present: &str, answer: Result<(), Unsupported>) -> String {
    match answer {
        Ok(()) => present.to_owned(),
        Err(unsupported) => unsupported.reason().to_owned(),
    }
}
