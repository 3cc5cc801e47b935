//! The gated sequence on aarch64; see `rseq/aarch64.rs` for how such a sequence
//! works there.
//!
//! The store is a plain one. Nobody but the CPU's own threads looks at a counter
//! until the sequences were restarted, and that is a full fence at some moment of
//! every thread: what is before the store in its thread is before that moment as
//! soon as the store is.

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
    // Labels 74 to 79 are local.
    unsafe {
        asm!(
            ".pushsection __rseq_cs, \"aw\"",
            ".balign 32",
            "77:",
            ".long 0, 0",
            ".quad 78f, 79f - 78f, 76f",
            ".popsection",
            "b 75f",
            // The signature, which no instruction set extension will ever use.
            ".inst 0xd428bc00",
            "76:",
            // The kernel has cleared the word.
            "b {restart}",
            "74:",
            "str xzr, [{area}, #8]",
            "b {not_admitted}",
            "75:",
            "mrs {area}, tpidr_el0",
            "add {area}, {area}, {start}",
            "adrp {cpu}, 77b",
            "add {cpu}, {cpu}, :lo12:77b",
            "str {cpu}, [{area}, #8]",
            "78:",
            "ldr {cpu:w}, [{area}, #4]",
            "ldr {count:w}, [{gate}, #{limit}]",
            // Unsigned: an unregistered thread reads -1 or -2 here.
            "cmp {cpu:w}, {count:w}",
            "b.hs 74b",
            "ldr {count}, [{gate}, #{counters}]",
            "add {cpu}, {count}, {cpu}, lsl #{shift}",
            "ldr {count}, [{cpu}]",
            "add {count}, {count}, #{step}",
            "str {count}, [{cpu}]",
            "79:",
            "str xzr, [{area}, #8]",
            area = out(reg) _,
            cpu = out(reg) _,
            count = out(reg) _,
            start = in(reg) area,
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
