//! The control groups that a process is in, and where their files are.
//!
//! Version 1 mounts a hierarchy for every controller or few, version 2 one for
//! all of them, and many systems mount both. A group is named by the path that
//! `/proc/self/cgroup` tells; where that path begins depends on which part of
//! the hierarchy is mounted, which `/proc/self/mountinfo` tells.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The two interfaces that the kernel has for control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V1,
    V2,
}

/// For every hierarchy that may carry limits of `controller`, its version and
/// the folders of the group of this process and of all groups above it, the
/// innermost first. The file system's root is `root`. Nothing to read gives
/// nothing.
pub(super) fn groups(root: &Path, controller: &str) -> Vec<(Version, Vec<PathBuf>)> {
    let read = |name: &str| fs::read_to_string(root.join(name)).unwrap_or_default();
    let memberships = read("proc/self/cgroup");
    let mounts = read("proc/self/mountinfo");
    mounts
        .lines()
        .filter_map(|line| Mount::parse(line, controller))
        .filter_map(|mount| {
            let mut lines = memberships.lines();
            let group = lines.find_map(|line| mount.group_of(line, controller))?;
            Some((mount.version, mount.folders(root, group)))
        })
        .collect()
}

/// A mounted hierarchy of control groups.
struct Mount<'a> {
    version: Version,
    /// The group that appears at the mount point.
    top: &'a str,
    point: &'a str,
}

impl<'a> Mount<'a> {
    /// Reads a line of `mountinfo`:
    /// `31 23 0:28 /top /point options... - type source super-options`.
    fn parse(line: &'a str, controller: &str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let (top, point) = (front.next()?, front.next()?);
        let mut back = back.split(' ');
        let (kind, options) = (back.next()?, back.next_back()?);
        let version = match kind {
            "cgroup2" => Version::V2,
            "cgroup" if options.split(',').any(|option| option == controller) => Version::V1,
            _ => return None,
        };
        Some(Mount {
            version,
            top,
            point,
        })
    }

    /// The group that a line of `/proc/self/cgroup` names, if the line speaks
    /// of this hierarchy: `0::/group` or `4:cpu,cpuacct:/group`.
    fn group_of<'l>(&self, line: &'l str, controller: &str) -> Option<&'l str> {
        let mut fields = line.splitn(3, ':');
        let (hierarchy, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
        let ours = match self.version {
            Version::V1 => controllers.split(',').any(|name| name == controller),
            Version::V2 => hierarchy == "0" && controllers.is_empty(),
        };
        ours.then_some(group)
    }

    /// The folders of `group` and of every group above it, as far as they
    /// are mounted.
    fn folders(&self, root: &Path, group: &str) -> Vec<PathBuf> {
        let below_root = |path: &str| -> PathBuf {
            Path::new(path)
                .components()
                .filter(|part| matches!(part, Component::Normal(_)))
                .collect()
        };
        let point = root.join(below_root(self.point));
        let group = below_root(group);
        // In a container the mount often shows the group itself at its point.
        let inside = group
            .strip_prefix(below_root(self.top))
            .unwrap_or(Path::new(""));
        inside.ancestors().map(|part| point.join(part)).collect()
    }
}
