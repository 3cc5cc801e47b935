//! The one place that lists the strategies. Whatever measures, tests or
//! documents them visits this list.

use crate::points::Points;
use crate::{DeviceRef, Properties};

/// Something to do with every strategy. Static dispatch: the visitor is
/// compiled once per strategy, so that fast paths inline into it.
pub trait Visitor<S> {
    /// What a visit returns.
    type Output;

    /// Visits one strategy.
    fn visit<D: DeviceRef<Softc = S>>(&mut self) -> Self::Output;
}

macro_rules! strategies {
    ($($module:ident :: $strategy:ident),* $(,)?) => {
        /// The properties of every strategy, in the order of the registry.
        pub fn all() -> Vec<Properties> {
            vec![$(<crate::$module::$strategy<u64> as DeviceRef>::PROPERTIES),*]
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
            vec![$(visitor.visit::<crate::$module::$strategy<S, P>>()),*]
        }

        /// Visits the strategy of that id; `None` when there is none.
        pub fn visit<S, P, V>(id: &str, visitor: &mut V) -> Option<V::Output>
        where
            S: Copy + Send + Sync + 'static,
            P: Points,
            V: Visitor<S>,
        {
            $(
                if <crate::$module::$strategy<S, P> as DeviceRef>::PROPERTIES.id == id {
                    return Some(visitor.visit::<crate::$module::$strategy<S, P>>());
                }
            )*
            None
        }
    };
}

// The order is that of every table and legend: the floor, the scheme of the
// mail in its three forms, the reply's, and what else people use.
strategies! {
    unprotected::Unprotected,
    turnstile::Turnstile,
    turnstile::TurnstileSlots,
    turnstile::TurnstileFenced,
    refcount::Refcount,
    dying_xcall::DyingXcall,
    dying_membarrier::DyingMembarrier,
    epoch::Epoch,
    rwlock::Rwlock,
    arc_swap::ArcSwap,
    seqlock::Seqlock,
}
