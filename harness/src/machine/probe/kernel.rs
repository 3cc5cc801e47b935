//! How the kernel was told to run: options of its command line, and what it
//! does about the faults of the processor.
//!
//! A command line may hold anything: names of hosts and disks, addresses, keys.
//! So only options that are known to matter to measurements are taken, by their
//! exact names, and nothing else of the line leaves this file.

use std::collections::BTreeMap;

use super::files::Files;

/// Options that change what measurements show. An underscore stands for a
/// hyphen, too, as it does for the kernel.
const OPTIONS: &[&str] = &[
    // Which CPUs there are, and who may use them.
    "cgroup_disable",
    "housekeeping",
    "isolcpus",
    "irqaffinity",
    "maxcpus",
    "mitigations",
    "nosmt",
    "nosmp",
    "nr_cpus",
    "possible_cpus",
    // When the kernel interrupts them.
    "audit",
    "hardlockup_panic",
    "highres",
    "kthread_cpus",
    "nmi_watchdog",
    "nohz",
    "nohz_full",
    "nosoftlockup",
    "nowatchdog",
    "preempt",
    "psi",
    "rcu_nocb_poll",
    "rcu_nocbs",
    "rcupdate.rcu_expedited",
    "rcupdate.rcu_normal",
    "rcutree.kthread_prio",
    "schedstats",
    "skew_tick",
    "threadirqs",
    "tsc",
    "watchdog_thresh",
    "workqueue.power_efficient",
    // How fast they run, and how deeply they sleep.
    "amd_prefcore",
    "amd_pstate",
    "cpufreq.default_governor",
    "cpufreq.off",
    "cpuidle.governor",
    "cpuidle.off",
    "cpuidle_haltpoll.force",
    "haltpoll.guest_halt_poll_allow_shrink",
    "haltpoll.guest_halt_poll_grow",
    "haltpoll.guest_halt_poll_grow_start",
    "haltpoll.guest_halt_poll_ns",
    "haltpoll.guest_halt_poll_shrink",
    "idle",
    "intel_idle.max_cstate",
    "intel_pstate",
    "no_hlt",
    "nohlt",
    "processor.max_cstate",
    "processor.nocst",
    // Clocks.
    "clocksource",
    "hpet",
    "notsc",
    "nohpet",
    "no_timer_check",
    // Memory.
    "default_hugepagesz",
    "hugepages",
    "hugepagesz",
    "init_on_alloc",
    "init_on_free",
    "movable_node",
    "numa",
    "numa_balancing",
    "page_poison",
    "slab_nomerge",
    "slub_debug",
    "transparent_hugepage",
    // Work-arounds for faults of the processor, and what else entering the
    // kernel costs.
    "gather_data_sampling",
    "indirect_target_selection",
    "kpti",
    "kvm_intel.vmentry_l1d_flush",
    "l1d_flush",
    "l1tf",
    "mds",
    "mmio_stale_data",
    "nopti",
    "nospec_store_bypass_disable",
    "nospectre_bhb",
    "nospectre_v1",
    "nospectre_v2",
    "pti",
    "randomize_kstack_offset",
    "reg_file_data_sampling",
    "retbleed",
    "spec_rstack_overflow",
    "spec_store_bypass_disable",
    "spectre_bhi",
    "spectre_v2",
    "spectre_v2_user",
    "split_lock_detect",
    "srbds",
    "srso",
    "ssbd",
    "tsa",
    "tsx",
    "tsx_async_abort",
    "vmscape",
    // Virtual machines.
    "kvm.halt_poll_ns",
    "kvm.halt_poll_ns_grow",
    "kvm.halt_poll_ns_shrink",
    "kvm.lapic_timer_advance_ns",
    "kvm.nx_huge_pages",
    "kvm_amd.avic",
    "kvm_amd.nested",
    "kvm_amd.npt",
    "kvm_intel.ept",
    "kvm_intel.nested",
    "kvm_intel.ple_gap",
    "kvm_intel.ple_window",
    "kvm_intel.preemption_timer",
    "no_kvmclock",
    "no_kvmapf",
    "no_steal_acc",
    "nopv",
    "nopvspin",
    "noreplace_smp",
    "xen_nopvspin",
];

/// A fault that the processor does not have.
const NOT_AFFECTED: &str = "Not affected";

impl Files<'_> {
    /// The options of the command line that matter, in its order.
    pub(super) fn boot_options(&self) -> Vec<String> {
        let line = self.text("proc/cmdline").unwrap_or_default();
        relevant(&line)
    }

    /// What the kernel does about each fault that the processor has.
    pub(super) fn mitigations(&self) -> BTreeMap<String, String> {
        const FOLDER: &str = "sys/devices/system/cpu/vulnerabilities";
        let told = |name: String| {
            let text = self.line(&format!("{FOLDER}/{name}"))?;
            (text != NOT_AFFECTED).then_some((name, text))
        };
        self.names(FOLDER).into_iter().filter_map(told).collect()
    }
}

/// The options of a command line that are among [`OPTIONS`].
fn relevant(line: &str) -> Vec<String> {
    words(line)
        .into_iter()
        // What follows is for the first process.
        .take_while(|word| word != "--")
        .filter(|word| {
            let name = word.split('=').next().unwrap_or_default();
            OPTIONS.contains(&name.replace('-', "_").as_str())
        })
        .collect()
}

/// The words of a command line. Quotes keep spaces within a word together, so
/// that a part of a private value never looks like an option.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let (mut word, mut quoted) = (String::new(), false);
    for letter in line.chars() {
        if letter == '"' {
            quoted = !quoted;
        }
        if letter.is_whitespace() && !quoted {
            words.push(std::mem::take(&mut word));
        } else {
            word.push(letter);
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_taken_as_it_stands() {
        let line = "quiet mitigations=auto,nosmt isolcpus=2-3 nohz_full=2-3 noreplace-smp \
                    processor.max_cstate=1 kvm.halt_poll_ns=0 threadirqs\n";
        let expected = [
            "mitigations=auto,nosmt",
            "isolcpus=2-3",
            "nohz_full=2-3",
            "noreplace-smp",
            "processor.max_cstate=1",
            "kvm.halt_poll_ns=0",
            "threadirqs",
        ];
        assert_eq!(relevant(line), expected);
    }

    #[test]
    fn everything_else_is_nobodys_business() {
        for private in [
            "root=UUID=0123 ip=192.0.2.7::192.0.2.1:255.255.255.0:myhost:eth0",
            "hostname=secret systemd.hostname=secret password=pti",
            // Only the exact name counts, not a part of it nor a value.
            "idle.secret=1 my.idle=2 idlex=3 Idle=4 x=mitigations=off",
            "kvm.secret=1 tsc.secret",
            "greeting=\"hello mitigations=off\" \"idle poll\"",
            "init=/sbin/init -- mitigations=off isolcpus=1",
            "",
        ] {
            assert_eq!(relevant(private), [""; 0], "{private}");
        }
    }

    #[test]
    fn every_option_is_written_as_it_is_compared() {
        assert!(OPTIONS.iter().all(|name| !name.contains('-')));
        let mut once = OPTIONS.to_vec();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), OPTIONS.len());
    }
}
