//! What a strategy can and cannot do, as data: tables are generated from it
//! and tests hold each claim against the code.

/// The claims of one strategy.
#[derive(Clone, Copy, Debug)]
pub struct Properties {
    /// Name on the command line, in records and on plots.
    pub id: &'static str,
    /// One line on how it works.
    pub summary: &'static str,
    /// Where the idea comes from.
    pub origin: &'static str,
    /// What becomes of the softc.
    pub reclaim: Reclaim,
    /// Whose holders a detach waits for.
    pub waits_for: WaitsFor,
    /// What an acquire gets after detach has begun.
    pub late_arrival: LateArrival,
    /// Whether a registered thread may block, inside a device or outside,
    /// without saying so. Where it may not, a thread that blocks without
    /// [`offline`](crate::DeviceRef::offline) reaches no safe point, and every
    /// detach of the strategy waits for it. (Inside a device it cannot say so:
    /// the guard borrows the registration.) Where it may, a holder that sleeps
    /// is waited for like any other, by those that [`waits_for`](Self::waits_for)
    /// tells.
    pub holder_may_sleep: bool,
    /// What becomes of a holder that sleeps as the strategy wants it to, in
    /// [`stay`](crate::DeviceRef::stay).
    pub sleepers: Sleepers,
    /// Whether the guard may be dropped on another thread (it is `Send`).
    pub release_elsewhere: bool,
    /// Whether a holder may acquire the same device again while a detach of
    /// it waits, without the two waiting for each other.
    pub nesting: bool,
    /// Whether a signal handler may acquire and release, through the
    /// registration of the thread that it interrupts, while that thread is
    /// anywhere inside acquire or release, or inside the device.
    ///
    /// It says nothing about a handler that interrupts a detach, close or
    /// [`offline`](crate::DeviceRef::offline) of its own thread: these borrow
    /// the registration mutably, and a handler that acquires may wait for ever.
    pub signal_handlers: bool,
    /// Whether a close can be undone (the strategy implements `Reopen`).
    pub reopens: bool,
    /// What acquire and release execute when nobody detaches.
    pub fast_path: FastPath,
    /// Memory of one device.
    pub memory: Memory,
}

/// What becomes of the softc at detach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reclaim {
    /// Detach waits for the holders and hands the original over.
    AfterHolders,
    /// Holders have copies; detach takes the original away at once.
    Snapshots,
    /// The original is never taken away; detach returns a copy.
    Never,
}

/// Whose holders a detach waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitsFor {
    /// Those of the device alone.
    ThisDevice,
    /// Those of every device of the strategy.
    EveryDevice,
    /// Nobody.
    Nobody,
}

/// What becomes of a holder that sleeps in [`stay`](crate::DeviceRef::stay).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sleepers {
    /// It is waited for as if it ran.
    AsOthers,
    /// It is counted, and waited for by the detach of its own device alone,
    /// although holders that run are everybody's business.
    Counted,
    /// The detach of its device wakes it, and it comes out with an error.
    Woken,
}

/// What an acquire gets after detach has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LateArrival {
    /// An error at once.
    Refused,
    /// It goes through.
    Admitted,
}

/// Costly instructions of acquire plus release when nobody detaches, from a
/// thread's second entry on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastPath {
    /// Locked read-modify-write instructions.
    pub locked: Count,
    /// Full memory fences.
    pub fences: u8,
    /// Whether it writes memory of the device that other threads write too.
    pub shared_writes: bool,
}

/// A count that is exact, or a library's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Exactly this many.
    Exactly(u8),
    /// At least this many; contention adds more.
    AtLeast(u8),
}

/// Bytes that one device occupies besides its softc, as a function of the
/// machine: the handle and what is allocated for it. Memory that all devices
/// share is not counted, nor what the allocator adds of its own. (Where a
/// library's destructor hands the softc over, with `epoch` and `arc-swap`, the
/// softc has a second place to lie in, which is not counted either.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Whatever the machine.
    pub fixed: usize,
    /// More for every possible CPU.
    pub per_cpu: usize,
    /// More for every registered thread.
    pub per_thread: usize,
}

impl Memory {
    /// Bytes per device on a machine of so many possible CPUs, with so many
    /// registered threads.
    pub const fn bytes(&self, cpus: usize, threads: usize) -> usize {
        self.fixed + self.per_cpu * cpus + self.per_thread * threads
    }
}
