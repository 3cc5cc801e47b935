//! The sequence with the gate inside, and the membarrier that restarts it, on
//! Linux and x86_64. See `platform::rseq` for how such a sequence works.

use std::arch::asm;
use std::io;
use std::sync::OnceLock;

use crate::Unsupported;

// Of the kernel's `enum membarrier_cmd`, which never changes.
const QUERY: libc::c_int = 0;
const PRIVATE_EXPEDITED_RSEQ: libc::c_int = 1 << 7;
const REGISTER_PRIVATE_EXPEDITED_RSEQ: libc::c_int = 1 << 8;

fn membarrier(command: libc::c_int) -> io::Result<libc::c_long> {
    // SAFETY: the call takes plain numbers and touches no memory of ours.
    let result = unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

pub(super) fn restarting_status() -> Result<(), Unsupported> {
    static STATUS: OnceLock<Result<(), Unsupported>> = OnceLock::new();
    STATUS
        .get_or_init(|| {
            let refused = |error: io::Error| {
                Unsupported::because(format!("the kernel refuses membarrier: {error}"))
            };
            let offered = membarrier(QUERY).map_err(refused)?;
            if offered & libc::c_long::from(PRIVATE_EXPEDITED_RSEQ) == 0 {
                return Err(Unsupported::because(
                    "the kernel's membarrier lacks PRIVATE_EXPEDITED_RSEQ (Linux 5.10)",
                ));
            }
            membarrier(REGISTER_PRIVATE_EXPEDITED_RSEQ).map_err(refused)?;
            Ok(())
        })
        .clone()
}

pub(super) fn restart() {
    if let Err(error) = membarrier(PRIVATE_EXPEDITED_RSEQ) {
        panic!("membarrier worked before and fails now: {error}");
    }
}

/// Where the area of a thread lies, relative to its thread pointer.
fn area() -> Result<isize, Unsupported> {
    static AREA: OnceLock<Option<isize>> = OnceLock::new();
    let area = AREA.get_or_init(|| {
        // SAFETY: the name is a C string; the result is null or the address
        // of the C library's variable.
        let offset = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"__rseq_offset".as_ptr()) };
        // SAFETY: the variable has this type and is constant since before
        // `main`.
        unsafe { offset.cast::<isize>().as_ref() }.copied()
    });
    area.ok_or_else(|| Unsupported::because("the C library does not tell where its area is"))
}

pub(super) fn sequence_status() -> Result<(), Unsupported> {
    area().map(drop)
}

/// How a sequence ended.
pub(super) enum Outcome {
    /// The gate was open, and the enter is counted.
    Entered,
    /// The gate was closed.
    Closed,
    /// It did not get to its end, and nothing happened.
    Aborted,
}

/// Tests the gate and, if it is open, adds one to the counter of the current
/// CPU, without interruption. Between the two it runs `stretch` laps of an
/// empty loop.
///
/// # Safety
///
/// Restartable sequences and [`sequence_status`] are `Ok`, and the counters of
/// CPU 0 to `cpus` lie `1 << SHIFT` bytes apart from `first` on.
pub(super) unsafe fn enter_if_open<const SHIFT: u32>(
    gate: *const u32,
    first: *mut u64,
    cpus: usize,
    stretch: u64,
) -> Outcome {
    let Ok(area) = area() else {
        return Outcome::Aborted;
    };
    // SAFETY: the sequence loads the gate, and stores to the thread's own area
    // and to the counter of a CPU below `cpus`, all valid, says the caller. The
    // paths that leave through the labels do so with the same stack. Labels 73
    // to 79 are local.
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
            ".popsection",
            "lea {cpu}, [rip + 77b]",
            "mov qword ptr fs:[{area} + 8], {cpu}",
            "78:",
            "mov {cpu:e}, dword ptr fs:[{area} + 4]",
            "cmp {cpu}, {cpus}",
            "jae {aborted}",
            "cmp dword ptr [{gate}], 0",
            "jne {closed}",
            "73:",
            "dec {stretch}",
            "jnz 73b",
            "shl {cpu}, {shift}",
            "inc qword ptr [{first} + {cpu}]",
            "79:",
            cpu = out(reg) _,
            stretch = inout(reg) stretch.max(1) => _,
            area = in(reg) area,
            cpus = in(reg) cpus,
            gate = in(reg) gate,
            first = in(reg) first,
            shift = const SHIFT,
            aborted = label { return Outcome::Aborted },
            closed = label { return Outcome::Closed },
            options(nostack),
        );
    }
    Outcome::Entered
}
