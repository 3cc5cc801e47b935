//! A test of the tests: each is told something untrue about a strategy, and
//! must fail.

use std::process::Command;
use std::time::Instant;

use detach_strategies::registry::{self, Visitor};
use detach_strategies::{DeviceRef, points::Undisturbed};

use crate::support::claims::{BELIEVE, falsehoods};

/// Runs the test that is to see the falsehood; tells whether it did.
fn is_seen(id: &str, name: &str, test: &str) -> bool {
    let begin = Instant::now();
    let output = Command::new(std::env::current_exe().expect("the test program has a path"))
        .args([test, "--exact", "--test-threads=1"])
        .env(BELIEVE, format!("{id}/{name}"))
        .env("RUST_BACKTRACE", "0")
        .output()
        .expect("the test program starts again");
    println!("{id} {name} {:.1} s", begin.elapsed().as_secs_f64());
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("running 1 test"), "there is no test {test}");
    !output.status.success()
}

/// Believing nothing, every test passes; that is what the rest of this program
/// shows. Here every claim of every strategy is made untrue in every way, one
/// at a time, and a test insists on the truth.
#[test]
#[ignore = "a process for each of two hundred falsehoods: half a minute or more"]
fn no_falsehood_is_believed() {
    struct Supported;
    impl Visitor<u64> for Supported {
        type Output = bool;
        fn visit<D: DeviceRef<Softc = u64>>(&mut self) -> bool {
            D::supported().is_ok()
        }
    }
    let mut believed = Vec::new();
    let mut seen = 0;
    for claims in registry::all() {
        let id = claims.id;
        let supported = registry::visit::<u64, Undisturbed, _>(id, &mut Supported);
        if supported != Some(true) {
            continue;
        }
        for falsehood in falsehoods(claims) {
            #[cfg(target_os = "linux")]
            if falsehood.name == "not-signal_handlers" && crate::signals::harm_is_hidden(id) {
                println!("{id}: this program cannot show what a signal handler does");
                continue;
            }
            if is_seen(id, &falsehood.name, falsehood.test) {
                seen += 1;
            } else {
                believed.push(format!("{id}: {}", falsehood.name));
            }
        }
    }
    println!("{seen} falsehoods were seen");
    assert!(believed.is_empty(), "believed: {believed:#?}");
}
