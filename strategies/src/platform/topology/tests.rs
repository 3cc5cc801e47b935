//! Machines other than the one at hand, from their descriptions.

use super::fixture::{Fixture, Folder, MACHINES};
use super::*;

fn machine(name: &str) -> Topology {
    let fixture = Fixture::named(name);
    Topology::from_sysfs(&fixture.sysfs(), fixture.allowed()).unwrap()
}

/// Packages, cores, last-level caches, NUMA nodes.
fn counts(topology: &Topology) -> [usize; 4] {
    [
        topology.packages(),
        topology.cores(),
        topology.last_level_caches(),
        topology.numa_nodes(),
    ]
}

#[test]
fn sockets_fill_one_after_the_other_and_siblings_come_last() {
    let topology = machine("two-sockets-smt");
    assert_eq!(counts(&topology), [2, 4, 2, 2]);
    assert_eq!(topology.possible_cpus(), 8);
    assert_eq!(topology.placement(), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert!(topology.notes().is_empty());
    let siblings: Vec<usize> = topology.cpus().iter().map(|cpu| cpu.sibling).collect();
    assert_eq!(siblings, [0, 0, 0, 0, 1, 1, 1, 1]);
}

#[test]
fn fast_cores_come_first_where_slow_ones_are_listed() {
    let topology = machine("hybrid-x86");
    assert_eq!(counts(&topology), [1, 6, 1, 1]);
    assert_eq!(topology.core_kinds(), 2);
    assert_eq!(topology.placement(), [0, 2, 4, 5, 6, 7, 1, 3]);
}

#[test]
fn fast_cores_come_first_where_capacities_are_told() {
    let topology = machine("hybrid-arm");
    assert_eq!(topology.core_kinds(), 3);
    assert_eq!(topology.packages(), 1);
    assert_eq!(topology.placement(), [7, 4, 5, 6, 0, 1, 2, 3]);
}

#[test]
fn caches_fill_one_after_the_other() {
    let topology = machine("many-caches");
    assert_eq!(counts(&topology), [1, 8, 4, 2]);
    let expected = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
    assert_eq!(topology.placement(), expected);
    let caches: Vec<usize> = topology
        .cpus()
        .iter()
        .map(|cpu| cpu.last_level_cache)
        .collect();
    assert_eq!(caches, [0, 0, 2, 2, 4, 4, 6, 6, 0, 0, 2, 2, 4, 4, 6, 6]);
}

#[test]
fn interleaved_sockets_are_still_filled_one_by_one() {
    let fixture = Fixture::expand(
        "possible 0-3\nonline 0-3\npackage 0,2\npackage 1,3\n\
         core 0\ncore 1\ncore 2\ncore 3\n",
    );
    let topology = Topology::from_sysfs(&fixture.sysfs(), fixture.allowed()).unwrap();
    assert_eq!(topology.placement(), [0, 2, 1, 3]);
    // Without cache folders each package counts as one cache.
    assert_eq!(topology.last_level_caches(), 2);
}

#[test]
fn offline_cpus_count_as_possible_but_get_no_thread() {
    let topology = machine("offline");
    assert_eq!(topology.possible_cpus(), 8);
    assert_eq!(topology.placement(), [0, 3]);
    assert_eq!(counts(&topology), [1, 2, 1, 1]);
}

#[test]
fn a_group_of_cpus_ranks_its_own_siblings() {
    let topology = machine("cpus-5-to-7");
    // CPU 5 is a second thread, but its core has no other one to offer.
    assert_eq!(topology.placement(), [5, 6, 7]);
    assert_eq!(topology.cores(), 2);
    assert_eq!(topology.possible_cpus(), 8);
    let siblings: Vec<usize> = topology.cpus().iter().map(|cpu| cpu.sibling).collect();
    assert_eq!(siblings, [0, 0, 1]);
}

#[test]
fn a_control_group_confines_as_its_list_says() {
    let fixture = Fixture::named("cpus-5-to-7");
    assert_eq!(cpuset_at(fixture.root()), Some(vec![5, 6, 7]));
    assert_eq!(fixture.allowed(), [5, 6, 7]);
    // Whoever looks at the tree from outside sees the whole machine.
    let all = Topology::from_sysfs_all(&fixture.sysfs()).unwrap();
    assert_eq!(all.placement(), [0, 2, 4, 6, 1, 3, 5, 7]);
}

#[test]
fn a_large_machine_fills_cache_by_cache_and_node_by_node() {
    let topology = machine("two-sockets-256");
    assert_eq!(counts(&topology), [2, 128, 16, 8]);
    assert_eq!(topology.possible_cpus(), 256);
    assert!(topology.notes().is_empty());
    let placement = topology.placement();
    assert_eq!(placement, Vec::from_iter(0..256));
    // The first 64 threads have a core each, all on one socket; of these, the
    // first eight share a cache.
    let part = topology.restricted_to(&placement[..64]).unwrap();
    assert_eq!(counts(&part), [1, 64, 8, 4]);
    let part = topology.restricted_to(&placement[..8]).unwrap();
    assert_eq!(counts(&part), [1, 8, 1, 1]);
}

#[test]
fn every_described_machine_can_be_looked_at_from_outside() {
    for (name, _) in MACHINES {
        let fixture = Fixture::named(name);
        let all = Topology::from_sysfs_all(&fixture.sysfs()).unwrap();
        let confined = Topology::from_sysfs(&fixture.sysfs(), fixture.allowed()).unwrap();
        assert!(all.cpus().len() >= confined.cpus().len(), "{name}");
        assert_eq!(all.possible_cpus(), confined.possible_cpus(), "{name}");
    }
}

#[test]
fn a_sandbox_without_details_counts_every_cpu_as_a_core() {
    let topology = machine("bare");
    assert_eq!(topology.placement(), [0, 1, 2, 3]);
    assert_eq!(counts(&topology), [1, 4, 1, 1]);
    assert_eq!(topology.notes().len(), 1, "{:?}", topology.notes());
}

#[test]
fn a_choice_of_cpus_ranks_its_own_siblings() {
    let topology = machine("two-sockets-smt");
    let chosen = topology.restricted_to(&[7, 1, 5]).unwrap();
    assert_eq!(chosen.placement(), [1, 7, 5]);
    let error = topology.restricted_to(&[1, 8, 9]).unwrap_err().to_string();
    assert!(error.contains("may not use CPU 8-9"), "{error}");
    assert!(error.contains("may use 0-7"), "{error}");
}

#[test]
fn a_broken_tree_is_told_with_its_file() {
    let folder = Folder::new();
    let error = Topology::from_sysfs(folder.path(), &[0]).unwrap_err();
    assert!(matches!(error, TopologyError::Unreadable(..)), "{error}");
    folder.write("devices/system/cpu/possible", "0-1\n");
    folder.write("devices/system/cpu/online", "zero\n");
    let error = Topology::from_sysfs(folder.path(), &[0])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("online") && error.contains("`zero`"),
        "{error}"
    );
    folder.write("devices/system/cpu/online", "0-1\n");
    let error = Topology::from_sysfs(folder.path(), &[7]).unwrap_err();
    assert!(matches!(error, TopologyError::NothingLeft), "{error}");
}

#[test]
fn this_machine_has_at_least_one_cpu() {
    let topology = Topology::detect();
    assert!(!topology.placement().is_empty());
    let highest = topology.cpus().iter().map(|cpu| cpu.id).max().unwrap();
    assert!(topology.possible_cpus() > highest);
    if let Some(allowed) = allowed_cpus() {
        assert!(topology.placement().iter().all(|cpu| allowed.contains(cpu)));
    }
}
