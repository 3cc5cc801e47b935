//! What changes while the machine stays the same: load, pressure, and settings
//! that somebody may turn.

use std::fs;
use std::path::Path;

use detach_strategies::platform::topology::Topology;

/// The state of the machine at one moment. `None` where the system does not
/// tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Runnable threads, averaged over the last minute.
    pub load: Option<f64>,
    /// Percentage of the last ten seconds in which some thread waited for a
    /// CPU.
    pub pressure_percent: Option<f64>,
    /// Whether the processor may raise its frequency when it is cool.
    pub boost: Option<bool>,
    /// Kinds of cores among the CPUs.
    pub core_kinds: usize,
    /// What had to be guessed about the CPUs.
    pub notes: Vec<String>,
}

impl Conditions {
    /// The state of this machine now.
    pub fn now() -> Self {
        Self::at(Path::new("/"), &Topology::detect())
    }

    /// The state as the files below `root` tell it.
    pub fn at(root: &Path, topology: &Topology) -> Self {
        let read = |name: &str| fs::read_to_string(root.join(name)).ok();
        Conditions {
            load: read("proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
            pressure_percent: read("proc/pressure/cpu").as_deref().and_then(pressure),
            boost: read("sys/devices/system/cpu/cpufreq/boost")
                .map(|text| text.trim() == "1")
                .or_else(|| {
                    let text = read("sys/devices/system/cpu/intel_pstate/no_turbo")?;
                    Some(text.trim() == "0")
                }),
            core_kinds: topology.core_kinds(),
            notes: topology.notes().to_vec(),
        }
    }
}

/// The ten-second average of a line such as
/// `some avg10=1.53 avg60=0.80 avg300=0.12 total=12345`.
fn pressure(text: &str) -> Option<f64> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let average = some
        .split(' ')
        .find_map(|word| word.strip_prefix("avg10="))?;
    average.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_system_tells() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let topology = Topology::detect();
        let nothing = Conditions::at(root, &topology);
        assert_eq!(
            (nothing.load, nothing.pressure_percent, nothing.boost),
            (None, None, None)
        );

        for name in ["proc/pressure", "sys/devices/system/cpu/intel_pstate"] {
            fs::create_dir_all(root.join(name)).unwrap();
        }
        fs::write(root.join("proc/loadavg"), "1.25 0.50 0.10 2/345 678\n").unwrap();
        let text = "some avg10=12.50 avg60=0.80 avg300=0.12 total=12345\nfull avg10=0.00\n";
        fs::write(root.join("proc/pressure/cpu"), text).unwrap();
        fs::write(
            root.join("sys/devices/system/cpu/intel_pstate/no_turbo"),
            "0\n",
        )
        .unwrap();
        let conditions = Conditions::at(root, &topology);
        assert_eq!(conditions.load, Some(1.25));
        assert_eq!(conditions.pressure_percent, Some(12.5));
        assert_eq!(conditions.boost, Some(true));
    }
}
