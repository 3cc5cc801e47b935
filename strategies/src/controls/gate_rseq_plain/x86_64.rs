//! The gated sequence with a window between test and increment, on Linux and
//! x86_64. See `platform::rseq` for how such a sequence works.

use std::arch::asm;
use std::mem::offset_of;

use crate::Unsupported;
use crate::platform::rseq::gated::Gate;
use crate::primitive::area::SHIFT;

pub(super) fn supported() -> Result<(), Unsupported> {
    Ok(())
}

/// Adds one to the counter of the current CPU, if the gate admits it and if that
/// goes without interruption. Between test and increment it runs `stretch` laps of
/// an empty loop. Tells whether it has counted.
///
/// # Safety
///
/// `area` is the offset of the threads' rseq areas from their thread pointers,
/// and the column has a lane for every CPU below the limit.
pub(super) unsafe fn enter_slowly(gate: &Gate, area: isize, stretch: u64) -> bool {
    // SAFETY: as for the sequence that ships, which differs from this one by the
    // loop. Labels 73 to 79 are local.
    unsafe {
        asm!(
            ".pushsection __rseq_cs, \"aw\"",
            ".balign 32",
            "77:",
            ".long 0, 0",
            ".quad 78f, 79f - 78f, 76f",
            ".popsection",
            ".pushsection __rseq_failure, \"ax\"",
            // The signature, dressed as an instruction that traps.
            ".byte 0x0f, 0xb9, 0x3d",
            ".long 0x53053053",
            "76:",
            "jmp {aborted}",
            "75:",
            "mov qword ptr fs:[{area} + 8], 0",
            "jmp {aborted}",
            ".popsection",
            "lea {counter}, [rip + 77b]",
            "mov qword ptr fs:[{area} + 8], {counter}",
            "78:",
            "mov {counter:e}, dword ptr fs:[{area} + 4]",
            "cmp {counter:e}, dword ptr [{gate} + {limit}]",
            "jae 75b",
            "73:",
            "dec {stretch}",
            "jnz 73b",
            "shl {counter}, {shift}",
            "add {counter}, qword ptr [{gate} + {counters}]",
            "inc qword ptr [{counter}]",
            "79:",
            "mov qword ptr fs:[{area} + 8], 0",
            counter = out(reg) _,
            stretch = inout(reg) stretch.max(1) => _,
            area = in(reg) area,
            gate = in(reg) gate,
            limit = const offset_of!(Gate, limit),
            counters = const offset_of!(Gate, counters),
            shift = const SHIFT,
            aborted = label { return false },
            options(nostack),
        );
    }
    true
}
