//! Machines for tests: a folder that vanishes after the test, and a compact
//! description that expands into the part of `/sys` and `/proc` that is read.
//!
//! Other crates have it with the feature `fixtures`, for their tests alone:
//!
//! ```
//! use detach_strategies::platform::topology::{Topology, fixture::Fixture};
//!
//! let machine = Fixture::named("two-sockets-256");
//! let topology = Topology::from_sysfs(&machine.sysfs(), machine.allowed())?;
//! assert_eq!(topology.cores(), 128);
//! # Ok::<(), detach_strategies::platform::topology::TopologyError>(())
//! ```

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{format_cpu_list, parse_cpu_list};

macro_rules! machines {
    ($($name:literal),* $(,)?) => {
        &[$((
            $name,
            include_str!(concat!("../../../tests/fixtures/topology/", $name, ".txt")),
        )),*]
    };
}

/// The machines that are described, by name, each with its description.
pub const MACHINES: &[(&str, &str)] = machines![
    "bare",
    "cpus-5-to-7",
    "hybrid-arm",
    "hybrid-x86",
    "many-caches",
    "offline",
    "two-sockets-256",
    "two-sockets-smt",
];

/// A folder of its own that goes away when dropped.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// A new, empty one.
    ///
    /// # Panics
    ///
    /// When it cannot be made.
    #[allow(clippy::new_without_default)] // Making a folder is no default.
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Ordering: Relaxed; only the number must differ, it orders nothing.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("detach-topology-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, with the folders on the way to it.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
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
#[derive(Debug)]
pub struct Fixture {
    root: Folder,
    online: Vec<usize>,
    allowed: Option<Vec<usize>>,
    packages: usize,
    nodes: usize,
}

impl Fixture {
    /// One of [`MACHINES`].
    ///
    /// # Panics
    ///
    /// When there is none of that name.
    pub fn named(name: &str) -> Self {
        let machine = MACHINES.iter().find(|(known, _)| *known == name);
        let (_, description) = machine.unwrap_or_else(|| panic!("no machine is called {name}"));
        Self::expand(description)
    }

    /// Expands a description, one statement a line. Most are a word and a
    /// list of CPUs:
    ///
    /// - `possible`, `online`: the lists of the kernel.
    /// - `package`, `node`: numbered in the order of their lines.
    /// - `core`, `old-core`: hardware threads of one core, the latter as kernels
    ///   before 5.3 tell them.
    /// - `cache LEVEL`, or `cache LEVEL KIND SIZE LINE`: CPUs that share a cache.
    /// - `capacity VALUE`, `atom`: speeds of cores.
    /// - `frequency MIN MAX NOW`: in kHz.
    /// - `cpuset v1` or `v2`: what the control group of the process allows; it
    ///   confines the process, too.
    /// - `allowed`: the affinity mask; the CPUs that are online by default.
    /// - `each LIST +DISTANCE STATEMENT`: the statement for each CPU of the
    ///   list together with the one that is so much higher.
    ///
    /// `smt on` and `smt off` are the kernel's word on hardware threads.
    ///
    /// # Panics
    ///
    /// When a statement makes no sense, or a file cannot be written.
    pub fn expand(description: &str) -> Self {
        let mut fixture = Fixture {
            root: Folder::new(),
            online: Vec::new(),
            allowed: None,
            packages: 0,
            nodes: 0,
        };
        for line in description.lines().map(str::trim) {
            if !line.is_empty() && !line.starts_with('#') {
                let words: Vec<&str> = line.split_whitespace().collect();
                fixture.state(&words);
            }
        }
        fixture
    }

    /// What the root of the file system would be; holds `sys` and `proc`.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// What would be mounted at `/sys`.
    pub fn sysfs(&self) -> PathBuf {
        self.root().join("sys")
    }

    /// The CPUs that the process may use.
    pub fn allowed(&self) -> &[usize] {
        self.allowed.as_ref().unwrap_or(&self.online)
    }

    /// Adds what a file of the machine says.
    ///
    /// # Panics
    ///
    /// When it cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        self.root.write(name, text);
    }

    /// Expands one statement.
    fn state(&mut self, words: &[&str]) {
        match words {
            ["smt", state] => {
                let active = if *state == "on" { "1\n" } else { "0\n" };
                return self.write("sys/devices/system/cpu/smt/active", active);
            }
            ["each", list, distance, statement @ ..] => {
                let distance: usize = distance.trim_start_matches('+').parse().unwrap();
                for cpu in parse_cpu_list(list).unwrap() {
                    let pair = format_cpu_list(&[cpu, cpu + distance]);
                    self.state(&[statement, &[pair.as_str()]].concat());
                }
                return;
            }
            _ => {}
        }
        let list = words[words.len() - 1];
        let cpus = parse_cpu_list(list).unwrap();
        let each = |name: &str, text: &str| {
            for cpu in &cpus {
                self.write(&format!("sys/devices/system/cpu/cpu{cpu}/{name}"), text);
            }
        };
        match *words {
            ["possible" | "online", _] => {
                self.write(&format!("sys/devices/system/cpu/{}", words[0]), list);
                if words[0] == "online" {
                    self.online = cpus;
                }
            }
            ["package", _] => {
                each("topology/physical_package_id", &self.packages.to_string());
                self.packages += 1;
            }
            ["core", _] => each("topology/core_cpus_list", list),
            // What kernels before 5.3 called it.
            ["old-core", _] => each("topology/thread_siblings_list", list),
            ["cache", level, _] => {
                each(&format!("cache/index{level}/level"), level);
                each(&format!("cache/index{level}/type"), "Unified");
                each(&format!("cache/index{level}/shared_cpu_list"), list);
            }
            ["cache", level, kind, size, line, _] => {
                // The kernel counts the two first-level caches apart.
                let index = if kind == "Data" { "0" } else { level };
                let folder = format!("cache/index{index}");
                each(&format!("{folder}/level"), level);
                each(&format!("{folder}/type"), kind);
                each(&format!("{folder}/size"), size);
                each(&format!("{folder}/coherency_line_size"), line);
                each(&format!("{folder}/shared_cpu_list"), list);
            }
            ["node", _] => {
                let node = self.nodes;
                let name = format!("sys/devices/system/node/node{node}/cpulist");
                self.write(&name, list);
                self.nodes += 1;
            }
            ["capacity", value, _] => each("cpu_capacity", value),
            ["atom", _] => self.write("sys/devices/cpu_atom/cpus", list),
            ["frequency", min, max, now, _] => {
                each("cpufreq/cpuinfo_min_freq", min);
                each("cpufreq/cpuinfo_max_freq", max);
                each("cpufreq/scaling_cur_freq", now);
            }
            ["cpuset", version, _] => {
                let (membership, mount, file) = match version {
                    "v1" => (
                        "3:cpuset:/job\n0::/\n",
                        "34 31 0:31 / /sys/fs/cgroup rw - cgroup cgroup rw,cpuset\n",
                        "cpuset.effective_cpus",
                    ),
                    "v2" => (
                        "0::/job\n",
                        "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
                        "cpuset.cpus.effective",
                    ),
                    other => panic!("control groups have no version {other}"),
                };
                self.write("proc/self/cgroup", membership);
                self.write("proc/self/mountinfo", mount);
                self.write(&format!("sys/fs/cgroup/job/{file}"), list);
                self.allowed = Some(cpus);
            }
            ["allowed", _] => self.allowed = Some(cpus),
            _ => panic!("unknown statement: {words:?}"),
        }
    }
}
