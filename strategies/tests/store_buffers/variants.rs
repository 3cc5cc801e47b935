//! The parameters of the turnstile: every variant that is explored.

use super::memory::{Fences, Order};

/// The entered counter of CPU 0, a variable of the machine; that of CPU 1 is the next.
pub(crate) const ENTERED: usize = 0;
/// The left counter of CPU 0; that of CPU 1 is the next.
pub(crate) const LEFT: usize = 2;

/// The order in which the detacher loads the counters of two CPUs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sum {
    LeavesThenEnters,
    EntersThenLeaves,
    OnePassEnterThenLeave,
    OnePassLeaveThenEnter,
}

impl Sum {
    /// The counters in the order in which they are loaded.
    pub(crate) fn loads(self) -> [usize; 4] {
        match self {
            Self::LeavesThenEnters => [LEFT, LEFT + 1, ENTERED, ENTERED + 1],
            Self::EntersThenLeaves => [ENTERED, ENTERED + 1, LEFT, LEFT + 1],
            Self::OnePassEnterThenLeave => [ENTERED, LEFT, ENTERED + 1, LEFT + 1],
            Self::OnePassLeaveThenEnter => [LEFT, ENTERED, LEFT + 1, ENTERED + 1],
        }
    }
}

/// Where threads may run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Migration {
    /// Anywhere, any time.
    Anytime,
    /// Anywhere, but a reader leaves on the CPU that it entered on. (Others
    /// may still run there in the meantime.)
    HoldersStay,
}

/// How often each reader comes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrivals {
    /// So many times, refused or not, then it stops.
    Times(u8),
    /// It counts itself so many times, and each time that it is turned away
    /// before it has counted itself, it comes again.
    Persistent(u8),
    /// Again and again, whatever happens.
    Forever,
}

/// How the gate is shut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shutting {
    /// Sealed at once: late arrivals are refused.
    Seal,
    /// Closed, and sealed after the fence. Late arrivals wait at the closed
    /// gate, counted if they were past their first look at it.
    CloseThenSeal,
    /// Closed, and sealed only when the counters balance: a mistake.
    SealAfterDrain,
}

/// One variant of the protocol, with the bounds of its exploration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turnstile {
    pub(crate) order: Order,
    pub(crate) fences: Fences,
    pub(crate) sum: Sum,
    pub(crate) migration: Migration,
    /// The only CPU that the detacher runs on, if it is bound to one.
    pub(crate) detacher_cpu: Option<u8>,
    pub(crate) readers: usize,
    pub(crate) arrivals: Arrivals,
    /// Readers look at the gate before they count themselves, too.
    pub(crate) pretest: bool,
    pub(crate) shutting: Shutting,
    /// Holders write to the softc, not only read it.
    pub(crate) holders_write: bool,
}

impl Turnstile {
    /// The protocol as it should be, under TSO: two readers that come once,
    /// without a test before they count themselves.
    pub(crate) const SOUND: Self = Self {
        order: Order::Tso,
        fences: Fences::Heavy,
        sum: Sum::LeavesThenEnters,
        migration: Migration::Anytime,
        detacher_cpu: None,
        readers: 2,
        arrivals: Arrivals::Times(1),
        pretest: false,
        shutting: Shutting::Seal,
        holders_write: false,
    };
}
