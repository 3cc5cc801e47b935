//! The gated sequence on x86_64; see `rseq/x86_64.rs` for how such a sequence
//! works.

use std::arch::asm;
use std::mem::offset_of;

use super::Gate;
use crate::primitive::area::SHIFT;

/// Why a sequence did not reach its end.
pub(super) enum Aborted {
    /// The CPU was taken away; trying again makes sense.
    Restart,
    /// The gate is shut, or the thread has no CPU number.
    NotAdmitted,
}

/// Adds `STEP` to the counter of the current CPU, if its number is below the
/// limit and if that goes without interruption.
///
/// # Safety
///
/// `area` is the offset of the threads' rseq areas from their thread pointers,
/// and the column has a lane for every CPU below the limit.
#[inline(always)]
pub(super) unsafe fn add_if_admitted<const STEP: i64>(
    gate: &Gate,
    area: isize,
) -> Result<(), Aborted> {
    // SAFETY: the sequence loads from the gate, and stores to the thread's own
    // area and to the counter of a CPU below the limit, all valid, says the
    // caller. The abort paths leave through the labels with the same stack.
    // Labels 74 to 79 are local.
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
            // The kernel has cleared the word.
            "jmp {restart}",
            "74:",
            "mov qword ptr fs:[{area} + 8], 0",
            "jmp {not_admitted}",
            ".popsection",
            "lea {counter}, [rip + 77b]",
            "mov qword ptr fs:[{area} + 8], {counter}",
            "78:",
            "mov {counter:e}, dword ptr fs:[{area} + 4]",
            // Unsigned: an unregistered thread reads -1 or -2 here.
            "cmp {counter:e}, dword ptr [{gate} + {limit}]",
            "jae 74b",
            "shl {counter}, {shift}",
            "add {counter}, qword ptr [{gate} + {counters}]",
            "add qword ptr [{counter}], {step}",
            "79:",
            "mov qword ptr fs:[{area} + 8], 0",
            counter = out(reg) _,
            area = in(reg) area,
            gate = in(reg) gate,
            limit = const offset_of!(Gate, limit),
            counters = const offset_of!(Gate, counters),
            shift = const SHIFT,
            step = const STEP,
            restart = label { return Err(Aborted::Restart) },
            not_admitted = label { return Err(Aborted::NotAdmitted) },
            options(nostack),
        );
    }
    Ok(())
}
