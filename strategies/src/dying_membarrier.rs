//! A dying flag and a word per thread that says "inside", with membarrier as
//! the cross-call: the reply's idea for threads that can be preempted.
//!
//! # The scheme
//!
//! ```text
//! acquire   section is odd (one more than it was)      my own word
//!           light fence
//!           if the device is dying: fail
//! release   section is even again (one more)
//! detach    dying = true
//!           heavy fence
//!           note the sections that are odd
//!           for each of them: wait until it has changed
//!           reclaim the softc
//! ```
//!
//! # Why it is safe
//!
//! The word and the flag are the two sides of store buffering, and the pair of
//! fences settles it: a thread that found the device alive has its word odd in
//! sight of the detacher. A word that is even, or another odd number than the
//! first one seen, belongs to a thread that has left the section it was in; if
//! it is in a new one, that began after the heavy fence and so found the flag.
//! Leaving is a store-release that the detacher's look acquires, and so is
//! entering, since the detacher may find the next section and never the leave.
//!
//! Membarrier alone would not do, although it interrupts every CPU as the
//! cross-call did: a preempted thread is not running, so nobody interrupts it,
//! and yet it is in the middle of its section. In a kernel that cannot be
//! preempted this case does not exist. Hence the word.
//!
//! # Costs
//!
//! Acquire and release: two stores to the thread's own line and a load of the
//! flag. Detach: one heavy fence, a pass over all threads, and the wait, which
//! is for *every* holder of *any* device of this strategy, since the word does
//! not say which device its thread is in. Memory: a flag per device.
//!
//! # What it forbids
//!
//! A guard belongs to its thread. A holder may sleep, but all detaches wait
//! for it. Signal handlers must keep out. A guard that is leaked stalls every
//! later detach.
//!
//! Comes from: the reply's first two paragraphs; FreeBSD's
//! `vfs_op_thread_enter()` and the readers of liburcu's membarrier flavour.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use crate::platform::{AsymmetricFence, Membarrier};
use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::{Attachment, Tenure};
use crate::primitive::bell::Bell;
use crate::primitive::patience::Patience;
use crate::primitive::roster::{Member, Roster};
use crate::primitive::sync::{AtomicBool, AtomicU64, Mutex, Ordering, lock, process_wide};
use crate::primitive::together::detach_together;
use crate::{
    Count, DetachError, Detached, DeviceRef, FastPath, LateArrival, Memory, Properties, Reclaim,
    Sleepers, Unsupported, WaitsFor,
};

process_wide! {
    static THREADS: Roster<Section> = Roster::new();
}

process_wide! {
    /// Where detachers wait for threads to leave their section.
    static LEFT: Bell = Bell::new();
}

/// Odd while the thread is inside any device.
#[derive(Debug, Default)]
struct Section(AtomicU64);

impl Section {
    fn look(&self) -> u64 {
        // Ordering: Acquire pairs with the Release in `Registration::step`.
        self.0.load(Ordering::Acquire)
    }
}

