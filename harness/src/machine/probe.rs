//! The fingerprint of the machine at hand.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use detach_results::id::machine_id;
use detach_results::machine::{Machine, UNKNOWN};
use detach_strategies::Unsupported;
use detach_strategies::platform::topology::Topology;
use detach_strategies::platform::{membarrier_status, rseq_status};

/// Takes the fingerprint of this machine.
pub fn probe() -> Machine {
    probe_at(Path::new("/"), &Topology::detect())
}

/// [`probe`] with files read below `root` and a topology that is given. What
/// comes from system calls still comes from this machine.
pub fn probe_at(root: &Path, topology: &Topology) -> Machine {
    let files = Files(root);
    let allowed_cpus = topology.placement();
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

/// The files of Linux that describe the machine.
struct Files<'a>(&'a Path);

impl Files<'_> {
    fn text(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.0.join(name)).ok()
    }

    fn line(&self, name: &str) -> Option<String> {
        let text = self.text(name)?;
        // Strings of a device tree end in a zero byte.
        let line = text.trim_matches(|c: char| c.is_whitespace() || c == '\0');
        (!line.is_empty()).then(|| line.to_owned())
    }

    /// Many ARM machines name no model, only codes of the maker and the part.
    fn cpu_model(&self) -> Option<String> {
        let text = self.text("proc/cpuinfo")?;
        let field = |name: &str| {
            text.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == name && !value.trim().is_empty()).then(|| value.trim())
            })
        };
        if let Some(model) = field("model name") {
            return Some(model.to_owned());
        }
        if let (Some(maker), Some(part)) = (field("CPU implementer"), field("CPU part")) {
            return Some(format!("implementer {maker} part {part}"));
        }
        field("uarch").or(field("cpu")).map(str::to_owned)
    }

    fn os_name(&self) -> Option<String> {
        let text = self.text("etc/os-release")?;
        let name = text
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(format!(
            "{} ({})",
            std::env::consts::OS,
            name.trim_matches('"')
        ))
    }

    fn memory_mib(&self) -> Option<u64> {
        let text = self.text("proc/meminfo")?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib >> 10)
    }

    /// The governors of the CPUs; they may differ.
    fn governor(&self, cpus: &[usize]) -> Option<String> {
        let governors: BTreeSet<String> = cpus
            .iter()
            .filter_map(|cpu| {
                self.line(&format!(
                    "sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"
                ))
            })
            .collect();
        let names: Vec<String> = governors.into_iter().collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// The hypervisor as the processor names it, or as the firmware does.
    fn hypervisor(&self) -> String {
        if let Some(answer) = cpuid_hypervisor() {
            return answer;
        }
        if let Some(name) = self
            .line("sys/hypervisor/type")
            .or_else(|| self.line("proc/device-tree/hypervisor/compatible"))
        {
            return name;
        }
        let vendor = self.line("sys/class/dmi/id/sys_vendor");
        match vendor.as_deref() {
            Some(
                name @ ("QEMU"
                | "VMware, Inc."
                | "Xen"
                | "innotek GmbH"
                | "Amazon EC2"
                | "Parallels International GmbH."),
            ) => name.to_owned(),
            // Other vendors sell both metal and machines made of software.
            _ => unknown(),
        }
    }
}

/// What the processor says: `Some("none")` on metal, `None` where the
/// architecture has no such instruction.
#[cfg(target_arch = "x86_64")]
fn cpuid_hypervisor() -> Option<String> {
    // It became a safe function in later compilers.
    #[allow(unused_unsafe)]
    let leaf = |number| {
        // SAFETY: every x86_64 processor has the instruction.
        unsafe { std::arch::x86_64::__cpuid(number) }
    };
    // Bit 31 is reserved for hypervisors; the signature is in the leaf after.
    if leaf(1).ecx >> 31 == 0 {
        return Some("none".to_owned());
    }
    let vendor = leaf(0x4000_0000);
    let bytes: Vec<u8> = [vendor.ebx, vendor.ecx, vendor.edx]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    let name = String::from_utf8_lossy(&bytes);
    let name = name.trim_matches(|c: char| c == '\0' || c.is_whitespace());
    Some(match name {
        "KVMKVMKVM" => "KVM".to_owned(),
        "Microsoft Hv" => "Hyper-V".to_owned(),
        "VMwareVMware" => "VMware".to_owned(),
        "XenVMMXenVMM" => "Xen".to_owned(),
        "TCGTCGTCGTCG" => "QEMU".to_owned(),
        "" => unknown(),
        other => other.to_owned(),
    })
}

