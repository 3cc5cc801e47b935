//! What stands between the processor and the kernel.

use super::files::Files;
use super::unknown;

impl Files<'_> {
    /// The hypervisor as the processor names it, or as the firmware does.
    pub(super) fn hypervisor(&self) -> String {
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
