//! The restartable increment on x86_64.
//!
//! The thread's area begins with `cpu_id_start`, `cpu_id` (4 bytes each) and
//! `rseq_cs` (8 bytes). Storing the address of a descriptor in `rseq_cs` arms
//! the sequence; the descriptor tells the kernel where it begins, how long it
//! is, and where to resume after an abort. The CPU number is loaded *inside*
//! the sequence, so it needs no second look: had the thread moved, it would not
//! have got here. The last instruction is the increment, and it is the only one
//! that takes effect. The four bytes before the abort address are a signature
//! that the kernel insists on, so that an attacker cannot make it jump anywhere
//! else.
//!
//! The increment addresses its counter by one register and an offset. With two
//! registers it would be an instruction less, but Intel's recent cores hand a
//! store on to the next load of the same address at no cost only if both are
//! written this way, and each increment waits for the one before it. (A Zen 3
//! takes 2.0 ns for a lap either way.)
//!
//! Behind the sequence the word is cleared again; the [module](super) says what
//! for. It costs little there: it waits for nothing, nothing waits for it, and it
//! shares its line with the store that arms the next sequence.

/// Why a sequence did not reach its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Aborted {
    /// The CPU was taken away; trying again makes sense.
    Restart,
    /// The thread has no CPU number, or one without a counter.
    NoCpu,
}

/// Makes a function of a sequence: `arm` are the instructions that lead to its
/// start, `restart` those that the kernel undoes, `done` those behind its end.
///
/// Operands: `area`, `cpus`, `first`, `shift` and `offset` as told at
/// [`increment`], and `cpu` to work with, besides those that `with` adds. Label
/// 77 is the descriptor; a jump to 74 says that there is no CPU number.
macro_rules! sequence {
    (
        $(#[$meta:meta])*
        $name:ident {
            arm: $($arm:literal)*;
            restart: $($restart:literal)*;
            done: $($done:literal)*;
            $(with: $with:ident;)?
        }
    ) => {
        $(#[$meta])*
        #[inline(always)]
        pub(super) unsafe fn $name<const SHIFT: u32, const OFFSET: usize>(
            first: *mut u8,
            area: isize,
            cpus: u32,
        ) -> Result<(), $crate::platform::rseq::arch::Aborted> {
            use $crate::platform::rseq::arch::Aborted;
            // SAFETY: the sequence stores to the thread's own area and to a
            // counter of a CPU below `cpus`, both valid, says the caller. The
            // abort paths leave through the labels with the same stack. Labels
            // 74 to 79 are local.
            unsafe {
                std::arch::asm!(
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
                    "jmp {no_cpu}",
                    ".popsection",
                    $($arm,)*
                    "78:",
                    $($restart,)*
                    "79:",
                    $($done,)*
                    cpu = out(reg) _,
                    $($with = out(reg) _,)?
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
    };
}
#[cfg(all(test, not(loom)))]
pub(super) use sequence;

sequence! {
    /// Adds one to the counter that lies `OFFSET` bytes into the record of the
    /// current CPU, if that goes without interruption.
    ///
    /// # Safety
    ///
    /// `area` is the offset of the threads' rseq areas from their thread
    /// pointers, and the records of the CPUs below `cpus` lie `1 << SHIFT`
    /// bytes apart from `first` on.
    increment {
        arm:
            "lea {cpu}, [rip + 77b]"
            "mov qword ptr fs:[{area} + 8], {cpu}";
        restart:
            "mov {cpu:e}, dword ptr fs:[{area} + 4]"
            // Unsigned: an unregistered thread reads -1 or -2 here.
            "cmp {cpu:e}, {cpus:e}"
            "jae 74b"
            "shl {cpu}, {shift}"
            "add {cpu}, {first}"
            "inc qword ptr [{cpu} + {offset}]";
        done:
            "mov qword ptr fs:[{area} + 8], 0";
    }
}
