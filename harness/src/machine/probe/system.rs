//! The operating system and its C library.

use super::files::Files;

impl Files<'_> {
    pub(super) fn os_name(&self) -> Option<String> {
        let text = self.text("etc/os-release")?;
        let name = text
            .lines()
            .find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
        Some(format!(
            "{} ({})",
            std::env::consts::OS,
            name.trim_matches('"')
        ))
    }

    pub(super) fn memory_mib(&self) -> Option<u64> {
        let text = self.text("proc/meminfo")?;
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("MemTotal:"))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(kib >> 10)
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn libc_version() -> String {
    // SAFETY: the function returns a static string.
    let version = unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) };
    format!("glibc {}", version.to_string_lossy())
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn libc_version() -> String {
    if cfg!(target_env = "musl") {
        "musl".to_owned()
    } else {
        super::unknown()
    }
}

/// The first of the names that `sysctl` knows, on systems without `/proc`.
#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn sysctl(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| {
        let output = std::process::Command::new("sysctl")
            .args(["-n", name])
            .output()
            .ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        let text = text.trim();
        (output.status.success() && !text.is_empty()).then(|| text.to_owned())
    })
}

#[cfg(not(all(unix, not(target_os = "linux"))))]
pub(super) fn sysctl(_names: &[&str]) -> Option<String> {
    None
}
