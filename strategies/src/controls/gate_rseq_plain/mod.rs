//! The gate inside the restartable sequence, and the wrong membarrier.
//!
//! The code is that of [`gate_rseq`], on counters with one wrong
//! step.
//!
//! *Wrong step:* the detacher calls membarrier's `PRIVATE_EXPEDITED`, which is a
//! fence and lets a sequence go on. A thread between the test and the increment
//! commits after the counters were added up: it is inside and nobody knows. The
//! right call is `PRIVATE_EXPEDITED_RSEQ`, which restarts it.
//!
//! *Who:* the call without `_RSEQ` is the one that everybody knows, is five years
//! older (Linux 4.14, against 5.10), and passes every test: the window is three
//! instructions long.
//!
//! *What a caller would see:* a softc reclaimed under a holder, so rarely that
//! no benchmark shows it. To be caught here the window is stretched by a loop
//! inside the sequence, which is no defect: the same loop under the right call is
//! restarted like anything else, and `tests` says so.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
mod elsewhere;
#[cfg(all(test, not(loom)))]
mod tests;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod x86_64;

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
use elsewhere as arch;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
use x86_64 as arch;

use super::{Control, Expect};
use crate::gate_rseq::{self, ByCpu, Counts, Registration};
use crate::platform::{AsymmetricFence, Membarrier};
use crate::points::{Points, Undisturbed};
use crate::{DetachError, Detached, DeviceRef, Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "gate-rseq-plain",
    wrong: "membarrier without the RSEQ command does not restart a sequence",
    origin: "the membarrier that everybody knows, in tcmalloc's scheme",
    symptom: "a holder that committed late has its softc reclaimed",
    expect: Expect::CaughtByTorture,
};

/// Laps of the loop that stretches the window: some microseconds, so that a
/// detacher meets it often, and yet far less than the time that the scheduler
/// grants a thread at once.
const STRETCH: u64 = 10_000;

/// How often the sequence is tried before the word.
const ATTEMPTS: usize = 16;

/// What stops the counters, or does not.
trait Stop: Send + Sync {
    const NAME: &'static str;
    fn supported() -> Result<(), Unsupported>;
    fn call();
}

/// The membarrier that is only a fence.
struct Fence;

impl Stop for Fence {
    const NAME: &'static str = Membarrier::NAME;

    fn supported() -> Result<(), Unsupported> {
        Membarrier::supported()
    }

    fn call() {
        Membarrier::heavy();
    }
}

/// The counters of the strategy, with a long way from the test to the increment.
struct Stretched<B> {
    counts: ByCpu,
    _stop: PhantomData<B>,
}

// SAFETY: not given with `Fence`, which restarts nothing. Nobody can name this
// type, and the device below takes softcs that are `Copy`.
unsafe impl<B: Stop> Counts for Stretched<B> {
    type Registration = Registration;

    const PROPERTIES: Properties = Properties {
        id: CONTROL.id,
        summary: CONTROL.wrong,
        origin: CONTROL.origin,
        ..ByCpu::PROPERTIES
    };

    const RESTART: &'static str = B::NAME;

    fn supported() -> Result<(), Unsupported> {
        arch::supported()?;
        B::supported()?;
        ByCpu::supported()
    }

    fn register() -> Result<Registration, Unsupported> {
        Self::supported()?;
        ByCpu::register()
    }

    fn install() -> Result<Self, Unsupported> {
        Self::supported()?;
        Ok(Stretched {
            counts: ByCpu::install()?,
            _stop: PhantomData,
        })
    }

    fn enter(&self, registration: &Registration) -> bool {
        // SAFETY: sequences of this kind are supported, or there were no
        // registration, and the gate has a counter for every CPU.
        let attempt =
            || unsafe { arch::enter_slowly(self.counts.gate(), registration.rseq.area(), STRETCH) };
        (0..ATTEMPTS).any(|_| attempt())
    }

    fn leave(&self, registration: &Registration) -> bool {
        self.counts.leave(registration)
    }

    fn seal(&self) {
        self.counts.seal();
    }

    fn is_sealed(&self) -> bool {
        self.counts.is_sealed()
    }

    fn restart() {
        B::call();
    }

    fn sum(&self) -> u64 {
        self.counts.sum()
    }
}

/// With the membarrier that is only a fence; see the [module](self).
pub struct GateRseqPlain<S: Copy, P = Undisturbed>(gate_rseq::Device<S, Stretched<Fence>, P>);

impl<S: Copy, P> fmt::Debug for GateRseqPlain<S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GateRseqPlain").field(&self.0).finish()
    }
}

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for GateRseqPlain<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    const PROPERTIES: Properties = Stretched::<Fence>::PROPERTIES;

    fn supported() -> Result<(), Unsupported> {
        Stretched::<Fence>::supported()
    }

    fn register() -> Result<Registration, Unsupported> {
        Stretched::<Fence>::register()
    }

    fn attach(softc: S) -> Result<Self, Unsupported> {
        gate_rseq::Device::attach(softc).map(Self)
    }

    fn acquire<'g>(&'g self, registration: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        self.0.acquire(registration).map(Guard)
    }

    fn detach(&self, registration: &mut Registration) -> Result<S, Detached> {
        self.0.detach(registration)
    }

    fn detach_timeout(
        &self,
        registration: &mut Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        self.0.detach_timeout(registration, patience)
    }
}

/// An enter that has committed.
pub struct Guard<'g, S: Copy, P: Points = Undisturbed>(
    gate_rseq::Guard<'g, S, Stretched<Fence>, P>,
);

impl<S: Copy, P: Points> fmt::Debug for Guard<'_, S, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&self.0).finish()
    }
}

impl<S: Copy, P: Points> Deref for Guard<'_, S, P> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}
