//! Torture: shows that a strategy protects, by trying hard to make it fail.
//!
//! Real threads attach, enter, leave and detach many devices, while softcs are
//! poisoned the moment a detach returns them and reused for the next device
//! (`softc`), and random delays stretch the strategies at named points
//! (`disturb`). What is looked for:
//!
//! - a holder whose softc was reclaimed, or became another device's;
//! - a detach that returns before what its holders did is visible to it;
//! - a softc handed out twice, never, or by the wrong device;
//! - an acquire that succeeds after the device is gone;
//! - a copy of a softc that is made of two halves;
//! - a poll that waits for who came after the device was closed;
//! - a detach of many that leaves one out, or tells of it twice;
//! - a detach that sleeps on when nobody is left to wake it (`watchdog`).
//!
//! Holders spin, yield, sleep (some until they are woken), migrate between CPUs, nest, panic, come too
//! late, have two registrations, and release on another thread, each as far as the
//! strategy allows it. Threads come and go. Detachers compete, poll, give up for
//! good, take many devices at once, and change their mind.
//!
//! # What it proves, and what it cannot
//!
//! A violation proves a defect: everything above is decided by state, nothing
//! by a stopwatch. That none was seen proves little by itself. It means
//! something because the same threads, scenes and checks catch the
//! [negative controls](detach_strategies::controls), each of which has a single
//! step wrong, within seconds. A defect that needs rarer luck, or a processor
//! with weaker memory than the one at hand, stays unseen; the models are there
//! for those.
//!
//! # Repeating a run
//!
//! The seed fixes what each thread wants to do and where it is delayed. It does
//! not fix how the threads interleave, so a violation comes back with its seed
//! sooner than without, but not at the same moment.

mod board;
mod detacher;
mod disturb;
mod duel;
mod hand_over;
mod holder;
mod polls;
mod reopen;
mod scenes;
mod seat;
mod softc;
mod tally;
mod together;
mod twofold;
mod verdict;
mod watchdog;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use detach_strategies::controls::{self, Expect};
use detach_strategies::platform::topology::allowed_cpus;
use detach_strategies::points::Undisturbed;
use detach_strategies::registry::{self, Visitor};
use detach_strategies::{DeviceRef, Properties, Reclaim, Unsupported};

pub use disturb::{Clogging, Dawdling};
pub use softc::Softc;
pub use tally::Tally;
pub use verdict::Violation;

use scenes::{Crowded, Duelling, Need, Scene};
use seat::Seats;
use verdict::Verdict;

/// Threads that a batch may have.
const SEATS: usize = 16;

/// How long a scene is played before the next has its turn.
const TURN: Duration = Duration::from_millis(40);

/// What must have been done in any torture.
const ALWAYS: [Need; 4] = [
    (|done| done.batches, "no batch was played to its end"),
    (|done| done.attaches, "no device was attached"),
    (|done| done.acquires, "no device was entered"),
    (|done| done.detaches, "no device was detached"),
];

/// How a torture ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Nothing was found.
    Survived,
    /// A violation was found.
    Violated(Violation),
    /// Nothing was found because this was never done: no torture at all.
    Idle(&'static str),
    /// This machine cannot run it.
    Unsupported(Unsupported),
}

impl Outcome {
    /// What to make of what was found and of what was done in these scenes.
    fn of(found: Option<Violation>, done: &Tally, scenes: &[Scene]) -> Self {
        let of_scenes = scenes.iter().flat_map(|scene| scene.needs);
        let mut needed = ALWAYS.iter().chain(of_scenes);
        match (found, needed.find(|(count, _)| count(done) == 0)) {
            (Some(violation), _) => Outcome::Violated(violation),
            (None, Some((_, missing))) => Outcome::Idle(missing),
            (None, None) => Outcome::Survived,
        }
    }

    /// Whether this is what a control is there for. One that this machine
    /// cannot run says nothing either way.
    pub fn meets(&self, expect: Expect) -> bool {
        match (self, expect) {
            (Outcome::Unsupported(_), _) => true,
            (Outcome::Violated(_), Expect::CaughtByTorture) => true,
            // On processors with weaker memory than x86, running it may do.
            (Outcome::Violated(_) | Outcome::Survived, Expect::CaughtByModel) => true,
            _ => false,
        }
    }
}

/// What became of one strategy.
#[derive(Clone, Debug)]
pub struct Report {
    /// The strategy's id.
    pub id: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// What was done.
    pub tally: Tally,
    /// How long it took.
    pub took: Duration,
}

/// What happens when a detach is stuck for good. Its thread can never be
/// joined, so there is no way back to the caller.
pub type OnStuck = fn(&Violation);

/// Tortures strategies and controls.
#[derive(Clone, Debug)]
pub struct Torturer {
    /// Fixes the threads' intentions.
    pub seed: u64,
    /// Called when a detach hangs that has no time limit. It should end the
    /// process.
    pub on_stuck: OnStuck,
}

