//! What the build script found out about the build.

use detach_results::machine::UNKNOWN;
use detach_results::record::Build;

/// What this binary was built from.
pub fn build_info() -> Build {
    let known = |text: &str| match text {
        "" => UNKNOWN.to_owned(),
        text => text.to_owned(),
    };
    Build {
        revision: known(env!("DETACH_BUILD_REVISION")),
        dirty: env!("DETACH_BUILD_DIRTY").parse().ok(),
        rustc: known(env!("DETACH_BUILD_RUSTC")),
        target: known(env!("DETACH_BUILD_TARGET")),
        profile: known(env!("DETACH_BUILD_PROFILE")),
        // No flags is an answer, not a gap.
        flags: env!("DETACH_BUILD_FLAGS").to_owned(),
        crates: env!("DETACH_BUILD_CRATES")
            .split(';')
            .filter_map(|entry| entry.split_once('='))
            .map(|(name, version)| (name.to_owned(), known(version)))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_knows_its_compiler_and_the_measured_crates() {
        let build = build_info();
        assert!(build.rustc.starts_with("rustc 1."), "{}", build.rustc);
        assert!(build.target.contains('-'), "{}", build.target);
        let revision = build.revision.as_str();
        let is_hash = revision.len() >= 40 && revision.bytes().all(|b| b.is_ascii_hexdigit());
        assert!(is_hash || revision == UNKNOWN, "{revision}");
        assert_eq!(build.dirty.is_some(), is_hash);
        for name in [
            "arc-swap",
            "crossbeam-epoch",
            "seqlock",
            "rayon",
            "criterion",
        ] {
            let version = build.crates[name].as_str();
            let first = version.bytes().next();
            assert!(
                first.is_some_and(|byte| byte.is_ascii_digit()),
                "{name} {version}"
            );
        }
    }
}
