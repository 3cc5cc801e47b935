//! The one place that lists the strategies. Whatever measures, tests or
//! documents them visits this list.

use crate::points::{Points, Undisturbed};
use crate::{
    DeviceRef, Properties, arc_swap, dying_membarrier, dying_xcall, dying_xcall_ref, epoch,
    fo_restart, gate_rseq, refcount, rwlock, seqlock, turnstile, unprotected,
};

/// Something to do with every strategy. Static dispatch: the visitor is
/// compiled once per strategy, so that fast paths inline into it.
pub trait Visitor<S> {
    /// What a visit returns.
    type Output;

    /// Visits one strategy.
    fn visit<D: DeviceRef<Softc = S>>(&mut self) -> Self::Output;
}

macro_rules! strategies {
    ($($strategy:ty),* $(,)?) => {
        /// The properties of every strategy, in the order of the registry.
        pub fn all() -> Vec<Properties> {
            type S = u64;
            type P = Undisturbed;
            vec![$(<$strategy as DeviceRef>::PROPERTIES),*]
        }

        /// Visits every strategy, in the order of the registry.
        ///
        /// The softc is `Copy`, because some strategies copy it. `P` is what
        /// happens at their [points](crate::points).
        pub fn visit_all<S, P, V>(visitor: &mut V) -> Vec<V::Output>
        where
            S: Copy + Send + Sync + 'static,
            P: Points,
            V: Visitor<S>,
        {
            vec![$(visitor.visit::<$strategy>()),*]
        }

        /// Visits the strategy of that id; `None` when there is none.
        pub fn visit<S, P, V>(id: &str, visitor: &mut V) -> Option<V::Output>
        where
            S: Copy + Send + Sync + 'static,
            P: Points,
            V: Visitor<S>,
        {
            $(
                if <$strategy as DeviceRef>::PROPERTIES.id == id {
                    return Some(visitor.visit::<$strategy>());
                }
            )*
            None
        }
    };
}

// The order is that of every table and legend: the floor, the scheme of the
// mail in its three forms, its gate inside the sequence, the reply's, and what
// else people use.
strategies! {
    unprotected::Device<S, P>,
    turnstile::Device<S, turnstile::PerCpu, P>,
    turnstile::Device<S, turnstile::PerThread, P>,
    turnstile::Device<S, turnstile::PerThreadFenced, P>,
    gate_rseq::Device<S, gate_rseq::ByCpu, P>,
    refcount::Device<S, P>,
    fo_restart::Device<S, P>,
    dying_xcall::Device<S, P>,
    dying_xcall_ref::Device<S, P>,
    dying_membarrier::Device<S, P>,
    epoch::Device<S, P>,
    rwlock::Device<S, P>,
    arc_swap::Device<S, P>,
    seqlock::Device<S, P>,
}
