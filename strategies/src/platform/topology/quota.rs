//! How much CPU time the control group of the process grants.
//!
//! A quota is not a set of CPUs: a group with a quota of two CPUs on a machine
//! of sixty-four may run threads on all of them, until the time of the period
//! is used up and all of them stop. So it cannot shorten a placement; it can
//! only be reported, and it spoils measurements with more busy threads than it
//! grants CPUs.

use std::fs;
use std::path::Path;

use super::cgroup::{self, Version};

/// The CPUs' worth of time that the control groups of this process grant, the
/// strictest of them deciding; `None` when nothing limits it.
pub fn cpu_quota() -> Option<f64> {
    cpu_quota_at(Path::new("/"))
}

/// [`cpu_quota`] for a file system whose root is `root`.
pub fn cpu_quota_at(root: &Path) -> Option<f64> {
    cgroup::groups(root, "cpu")
        .iter()
        // A limit of any group on the way up binds those below it.
        .flat_map(|(version, folders)| folders.iter().map(|folder| quota(*version, folder)))
        .flatten()
        .reduce(f64::min)
}

/// What one group grants.
fn quota(version: Version, folder: &Path) -> Option<f64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let (quota, period) = match version {
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
