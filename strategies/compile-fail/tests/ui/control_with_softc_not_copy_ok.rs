use detach_strategies::DeviceRef;
use detach_strategies::controls::*;

fn holds<D: DeviceRef<Softc = u32>>() {}

pub(crate) fn main() {
    holds::<DyingMembarrierOnly<_>>();
    holds::<GateRseqPlain<_>>();
    holds::<KeptLate<_>>();
    holds::<LostWakeup<_>>();
    holds::<PercpuAddBeforeSum<_>>();
    holds::<RefcountNobarrier<_>>();
    holds::<RestartEarly<_>>();
    holds::<TurnstileEnterFirst<_>>();
    holds::<TurnstileNet<_>>();
    holds::<TurnstileNofence<_>>();
    holds::<XcallSleepers<_>>();
}
