//! The restartable increment on x86_64.
//!
//! The thread's area begins with `cpu_id_start`, `cpu_id` (4 bytes each) and
//! `rseq_cs` (8 bytes). Storing the address of a descriptor in `rseq_cs` arms
//! the sequence; the descriptor tells the kernel where it begins, how long it
//! is, and where to resume after an abort. The CPU number is loaded *inside*
//! the sequence, so it needs no second look: had the thread moved, it would not
//! have got here. The last instruction is the increment, and it is the only one
//! that takes effect.
//!
//! Nobody disarms: the kernel does, when it next finds the thread outside the
//! range. The four bytes before the abort address are a signature that the
//! kernel insists on, so that an attacker cannot make it jump anywhere else.

use std::arch::asm;

/// Why a sequence did not reach its end.
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
    // through the labels with the same stack. Labels 75 to 79 are local.
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
            "jmp {restart}",
            ".popsection",
            "lea {cpu}, [rip + 77b]",
            "mov qword ptr fs:[{area} + 8], {cpu}",
            "78:",
            "mov {cpu:e}, dword ptr fs:[{area} + 4]",
            // Unsigned: an unregistered thread reads -1 or -2 here.
            "cmp {cpu:e}, {cpus:e}",
            "jae {no_cpu}",
            "shl {cpu}, {shift}",
            "inc qword ptr [{first} + {cpu} + {offset}]",
            "79:",
            cpu = out(reg) _,
            area = in(reg) area,
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
