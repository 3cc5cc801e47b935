//! Named points inside the strategies at which a test may stretch time.
//!
//! A race that needs two threads to meet within a nanosecond shows up once in
//! a blue moon. A checker that can hold a thread up right there makes it show
//! up at once. Each strategy takes the checker as a type parameter; what is
//! measured uses [`Undisturbed`], whose calls compile to nothing.

/// A place inside a strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Point {
    /// In acquire, before anything was announced.
    BeforeEnter,
    /// In acquire, announced, but the gate or flag not tested yet.
    Entered,
    /// In acquire, after the test that lets the thread in.
    Admitted,
    /// In acquire, after the test that turned the thread away.
    Refused,
    /// In release, before the leave.
    BeforeLeave,
    /// In release, after the leave, before looking for a waiting detacher.
    Left,
    /// In detach, after closing the gate or setting the flag.
    Closed,
    /// In detach, after the heavy fence or cross-call.
    Fenced,
    /// In detach, between two looks at the holders.
    Summing,
    /// In detach, the holders are out, the softc is about to be taken.
    Drained,
}

/// What happens at each [`Point`].
pub trait Points: Send + Sync + 'static {
    /// Called whenever a thread passes `point`.
    fn at(point: Point);
}

/// Nothing happens: what is measured and what ships.
#[derive(Clone, Copy, Debug)]
pub struct Undisturbed;

impl Points for Undisturbed {
    #[inline(always)]
    fn at(_point: Point) {}
}
