use std::fs;

use detach_results::machine::{Cache, Frequency};
use detach_strategies::platform::topology::fixture::Fixture;

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

/// The fingerprint of a described machine.
fn described(machine: &Fixture) -> Machine {
    let topology = Topology::from_sysfs(&machine.sysfs(), machine.allowed()).unwrap();
    probe_at(machine.root(), &topology)
}

fn cache(level: u32, kind: &str, size_kib: u64, shared_by: &str) -> Cache {
    Cache {
        level,
        kind: kind.to_owned(),
        size_kib,
        line_bytes: Some(64),
        shared_by: shared_by.to_owned(),
    }
}

#[test]
fn caches_threads_and_speeds_of_a_server() {
    let machine = described(&Fixture::named("two-sockets-smt"));
    assert_eq!(machine.smt, Some(true));
    assert_eq!(
        machine.caches,
        [
            cache(1, "Data", 32, "0,4"),
            cache(1, "Instruction", 32, "0,4"),
            cache(2, "Unified", 1_024, "0,4"),
            cache(3, "Unified", 32_768, "0-1,4-5"),
        ]
    );
    let expected = Frequency {
        min_mhz: Some(800),
        max_mhz: Some(3_500),
        now_mhz: Some(2_600),
    };
    assert_eq!(machine.frequency, Some(expected));
    assert_eq!(machine.cpuset, None);
}

#[test]
fn a_large_machine_in_numbers() {
    let machine = described(&Fixture::named("two-sockets-256"));
    assert_eq!(machine.allowed_cpus.len(), 256);
    assert_eq!((machine.cores, machine.packages), (128, 2));
    assert_eq!((machine.last_level_caches, machine.numa_nodes), (16, 8));
    assert_eq!(machine.caches[3].shared_by, "0-7,128-135");
    assert!(machine.id.ends_with("-256cpu"), "{}", machine.id);
}

#[test]
fn a_process_in_a_group_of_cpus() {
    let machine = described(&Fixture::named("cpus-5-to-7"));
    assert_eq!(machine.cpuset.as_deref(), Some("5-7"));
    assert_eq!(machine.allowed_cpus, [5, 6, 7]);
    assert_eq!(machine.smt, Some(true));
    let machine = described(&Fixture::named("offline"));
    assert_eq!(machine.cpuset.as_deref(), Some("0,3"));
    assert_eq!(machine.possible_cpus, 8);
}

#[test]
fn threads_show_where_the_kernel_has_no_word_for_them() {
    // Two of its cores have two threads.
    let machine = described(&Fixture::named("hybrid-x86"));
    assert_eq!(machine.smt, Some(true));
    // A cache without a size is not told.
    assert!(machine.caches.is_empty());
    let machine = described(&Fixture::named("offline"));
    assert_eq!(machine.smt, Some(false));
    assert_eq!(described(&Fixture::named("bare")).smt, None);
}

#[test]
fn how_the_kernel_runs() {
    let machine = Fixture::named("bare");
    machine.write("proc/cmdline", "root=/dev/secret isolcpus=2-3 quiet\n");
    for (name, text) in [
        ("meltdown", "Mitigation: PTI\n"),
        ("mds", "Not affected\n"),
        ("spectre_v2", "Vulnerable\n"),
    ] {
        let folder = "sys/devices/system/cpu/vulnerabilities";
        machine.write(&format!("{folder}/{name}"), text);
    }
    let machine = described(&machine);
    assert_eq!(machine.boot_options, ["isolcpus=2-3"]);
    let mitigations: Vec<(&str, &str)> = machine
        .mitigations
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let expected = [
        ("meltdown", "Mitigation: PTI"),
        ("spectre_v2", "Vulnerable"),
    ];
    assert_eq!(mitigations, expected);
}
