//! Counters by CPU, behind a gate inside the restartable sequence.

use super::Device;
use super::counts::Counts;
use crate::platform::possible_cpus;
use crate::platform::restart::{self, restart_status};
use crate::platform::rseq::gated::Gate;
use crate::platform::rseq::{Rseq, rseq_status};
use crate::primitive::area::{Area, SHIFT};
use crate::primitive::sync::{AtomicU32, AtomicU64, Ordering};
use crate::{
    Count, FastPath, LateArrival, Memory, Properties, Reclaim, Sleepers, Unsupported, WaitsFor,
};

static AREA: Area<AtomicU64> = Area::new();

/// Counters by CPU: what [`GateRseq`](super::GateRseq) stands on.
#[derive(Debug)]
pub struct ByCpu {
    gate: Gate,
}

/// A thread needs no place of its own. The C library registered it with the
/// kernel when it started; this tells where.
#[derive(Debug)]
pub struct Registration {
    pub(crate) rseq: Rseq,
}

impl ByCpu {
    /// What the sequence reads.
    #[cfg(feature = "controls")]
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }
}

// SAFETY: whoever counts does so in a restartable sequence that looks at the gate
// first; `restart` restarts all of them. See the module.
unsafe impl Counts for ByCpu {
    type Registration = Registration;

    const PROPERTIES: Properties = Properties {
        id: "gate-rseq",
        summary: "per-CPU count behind a gate inside the restartable sequence; membarrier restarts it",
        origin: "Linux percpu_ref; tcmalloc's FenceCpu",
        reclaim: Reclaim::AfterHolders,
        waits_for: WaitsFor::ThisDevice,
        late_arrival: LateArrival::Refused,
        holder_may_sleep: true,
        sleepers: Sleepers::AsOthers,
        release_elsewhere: true,
        nesting: true,
        signal_handlers: true,
        reopens: false,
        fast_path: FastPath {
            locked: Count::Exactly(0),
            fences: 0,
            shared_writes: false,
        },
        memory: Memory {
            fixed: size_of::<Device<(), ByCpu>>(),
            per_cpu: size_of::<AtomicU64>(),
            per_thread: 0,
        },
    };

    const RESTART: &'static str = restart::NAME;

    fn supported() -> Result<(), Unsupported> {
        rseq_status()?;
        restart_status()
    }

    fn register() -> Result<Registration, Unsupported> {
        restart_status()?;
        Ok(Registration { rseq: Rseq::get()? })
    }

    fn install() -> Result<Self, Unsupported> {
        Self::supported()?;
        let cpus = possible_cpus();
        Ok(ByCpu {
            gate: Gate {
                limit: AtomicU32::new(cpus.try_into().unwrap_or(u32::MAX)),
                counters: AREA.take(cpus, || cpus),
            },
        })
    }

    #[inline(always)]
    fn enter(&self, registration: &Registration) -> bool {
        // SAFETY: the column has a lane for every possible CPU.
        unsafe { registration.rseq.add_if_admitted::<SHIFT, 1>(&self.gate) }.is_ok()
    }

    #[inline(always)]
    fn leave(&self, registration: &Registration) -> bool {
        // SAFETY: the same.
        unsafe { registration.rseq.add_if_admitted::<SHIFT, -1>(&self.gate) }.is_ok()
    }

    fn seal(&self) {
        // Ordering: Relaxed; the restart that follows orders it before whatever
        // a sequence does after it.
        self.gate.limit.store(0, Ordering::Relaxed);
    }

    fn is_sealed(&self) -> bool {
        // Ordering: Relaxed; who finds it sealed is refused, or goes to the word,
        // which has an order of its own.
        self.gate.limit.load(Ordering::Relaxed) == 0
    }

    fn restart() {
        restart::restart();
    }

    fn sum(&self) -> u64 {
        (0..possible_cpus())
            // SAFETY: the column has a lane for every possible CPU.
            .map(|cpu| unsafe { self.gate.counters.lane(cpu) })
            // Ordering: Relaxed; the restart has made visible what was counted.
            .map(|counter| counter.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }
}

impl Drop for ByCpu {
    fn drop(&mut self) {
        AREA.give_back(self.gate.counters.alias());
    }
}
