//! Random delays at the named points inside the strategies.
//!
//! What is tortured is the code that ships, compiled once more with one of two
//! types in the place of a type parameter: [`Dawdling`] stretches time,
//! [`Clogging`] the store buffer. What is measured has no trace of them. Each
//! thread carries its own generator.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use detach_strategies::platform::topology::pin_current_thread;
use detach_strategies::points::{Point, Points};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Spins, yields, sleeps and moves to another CPU, anywhere.
#[derive(Clone, Copy, Debug)]
pub struct Dawdling;

impl Points for Dawdling {
    fn at(point: Point) {
        disturb(|disturbance| disturbance.dawdle(point));
    }
}

/// Fills its CPU's store buffer before it enters and before it leaves: no delay
/// to speak of, but the stores that follow become visible late, while loads go
/// ahead. That is what store-buffering races are made of.
#[derive(Clone, Copy, Debug)]
pub struct Clogging;

impl Points for Clogging {
    // Without optimisation a call alone makes so many stores of its own that
    // those which matter are out of the buffer when it returns.
    #[inline(always)]
    fn at(point: Point) {
        if matches!(
            point,
            Point::BeforeEnter | Point::BeforeLeave | Point::Summing
        ) {
            disturb(|disturbance| disturbance.clog(point));
        }
    }
}

fn disturb(how: impl FnOnce(&mut Disturbance)) {
    DISTURBANCE.with(|disturbance| {
        // Taken already: a point inside a point, which there is not.
        if let Ok(mut disturbance) = disturbance.try_borrow_mut() {
            how(&mut disturbance);
        }
    });
}

thread_local! {
    static DISTURBANCE: RefCell<Disturbance> = RefCell::new(Disturbance {
        calm: true,
        random: SmallRng::seed_from_u64(0),
        cpus: Arc::from([]),
        hints: Arc::default(),
        looks_to_slow: 0,
        restless: false,
        cpu: 0,
    });
}

struct Disturbance {
    /// Nothing is to happen at points.
    calm: bool,
    random: SmallRng,
    cpus: Arc<[usize]>,
    hints: Arc<Hints>,
    /// The look of the present detach that is worth a delay is the one that
    /// brings this to zero.
    looks_to_slow: u32,
    /// Whether the thread is one that comes late as often as it can, enters on
    /// one CPU and leaves on another, and does not stay.
    restless: bool,
    /// Where a restless thread is.
    cpu: usize,
}

/// What threads let each other know, so that they meet where it hurts. Nothing
/// is lost if a hint is.
#[derive(Debug, Default)]
pub(super) struct Hints {
    looks: Hint,
    entering: Hint,
    left: Hint,
}

#[derive(Debug, Default)]
#[repr(align(128))]
struct Hint(AtomicU64);

impl Hint {
    fn get(&self) -> u64 {
        // Ordering: Relaxed, here and below; a hint.
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }
}

impl Hints {
    /// How often the present detach has looked whether everybody has left.
    pub(super) fn looks(&self) -> u64 {
        self.looks.get()
    }

    /// A detach begins.
    pub(super) fn forget_looks(&self) {
        self.looks.set(0);
    }

    /// Changes when somebody is about to enter.
    pub(super) fn entering(&self) -> u64 {
        self.entering.get()
    }
}

/// From now on something happens to the calling thread at points. `cpus` are
/// those it may move to, and `hints` is what its batch shares.
pub(super) fn begin(seed: u64, cpus: &Arc<[usize]>, hints: &Arc<Hints>) {
    DISTURBANCE.with_borrow_mut(|disturbance| {
        *disturbance = Disturbance {
            calm: false,
            random: SmallRng::seed_from_u64(seed),
            cpus: Arc::clone(cpus),
            hints: Arc::clone(hints),
            looks_to_slow: 0,
            restless: false,
            cpu: 0,
        };
    });
}

/// From now on the calling thread hesitates to enter, and changes its CPU as
/// soon as it has entered.
pub(super) fn be_restless() {
    DISTURBANCE.with_borrow_mut(|disturbance| disturbance.restless = true);
}

/// From now on nothing happens to the calling thread at points.
pub(super) fn end() {
    DISTURBANCE.with_borrow_mut(|disturbance| disturbance.calm = true);
}

