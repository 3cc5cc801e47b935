//! The restartable increment on aarch64; see `x86_64.rs` for how it works.
//!
//! Differences: the thread pointer is in a register of its own, the increment
//! takes three instructions, of which the last (the store) takes effect, and
//! the abort path stands in line behind a jump. The store is a store-release:
//! a leave must be ordered after what the holder did, and an enter loses
//! nothing by it.

use std::arch::asm;

/// Why a sequence did not reach its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Aborted {
    /// The CPU was taken away; trying again makes sense.
    Restart,
    /// The thread has no CPU number, or one without a counter.
    NoCpu,
}

/// Adds one to the counter that lies `OFFSET` bytes into the record of the
/// current CPU, if that goes without interruption.
///
/// # Safety
///
/// `area` is the offset of the threads' rseq areas from their thread pointers,
/// and the records of the CPUs below `cpus` lie `1 << SHIFT` bytes apart from
/// `first` on.
#[inline(always)]
pub(super) unsafe fn increment<const SHIFT: u32, const OFFSET: usize>(
    first: *mut u8,
    area: isize,
    cpus: u32,
) -> Result<(), Aborted> {
    // SAFETY: the sequence stores to the thread's own area and to a counter
    // of a CPU below `cpus`, both valid, says the caller. The abort paths leave
    // through the labels with the same stack. Labels 74 to 79 are local.
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
            "b {no_cpu}",
            "75:",
            "mrs {area}, tpidr_el0",
            "add {area}, {area}, {start}",
            "adrp {cpu}, 77b",
            "add {cpu}, {cpu}, :lo12:77b",
            "str {cpu}, [{area}, #8]",
            "78:",
            "ldr {cpu:w}, [{area}, #4]",
            // Unsigned: an unregistered thread reads -1 or -2 here.
            "cmp {cpu:w}, {cpus:w}",
            "b.hs 74b",
            "add {counter}, {first}, {cpu}, lsl #{shift}",
            "add {counter}, {counter}, #{offset}",
            "ldr {cpu}, [{counter}]",
            "add {cpu}, {cpu}, #1",
            "stlr {cpu}, [{counter}]",
            "79:",
            "str xzr, [{area}, #8]",
            area = out(reg) _,
            cpu = out(reg) _,
            counter = out(reg) _,
            start = in(reg) area,
            cpus = in(reg) cpus,
            first = in(reg) first,
            shift = const SHIFT,
            offset = const OFFSET,
            restart = label { return Err(Aborted::Restart) },
            no_cpu = label { return Err(Aborted::NoCpu) },
            options(nostack),
        );
    }
    Ok(())
}
