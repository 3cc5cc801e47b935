//! A dying flag and a NOP cross-call: the reply's scheme, in a user space
//! model of the kernel it was written for.
//!
//! # The scheme
//!
//! The reply's kernel cannot be preempted: a thread in a driver gives up its
//! CPU only by blocking or by returning to user mode. So if a NOP has run on a
//! CPU, whatever was in a driver on that CPU has left. Here each registered
//! thread is such a CPU. It has a mailbox, in which a cross-call puts the
//! number of a NOP to run, and it looks into the mailbox at *safe points* only,
//! never while it is inside a device.
//!
//! ```text
//! acquire      if the device is dying: fail
//! release      nothing
//! safe point   if the mailbox holds a number that is not answered: answer it
//! detach       dying = true
//!              cross-call: put a new number in every mailbox,
//!                          wait until every CPU has answered or is off line
//!              reclaim the softc
//! ```
//!
//! A CPU that goes to sleep would keep every cross-call waiting, so its thread
//! takes it off line before it blocks. An idle CPU of the kernel needs no
//! cross-call for the same reason: it is in no driver.
//!
//! # Why it is safe
//!
//! That a holder never passes a safe point is not left to discipline: a guard
//! borrows its registration, a safe point borrows it mutably, and the compiler
//! refuses to have both. So when a CPU answers, every guard that it had given
//! out is gone; the answer is a store-release after them, and the detacher's
//! look acquires it. From then on the CPU knows the flag: the number came to
//! the mailbox by a store-release after the flag was set, and the safe point
//! loaded it with acquire.
//!
//! A CPU that is off line has answered everything in advance. When it comes
//! back it may race with a cross-call that just took it for absent: it writes
//! "on line" and then reads flags, the detacher writes the flag and then reads
//! "on line". Store buffering again, and both sides can afford a full fence.
//!
//! # Costs
//!
//! Acquire: a load of the flag. Release: nothing. Safe point: a load of the
//! thread's own mailbox. Detach: a line transfer to and from every CPU, and
//! the wait for the slowest of them to reach a safe point. Memory: a flag.
//!
//! # What it forbids
//!
//! A holder must not span a safe point, and so must not block for long: every
//! detach of every device waits for it. In a kernel a holder that sleeps is
//! *not* waited for, which is why the reply wants reference counts for
//! unloading ([`dying_xcall_ref`](crate::dying_xcall_ref) has them); here the
//! compiler turns the mistake into an error. Guards belong to their thread.
//!
//! Comes from: the reply's first two paragraphs; NetBSD's xcall(9), and
//! quiescent-state-based RCU for the life on and off line.

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use crate::points::{Point, Points, Undisturbed};
use crate::primitive::attachment::{Attachment, Tenure};
use crate::primitive::bell::Bell;
use crate::primitive::patience::Patience;
use crate::primitive::roster::{Member, Roster};
use crate::primitive::sync::{AtomicBool, AtomicU64, Ordering, fence, process_wide};
use crate::primitive::together::detach_together;
use crate::{
    Count, DetachError, Detached, DeviceRef, FastPath, LateArrival, Memory, Properties, Reclaim,
    Sleepers, Unsupported, WaitsFor,
};

process_wide! {
    static CPUS: Roster<VirtualCpu> = Roster::new();
}

process_wide! {
    /// The number of the latest cross-call. It does not run over: at one in a
    /// nanosecond 64 bits last for centuries.
    static TICKET: AtomicU64 = AtomicU64::new(0);
}

process_wide! {
    /// Where cross-calls wait for answers.
    static ANSWERED: Bell = Bell::new();
}

/// A thread as a CPU that cannot be preempted.
#[derive(Debug, Default)]
struct VirtualCpu {
    online: AtomicBool,
    /// The newest NOP that this CPU is asked to run.
    mailbox: AtomicU64,
    /// The newest NOP that it has run.
    answered: AtomicU64,
}