impl Disturbance {
    fn clog(&mut self, point: Point) {
        let Hints {
            looks, entering, ..
        } = &*self.hints;
        if point == Point::Summing {
            looks.set(looks.get() + 1);
        }
        if self.calm || point == Point::Summing {
            return;
        }
        if point == Point::BeforeEnter {
            // Before the clog, or it would be stuck behind it.
            entering.set(entering.get() + 1);
        }
        clog(&mut self.random);
    }

    fn dawdle(&mut self, point: Point) {
        let Hints { left, entering, .. } = &*self.hints;
        match point {
            Point::BeforeEnter => entering.set(entering.get() + 1),
            Point::Left => left.set(left.get() + 1),
            _ => {}
        }
        if self.calm {
            return;
        }
        let likely = match point {
            // Whoever is late has to be still on the way when the first look
            // is taken, so detach hurries up to that.
            Point::Closed => {
                // Somewhere between one CPU and the next, where it goes CPU by
                // CPU.
                let looks = u32::try_from(self.cpus.len()).unwrap_or(1).min(16) + 2;
                self.looks_to_slow = self.random.random_range(1..looks);
                0.1
            }
            Point::Fenced => 0.1,
            Point::Summing => match self.looks_to_slow.checked_sub(1) {
                Some(later) => {
                    self.looks_to_slow = later;
                    f64::from(u8::from(later == 0))
                }
                // Of hundreds more, few are worth a delay.
                None => 0.03,
            },
            Point::BeforeEnter if self.restless => 0.9,
            Point::Entered if self.restless => 1.0,
            _ if self.restless => 0.05,
            _ => 0.5,
        };
        if !self.random.random_bool(likely) {
            return;
        }
        if point == Point::Entered && self.restless {
            self.next_cpu();
            return;
        }
        // Who counts should be slow, most of all while somebody passes.
        let kinds = if point == Point::Summing {
            10..30
        } else {
            0..22
        };
        match self.random.random_range(kinds) {
            0..8 => spin(self.random.random_range(0..2000)),
            8..12 => thread::yield_now(),
            // Mostly short, at times long enough for others to be scheduled.
            12..20 => {
                let most = 1 << self.random.random_range(1..11);
                thread::sleep(Duration::from_micros(self.random.random_range(0..most)));
            }
            20..22 => {
                migrate(&mut self.random, &self.cpus);
            }
            _ => {
                let before = left.get();
                for _ in 0..20 {
                    thread::sleep(Duration::from_micros(10));
                    if left.get() != before {
                        break;
                    }
                }
            }
        }
    }
}

impl Disturbance {
    /// Moves the calling thread to another CPU than the last time.
    fn next_cpu(&mut self) {
        if !self.cpus.is_empty() {
            self.cpu = (self.cpu + 1) % self.cpus.len();
            // Where pinning is refused, nobody moves.
            let _ = pin_current_thread(self.cpus[self.cpu]);
        }
    }
}

/// Moves the calling thread to some CPU; tells whether that worked.
pub(super) fn migrate(random: &mut SmallRng, cpus: &[usize]) -> bool {
    // Without a choice there is nothing to move to.
    cpus.len() > 1 && pin_current_thread(cpus[random.random_range(0..cpus.len())]).is_ok()
}

/// Waits for `laps` laps of a loop.
pub(super) fn spin(laps: u32) {
    for _ in 0..laps {
        std::hint::spin_loop();
    }
}

/// Lines to clog store buffers with: more than any cache holds, so that most
/// stores have to go to memory.
const LINES: usize = 1 << 20;

/// Stores in a clog. Store buffers have some sixty entries.
const STORES: usize = 64;

#[repr(align(64))]
struct Line(AtomicU64);

/// Untouched pages cost nothing until the first clog gets to them.
static SWAMP: LazyLock<Box<[Line]>> = LazyLock::new(|| {
    std::iter::repeat_with(|| Line(AtomicU64::new(0)))
        .take(LINES)
        .collect()
});

fn clog(random: &mut SmallRng) {
    let swamp = &*SWAMP;
    let mut at: u64 = random.random();
    for _ in 0..STORES {
        // A linear congruential generator: hardly random, but fast enough to
        // issue stores faster than memory takes them.
        at = at
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let line = &swamp[(at >> 32) as usize % LINES];
        // Ordering: Relaxed; nobody reads it.
        line.0.store(1, Ordering::Relaxed);
    }
}
