//! The gated sequence on x86_64; see `rseq/x86_64.rs` for how such a sequence
//! works, and for why the counter is addressed by one register.

use std::arch::asm;
use std::mem::offset_of;

use super::super::arch::Aborted;
use super::Gate;

/// Adds `STEP` to the counter of the current CPU, if its number is below the
/// limit and if that goes without interruption.
///
/// # Safety
///
/// `area` is the offset of the threads' rseq areas from their thread pointers,
/// and the gate has a counter for every CPU below the limit, each `1 << SHIFT`
/// bytes after the one before.
#[inline(always)]
pub(in super::super) unsafe fn add_if_admitted<const SHIFT: u32, const STEP: i64>(
    gate: &Gate,
    area: isize,
) -> Result<(), Aborted> {
    // SAFETY: the sequence loads from the gate, and stores to the thread's own
    // area and to the counter of a CPU below the limit, all valid, says the
    // caller. The abort paths leave through the labels with the same stack.
    // Labels 75 to 79 are local.
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
            "75:",
            "mov qword ptr fs:[{area} + 8], 0",
            "jmp {not_admitted}",
            ".popsection",
            "lea {counter}, [rip + 77b]",
            "mov qword ptr fs:[{area} + 8], {counter}",
            "78:",
            "mov {counter:e}, dword ptr fs:[{area} + 4]",
            // Unsigned: an unregistered thread reads -1 or -2 here.
            "cmp {counter:e}, dword ptr [{gate} + {limit}]",
            "jae 75b",
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
            not_admitted = label { return Err(Aborted::NoCpu) },
            options(nostack),
        );
    }
    Ok(())
}