impl VirtualCpu {
    /// Runs the NOPs that are asked for, if any. The thread is at a safe point.
    #[inline(always)]
    fn run_pending(&self, answered: &Cell<u64>) {
        // Ordering: Acquire pairs with the Release in `post`: what the caller
        // did before, setting the flag above all, is known from here on.
        let asked = self.mailbox.load(Ordering::Acquire);
        if asked != answered.get() {
            self.answer(asked);
            answered.set(asked);
        }
    }

    #[cold]
    #[inline(never)]
    fn answer(&self, asked: u64) {
        // The NOP itself runs here.
        // Ordering: Release pairs with the Acquire in `has_answered`: what was
        // done in sections before this safe point happened before the answer.
        self.answered.store(asked, Ordering::Release);
        // Ordering: SeqCst pairs with the fence that `cross_call` hands to the
        // bell: either the caller sees the answer, or this sees it waiting.
        fence(Ordering::SeqCst);
        ANSWERED.ring_if_awaited();
    }

    fn go_online(&self, answered: &Cell<u64>) {
        // Ordering: Relaxed; the fence orders it before every later load.
        self.online.store(true, Ordering::Relaxed);
        // Ordering: SeqCst pairs with the fence in `cross_call`: either that
        // finds this CPU on line, or this CPU finds what was set before it.
        fence(Ordering::SeqCst);
        self.run_pending(answered);
    }

    fn go_offline(&self, answered: &Cell<u64>) {
        self.run_pending(answered);
        // Ordering: Release pairs with the Acquire in `has_answered`.
        self.online.store(false, Ordering::Release);
        // Ordering: SeqCst pairs with the fence that `cross_call` hands to the
        // bell, as in `answer`.
        fence(Ordering::SeqCst);
        ANSWERED.ring_if_awaited();
    }

    /// Asks for NOP number `ticket`, if the CPU is on line.
    fn post(&self, ticket: u64) {
        // Ordering: Acquire pairs with the Release in `go_offline`: a CPU that
        // is not asked has told all that it did. The fence in `cross_call`
        // orders the load after the flag and pairs with that in `go_online`.
        if self.online.load(Ordering::Acquire) {
            // Ordering: Release pairs with the Acquire in `run_pending`.
            self.mailbox.fetch_max(ticket, Ordering::Release);
        }
    }

    fn has_answered(&self, ticket: u64) -> bool {
        // Ordering: Relaxed; this thread reads back what it posted itself, or
        // the holder of the claim before it. A CPU that was not asked was off
        // line, and stays out of it if it comes back now.
        self.mailbox.load(Ordering::Relaxed) < ticket
            // Ordering: Acquire pairs with the Release in `answer`.
            || self.answered.load(Ordering::Acquire) >= ticket
            // Ordering: Acquire pairs with the Release in `go_offline`.
            || !self.online.load(Ordering::Acquire)
    }
}

/// Asks every CPU to run a NOP; returns its number. The caller is off line.
fn cross_call() -> u64 {
    // Ordering: AcqRel pairs with itself. An answer to a larger number answers
    // this one as well, so its caller has to know, and by its post to tell,
    // that our flag is set.
    let ticket = TICKET.fetch_add(1, Ordering::AcqRel) + 1;
    // Ordering: SeqCst pairs with the fence in `go_online`.
    fence(Ordering::SeqCst);
    for cpu in CPUS.iter() {
        cpu.post(ticket);
    }
    ticket
}

/// Waits until every CPU has answered, or patience runs out; tells which. The
/// caller is off line, and the claim on the device orders it after the one who
/// asked.
pub(crate) fn answered<P: Points>(ticket: u64, patience: Patience) -> bool {
    P::at(Point::Fenced);
    CPUS.iter().all(|cpu| {
        let answered = || {
            P::at(Point::Summing);
            cpu.has_answered(ticket)
        };
        // Ordering: SeqCst pairs with the fences in `answer` and `go_offline`.
        ANSWERED.wait(patience, true, || fence(Ordering::SeqCst), answered)
    })
}

