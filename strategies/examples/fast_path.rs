//! One function per strategy that acquires and releases, under a name that can
//! be found in the emitted code, for whoever wants to read what a fast path
//! comes to (`ci/fast-path` does).
//!
//! Run it, and it prints what each strategy claims of its fast path.

use std::hint::black_box;

use detach_strategies::{
    Count, DeviceRef, DyingMembarrier, DyingXcall, GateRseq, Refcount, Turnstile, TurnstileFenced,
    TurnstileSlots, Unprotected,
};

macro_rules! fast_paths {
    ($($function:ident: $strategy:ident),* $(,)?) => {
        $(
            /// Acquires, reads a word of the softc, releases. Gives 0 if the
            /// device is gone.
            // SAFETY: no other function of this program has the name.
            #[unsafe(no_mangle)]
            #[inline(never)]
            pub fn $function(
                device: &$strategy<u64>,
                registration: &<$strategy<u64> as DeviceRef>::Registration,
            ) -> u64 {
                device.acquire(registration).map_or(0, |softc| *softc)
            }
        )*

        fn main() {
            $(
                let claims = $strategy::<u64>::PROPERTIES;
                let locked = match claims.fast_path.locked {
                    Count::Exactly(count) => count.to_string(),
                    Count::AtLeast(count) => format!("{count}+"),
                };
                // Calling it keeps the linker from dropping it.
                let ran = match ($strategy::attach(7u64), $strategy::<u64>::register()) {
                    (Ok(device), Ok(registration)) => {
                        $function(black_box(&device), &registration) == 7
                    }
                    _ => false,
                };
                println!(
                    "{} {} locked={locked} fences={} ran={ran}",
                    stringify!($function), claims.id, claims.fast_path.fences
                );
            )*
        }
    };
}

fast_paths! {
    fast_path_unprotected: Unprotected,
    fast_path_turnstile: Turnstile,
    fast_path_turnstile_slots: TurnstileSlots,
    fast_path_turnstile_fenced: TurnstileFenced,
    fast_path_gate_rseq: GateRseq,
    fast_path_refcount: Refcount,
    fast_path_dying_xcall: DyingXcall,
    fast_path_dying_membarrier: DyingMembarrier,
}
