//! What detach-bench has measured: the records, where they lie, and what can
//! be concluded from them.
//!
//! This room knows no strategy and measures nothing. Strategies and scenarios
//! are names here, so a record of a strategy that no longer exists still
//! reads, and figures can be drawn on a machine that never ran the suite.
//!
//! # The folder of a run
//!
//! ```text
//! <root>/                                results/local, results/recorded, ...
//!   latest                               pointer to the newest run (local only)
//!   amd-epyc-2cpu/                       machine: CPU model and count
//!     2026-11-23T20-15-00Z/              start of the run, UTC
//!       run.json                         a Run: options, build, machine, warnings
//!       measurements.jsonl               a Measurement per line
//! ```
//!
//! # The flow
//!
//! 1. Before measuring, [`ensure_writable`] finds out whether the folder can be
//!    written, and [`Recorder::create`] makes it.
//! 2. Each measurement becomes a line the moment it is made
//!    ([`Recorder::append`]). Its figures come from [`Estimate::from_samples`]
//!    and [`Latency::from_histogram`].
//! 3. [`Recorder::finish`] (or [`Recorder::stop`], when interrupted) closes the
//!    run, and [`point_latest`] makes it the newest one.
//! 4. [`Recorded::read`] reads any run back, tells what could not be read, and
//!    [`Recorded::summary`] pools it into the rows that tables and plots show.
//! 5. [`Comparison`] holds runs against each other, [`Export`] makes their rows
//!    flat, and [`submit`] packs one for others.
//!
//! ```
//! # use std::collections::BTreeMap;
//! # use std::path::Path;
//! # use detach_results::{*, latency};
//! # fn show(run: Run, root: &Path) -> Result<(), Box<dyn std::error::Error>> {
//! ensure_writable(root)?;
//! let mut recorder = Recorder::create(root, run)?;
//!
//! let mut latencies = latency::histogram();
//! latency::record(&mut latencies, 1_480); // nanoseconds
//! let measurement = Measurement {
//!     strategy: String::from("turnstile"),
//!     scenario: String::from("detach"),
//!     threads: 0,
//!     workload: Workload {
//!         devices: 1,
//!         detacher_cpu: Some(0),
//!         ..Workload::default()
//!     },
//!     block: 0,
//!     worker_sleeps: None,
//!     outcome: Outcome::Detach(Box::new(Detach {
//!         latency_ns: Latency::from_histogram(&latencies).ok_or("no latencies")?,
//!         last_entry_ns: None,
//!         last_leave_ns: None,
//!         heavy_fence_ns: None,
//!         refused_ns: None,
//!         overtook: None,
//!         round_p50_ns: vec![],
//!         set_apart: None,
//!         mechanisms: BTreeMap::new(),
//!         noise: Noise::default(),
//!         disturbed: false,
//!     })),
//! };
//! recorder.append(&measurement)?;
//! let dir = recorder.finish(vec![])?;
//! point_latest(root, &dir)?;
//!
//! let recorded = Recorded::read(&root.join("latest"))?;
//! assert!(recorded.problems.is_empty());
//! let summary = recorded.summary(BASELINE)?;
//! assert!(summary.row("turnstile", "detach", 0).is_some());
//! # Ok(())
//! # }
//! # let root = std::env::temp_dir().join(format!("detach-results-doc-{}", std::process::id()));
//! # let text = include_str!("../tests/fixtures/sample-run/run.json");
//! # let shown = show(serde_json::from_str(text).unwrap(), &root);
//! # std::fs::remove_dir_all(&root).unwrap();
//! # shown.unwrap();
//! ```
//!
//! # Trusting a figure
//!
//! [`stats`] says what an interval means and what it cannot mean, [`schema`]
//! what a version promises, [`check`] what is refused as impossible, [`summary`]
//! what becomes of disturbed measurements, and [`Recorded::disturbance`] how many
//! there were.

pub mod calibration;
pub mod check;
pub mod compare;
pub mod disturbance;
pub mod error;
pub mod export;
mod figure;
pub mod id;
pub mod latency;
mod latest;
pub mod machine;
mod read;
pub mod record;
pub mod schema;
pub mod show;
pub mod stats;
mod store;
pub mod submit;
pub mod summary;

pub use calibration::{Calibration, Probe, Transfers};
pub use check::Implausible;
pub use compare::Comparison;
pub use disturbance::Disturbance;
pub use error::StoreError;
pub use export::Export;
pub use figure::{Figure, Quantity};
pub use id::machine_id;
pub use latency::LatencyError;
pub use latest::{LATEST, point_latest};
pub use machine::{Cache, Frequency, Machine, UNKNOWN};
pub use read::{ReadProblem, Recorded};
pub use record::{
    Build, Cost, Detach, Estimate, Latency, Measurement, Noise, Outcome, Run, SCHEMA_VERSION,
    Visits, Warning, Workload,
};
pub use stats::{Ratio, StatsError};
pub use store::{MEASUREMENTS_FILE, RUN_FILE, Recorder, ensure_writable, utc_now};
pub use summary::{
    BASELINE, CostSummary, DetachSummary, Key, PoolError, Row, Spread, Summary, SummaryError,
    VisitsSummary, WHY_SLEEPS_MATTER, sleeps_differ,
};
