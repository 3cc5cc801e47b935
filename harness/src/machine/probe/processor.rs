//! The processor: its name, its threads, its caches, its speed.

use std::collections::BTreeSet;

use detach_results::machine::{Cache, Frequency};
use detach_strategies::platform::topology::{format_cpu_list, parse_cpu_list};

use super::files::Files;

/// Where the kernel describes the CPUs.
const CPUS: &str = "sys/devices/system/cpu";

impl Files<'_> {
    /// Many ARM machines name no model, only codes of the maker and the part.
    pub(super) fn cpu_model(&self) -> Option<String> {
        let text = self.text("proc/cpuinfo")?;
        let field = |name: &str| {
            text.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                (key.trim() == name && !value.trim().is_empty()).then(|| value.trim())
            })
        };
        if let Some(model) = field("model name") {
            return Some(model.to_owned());
        }
        if let (Some(maker), Some(part)) = (field("CPU implementer"), field("CPU part")) {
            return Some(format!("implementer {maker} part {part}"));
        }
        field("uarch").or(field("cpu")).map(str::to_owned)
    }

    /// The governors of the CPUs; they may differ.
    pub(super) fn governor(&self, cpus: &[usize]) -> Option<String> {
        let governors: BTreeSet<String> = cpus
            .iter()
            .filter_map(|cpu| {
                self.line(&format!(
                    "sys/devices/system/cpu/cpu{cpu}/cpufreq/scaling_governor"
                ))
            })
            .collect();
        let names: Vec<String> = governors.into_iter().collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Whether several hardware threads share a core: the kernel's word, or
    /// else what it says of each of `cpus`.
    pub(super) fn smt(&self, cpus: &[usize]) -> Option<bool> {
        match self.line(&format!("{CPUS}/smt/active")).as_deref() {
            Some("1") => return Some(true),
            Some("0") => return Some(false),
            _ => {}
        }
        let threads = |cpu: &usize| {
            let folder = format!("{CPUS}/cpu{cpu}/topology");
            // The second name is that of kernels before 5.3.
            let list = self
                .line(&format!("{folder}/core_cpus_list"))
                .or_else(|| self.line(&format!("{folder}/thread_siblings_list")))?;
            Some(parse_cpu_list(&list).ok()?.len())
        };
        let counts: Vec<usize> = cpus.iter().filter_map(threads).collect();
        (!counts.is_empty()).then(|| counts.iter().any(|&count| count > 1))
    }

    /// The caches of a CPU, from the smallest level, data before instructions.
    pub(super) fn caches(&self, cpu: usize) -> Vec<Cache> {
        let folder = format!("{CPUS}/cpu{cpu}/cache");
        let cache = |name: String| {
            let file = |part: &str| format!("{folder}/{name}/{part}");
            let shared = self.line(&file("shared_cpu_list"));
            Some(Cache {
                level: self.number(&file("level"))?,
                kind: self.line(&file("type"))?,
                size_kib: kib(&self.line(&file("size"))?)?,
                line_bytes: self.number(&file("coherency_line_size")),
                // The kernel writes the list in its own way; records have one.
                shared_by: shared
                    .and_then(|list| parse_cpu_list(&list).ok())
                    .map_or_else(|| cpu.to_string(), |list| format_cpu_list(&list)),
            })
        };
        let names = self.names(&folder).into_iter();
        let mut caches: Vec<Cache> = names.filter_map(cache).collect();
        caches.sort_by(|a, b| (a.level, &a.kind).cmp(&(b.level, &b.kind)));
        caches
    }

    /// The frequencies of a CPU; absent when the kernel tells none of them.
    pub(super) fn frequency(&self, cpu: usize) -> Option<Frequency> {
        let mhz = |name: &str| {
            let khz: u64 = self.number(&format!("{CPUS}/cpu{cpu}/cpufreq/{name}"))?;
            Some(khz / 1_000)
        };
        let found = Frequency {
            min_mhz: mhz("cpuinfo_min_freq"),
            max_mhz: mhz("cpuinfo_max_freq"),
            now_mhz: mhz("scaling_cur_freq"),
        };
        let told = found.min_mhz.or(found.max_mhz).or(found.now_mhz);
        told.map(|_| found)
    }
}

/// A size such as `32K` or `4M`, in KiB.
fn kib(size: &str) -> Option<u64> {
    let (number, unit) = match size.strip_suffix('M') {
        Some(number) => (number, 1_024),
        None => (size.strip_suffix('K')?, 1),
    };
    let number: u64 = number.parse().ok()?;
    number.checked_mul(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        assert_eq!(kib("32K"), Some(32));
        assert_eq!(kib("4M"), Some(4_096));
        assert_eq!(kib("32"), None);
        assert_eq!(kib("K"), None);
    }
}