/// A thread's virtual CPU: on line from registration until it is dropped,
/// except inside [`DeviceRef::offline`] and [`DeviceRef::detach`].
#[derive(Debug)]
pub struct Registration {
    cpu: Member<VirtualCpu>,
    /// The thread's copy of `VirtualCpu::answered`.
    answered: Cell<u64>,
}

impl Registration {
    fn while_offline<R>(&mut self, blocked: impl FnOnce() -> R) -> R {
        /// Brings the CPU back on line on every way out, a panic included.
        struct Online<'r>(&'r Registration);
        impl Drop for Online<'_> {
            fn drop(&mut self) {
                self.0.cpu.go_online(&self.0.answered);
            }
        }
        self.cpu.go_offline(&self.answered);
        let _online = Online(self);
        blocked()
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.cpu.go_offline(&self.answered);
        CPUS.leave(self.cpu);
    }
}

/// A device with a dying flag; see the [module](self).
pub type DyingXcall<S> = Device<S>;

/// A device with a dying flag; `P` is what happens at its
/// [points](crate::points).
#[derive(Debug)]
pub struct Device<S, P = Undisturbed> {
    dying: AtomicBool,
    /// The number of the NOP that a detach asked for; 0 before.
    pub(crate) asked: AtomicU64,
    /// Cross-calls made, for the records.
    xcalls: AtomicU64,
    attachment: Attachment<S>,
    _points: PhantomData<P>,
}

impl<S, P: Points> Device<S, P> {
    /// Looks at the flag. Whoever finds the device alive is inside until the
    /// next safe point of the thread.
    #[inline]
    pub(crate) fn enter(&self) -> Result<(), Detached> {
        P::at(Point::BeforeEnter);
        // Ordering: Relaxed; a stale "alive" is fine as long as this CPU has
        // not answered, and its answer acquired the flag.
        if self.dying.load(Ordering::Relaxed) {
            P::at(Point::Refused);
            return Err(Detached);
        }
        P::at(Point::Admitted);
        Ok(())
    }

    /// The softc, as a holder sees it.
    ///
    /// # Safety
    ///
    /// The thread found the device alive and has passed no safe point since, or
    /// whoever detaches waits for it for another reason.
    #[inline]
    pub(crate) unsafe fn softc(&self) -> &S {
        // SAFETY: whoever detaches waits for it, says the caller.
        unsafe { self.attachment.softc() }
    }

    /// Claims the device and sets its flag.
    pub(crate) fn condemn(&self, patience: Patience) -> Result<Tenure<'_, S>, DetachError> {
        let tenure = self.attachment.claim(patience)?;
        // Ordering: Relaxed; the Release of the ticket and of the mailbox,
        // or the fence in `cross_call`, carries it to every CPU.
        self.dying.store(true, Ordering::Relaxed);
        P::at(Point::Closed);
        Ok(tenure)
    }

    /// Asks every CPU to run a NOP; returns its number. The caller is off line.
    pub(crate) fn cross_call(&self) -> u64 {
        // Ordering: Relaxed; statistics.
        self.xcalls.fetch_add(1, Ordering::Relaxed);
        cross_call()
    }

    /// Takes the softc.
    ///
    /// # Safety
    ///
    /// A cross-call has been answered that was made after the flag was set, and
    /// whoever kept the softc for longer has let go of it.
    pub(crate) unsafe fn take(tenure: Tenure<'_, S>) -> S {
        P::at(Point::Drained);
        // SAFETY: every CPU has passed a safe point or was off line since
        // the flag was set, so no guard is left and none can be made. Nor is
        // anybody else left, says the caller.
        unsafe { tenure.take() }
    }

    /// Detaches; the caller is off line. Once every CPU has answered, `let_go`
    /// waits for those who keep the softc for longer, and tells whether they
    /// have let go.
    pub(crate) fn detach_within(
        &self,
        patience: Patience,
        let_go: impl FnOnce() -> bool,
    ) -> Result<S, DetachError> {
        let tenure = self.condemn(patience)?;
        // A call after one that gave up waits for the same answers, for those
        // to a later NOP might never be complete either.
        // Ordering: Relaxed, and below; the claim orders those who have it.
        let mut ticket = self.asked.load(Ordering::Relaxed);
        if ticket == 0 {
            ticket = self.cross_call();
            self.asked.store(ticket, Ordering::Relaxed);
        }
        if !answered::<P>(ticket, patience) || !let_go() {
            return Err(DetachError::StillHeld);
        }
        // SAFETY: answered just now, or while an earlier call waited.
        Ok(unsafe { Self::take(tenure) })
    }
}

