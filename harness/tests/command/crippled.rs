//! Machines that lack something: what needs it is unsupported, with the
//! reason, and everything else is measured.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use detach_harness::engine::Scenario;
use detach_results::record::Outcome;
use serde_json::Value;

use super::{detach_bench, newest, stderr, stdout};

/// What the list says about a strategy: `None` when it runs.
fn reason(list: &str, id: &str) -> Option<String> {
    let list: Vec<Value> = serde_json::from_str(list).unwrap();
    let found = list.iter().find(|strategy| strategy["id"] == id).unwrap();
    found["unsupported"].as_str().map(str::to_owned)
}

/// Lists and runs `lame`, which needs what is missing, and `sound`, which does
/// not, each as `command` makes it.
#[track_caller]
fn only_the_lame_one_stays_behind(
    command: impl Fn(&Path, &[&str]) -> Command,
    lame: &str,
    sound: &str,
    words: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let output = command(folder.path(), &["list", "--json"])
        .output()
        .unwrap();
    let list = stdout(&output);
    let why = reason(&list, lame).expect("it needs what is missing");
    assert!(why.contains(words), "{why}");
    assert_eq!(reason(&list, sound), None);

    let strategies = format!("{lame},{sound}");
    let arguments = [
        "run",
        "--smoke",
        "--threads",
        "1",
        "--scenarios",
        "fast_path,detach,many_devices",
        "--strategies",
        &strategies,
    ];
    let output = command(folder.path(), &arguments).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let recorded = newest(folder.path());
    assert!(recorded.run.complete);
    for measurement in &recorded.measurements {
        let unsupported = matches!(&measurement.outcome,
            Outcome::Unsupported { unsupported } if *unsupported == why);
        assert_eq!(unsupported, measurement.strategy == lame, "{measurement:?}");
    }
    for strategy in [lame, sound] {
        assert!(recorded.measurements.iter().any(|m| m.strategy == strategy));
    }

    // With nothing else to show, that is what is said.
    let arguments = ["run", "--smoke", "--threads", "1", "--strategies", lame];
    let output = command(folder.path(), &arguments).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&why), "{}", stderr(&output));
}

#[test]
fn without_rseq() {
    let command = |folder: &Path, arguments: &[&str]| {
        let mut command = detach_bench(folder, arguments);
        command.env("GLIBC_TUNABLES", "glibc.pthread.rseq=0");
        command
    };
    only_the_lame_one_stays_behind(command, "turnstile", "turnstile-fenced", "rseq");
    let folder = tempfile::tempdir().unwrap();
    let text = stdout(&command(folder.path(), &["doctor"]).output().unwrap());
    assert!(text.contains("[no-rseq]"), "{text}");
}

#[test]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn without_membarrier() {
    let command = |folder: &Path, arguments: &[&str]| {
        let mut command = detach_bench(folder, arguments);
        // SAFETY: the closure runs between fork and exec and makes system
        // calls only.
        unsafe { command.pre_exec(refuse_membarrier) };
        command
    };
    only_the_lame_one_stays_behind(command, "turnstile-slots", "turnstile-fenced", "membarrier");
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["doctor", "--calibrate"];
    let text = stdout(&command(folder.path(), &arguments).output().unwrap());
    assert!(text.contains("[no-membarrier]"), "{text}");
    // What can be measured without it is.
    assert!(text.contains("a locked increment"), "{text}");
    let fence = text.lines().find(|line| line.contains("others idle"));
    assert!(fence.unwrap().contains("not to be had here"), "{text}");
}

/// Makes every `membarrier` of this process fail with EPERM, as the sandboxes
/// of some containers do.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn refuse_membarrier() -> io::Result<()> {
    const EPERM: u32 = libc::EPERM as u32;
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    // The number of the call stands first in what a filter sees.
    let mut filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::SYS_membarrier as u32,
        ),
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | EPERM,
        ),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    // SAFETY: the program points to a filter that lives until the call is
    // over; the kernel copies it.
    let refused = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
            || libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                std::ptr::from_ref(&program),
            ) != 0
    };
    if refused {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[test]
fn with_one_cpu_only() {
    let cpu = *detach_harness::machine::probe()
        .allowed_cpus
        .last()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "run",
        "--smoke",
        "--strategies",
        "turnstile-fenced,refcount,dying-xcall",
    ];
    let mut command = detach_bench(folder.path(), &arguments);
    let confine = confined_to(cpu);
    // SAFETY: the closure runs between fork and exec and makes a system call
    // only.
    unsafe { command.pre_exec(confine) };
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let recorded = newest(folder.path());
    assert!(recorded.run.complete);
    assert_eq!(recorded.run.machine.allowed_cpus, [cpu]);
    assert!(recorded.run.warnings.iter().any(|w| w.kind == "few-cpus"));
    for measurement in &recorded.measurements {
        let scenario: Scenario = measurement.scenario.parse().unwrap();
        let threads = measurement.threads + usize::from(scenario.has_detacher());
        assert_eq!(
            measurement.workload.oversubscribed,
            threads > 1,
            "{measurement:?}"
        );
    }
    // One worker, then two on the same CPU; a detach also without any.
    let summary = recorded.summary("refcount").unwrap();
    assert_eq!(summary.threads("fast_path"), [1, 2]);
    assert_eq!(summary.threads("detach"), [0, 1, 2]);
}

/// Confines the calling thread to a CPU, without allocating anything.
fn confined_to(cpu: usize) -> impl Fn() -> io::Result<()> {
    // SAFETY: all zeroes is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the macro's function asserts that the CPU fits the set.
    unsafe { libc::CPU_SET(cpu, &mut set) };
    move || {
        // SAFETY: the pointer is to a set of the size given.
        match unsafe { libc::sched_setaffinity(0, size_of_val(&set), &set) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
