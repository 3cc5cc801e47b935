//! Machines for tests: a folder that vanishes after the test, and a compact
//! description that expands into the part of sysfs that is read.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::parse_cpu_list;

/// A folder of its own that goes away when dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Ordering: Relaxed; only the number must differ, it orders nothing.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("detach-topology-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A described machine, and the CPUs that a process on it may use.
pub(crate) struct Fixture {
    pub(crate) sysfs: Folder,
    pub(crate) allowed: Vec<usize>,
}

impl Fixture {
    /// Expands a description, one statement a line: `word CPU-LIST`, where
    /// `capacity` takes its value first. Packages and nodes are numbered in
    /// the order of their lines; `cache N` names CPUs that share a cache of
    /// level N. `allowed` defaults to the CPUs that are online.
    pub(crate) fn expand(description: &str) -> Self {
        let sysfs = Folder::new();
        let (mut packages, mut nodes) = (0, 0);
        let (mut online, mut allowed) = (Vec::new(), None);
        for line in description.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let words: Vec<&str> = line.split_whitespace().collect();
            let list = words[words.len() - 1];
            let cpus = parse_cpu_list(list).unwrap();
            let each = |name: &str, text: &str| {
                for cpu in &cpus {
                    sysfs.write(&format!("devices/system/cpu/cpu{cpu}/{name}"), text);
                }
            };
            match words[..] {
                ["possible" | "online", _] => {
                    sysfs.write(&format!("devices/system/cpu/{}", words[0]), list);
                    if words[0] == "online" {
                        online = cpus;
                    }
                }
                ["package", _] => {
                    each("topology/physical_package_id", &packages.to_string());
                    packages += 1;
                }
                ["core", _] => each("topology/core_cpus_list", list),
                // What kernels before 5.3 called it.
                ["old-core", _] => each("topology/thread_siblings_list", list),
                ["cache", level, _] => {
                    each(&format!("cache/index{level}/level"), level);
                    each(&format!("cache/index{level}/type"), "Unified");
                    each(&format!("cache/index{level}/shared_cpu_list"), list);
                }
                ["node", _] => {
                    sysfs.write(&format!("devices/system/node/node{nodes}/cpulist"), list);
                    nodes += 1;
                }
                ["capacity", value, _] => each("cpu_capacity", value),
                ["atom", _] => sysfs.write("devices/cpu_atom/cpus", list),
                ["allowed", _] => allowed = Some(cpus),
                _ => panic!("unknown statement: {line}"),
            }
        }
        Fixture {
            sysfs,
            allowed: allowed.unwrap_or(online),
        }
    }
}