/// The sections that were found odd after a heavy fence and have not been seen
/// outside since, with the numbers that were found.
#[derive(Debug)]
struct Inside(Vec<(&'static Section, u64)>);

impl Inside {
    fn find<P: Points>(heavy: impl Fn()) -> Self {
        heavy();
        P::at(Point::Fenced);
        let sections = THREADS.iter().map(|section| (section, section.look()));
        Inside(
            sections
                .filter(|(_, number)| !number.is_multiple_of(2))
                .collect(),
        )
    }

    /// Waits until all have left, or patience runs out; tells which.
    fn wait<P: Points>(&mut self, patience: Patience, heavy: impl Fn()) -> bool {
        while let Some(&(section, found)) = self.0.last() {
            P::at(Point::Summing);
            if !LEFT.wait(patience, true, &heavy, || section.look() != found) {
                return false;
            }
            self.0.pop();
        }
        true
    }
}

/// A thread's section and how deep it is inside.
#[derive(Debug)]
pub struct Registration {
    section: Member<Section>,
    /// Guards that are out. With 32 bits, those that are leaked could make it
    /// run over.
    depth: Cell<u64>,
}

impl Registration {
    /// Another registration on the same section, which then no longer says who is
    /// inside: for a control.
    #[cfg(all(feature = "controls", not(loom)))]
    pub(crate) fn beside(&self) -> Registration {
        Registration {
            section: self.section,
            depth: Cell::new(0),
        }
    }

    #[inline(always)]
    fn step(&self) {
        let section = &self.section.0;
        // Ordering: Relaxed; the only writer reads its own last store.
        let now = section.load(Ordering::Relaxed);
        // Ordering: Release pairs with the Acquire in `Section::look`. That of an
        // enter is for a detacher that finds it in the place of the section that
        // it waits for: a plain store ends the release sequence of the leave
        // before it, so it has to carry that along.
        section.store(now.wrapping_add(1), Ordering::Release);
    }

    #[inline(always)]
    fn enter(&self) {
        if self.depth.get() == 0 {
            self.step();
        }
        self.depth.set(self.depth.get() + 1);
    }

    #[inline(always)]
    fn leave(&self) {
        self.depth.set(self.depth.get() - 1);
        if self.depth.get() == 0 {
            self.step();
            Membarrier::light();
            LEFT.ring_if_awaited();
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // With a leaked guard the section stays odd for ever, as it must, and
        // no other thread may get it.
        if self.depth.get() == 0 {
            THREADS.leave(self.section);
        }
    }
}

/// A device with a dying flag; see the [module](self).
pub type DyingMembarrier<S> = Device<S>;

/// A device with a dying flag; `P` is what happens at its
/// [points](crate::points).
#[derive(Debug)]
pub struct Device<S, P = Undisturbed> {
    dying: AtomicBool,
    /// Heavy fences issued, for the records.
    fences: AtomicU64,
    /// Whom a detach waits for, once it has looked.
    inside: Mutex<Option<Inside>>,
    attachment: Attachment<S>,
    _points: PhantomData<P>,
}

impl<S, P: Points> Device<S, P> {
    fn heavy(&self) {
        Membarrier::heavy();
        // Ordering: Relaxed; statistics.
        self.fences.fetch_add(1, Ordering::Relaxed);
    }

    /// Claims the device and sets its flag.
    fn condemn(&self, patience: Patience) -> Result<Tenure<'_, S>, DetachError> {
        let tenure = self.attachment.claim(patience)?;
        // Ordering: Relaxed; the heavy fence orders it before the looks at the
        // sections and pairs with the light fence in `acquire`.
        self.dying.store(true, Ordering::Relaxed);
        P::at(Point::Closed);
        Ok(tenure)
    }

    /// Waits until every thread that was inside after the flag was set has been
    /// seen outside. What was seen is kept: a call after one that gave up goes on
    /// from there.
    fn grace_period(&self, patience: Patience) -> Result<(), DetachError> {
        let heavy = || self.heavy();
        let mut inside = lock(&self.inside);
        let inside = inside.get_or_insert_with(|| Inside::find::<P>(heavy));
        if !inside.wait::<P>(patience, heavy) {
            return Err(DetachError::StillHeld);
        }
        Ok(())
    }

    /// Takes the softc.
    ///
    /// # Safety
    ///
    /// A grace period has passed since the flag was set.
    unsafe fn take(tenure: Tenure<'_, S>) -> S {
        P::at(Point::Drained);
        // SAFETY: every thread was seen outside, or in another section than
        // the one it was in at the heavy fence; see the module.
        unsafe { tenure.take() }
    }

    fn detach_within(&self, patience: Patience) -> Result<S, DetachError> {
        let tenure = self.condemn(patience)?;
        self.grace_period(patience)?;
        // SAFETY: it has passed just now.
        Ok(unsafe { Self::take(tenure) })
    }
}

impl<S: Send + Sync + 'static, P: Points> DeviceRef for Device<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: "dying-membarrier",
        summary: "dying flag, in-section word per thread, membarrier as the cross-call",
        origin: "reply on tech-kern, 2010; FreeBSD vfs_op_thread_enter",
        reclaim: Reclaim::AfterHolders,
        waits_for: WaitsFor::EveryDevice,
        late_arrival: LateArrival::Refused,
        holder_may_sleep: true,
        sleepers: Sleepers::AsOthers,
        release_elsewhere: false,
        nesting: true,
        signal_handlers: false,
        reopens: false,
        fast_path: FastPath {
            locked: Count::Exactly(0),
            fences: 0,
            shared_writes: false,
        },
        memory: Memory {
            fixed: size_of::<Device<()>>(),
            per_cpu: 0,
            per_thread: 0,
        },
    };

    fn supported() -> Result<(), Unsupported> {
        Membarrier::supported()
    }

    fn register() -> Result<Registration, Unsupported> {
        Membarrier::supported()?;
        Ok(Registration {
            section: THREADS.join(),
            depth: Cell::new(0),
        })
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Membarrier::supported()?;
        Ok(Device {
            dying: AtomicBool::new(false),
            fences: AtomicU64::new(0),
            inside: Mutex::new(None),
            attachment: Attachment::new(softc),
            _points: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(&'g self, registration: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        P::at(Point::BeforeEnter);
        registration.enter();
        // Every way out, that of a refusal included, is through its drop.
        let guard = Guard {
            device: self,
            registration,
        };
        Membarrier::light();
        P::at(Point::Entered);
        // Ordering: Relaxed; the light fence orders it after the enter and
        // pairs with the heavy fence in `detach_within`.
        if self.dying.load(Ordering::Relaxed) {
            turn_back(guard);
            return Err(Detached);
        }
        P::at(Point::Admitted);
        Ok(guard)
    }

    fn detach(&self, _: &mut Registration) -> Result<S, Detached> {
        // Without a time limit "still held" cannot be the answer.
        self.detach_within(Patience::FOREVER).map_err(|_| Detached)
    }

    fn detach_timeout(&self, _: &mut Registration, patience: Duration) -> Result<S, DetachError> {
        self.detach_within(Patience::of(patience))
    }

    fn detach_all(
        devices: &[&Self],
        _: &mut Registration,
        tell: impl FnMut(usize, Result<S, Detached>),
    ) {
        detach_together(
            devices,
            |device| device.condemn(Patience::none()),
            || {
                let heavy = || devices[0].heavy();
                Inside::find::<P>(heavy).wait::<P>(Patience::FOREVER, heavy);
            },
            // SAFETY: a grace period has passed, without a limit in time.
            |_, tenure| Ok(unsafe { Self::take(tenure) }),
            |device| {
                device
                    .detach_within(Patience::FOREVER)
                    .map_err(|_| Detached)
            },
            tell,
        );
    }

    fn mechanisms(&self) -> Vec<(&'static str, u64)> {
        // Ordering: Relaxed; statistics.
        vec![(Membarrier::NAME, self.fences.load(Ordering::Relaxed))]
    }
}

/// A latecomer leaves. Out of line, to keep the fast path short.
#[cold]
#[inline(never)]
fn turn_back<S, P: Points>(guard: Guard<'_, S, P>) {
    P::at(Point::Refused);
    drop(guard);
}

/// Proof of being inside a [`Device`].
#[derive(Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    device: &'g Device<S, P>,
    registration: &'g Registration,
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: the section is odd and the flag was found unset after that,
        // so the detacher waits for the section.
        unsafe { self.device.attachment.softc() }
    }
}

impl<S, P: Points> Drop for Guard<'_, S, P> {
    #[inline]
    fn drop(&mut self) {
        P::at(Point::BeforeLeave);
        self.registration.leave();
        P::at(Point::Left);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// The number of a section runs over from the largest odd one to zero,
    /// which is even, so inside and outside stay what they were. A detacher
    /// could take an old section for a new one only if 2^64 steps, an even
    /// number, fell between two of its looks.
    #[test]
    fn the_number_of_a_section_runs_over() {
        if Membarrier::supported().is_err() {
            return;
        }
        let mut me = DyingMembarrier::<u64>::register().unwrap();
        let other = DyingMembarrier::<u64>::register().unwrap();
        let section: &Section = &other.section;
        let number = &section.0;
        // Ordering: Relaxed, here and below; nobody else writes it.
        number.store(u64::MAX - 3, Ordering::Relaxed);
        for expected in [u64::MAX - 2, u64::MAX, 1] {
            let device = DyingMembarrier::<u64>::attach(7).unwrap();
            let guard = device.acquire(&other).unwrap();
            assert_eq!(number.load(Ordering::Relaxed), expected);
            let result = device.detach_timeout(&mut me, Duration::from_millis(2));
            assert_eq!(result, Err(DetachError::StillHeld));
            drop(guard);
            let result = device.detach_timeout(&mut me, Duration::from_secs(60));
            assert_eq!(result, Ok(7));
        }
    }
}
