//! Tells the suite what it was built from: git revision, compiler, target,
//! flags, and the versions of the crates that are measured. A record without
//! these could not be reproduced.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The measured crates, and those that do the measuring.
const CRATES: [&str; 5] = [
    "arc-swap",
    "crossbeam-epoch",
    "seqlock",
    "rayon",
    "criterion",
];

/// What the emitted code is made of, relative to the root of the workspace.
/// Other files, such as prose and records, do not make a build differ.
const SOURCES: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "strategies/Cargo.toml",
    "strategies/src",
    "harness/Cargo.toml",
    "harness/build.rs",
    "harness/src",
    "harness/benches",
    "results/src",
    "plots/src",
];

fn main() {
    let package = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap());
    let root = package.parent().unwrap_or(&package);

    // The state of the work tree is asked anew whenever a source changes;
    // nothing else can change what was built.
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    for name in ["HEAD", "refs/heads", "packed-refs"] {
        if let Some(path) = git(root, &["rev-parse", "--git-path", name]) {
            let path = root.join(path);
            // Cargo takes a missing file for a changed one.
            if path.exists() {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        }
    }

    let revision = git(root, &["rev-parse", "HEAD"]);
    let mut status = vec!["status", "--porcelain", "--"];
    status.extend(SOURCES);
    let dirty = git(root, &status).map(|changes| !changes.is_empty());
    set("REVISION", &revision.unwrap_or_default());
    set(
        "DIRTY",
        &dirty.map(|dirty| dirty.to_string()).unwrap_or_default(),
    );

    let rustc = env::var_os("RUSTC").unwrap();
    set(
        "RUSTC",
        &output(Command::new(rustc).arg("--version")).unwrap_or_default(),
    );
    set("TARGET", &env::var("TARGET").unwrap_or_default());
    set("PROFILE", &env::var("PROFILE").unwrap_or_default());
    // Cargo separates flags by this character, because they may hold spaces.
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    set("FLAGS", &flags.replace('\x1f', " "));

    let lock = std::fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    let versions: Vec<String> = CRATES
        .iter()
        .map(|name| format!("{name}={}", locked_versions(&lock, name)))
        .collect();
    set("CRATES", &versions.join(";"));
}

/// Hands a value to the sources as `DETACH_BUILD_<name>`; empty stands for
/// unknown.
fn set(name: &str, value: &str) {
    println!("cargo::rustc-env=DETACH_BUILD_{name}={value}");
}

fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    output(Command::new("git").arg("-C").arg(root).args(arguments))
}

/// What a successful command prints.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

/// The versions of a package in the lock file; empty when it is not there.
fn locked_versions(lock: &str, package: &str) -> String {
    let name = format!("name = \"{package}\"");
    let mut versions = Vec::new();
    let mut lines = lock.lines();
    while let Some(line) = lines.next() {
        if line != name {
            continue;
        }
        // The version follows the name.
        let version = lines
            .next()
            .and_then(|line| line.strip_prefix("version = "));
        versions.extend(version.map(|version| version.trim_matches('"')));
    }
    versions.join(" and ")
}
