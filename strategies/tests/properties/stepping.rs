//! Running code one instruction at a time, from inside.
//!
//! With the trap flag of an x86 processor set, every instruction is followed by
//! a trap, which the kernel turns into a signal. The handler may look at the
//! instruction that comes next, or do whatever a signal handler might do right
//! there. So "a signal that arrives between these two instructions" is not a
//! matter of luck.
//!
//! One thing does not survive it: a restartable sequence. A signal inside one
//! makes the kernel restart it, and with a signal after every instruction it
//! never comes to its end.
#![allow(dead_code, reason = "each test program uses its part")]

use std::arch::asm;
use std::cell::Cell;
use std::ptr;
use std::sync::Once;

/// What to do after having looked at an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Stop at the next one too.
    Step,
    /// Go on there instead, and stop at the next one too: what the kernel does
    /// to a thread whose restartable sequence it aborts.
    Jump(*const u8),
    /// Let the rest run.
    Run,
}

/// Called with the address of the instruction that comes next; or null. A thin
/// pointer to the fat one: the handler must not find it half written.
type Each = *mut &'static mut dyn FnMut(*const u8) -> Next;

thread_local! {
    static EACH: Cell<Each> = const { Cell::new(ptr::null_mut()) };
}

/// The trap flag, in the register of flags.
const TRAP: i64 = 1 << 8;

extern "C" fn on_trap(_: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: with SA_SIGINFO the third argument is a `ucontext_t`, and the
    // thread that it describes waits for this handler.
    let registers = unsafe { &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs };
    let next = registers[libc::REG_RIP as usize] as *const u8;
    // SAFETY: `step` keeps it alive while it is set, and does not use it.
    let then = match unsafe { EACH.get().as_mut() } {
        Some(each) => each(next),
        None => Next::Run,
    };
    match then {
        Next::Step => {}
        Next::Jump(there) => registers[libc::REG_RIP as usize] = there as i64,
        Next::Run => registers[libc::REG_EFL as usize] &= !TRAP,
    }
}

/// Runs `body`, calling `each` before every instruction until it says
/// [`Next::Run`].
pub(crate) fn step(mut each: &mut dyn FnMut(*const u8) -> Next, body: impl FnOnce()) {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        // SAFETY: all zeros is a valid `sigaction`, and the handler has the
        // signature that SA_SIGINFO asks for.
        let result = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_trap as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGTRAP, &action, ptr::null_mut())
        };
        assert_eq!(result, 0);
    });
    // Only the lifetime changes; it is taken out again below.
    let each: *mut &mut dyn FnMut(*const u8) -> Next = &mut each;
    EACH.set(each.cast());
    // The first trap comes after the instruction that follows `popfq`.
    // SAFETY: it sets the trap flag, for which there is a handler, and leaves
    // the stack as it was.
    unsafe {
        asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq", "nop");
    }
    body();
    // The next trap finds nobody to call and clears the flag.
    EACH.set(ptr::null_mut());
    // SAFETY: it does nothing, but in two instructions.
    unsafe {
        asm!("nop", "nop");
    }
}

/// Instructions that are full barriers, and dear for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barrier {
    /// A read-modify-write with a `lock` prefix, or an exchange with memory,
    /// which is locked without one.
    Locked,
    /// A fence.
    Fence,
}

/// Whether the instruction at `at` is a barrier.
///
/// # Safety
///
/// An instruction begins there.
pub(crate) unsafe fn barrier(mut at: *const u8) -> Option<Barrier> {
    let mut byte = || {
        // SAFETY: never read beyond the instruction, whose form says how many
        // bytes it has at least.
        let byte = unsafe { *at };
        at = at.wrapping_add(1);
        byte
    };
    loop {
        match byte() {
            0xF0 => return Some(Barrier::Locked),
            // Other prefixes: sizes, segments, repetitions, and REX.
            0x66 | 0x67 | 0xF2 | 0xF3 | 0x2E | 0x36 | 0x3E | 0x26 | 0x64 | 0x65 => {}
            0x40..=0x4F => {}
            // An exchange; between registers it is harmless.
            0x86 | 0x87 => return (byte() < 0xC0).then_some(Barrier::Locked),
            0x0F => {
                let mfence = byte() == 0xAE && matches!(byte(), 0xF0..=0xF7);
                return mfence.then_some(Barrier::Fence);
            }
            _ => return None,
        }
    }
}

/// The barriers that `body` executes.
pub(crate) fn barriers(body: impl FnOnce()) -> Vec<Barrier> {
    // Room for all before the first is seen: the body may be in the allocator.
    let mut seen = Vec::with_capacity(1000);
    let mut each = |at: *const u8| {
        // SAFETY: it is the instruction to be executed next.
        if let Some(barrier) = unsafe { barrier(at) } {
            assert!(seen.len() < seen.capacity());
            seen.push(barrier);
        }
        Next::Step
    };
    step(&mut each, body);
    seen
}

/// Whether this program is optimised, so that several steps of an algorithm may
/// have become one instruction.
pub(crate) fn is_optimised() -> bool {
    let cell = Cell::new(0u64);
    let mut instructions = 0;
    let mut each = |_: *const u8| {
        instructions += 1;
        Next::Step
    };
    step(&mut each, || {
        for _ in 0..10 {
            let cell = std::hint::black_box(&cell);
            cell.set(cell.get().wrapping_add(1));
        }
    });
    // Ten additions, of which each is a handful of calls when nothing is
    // inlined, and a handful of instructions when everything is.
    instructions < 250
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::sync::atomic::{AtomicU64, Ordering, fence};

    use super::*;

    #[test]
    fn barriers_are_told_from_plain_instructions() {
        let word = AtomicU64::new(0);
        let word = || black_box(&word);
        let plain = barriers(|| {
            word().store(1, Ordering::Release);
            black_box(word().load(Ordering::Acquire));
        });
        assert_eq!(plain, []);
        let locked = barriers(|| {
            black_box(word().fetch_add(1, Ordering::Relaxed));
            black_box(word().swap(1, Ordering::Relaxed));
            let exchanged = word().compare_exchange(1, 2, Ordering::Relaxed, Ordering::Relaxed);
            let _ = black_box(exchanged);
        });
        assert_eq!(locked, [Barrier::Locked; 3]);
        // The compiler may choose either form for a fence.
        assert_eq!(barriers(|| fence(Ordering::SeqCst)).len(), 1);
        // SAFETY: a fence touches nothing.
        let by_name = barriers(|| unsafe { asm!("mfence") });
        assert_eq!(by_name, [Barrier::Fence]);
        // SAFETY: an exchange of a register with itself changes nothing.
        let harmless = barriers(|| unsafe { asm!("xchg ecx, ecx", out("ecx") _) });
        assert_eq!(harmless, []);
    }
}
