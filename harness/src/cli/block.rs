//! `detach-bench block`: the process that `run` starts for each block. It reads
//! one order from standard input and answers on standard output.

use std::io::{self, BufRead, Read};
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use detach_harness::campaign::{self, Order};
use detach_strategies::platform;

/// No round takes longer, unless it hangs.
const LONGEST_ROUND: Duration = Duration::from_secs(60);

/// Set when the process should stop after the present round.
static STOP: AtomicBool = AtomicBool::new(false);

pub(super) fn execute() -> anyhow::Result<ExitCode> {
    // Before there are threads: the kernel grants it faster then.
    let _ = platform::membarrier_status();
    many_files();
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let order: Order = serde_json::from_str(&line)
        .context("standard input holds no order; `detach-bench run` sends them")?;

    // A terminal sends Ctrl-C to all its processes. This one ends in its own
    // way, so that what it has measured is not lost.
    ctrlc::set_handler(stop).context("cannot listen for Ctrl-C")?;
    thread::spawn(|| {
        // The input ends when whoever sent the order wants no more, or is gone.
        let _ = io::stdin().lock().read_to_end(&mut Vec::new());
        stop();
        // A round that never ends must not keep the CPUs of whoever comes next.
        thread::sleep(LONGEST_ROUND);
        process::exit(1);
    });
    campaign::carry_out(order, io::stdout().lock(), &STOP)?;
    Ok(ExitCode::SUCCESS)
}

/// Lets the process have as many files open as it may: each thread keeps one to
/// look at its own noise, and large machines have many threads.
#[cfg(unix)]
fn many_files() {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the pointer is to one writable `rlimit`.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0;
    if known && limit.rlim_cur < limit.rlim_max {
        limit.rlim_cur = limit.rlim_max;
        // SAFETY: the pointer is to one `rlimit`. Where it is refused, fewer
        // files are what there is.
        unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) };
    }
}

#[cfg(not(unix))]
fn many_files() {}

fn stop() {
    // Ordering: Relaxed; the flag alone matters, nothing comes with it.
    STOP.store(true, Ordering::Relaxed);
}
