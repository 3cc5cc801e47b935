//! What must not compile does not, each case for its own reason alone.
//!
//! A program that fails to compile says nothing by itself, since it may fail for
//! any reason. So each case in `ui/` has the compiler's message beside it, and a
//! twin (`_ok`) that differs in what is wrong alone, is compiled into this test
//! and run.
//!
//! | case | what it tries |
//! |---|---|
//! | `guard_across_safe_point`, `guard_across_offline` | to be inside where the thread says that it is not |
//! | `detach_of_what_one_holds` | to wait for oneself |
//! | `reference_outlives_guard` | to keep the softc beyond the release |
//! | `handle_dropped_inside`, `registration_dropped_inside` | to take the ground away from under a guard |
//! | `guard_of_a_thread_is_sent`, `registration_is_shared` | to be inside on another thread's behalf |
//! | `form_of_ones_own`, `lanes_of_ones_own`, `fence_of_ones_own` | to promise in safe code what reclaiming relies on |
//! | `control_with_softc_not_copy` | to give a broken strategy what it could free too early |
//!
//! Messages change from one compiler to the next. They are compared where the
//! compiler is [`MESSAGES_OF`]; any other one has to find errors of the same
//! numbers, in the same order. `TRYBUILD=overwrite` writes the messages anew.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The compiler whose messages stand in `ui/`.
const MESSAGES_OF: &str = "rustc 1.95.0 ";

/// The cases, and their twins as modules.
macro_rules! cases {
    ($($case:ident, $twin:ident, $file:literal;)*) => {
        $(
            #[path = $file]
            mod $twin;
        )*

        fn run_twins() {
            $($twin::main();)*
        }

        fn cases() -> Vec<&'static str> {
            vec![$(stringify!($case)),*]
        }
    };
}

cases! {
    guard_across_safe_point, guard_across_safe_point_ok, "ui/guard_across_safe_point_ok.rs";
    guard_across_offline, guard_across_offline_ok, "ui/guard_across_offline_ok.rs";
    detach_of_what_one_holds, detach_of_what_one_holds_ok, "ui/detach_of_what_one_holds_ok.rs";
    reference_outlives_guard, reference_outlives_guard_ok, "ui/reference_outlives_guard_ok.rs";
    handle_dropped_inside, handle_dropped_inside_ok, "ui/handle_dropped_inside_ok.rs";
    registration_dropped_inside, registration_dropped_inside_ok, "ui/registration_dropped_inside_ok.rs";
    guard_of_a_thread_is_sent, guard_of_a_thread_is_sent_ok, "ui/guard_of_a_thread_is_sent_ok.rs";
    registration_is_shared, registration_is_shared_ok, "ui/registration_is_shared_ok.rs";
    form_of_ones_own, form_of_ones_own_ok, "ui/form_of_ones_own_ok.rs";
    lanes_of_ones_own, lanes_of_ones_own_ok, "ui/lanes_of_ones_own_ok.rs";
    fence_of_ones_own, fence_of_ones_own_ok, "ui/fence_of_ones_own_ok.rs";
    control_with_softc_not_copy, control_with_softc_not_copy_ok, "ui/control_with_softc_not_copy_ok.rs";
}

/// Whether the compiler is the one whose messages stand in `ui/`.
fn messages_are_of_this_compiler() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-V").output();
    let version = output.expect("the compiler tells its version").stdout;
    version.starts_with(MESSAGES_OF.as_bytes())
}

/// The errors of a message, by their numbers.
fn errors(message: &Path) -> Vec<String> {
    let message = fs::read_to_string(message).expect("a case has a message");
    let errors = message.lines().filter(|line| line.starts_with("error"));
    errors
        .filter_map(|line| line.split_once(':'))
        .map(|(number, _)| number.to_owned())
        .collect()
}

fn compile(cases: impl Iterator<Item = PathBuf>) {
    // It compiles them, and panics unless all fail, when it is dropped.
    let compiled = trybuild::TestCases::new();
    cases.for_each(|case| compiled.compile_fail(case));
}

#[test]
fn what_must_not_compile_does_not() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let source = |case: &str| Path::new("tests/ui").join(case).with_extension("rs");
    if messages_are_of_this_compiler() {
        return compile(cases().into_iter().map(source));
    }
    // The messages of this compiler are written next to copies of the cases.
    let copies = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ui");
    let copy = |case: &str| copies.join(case).with_extension("rs");
    let _ = fs::remove_dir_all(&copies);
    fs::create_dir_all(&copies).unwrap();
    for case in cases() {
        fs::copy(home.join(case).with_extension("rs"), copy(case)).unwrap();
    }
    // SAFETY: no other thread of this test reads the environment meanwhile.
    unsafe { env::set_var("TRYBUILD", "overwrite") };
    compile(cases().into_iter().map(copy));
    for case in cases() {
        let [expected, found] =
            [home.join(case), copy(case)].map(|path| errors(&path.with_extension("stderr")));
        assert_eq!(found, expected, "{case} fails for another reason");
    }
}

#[test]
fn the_twins_compile_and_run() {
    run_twins();
}

/// A file that nobody lists is compiled by nobody.
#[test]
fn every_case_is_listed() {
    let home = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    for entry in fs::read_dir(home).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().and_then(|name| name.to_str()).unwrap();
        let case = name.strip_suffix("_ok").unwrap_or(name);
        assert!(cases().contains(&case), "{case} is not listed");
    }
}