#[cfg(not(target_arch = "x86_64"))]
fn cpuid_hypervisor() -> Option<String> {
    None
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn libc_version() -> String {
    // SAFETY: the function returns a static string.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    format!("glibc {}", version.to_string_lossy())
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn libc_version() -> String {
    if cfg!(target_env = "musl") {
        "musl".to_owned()
    } else {
        unknown()
    }
}

/// The first of the names that `sysctl` knows, on systems without `/proc`.
#[cfg(all(unix, not(target_os = "linux")))]
fn sysctl(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let output = std::process::Command::new("sysctl")
            .args(["-n", name])
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let text = text.trim();
        (output.status.success() && !text.is_empty()).then(|| text.to_owned())
    })
}

#[cfg(not(all(unix, not(target_os = "linux"))))]
fn sysctl(_names: &[&str]) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn what_is_not_found_reads_unknown() {
        let root = tempfile::tempdir().unwrap();
        let machine = probe_at(root.path(), &Topology::detect());
        assert_eq!(machine.governor, UNKNOWN);
        assert_eq!(machine.clock_source, UNKNOWN);
        #[cfg(target_os = "linux")]
        {
            assert_eq!(machine.cpu_model, UNKNOWN);
            assert_eq!(machine.kernel, UNKNOWN);
            assert_eq!(machine.memory_mib, None);
            assert!(machine.id.starts_with("unknown-"), "{}", machine.id);
        }
    }

    #[test]
    fn what_is_written_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let topology = Topology::detect();
        write(
            root,
            "proc/cpuinfo",
            "processor\t: 0\nmodel name\t: Some CPU 9000\n",
        );
        write(
            root,
            "proc/meminfo",
            "MemTotal:        8192 kB\nMemFree: 1 kB\n",
        );
        write(root, "proc/sys/kernel/osrelease", "6.1.0-test\n");
        write(root, "etc/os-release", "ID=x\nPRETTY_NAME=\"A System 1\"\n");
        for (index, cpu) in topology.placement().iter().enumerate() {
            let name = ["powersave", "performance"][index.min(1)];
            write(
                root,
                &format!("sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"),
                name,
            );
        }
        let machine = probe_at(root, &topology);
        assert_eq!(machine.cpu_model, "Some CPU 9000");
        assert_eq!(machine.memory_mib, Some(8));
        assert_eq!(machine.kernel, "6.1.0-test");
        assert!(machine.os.ends_with("(A System 1)"), "{}", machine.os);
        assert!(machine.id.starts_with("some-9000-"), "{}", machine.id);
        let several = topology.placement().len() > 1;
        let governors = if several {
            "performance, powersave"
        } else {
            "powersave"
        };
        assert_eq!(machine.governor, governors);
    }

    #[test]
    fn arm_parts_stand_in_for_a_model() {
        let folder = tempfile::tempdir().unwrap();
        write(
            folder.path(),
            "proc/cpuinfo",
            "processor : 0\nCPU implementer : 0x41\nCPU part : 0xd0c\n",
        );
        let model = Files(folder.path()).cpu_model().unwrap();
        assert_eq!(model, "implementer 0x41 part 0xd0c");
    }

    #[test]
    fn no_host_name_is_in_the_fingerprint() {
        let Ok(host) = fs::read_to_string("/proc/sys/kernel/hostname") else {
            return; // Nothing to compare with on this system.
        };
        let host = host.trim().to_lowercase();
        let machine = probe();
        // A host may be called "linux"; what must not appear is a real name.
        if host.len() > 5 && !machine.os.to_lowercase().contains(&host) {
            let text = format!("{machine:?}").to_lowercase();
            assert!(!text.contains(&host), "{text}");
        }
    }
}
