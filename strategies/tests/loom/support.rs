//! Running a model, and a softc that loom watches.

use std::any::type_name_of_val;
use std::cell::RefCell;
use std::env;
use std::panic;
use std::process::{self, Command};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::Instant;

use loom::cell::UnsafeCell;
use loom::model::Builder;

/// The most steps of one execution. The longest here take some hundred; a
/// thread that spins without yielding runs into it.
const MAX_STEPS: usize = 10_000;

/// How many preemptions each execution may have; `None` is any number.
#[derive(Clone, Copy)]
pub(crate) struct Preemptions {
    pub(crate) short: Option<usize>,
    pub(crate) full: Option<usize>,
}

/// At most `short` preemptions in the short form, `full` in the full one.
pub(crate) fn preemptions(
    short: impl Into<Option<usize>>,
    full: impl Into<Option<usize>>,
) -> Preemptions {
    Preemptions {
        short: short.into(),
        full: full.into(),
    }
}

/// Explores a model that has to hold.
pub(crate) fn holds(bound: Preemptions, model: impl Fn() + Send + Sync + 'static) {
    let short = env::var_os("LOOM_SHORT").is_some();
    let bound = if short { bound.short } else { bound.full };
    let name = name_of(&model);
    let start = Instant::now();
    let executions = explore(bound, name, model);
    let seconds = start.elapsed().as_secs_f64();
    println!("{name}: holds in {executions} executions, {seconds:.1} s");
}

/// Explores a model that must not hold, until loom reports one of `defects`.
///
/// A violation ends the process that explores, so this is done in another one:
/// the same executable, told to run this test alone.
pub(crate) fn is_caught(
    bound: impl Into<Option<usize>>,
    defects: &[&str],
    model: impl Fn() + Send + Sync + 'static,
) {
    const INNER: &str = "LOOM_INNER";
    let name = name_of(&model);
    if env::var_os(INNER).is_some() {
        let executions = explore(bound.into(), name, model);
        panic!("{name}: not caught in {executions} executions");
    }
    let executable = env::current_exe().expect("the path of the test");
    let output = Command::new(executable)
        .args([name, "--exact", "--nocapture"])
        .env(INNER, "1")
        .output()
        .expect("the test runs");
    let report = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code() == Some(VIOLATION),
        "{name}: not caught: {report}"
    );
    let report = report.lines().find(|line| line.starts_with(name));
    let report = report.expect("what was caught");
    assert!(
        defects.iter().any(|defect| report.contains(defect)),
        "something else was caught: {report}"
    );
    println!("{}", report.replace("fails in", "caught in"));
}

fn name_of<M>(model: &M) -> &'static str {
    let name = type_name_of_val(model);
    let name = name.split_once("::").map_or(name, |(_, rest)| rest);
    name.strip_suffix("::{{closure}}").unwrap_or(name)
}

/// How the process ends when a model does not hold.
const VIOLATION: i32 = 86;

/// Runs all executions of `model`, and returns how many.
///
/// After a failure there is no way back: unwinding would run destructors that
/// ask loom for locks, and loom would panic again. So the process reports the
/// failure and ends where the model first panics.
fn explore(
    bound: Option<usize>,
    name: &'static str,
    model: impl Fn() + Send + Sync + 'static,
) -> u64 {
    static REPORT_MODELS: Once = Once::new();
    REPORT_MODELS.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            match MODEL.with_borrow(Clone::clone) {
                None => report(info),
                Some((name, executions)) => {
                    // Ordering: Relaxed; this thread counted them.
                    let execution = executions.load(Ordering::Relaxed);
                    let message = info.payload_as_str().unwrap_or("a panic without words");
                    eprintln!("{name}: fails in execution {execution}: {message}");
                    process::exit(VIOLATION);
                }
            }
        }));
    });

    let executions = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&executions);
    let mut builder = Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = MAX_STEPS;
    MODEL.set(Some((name, Arc::clone(&executions))));
    builder.check(move || {
        // Ordering: Relaxed; one thread counts.
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    MODEL.set(None);
    // Ordering: Relaxed; as above.
    executions.load(Ordering::Relaxed)
}

/// The name of a model and its executions so far.
type Model = (&'static str, Arc<AtomicU64>);

thread_local! {
    /// The model that is explored on this thread. (loom runs the threads of a
    /// model as coroutines of one.)
    static MODEL: RefCell<Option<Model>> = const { RefCell::new(None) };
}

/// What loom or a holder says when a softc was not protected.
pub(crate) const UNPROTECTED: [&str; 2] = ["Causality violation", RECLAIMED];

/// What loom says when a thread waits for ever.
pub(crate) const DEADLOCK: [&str; 1] = ["deadlock"];

const RECLAIMED: &str = "a holder saw a reclaimed softc";

/// What softcs of one execution refer to, for as long as the execution lasts:
/// a holder of a broken strategy still finds it when it should be gone.
pub(crate) struct Body(*mut Watched);

struct Watched {
    reclaimed: UnsafeCell<bool>,
}

/// A reference to a [`Body`]. `Copy`, as some of the broken strategies want it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Softc(*const Watched);

// SAFETY: the body outlives the threads of its execution, and what they do to
// it without order is for loom to find.
unsafe impl Send for Softc {}
// SAFETY: the same.
unsafe impl Sync for Softc {}

impl Body {
    pub(crate) fn new() -> Self {
        Body(Box::into_raw(Box::new(Watched {
            reclaimed: UnsafeCell::new(false),
        })))
    }

    pub(crate) fn softc(&self) -> Softc {
        Softc(self.0)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // SAFETY: it came from a box, and a model drops it last.
        drop(unsafe { Box::from_raw(self.0) });
    }
}

impl Softc {
    /// What a holder does.
    pub(crate) fn visit(&self) {
        // SAFETY: the body is there; see above.
        let reclaimed = unsafe { &(*self.0).reclaimed };
        // SAFETY: loom reports a write that is not ordered with this.
        let reclaimed = reclaimed.with(|reclaimed| unsafe { *reclaimed });
        assert!(!reclaimed, "{RECLAIMED}");
    }

    /// What the owner of a closed device does.
    pub(crate) fn change(&mut self) {
        // SAFETY: as in `visit`.
        let reclaimed = unsafe { &(*self.0).reclaimed };
        // SAFETY: loom reports an access that is not ordered with this.
        reclaimed.with_mut(|reclaimed| unsafe { *reclaimed = false });
    }

    /// What the winner of a detach does.
    pub(crate) fn reclaim(self) {
        // SAFETY: as in `visit`.
        let reclaimed = unsafe { &(*self.0).reclaimed };
        // SAFETY: loom reports an access that is not ordered with this.
        reclaimed.with_mut(|reclaimed| unsafe { *reclaimed = true });
    }
}
