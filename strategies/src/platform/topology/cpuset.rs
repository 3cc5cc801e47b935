//! Which CPUs the control group of the process allows.
//!
//! The affinity mask never leaves this set, so the mask alone says where
//! threads may run. What the set adds is the reason: whoever finds fewer CPUs
//! than the machine has wants to know whether the process was confined by its
//! group, which others cannot leave either, or by a mask that it may widen.

use std::fs;
use std::path::Path;

use super::cgroup::{self, Version};
use super::parse_cpu_list;

/// The CPUs that the control group of this process allows, ascending; `None`
/// where no group says so.
pub fn cpuset() -> Option<Vec<usize>> {
    cpuset_at(Path::new("/"))
}

/// [`cpuset`] for a file system whose root is `root`.
pub fn cpuset_at(root: &Path) -> Option<Vec<usize>> {
    cgroup::groups(root, "cpuset")
        .iter()
        .find_map(|(version, folders)| {
            // In version 2 only groups for which the controller was enabled
            // have the file; the nearest one above speaks for the others. The
            // plain list of version 1 may name CPUs that are offline.
            let names: &[&str] = match version {
                Version::V1 => &["cpuset.effective_cpus", "cpuset.cpus"],
                Version::V2 => &["cpuset.cpus.effective"],
            };
            folders.iter().find_map(|folder| {
                let mut texts = names
                    .iter()
                    .filter_map(|name| fs::read_to_string(folder.join(name)).ok());
                texts.find_map(|text| parse_cpu_list(&text).ok())
            })
        })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Folder;
    use super::*;

    const V1: &str = "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n";
    const V2: &str = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_nearest_group_with_the_controller_speaks() {
        let folder = Folder::new();
        folder.write("proc/self/cgroup", "0::/outer/inner\n");
        folder.write("proc/self/mountinfo", V2);
        folder.write("sys/fs/cgroup/cpuset.cpus.effective", "0-7\n");
        assert_eq!(cpuset_at(folder.path()).unwrap().len(), 8);
        folder.write("sys/fs/cgroup/outer/cpuset.cpus.effective", "5-7\n");
        assert_eq!(cpuset_at(folder.path()), Some(vec![5, 6, 7]));
        folder.write("sys/fs/cgroup/outer/inner/cpuset.cpus.effective", "6\n");
        assert_eq!(cpuset_at(folder.path()), Some(vec![6]));
    }

    #[test]
    fn version_one_has_a_hierarchy_of_its_own() {
        let folder = Folder::new();
        folder.write("proc/self/cgroup", "4:cpu:/other\n3:cpuset:/job\n0::/\n");
        folder.write("proc/self/mountinfo", V1);
        folder.write("sys/fs/cgroup/cpuset/job/cpuset.cpus", "5-8\n");
        assert_eq!(cpuset_at(folder.path()), Some(vec![5, 6, 7, 8]));
        folder.write("sys/fs/cgroup/cpuset/job/cpuset.effective_cpus", "5-7\n");
        assert_eq!(cpuset_at(folder.path()), Some(vec![5, 6, 7]));
    }

    #[test]
    fn no_group_says_nothing() {
        let folder = Folder::new();
        assert_eq!(cpuset_at(folder.path()), None);
        folder.write("proc/self/cgroup", "0::/\n");
        folder.write("proc/self/mountinfo", V2);
        assert_eq!(cpuset_at(folder.path()), None);
        folder.write("sys/fs/cgroup/cpuset.cpus.effective", "\n");
        assert_eq!(cpuset_at(folder.path()), None);
    }
}