impl Torturer {
    /// Tortures the strategy of that id for `time`, or until it is caught or
    /// `interrupt` is set. `None` when there is no such strategy.
    pub fn strategy(&self, id: &str, time: Duration, interrupt: &AtomicBool) -> Option<Report> {
        let duel = registry::visit::<Softc, Clogging, _>(id, &mut Duelling)?;
        let crowded = registry::visit::<Softc, Dawdling, _>(id, &mut Crowded)?;
        let mut subject = Subject {
            torturer: self,
            time,
            interrupt,
            control: false,
            scenes: [vec![duel], crowded].concat(),
        };
        registry::visit::<Softc, Undisturbed, _>(id, &mut subject)
    }

    /// Tortures the negative control of that id for `time`, or until it is
    /// caught or `interrupt` is set. `None` when there is no such control.
    ///
    /// The threads do the same as with a strategy, except that no detach waits
    /// without a time limit, so that one that sleeps for ever ends some time
    /// after the watchdog has found it.
    pub fn control(&self, id: &str, time: Duration, interrupt: &AtomicBool) -> Option<Report> {
        let duel = controls::visit::<Softc, Clogging, _>(id, &mut Duelling)?;
        let crowded = controls::visit::<Softc, Dawdling, _>(id, &mut Crowded)?;
        let mut subject = Subject {
            torturer: self,
            time,
            interrupt,
            control: true,
            scenes: [vec![duel], crowded].concat(),
        };
        controls::visit::<Softc, Undisturbed, _>(id, &mut subject)
    }
}

struct Subject<'a> {
    torturer: &'a Torturer,
    time: Duration,
    interrupt: &'a AtomicBool,
    control: bool,
    scenes: Vec<Scene>,
}

impl Visitor<Softc> for Subject<'_> {
    type Output = Report;

    fn visit<D: DeviceRef<Softc = Softc>>(&mut self) -> Report {
        let begun = Instant::now();
        let run = Run::new(self, D::PROPERTIES, begun);
        let supported = D::supported().and_then(|()| self.enough_cpus(&run.cpus));
        let outcome = match supported {
            Err(why) => Outcome::Unsupported(why),
            Ok(()) => {
                run.play(&self.scenes);
                Outcome::of(run.verdict.take(), &run.tally(), &self.scenes)
            }
        };
        Report {
            id: D::PROPERTIES.id,
            outcome,
            tally: *run.tally(),
            took: begun.elapsed(),
        }
    }
}

impl Subject<'_> {
    /// Strategies are tortured on any number of CPUs; to catch a control,
    /// threads have to meet.
    fn enough_cpus(&self, cpus: &[usize]) -> Result<(), Unsupported> {
        if self.control && cpus.len() < 2 {
            return Err(Unsupported::because(
                "to catch a control takes two CPUs that threads can be pinned to",
            ));
        }
        Ok(())
    }
}

/// One strategy being tortured: what its threads share.
struct Run<'a> {
    properties: Properties,
    seed: u64,
    cpus: Arc<[usize]>,
    seats: Seats,
    verdict: Verdict,
    tally: Mutex<Tally>,
    batch: AtomicU64,
    scene: Mutex<&'static str>,
    /// The scene has had its turn.
    turn_over: AtomicBool,
    begun: Instant,
    deadline: Instant,
    interrupt: &'a AtomicBool,
    /// Whether every detach has to have a time limit.
    must_return: bool,
    /// How often the watchdog has to see a detacher asleep.
    looks_before_hang: u32,
    on_stuck: OnStuck,
}

impl<'a> Run<'a> {
    fn new(subject: &Subject<'a>, properties: Properties, begun: Instant) -> Self {
        Run {
            properties,
            seed: subject.torturer.seed,
            cpus: allowed_cpus().unwrap_or_default().into(),
            seats: Seats::new(),
            verdict: Verdict::default(),
            tally: Mutex::default(),
            batch: AtomicU64::new(0),
            scene: Mutex::new(""),
            turn_over: AtomicBool::new(false),
            begun,
            // A time too far away to name is a year from now.
            deadline: begun
                .checked_add(subject.time)
                .unwrap_or_else(|| begun + Duration::from_secs(365 * 86400)),
            interrupt: subject.interrupt,
            must_return: subject.control,
            // Half a second at the least, where a false alarm would accuse a
            // sound strategy; less where it is known to be broken.
            looks_before_hang: if subject.control { 10 } else { 100 },
            on_stuck: subject.torturer.on_stuck,
        }
    }

