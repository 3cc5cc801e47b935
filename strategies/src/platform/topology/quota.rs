//! How much CPU time the control group of the process grants.
//!
//! A quota is not a set of CPUs: a group with a quota of two CPUs on a machine
//! of sixty-four may run threads on all of them, until the time of the period
//! is used up and all of them stop. So it cannot shorten a placement; it can
//! only be reported, and it spoils measurements with more busy threads than it
//! grants CPUs.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// The CPUs' worth of time that the control groups of this process grant, the
/// strictest of them deciding; `None` when nothing limits it.
pub fn cpu_quota() -> Option<f64> {
    cpu_quota_at(Path::new("/"))
}

/// [`cpu_quota`] for a file system whose root is `root`.
pub fn cpu_quota_at(root: &Path) -> Option<f64> {
    let memberships = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let mounts = fs::read_to_string(root.join("proc/self/mountinfo")).ok()?;
    let mut strictest: Option<f64> = None;
    for mount in mounts.lines().filter_map(Mount::parse) {
        let Some(group) = memberships.lines().find_map(|line| mount.group_of(line)) else {
            continue;
        };
        // A limit of any group on the way up binds those below it.
        for folder in mount.folders(root, group) {
            if let Some(quota) = mount.version.quota(&folder) {
                strictest = Some(strictest.map_or(quota, |known| known.min(quota)));
            }
        }
    }
    strictest
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    V1,
    V2,
}

impl Version {
    fn quota(self, folder: &Path) -> Option<f64> {
        let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
        let (quota, period) = match self {
            Version::V1 => (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?),
            Version::V2 => {
                let text = read("cpu.max")?;
                let (quota, period) = text.trim().split_once(' ')?;
                (quota.to_owned(), period.to_owned())
            }
        };
        // No limit reads `max` in version 2 and -1 in version 1.
        let quota: f64 = quota.trim().parse().ok()?;
        let period: f64 = period.trim().parse().ok()?;
        (quota > 0.0 && period > 0.0).then_some(quota / period)
    }
}

/// A mounted hierarchy of control groups that may carry CPU limits.
struct Mount<'a> {
    version: Version,
    /// The group that appears at the mount point.
    top: &'a str,
    point: &'a str,
}

impl<'a> Mount<'a> {
    /// Reads a line of `mountinfo`:
    /// `31 23 0:28 /top /point options... - type source super-options`.
    fn parse(line: &'a str) -> Option<Self> {
        let (front, back) = line.split_once(" - ")?;
        let mut front = front.split(' ').skip(3);
        let (top, point) = (front.next()?, front.next()?);
        let mut back = back.split(' ');
        let (kind, options) = (back.next()?, back.next_back()?);
        let version = match kind {
            "cgroup2" => Version::V2,
            "cgroup" if options.split(',').any(|option| option == "cpu") => Version::V1,
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
    fn group_of<'l>(&self, line: &'l str) -> Option<&'l str> {
        let mut fields = line.splitn(3, ':');
        let (hierarchy, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
        let ours = match self.version {
            Version::V1 => controllers.split(',').any(|name| name == "cpu"),
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

#[cfg(test)]
mod tests {
    use super::super::fixture::Folder;
    use super::*;

    const V2: &str = "31 23 0:28 / /sys/fs/cgroup rw shared:9 - cgroup2 cgroup2 rw\n";
    const V1: &str = "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n";

    #[test]
    fn the_strictest_group_on_the_way_up_decides() {
        let folder = Folder::new();
        folder.write("proc/self/cgroup", "0::/outer/inner\n");
        folder.write("proc/self/mountinfo", V2);
        folder.write("sys/fs/cgroup/outer/cpu.max", "150000 100000\n");
        folder.write("sys/fs/cgroup/outer/inner/cpu.max", "max 100000\n");
        assert_eq!(cpu_quota_at(folder.path()), Some(1.5));
        folder.write("sys/fs/cgroup/outer/inner/cpu.max", "50000 100000\n");
        assert_eq!(cpu_quota_at(folder.path()), Some(0.5));
    }

    #[test]
    fn version_one_says_minus_one_for_no_limit() {
        let folder = Folder::new();
        folder.write("proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/job\n");
        folder.write("proc/self/mountinfo", V1);
        folder.write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
        folder.write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "-1\n");
        assert_eq!(cpu_quota_at(folder.path()), None);
        folder.write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "300000\n");
        assert_eq!(cpu_quota_at(folder.path()), Some(3.0));
    }

    #[test]
    fn a_container_sees_its_own_group_at_the_mount_point() {
        let folder = Folder::new();
        folder.write("proc/self/cgroup", "4:cpu:/pods/seven\n");
        folder.write(
            "proc/self/mountinfo",
            "32 31 0:29 /pods/seven /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
        );
        folder.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
        folder.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
        assert_eq!(cpu_quota_at(folder.path()), Some(2.0));
    }

    #[test]
    fn nothing_to_read_means_nothing_known() {
        let folder = Folder::new();
        assert_eq!(cpu_quota_at(folder.path()), None);
        folder.write("proc/self/cgroup", "garbage\n");
        folder.write("proc/self/mountinfo", "garbage - \n");
        assert_eq!(cpu_quota_at(folder.path()), None);
    }
}