impl<S: Send + Sync + 'static, P: Points> DeviceRef for Device<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Properties {
        id: "dying-xcall",
        summary: "dying flag and a NOP cross-call to threads that answer at safe points",
        origin: "reply on tech-kern, 2010; NetBSD xcall(9)",
        reclaim: Reclaim::AfterHolders,
        waits_for: WaitsFor::EveryDevice,
        late_arrival: LateArrival::Refused,
        holder_may_sleep: false,
        sleepers: Sleepers::AsOthers,
        release_elsewhere: false,
        nesting: true,
        signal_handlers: true,
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

    fn register() -> Result<Registration, Unsupported> {
        let cpu = CPUS.join();
        // A record that is used again has answered what its last owner did.
        // Ordering: Relaxed; the roster orders the owners.
        let answered = Cell::new(cpu.answered.load(Ordering::Relaxed));
        cpu.go_online(&answered);
        Ok(Registration { cpu, answered })
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        Ok(Device {
            dying: AtomicBool::new(false),
            asked: AtomicU64::new(0),
            xcalls: AtomicU64::new(0),
            attachment: Attachment::new(softc),
            _points: PhantomData,
        })
    }

    #[inline]
    fn acquire<'g>(&'g self, registration: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        self.enter()?;
        Ok(Guard {
            device: self,
            _registration: registration,
        })
    }

    fn detach(&self, registration: &mut Registration) -> Result<S, Detached> {
        // Off line, lest two detachers wait for each other to answer. Without
        // a time limit "still held" cannot be the answer.
        registration
            .while_offline(|| self.detach_within(Patience::FOREVER, || true))
            .map_err(|_| Detached)
    }

    fn detach_timeout(
        &self,
        registration: &mut Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        registration.while_offline(|| self.detach_within(Patience::of(patience), || true))
    }

    fn detach_all(
        devices: &[&Self],
        registration: &mut Registration,
        tell: impl FnMut(usize, Result<S, Detached>),
    ) {
        registration.while_offline(|| {
            detach_together(
                devices,
                |device| device.condemn(Patience::none()),
                || {
                    answered::<P>(devices[0].cross_call(), Patience::FOREVER);
                },
                // SAFETY: answered, without a limit in time.
                |_, tenure| Ok(unsafe { Self::take(tenure) }),
                |device| {
                    device
                        .detach_within(Patience::FOREVER, || true)
                        .map_err(|_| Detached)
                },
                tell,
            );
        });
    }

    #[inline]
    fn safe_point(registration: &mut Registration) {
        registration.cpu.run_pending(&registration.answered);
    }

    fn offline<R>(registration: &mut Registration, blocked: impl FnOnce() -> R) -> R {
        registration.while_offline(blocked)
    }

    fn mechanisms(&self) -> Vec<(&'static str, u64)> {
        // Ordering: Relaxed; statistics.
        vec![("cross-call", self.xcalls.load(Ordering::Relaxed))]
    }
}

/// Proof of being inside a [`Device`]: between two safe points of a thread
/// that found the device alive.
#[derive(Debug)]
pub struct Guard<'g, S, P: Points = Undisturbed> {
    device: &'g Device<S, P>,
    /// Keeps the thread from passing a safe point.
    _registration: &'g Registration,
}

impl<S, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: the borrowed registration keeps its CPU from answering, and
        // the detacher waits for the answer.
        unsafe { self.device.softc() }
    }
}

impl<S, P: Points> Drop for Guard<'_, S, P> {
    #[inline]
    fn drop(&mut self) {
        // Nothing to do: the next safe point speaks for it.
        P::at(Point::BeforeLeave);
        P::at(Point::Left);
    }
}