    /// Plays the scenes one after the other until time is up or a violation is
    /// found.
    fn play(&self, scenes: &[Scene]) {
        /// Tells the watchdog that it can go, on every way out.
        struct Done<'d>(&'d AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                // Ordering: Relaxed; a hint to stop.
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            // Ordering: Relaxed; as above.
            scope.spawn(|| watchdog::watch(self, || done.load(Ordering::Relaxed)));
            let _done = Done(&done);
            for scene in scenes.iter().cycle() {
                if self.finished() {
                    break;
                }
                *self.scene.lock().unwrap_or_else(PoisonError::into_inner) = scene.name;
                // Ordering: Relaxed; the watchdog ends the turn some time.
                self.turn_over.store(false, Ordering::Relaxed);
                (scene.play)(self);
                // Ordering: Relaxed; for reports and seeds.
                self.batch.fetch_add(1, Ordering::Relaxed);
                self.tally().batches += 1;
                self.seats.advance();
            }
        });
    }

    /// Whether this is the end of the run.
    fn finished(&self) -> bool {
        // Ordering: Relaxed; a hint to stop.
        self.verdict.guilty()
            || self.interrupt.load(Ordering::Relaxed)
            || Instant::now() >= self.deadline
    }

    /// Whether the threads of the present batch should come to an end.
    fn over(&self) -> bool {
        // Ordering: Relaxed; a hint to stop.
        self.turn_over.load(Ordering::Relaxed) || self.verdict.guilty()
    }

    /// Whether holders leave marks: where detach promises to wait for them.
    fn marks(&self) -> bool {
        self.properties.reclaim == Reclaim::AfterHolders
    }

    /// How long a holder sleeps that a detach has to wake: until then, unless
    /// the wake-up is lost and the watchdog overlooks it.
    fn longest_sleep(&self) -> Duration {
        Duration::from_secs(if self.must_return { 2 } else { 60 })
    }

    /// Reports what should not have been seen.
    fn report(&self, seen: &str) {
        self.verdict.report(self.violation(seen));
    }

    /// Reports a detach that will never return.
    fn stuck(&self, seen: &str) {
        self.report(seen);
        if !self.must_return {
            (self.on_stuck)(&self.violation(seen));
        }
    }

    fn violation(&self, seen: &str) -> Violation {
        Violation {
            strategy: self.properties.id,
            seed: self.seed,
            // Ordering: Relaxed; for reports.
            batch: self.batch.load(Ordering::Relaxed),
            scene: *self.scene.lock().unwrap_or_else(PoisonError::into_inner),
            seen: seen.to_owned(),
            after: self.begun.elapsed(),
        }
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, tally: Tally) {
        *self.tally() += tally;
    }

    /// The seed of one thread.
    fn seed_of(&self, seat: usize, salt: u64) -> u64 {
        let mut hasher = DefaultHasher::new();
        // Ordering: Relaxed; constant while threads of the batch start.
        let batch = self.batch.load(Ordering::Relaxed);
        (self.seed, self.properties.id, batch, seat, salt).hash(&mut hasher);
        hasher.finish()
    }
}

/// The kernel's number of the calling thread, where it has one that is known.
fn thread_id() -> u32 {
    #[cfg(target_os = "linux")]
    {
        // SAFETY: gettid has no preconditions.
        unsafe { libc::gettid() }.cast_unsigned()
    }
    #[cfg(not(target_os = "linux"))]
    {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation() -> Violation {
        Violation {
            strategy: "refcount",
            seed: 1,
            batch: 0,
            scene: "duel",
            seen: "a holder saw a reclaimed softc".to_owned(),
            after: Duration::ZERO,
        }
    }

    const DONE: Tally = Tally {
        batches: 1,
        attaches: 1,
        acquires: 1,
        detaches: 1,
        ..Tally::NOTHING
    };

    #[test]
    fn a_torture_that_leaves_something_out_is_not_survived() {
        let id = "turnstile-slots";
        let scenes = registry::visit::<Softc, Dawdling, _>(id, &mut Crowded).unwrap();
        let done = Tally {
            polled: 1,
            together: 1,
            twofold: 1,
            aside: 1,
            ..DONE
        };
        let survived = Outcome::of(None, &done, &scenes);
        assert!(matches!(survived, Outcome::Survived));
        let undone: [fn(&mut Tally) -> &mut u64; 8] = [
            |tally| &mut tally.batches,
            |tally| &mut tally.attaches,
            |tally| &mut tally.acquires,
            |tally| &mut tally.detaches,
            |tally| &mut tally.polled,
            |tally| &mut tally.together,
            |tally| &mut tally.twofold,
            |tally| &mut tally.aside,
        ];
        for field in undone {
            let mut tally = done;
            *field(&mut tally) = 0;
            let outcome = Outcome::of(None, &tally, &scenes);
            assert!(matches!(outcome, Outcome::Idle(_)), "{tally:?}");
            for expect in [Expect::CaughtByTorture, Expect::CaughtByModel] {
                assert!(!outcome.meets(expect), "{expect:?}");
            }
        }
    }

    /// Who was caught at once was caught all the same.
    #[test]
    fn a_violation_counts_whatever_was_done() {
        for tally in [Tally::NOTHING, DONE] {
            let outcome = Outcome::of(Some(violation()), &tally, &[]);
            assert!(outcome.meets(Expect::CaughtByTorture));
        }
    }
}
