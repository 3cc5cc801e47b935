//! What changes while the machine stays the same: load, pressure, and settings
//! that somebody may turn.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use detach_strategies::platform::topology::{Topology, parse_cpu_list};

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
    /// CPUs of the machine that are online, whoever may use them.
    pub online_cpus: Option<usize>,
    /// Percentage of memory that is still to be had.
    pub memory_available_percent: Option<f64>,
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
            pressure_percent: read("proc/pressure/cpu").and_then(|text| pressure(&text, "avg10=")),
            boost: read("sys/devices/system/cpu/cpufreq/boost")
                .map(|text| text.trim() == "1")
                .or_else(|| {
                    let text = read("sys/devices/system/cpu/intel_pstate/no_turbo")?;
                    Some(text.trim() == "0")
                }),
            online_cpus: read("sys/devices/system/cpu/online")
                .and_then(|list| Some(parse_cpu_list(&list).ok()?.len())),
            memory_available_percent: read("proc/meminfo").as_deref().and_then(available),
            core_kinds: topology.core_kinds(),
            notes: topology.notes().to_vec(),
        }
    }
}

/// The part of memory that `/proc/meminfo` calls available, in percent.
fn available(text: &str) -> Option<f64> {
    let kib = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    };
    let (all, free) = (kib("MemTotal:")?, kib("MemAvailable:")?);
    (all > 0.0).then(|| 100.0 * free / all)
}

/// What is behind a key, such as `avg10=`, in a line such as
/// `some avg10=1.53 avg60=0.80 avg300=0.12 total=12345`: averages are
/// percentages, the total is in microseconds.
pub(crate) fn pressure<T: FromStr>(text: &str, key: &str) -> Option<T> {
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let mut words = some.split_ascii_whitespace();
    words.find_map(|word| word.strip_prefix(key))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pressure_is_that_of_some() {
        let text = "some avg10=1.00 avg60=0.50 avg300=0.10 total=424242\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        assert_eq!(pressure(text, "total="), Some(424_242));
        assert_eq!(pressure(text, "avg60="), Some(0.5));
        assert_eq!(pressure::<u64>("", "total="), None);
    }

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
        assert_eq!(
            (nothing.online_cpus, nothing.memory_available_percent),
            (None, None)
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
        let text = "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 250 kB\n";
        fs::write(root.join("proc/meminfo"), text).unwrap();
        fs::write(root.join("sys/devices/system/cpu/online"), "0-3,6\n").unwrap();
        let conditions = Conditions::at(root, &topology);
        assert_eq!(conditions.online_cpus, Some(5));
        assert_eq!(conditions.memory_available_percent, Some(25.0));
        assert_eq!(conditions.load, Some(1.25));
        assert_eq!(conditions.pressure_percent, Some(12.5));
        assert_eq!(conditions.boost, Some(true));
    }
}
