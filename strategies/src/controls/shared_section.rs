//! Dying flag and a word per thread, shared by the thread's registrations.
//!
//! *Wrong step:* the word that says "inside" is the thread's, and the depth that
//! decides who writes it is the registration's. Whoever is inside with one
//! registration and enters with another makes the odd word even, which says that
//! the thread has left.
//!
//! *Who:* two libraries in one process that each count how deep they are in, over
//! the thread's one reader record; thread-local registration put under an interface
//! that was made for one registration per owner.
//!
//! *What a caller would see:* a holder whose softc is reclaimed when another
//! library of its thread is inside as well.

use std::cell::OnceCell;
use std::mem::ManuallyDrop;
use std::time::Duration;

use super::{Control, Expect};
use crate::dying_membarrier::{self, Guard};
use crate::points::{Points, Undisturbed};
use crate::{DetachError, Detached, DeviceRef, Properties, Unsupported};

/// What is wrong with it.
pub const CONTROL: Control = Control {
    id: "shared-section",
    wrong: "a thread's registrations share its word, and each counts for itself",
    origin: "a thread-local registration under two libraries",
    symptom: "a holder's softc is reclaimed if its thread entered twice over",
    expect: Expect::CaughtByTorture,
};

thread_local! {
    /// Owns the thread's section until the thread ends.
    static OWNER: OnceCell<dying_membarrier::Registration> = const { OnceCell::new() };
}

/// A device whose holders share a word; see the [module](self).
#[derive(Debug)]
pub struct SharedSection<S, P = Undisturbed> {
    device: dying_membarrier::Device<S, P>,
}

/// One of a thread's registrations. It does not give the section back.
#[derive(Debug)]
pub struct Registration(ManuallyDrop<dying_membarrier::Registration>);

impl<S: Copy + Send + Sync + 'static, P: Points> DeviceRef for SharedSection<S, P> {
    type Softc = S;
    type Registration = Registration;
    type Guard<'g> = Guard<'g, S, P>;

    inherit!(dying_membarrier::Device<S, P>, properties, supported, attach);

    fn register() -> Result<Registration, Unsupported> {
        let own = dying_membarrier::Device::<S, P>::register()?;
        // The wrong step: a new depth for an old section.
        let shared = OWNER.with(|owner| owner.get_or_init(|| own).beside());
        Ok(Registration(ManuallyDrop::new(shared)))
    }

    fn acquire<'g>(&'g self, registration: &'g Registration) -> Result<Guard<'g, S, P>, Detached> {
        self.device.acquire(&registration.0)
    }

    fn detach(&self, registration: &mut Registration) -> Result<S, Detached> {
        self.device.detach(&mut registration.0)
    }

    fn detach_timeout(
        &self,
        registration: &mut Registration,
        patience: Duration,
    ) -> Result<S, DetachError> {
        self.device.detach_timeout(&mut registration.0, patience)
    }
}
