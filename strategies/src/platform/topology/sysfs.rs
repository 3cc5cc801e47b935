//! Linux's description of the CPUs.
//!
//! Two lists must be there: `devices/system/cpu/possible` and `online`. The
//! folder of each CPU adds what it belongs to; virtual machines and sandboxes
//! leave out some or all of it, and each absence has a harmless reading.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{Cpu, Topology, TopologyError, parse_cpu_list};

pub(super) fn read(root: &Path, allowed: &[usize]) -> Result<Topology, TopologyError> {
    let folder = root.join("devices/system/cpu");
    let possible = required_list(&folder.join("possible"))?;
    let online = online(root)?;
    let nodes = nodes(&root.join("devices/system/node"));
    let slow = optional_list(&root.join("devices/cpu_atom/cpus")).unwrap_or_default();

    let mut guessed_cores = false;
    let mut speeds = BTreeMap::new();
    let mut cpus = Vec::new();
    for &id in online.iter().filter(|cpu| allowed.contains(cpu)) {
        let here = folder.join(format!("cpu{id}"));
        let topology = here.join("topology");
        let package = number(&topology.join("physical_package_id"));
        // The second name is that of kernels before 5.3.
        let core = optional_list(&topology.join("core_cpus_list"))
            .or_else(|| optional_list(&topology.join("thread_siblings_list")));
        guessed_cores |= core.is_none();
        // Faster kinds of cores have a larger capacity. Not every kernel tells
        // it; the list of slow cores that Intel's hybrids have says as much.
        let capacity = number(&here.join("cpu_capacity"));
        speeds.insert(id, (!slow.contains(&id), capacity));
        let package = package.unwrap_or(0);
        cpus.push(Cpu {
            id,
            package,
            core: core.map_or(id, |threads| threads[0]),
            sibling: 0,
            last_level_cache: last_level_cache(&here.join("cache")).unwrap_or(usize::MAX),
            node: nodes.get(&id).copied().unwrap_or(0),
            kind: 0,
        });
    }
    if cpus.is_empty() {
        return Err(TopologyError::NothingLeft);
    }

    let mut ranks: Vec<_> = speeds.values().copied().collect();
    ranks.sort_unstable_by(|a, b| b.cmp(a));
    ranks.dedup();
    let lowest_of_package = |package: usize, cpus: &[Cpu]| {
        let in_package = cpus.iter().filter(|cpu| cpu.package == package);
        in_package.map(|cpu| cpu.id).min().unwrap_or(0)
    };
    for index in 0..cpus.len() {
        let cpu = cpus[index];
        cpus[index].kind = ranks
            .iter()
            .position(|speed| *speed == speeds[&cpu.id])
            .unwrap_or(0);
        // Nothing known about caches: a package shares one.
        if cpu.last_level_cache == usize::MAX {
            cpus[index].last_level_cache = lowest_of_package(cpu.package, &cpus);
        }
    }

    let mut topology = Topology {
        // The lists of the kernel are ascending, and so is a parsed one.
        possible: possible
            .iter()
            .chain(&online)
            .max()
            .map_or(0, |highest| highest + 1),
        cpus,
        pinning: true,
        quota: None,
        notes: Vec::new(),
    };
    topology.rank_siblings();
    if guessed_cores {
        topology = topology.note(
            "the system does not tell which CPUs share a core: \
             each counts as a core of its own",
        );
    }
    Ok(topology)
}

/// The CPUs that are online in the tree at `root`.
pub(super) fn online(root: &Path) -> Result<Vec<usize>, TopologyError> {
    required_list(&root.join("devices/system/cpu/online"))
}

fn required_list(path: &Path) -> Result<Vec<usize>, TopologyError> {
    let text = fs::read_to_string(path)
        .map_err(|error| TopologyError::Unreadable(path.to_owned(), error))?;
    parse_cpu_list(&text).map_err(|error| TopologyError::Malformed(path.to_owned(), error))
}

/// A list that may be missing; the parser lets no empty one through.
fn optional_list(path: &Path) -> Option<Vec<usize>> {
    parse_cpu_list(&fs::read_to_string(path).ok()?).ok()
}

/// A number that may be missing. The kernel writes -1 for "does not apply",
/// which is no number here.
fn number(path: &Path) -> Option<usize> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The lowest CPU among those that share the highest level of data cache.
fn last_level_cache(folder: &Path) -> Option<usize> {
    fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| {
            let index = entry.ok()?.path();
            let kind = fs::read_to_string(index.join("type")).ok()?;
            if kind.trim() == "Instruction" {
                return None;
            }
            let level = number(&index.join("level"))?;
            let shared = optional_list(&index.join("shared_cpu_list"))?;
            Some((level, shared[0]))
        })
        .max_by_key(|(level, _)| *level)
        .map(|(_, lowest)| lowest)
}

/// The NUMA node of every CPU that has one.
fn nodes(folder: &Path) -> BTreeMap<usize, usize> {
    let mut nodes = BTreeMap::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix("node"));
        let Some(node) = number.and_then(|number| number.parse().ok()) else {
            continue;
        };
        // A node of memory alone has an empty list.
        for cpu in optional_list(&entry.path().join("cpulist")).unwrap_or_default() {
            nodes.insert(cpu, node);
        }
    }
    nodes
}
