//! Which kernel runs, and what is known to be wrong with it.
//!
//! Two defects of Linux concern restartable sequences, and no call tells whether
//! a kernel has them. Both are silent and rare, so trying does not tell either.
//! What there is to go by is the release that `uname(2)` names:
//!
//! | defect | releases | mended in |
//! |---|---|---|
//! | a restart that membarrier asks for may be lost ("rseq: Protect event mask against membarrier IPI") | 5.10 to 6.17 | 6.18, 6.17.4, 6.12.54, 6.6.113, 6.1.157 |
//! | on aarch64 a thread that is preempted and resumed on the same CPU goes on in its sequence ("arm64/entry: Fix arm64-specific rseq brokenness") | 6.19, 7.0 | 7.1, 7.0.14 |
//!
//! A distribution's kernel that has a correction of its own under an older number
//! is taken for broken. That costs a strategy, not a softc.

use crate::Unsupported;

/// A release of Linux: version, patch level, sublevel.
type Release = (u32, u32, u32);

/// The three numbers that a release begins with; a missing sublevel is zero.
fn parse(release: &str) -> Option<Release> {
    let mut numbers = release.split('.').map(|part| {
        let digits = part
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(part.len());
        part[..digits].parse().ok()
    });
    let (version, level) = (numbers.next()??, numbers.next()??);
    Some((version, level, numbers.next().flatten().unwrap_or(0)))
}

/// Whether membarrier restarts every sequence that it should.
fn restarts_on_membarrier(release: Release) -> bool {
    matches!(
        release,
        (6, 1, 157..) | (6, 6, 113..) | (6, 12, 54..) | (6, 17, 4..) | (6, 18.., _) | (7.., ..)
    )
}

/// Whether a sequence on aarch64 is restarted when its thread is preempted.
fn restarts_on_preemption_on_aarch64(release: Release) -> bool {
    !matches!(release, (6, 19.., _) | (7, 0, ..14))
}

/// Whether this kernel restarts the sequences that were preempted.
pub(super) fn restarts_on_preemption() -> Result<(), Unsupported> {
    if cfg!(not(target_arch = "aarch64")) {
        return Ok(());
    }
    ask(
        restarts_on_preemption_on_aarch64,
        "does not restart a sequence that is preempted on aarch64 (7.1 and 7.0.14 do)",
    )
}

/// Whether this kernel restarts every sequence that membarrier tells it to.
pub(super) fn restarts_when_told() -> Result<(), Unsupported> {
    ask(
        restarts_on_membarrier,
        "may lose a restart that membarrier asks for (6.18 does not, nor do 6.17.4, \
         6.12.54, 6.6.113, 6.1.157 and later ones of their series)",
    )
}

fn ask(is_sound: impl Fn(Release) -> bool, defect: &str) -> Result<(), Unsupported> {
    let release = release();
    match parse(&release) {
        Some(numbers) if is_sound(numbers) => Ok(()),
        _ => Err(Unsupported::because(format!("Linux {release} {defect}"))),
    }
}

/// What the kernel calls itself.
fn release() -> String {
    let mut names = std::mem::MaybeUninit::<libc::utsname>::uninit();
    // SAFETY: it writes the structure that it is given; the one error there is,
    // a bad address, cannot be.
    let names = unsafe {
        libc::uname(names.as_mut_ptr());
        names.assume_init()
    };
    // SAFETY: the kernel ends its names with a zero.
    let release = unsafe { std::ffi::CStr::from_ptr(names.release.as_ptr()) };
    release.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_are_read_as_distributions_write_them() {
        assert_eq!(parse("6.18.44-fc-v782"), Some((6, 18, 44)));
        assert_eq!(parse("6.12.48+deb13-amd64"), Some((6, 12, 48)));
        assert_eq!(parse("6.8.0-88-generic"), Some((6, 8, 0)));
        assert_eq!(parse("7.1-rc3"), Some((7, 1, 0)));
        assert_eq!(parse("5.14.0-570.el9.x86_64"), Some((5, 14, 0)));
        assert_eq!(parse("6"), None);
        assert_eq!(parse("hurd"), None);
        assert_eq!(
            parse(&release()).map(|(version, ..)| version > 2),
            Some(true)
        );
    }

    #[test]
    fn each_series_is_mended_from_its_release_on() {
        let mended = [
            "6.1.157", "6.6.113", "6.12.54", "6.17.4", "6.18-rc1", "6.19.2", "7.1",
        ];
        let broken = [
            "5.10.250", "5.15.200", "6.1.156", "6.6.112", "6.8.0-88", "6.12.53", "6.16.12",
            "6.17.3",
        ];
        let judge = |release: &str| restarts_on_membarrier(parse(release).unwrap());
        assert!(mended.into_iter().all(judge));
        assert!(!broken.into_iter().any(judge));
    }

    #[test]
    fn two_series_are_broken_on_aarch64() {
        let sound = ["5.10.0", "6.18.44", "7.0.14", "7.1"];
        let broken = ["6.19.0", "6.19.14", "7.0", "7.0.13"];
        let judge = |release: &str| restarts_on_preemption_on_aarch64(parse(release).unwrap());
        assert!(sound.into_iter().all(judge));
        assert!(!broken.into_iter().any(judge));
    }
}
