//! Negative controls: broken variants that a checker has to catch.
//!
//! A checker that has never caught anything proves nothing by finding nothing.
//! So here are protocols with one wrong step each, every one of them shipped
//! by somebody, or nearly. They stand on the same primitives as the strategies
//! and differ from a sound one in that step alone, which the head of each file
//! names, together with what its users would have seen.
//!
//! None of them is in the [registry](crate::registry) of what is measured, and
//! none is compiled without the feature `controls`. Never use one for anything
//! but testing a checker: what they hand out may be reclaimed at any time. For
//! that reason their softcs are `Copy`: what a detach took too early is still
//! there to be read, so that a control does harm to the checker's bookkeeping
//! but not to memory.

/// The methods that a control leaves to the strategy in its `device`.
macro_rules! inherit {
    ($strategy:ty, $($method:ident),+) => { $(inherit!(@$method $strategy);)+ };
    (@properties $strategy:ty) => {
        const PROPERTIES: Properties = Properties {
            id: CONTROL.id,
            summary: CONTROL.wrong,
            origin: CONTROL.origin,
            ..<$strategy>::PROPERTIES
        };
    };
    (@supported $strategy:ty) => {
        fn supported() -> Result<(), Unsupported> {
            <$strategy>::supported()
        }
    };
    (@register $strategy:ty) => {
        fn register() -> Result<Self::Registration, Unsupported> {
            <$strategy>::register()
        }
    };
    (@attach $strategy:ty) => {
        fn attach(softc: S) -> Result<Self, Unsupported> {
            let device = <$strategy>::attach(softc)?;
            Ok(Self { device })
        }
    };
    (@acquire $strategy:ty) => {
        fn acquire<'g>(
            &'g self,
            registration: &'g Self::Registration,
        ) -> Result<Self::Guard<'g>, Detached> {
            self.device.acquire(registration)
        }
    };
    (@detach $strategy:ty) => {
        fn detach(&self, registration: &mut Self::Registration) -> Result<S, Detached> {
            self.device.detach(registration)
        }
    };
    (@detach_timeout $strategy:ty) => {
        fn detach_timeout(
            &self,
            registration: &mut Self::Registration,
            patience: Duration,
        ) -> Result<S, DetachError> {
            self.device.detach_timeout(registration, patience)
        }
    };
    (@safe_point $strategy:ty) => {
        fn safe_point(registration: &mut Self::Registration) {
            <$strategy>::safe_point(registration);
        }
    };
    (@offline $strategy:ty) => {
        fn offline<R>(
            registration: &mut Self::Registration,
            blocked: impl FnOnce() -> R,
        ) -> R {
            <$strategy>::offline(registration, blocked)
        }
    };
}

#[cfg(not(loom))]
mod cpus;
pub mod dying_membarrier_only;
#[cfg(not(loom))]
pub mod gate_rseq_plain;
pub mod kept_late;
pub mod lost_wakeup;
pub mod percpu_add_before_sum;
pub mod poll_forgets;
pub mod refcount_nobarrier;
pub mod restart_early;
#[cfg(not(loom))]
pub mod shared_section;
pub mod together_early;
pub mod together_holding;
pub mod turnstile_enter_first;
#[cfg(not(loom))]
pub mod turnstile_net;
pub mod turnstile_nofence;
pub mod xcall_sleepers;

#[doc(inline)]
pub use {
    dying_membarrier_only::DyingMembarrierOnly, kept_late::KeptLate, lost_wakeup::LostWakeup,
    percpu_add_before_sum::PercpuAddBeforeSum, poll_forgets::PollForgets,
    refcount_nobarrier::RefcountNobarrier, restart_early::RestartEarly,
    together_early::TogetherEarly, together_holding::TogetherHolding,
    turnstile_enter_first::TurnstileEnterFirst, turnstile_nofence::TurnstileNofence,
    xcall_sleepers::XcallSleepers,
};
#[cfg(not(loom))]
#[doc(inline)]
pub use {
    gate_rseq_plain::GateRseqPlain, shared_section::SharedSection, turnstile_net::TurnstileNet,
};

/// What is wrong with a control, and who should notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Its name.
    pub id: &'static str,
    /// The step that is wrong.
    pub wrong: &'static str,
    /// Who shipped it, or nearly did.
    pub origin: &'static str,
    /// What a caller would see.
    pub symptom: &'static str,
    /// What a checker is expected to find.
    pub expect: Expect,
}

/// What a checker is expected to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Running it with real threads shows the defect.
    CaughtByTorture,
    /// Only a model of the memory shows it: the processors at hand are
    /// stronger than the language, so running it finds nothing on them.
    CaughtByModel,
}

#[cfg(not(loom))]
macro_rules! controls {
    ($($module:ident :: $device:ident, $control:ident);* $(;)?) => {
        /// Every control, in the order of the list.
        pub fn all() -> Vec<Control> {
            vec![$($module::$control),*]
        }

        /// Visits the control of that id; `None` when there is none. `P` is
        /// what happens at its [points](crate::points).
        pub fn visit<S, P, V>(id: &str, visitor: &mut V) -> Option<V::Output>
        where
            S: Copy + Send + Sync + 'static,
            P: crate::points::Points,
            V: crate::registry::Visitor<S>,
        {
            $(
                if $module::$control.id == id {
                    return Some(visitor.visit::<$module::$device<S, P>>());
                }
            )*
            None
        }

        #[cfg(test)]
        fn ids_of_the_types() -> Vec<&'static str> {
            use crate::DeviceRef;
            vec![$(
                <$module::$device<u64, crate::points::Undisturbed> as DeviceRef>::PROPERTIES.id
            ),*]
        }
    };
}

#[cfg(not(loom))]
controls! {
    turnstile_nofence::TurnstileNofence, CONTROL;
    turnstile_enter_first::TurnstileEnterFirst, CONTROL;
    turnstile_net::TurnstileNet, CONTROL;
    gate_rseq_plain::GateRseqPlain, CONTROL;
    dying_membarrier_only::DyingMembarrierOnly, CONTROL;
    xcall_sleepers::XcallSleepers, CONTROL;
    kept_late::KeptLate, CONTROL;
    lost_wakeup::LostWakeup, CONTROL;
    restart_early::RestartEarly, CONTROL;
    percpu_add_before_sum::PercpuAddBeforeSum, CONTROL;
    poll_forgets::PollForgets, CONTROL;
    together_early::TogetherEarly, CONTROL;
    together_holding::TogetherHolding, CONTROL;
    shared_section::SharedSection, CONTROL;
    refcount_nobarrier::RefcountNobarrier, CONTROL;
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_control_is_described_under_its_own_name() {
        let described: Vec<_> = all().iter().map(|control| control.id).collect();
        assert_eq!(described, ids_of_the_types());
    }

    #[test]
    fn no_control_is_measured() {
        let measured = crate::registry::all();
        for control in all() {
            assert!(
                measured
                    .iter()
                    .all(|properties| properties.id != control.id)
            );
        }
    }
}
