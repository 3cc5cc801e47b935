//! The kernel does not grant something, or takes it back later.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use detach_strategies::{
    DetachError, Detached, DeviceRef, GateRseq, LateArrival, Reopen, Turnstile, TurnstileSlots,
    platform,
};

use crate::support::isolated::{self, Ending};
use crate::support::waking::InTime;
use crate::support::{SHORT, every_strategy_isolated};

/// The strategies that need `membarrier`.
const FENCED_BY_KERNEL: [&str; 4] = [
    "turnstile",
    "turnstile-slots",
    "gate-rseq",
    "dying-membarrier",
];

/// Makes every `membarrier` of the calling thread, and of those it starts later,
/// fail as sandboxes make it fail.
fn refuse_membarrier() {
    let step = |code: u32, jt, jf, k| libc::sock_filter {
        code: code as u16,
        jt,
        jf,
        k,
    };
    // The filter sees the number of the call first.
    let mut filter = [
        step(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        step(
            libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K,
            0,
            1,
            libc::SYS_membarrier as u32,
        ),
        step(
            libc::BPF_RET | libc::BPF_K,
            0,
            0,
            libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
        ),
        step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: filter.len() as u16,
        filter: filter.as_mut_ptr(),
    };
    let (yes, unused): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: the kernel copies the program, which lives until then.
    unsafe {
        let result = libc::prctl(libc::PR_SET_NO_NEW_PRIVS, yes, unused, unused, unused);
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        let mode = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
        let result = libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program);
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
    }
}

every_strategy_isolated! {
    /// From the start: who needs it says that it cannot run and why, the others
    /// run.
    fn membarrier_is_refused_from_the_start<D>(expected: true) {
        refuse_membarrier();
        if FENCED_BY_KERNEL.contains(&D::PROPERTIES.id) {
            let why = D::supported().unwrap_err();
            assert!(why.reason().contains("membarrier"), "{why}");
            assert_eq!(D::register().err(), Some(why.clone()));
            assert_eq!(D::attach(7).err(), Some(why));
        } else {
            assert_eq!(D::supported(), Ok(()));
            let mut me = D::register().unwrap();
            let device = D::attach(7).unwrap();
            assert_eq!(*device.acquire(&me).unwrap(), 7);
            assert_eq!(device.detach_in_time(&mut me), Ok(7));
        }
    }
}

/// What a panic said.
fn message(panic: Box<dyn std::any::Any + Send>) -> String {
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

/// What the fence says that does not work any more.
const BROKEN: &str = "membarrier worked before and fails now";

every_strategy_isolated! {
    /// Later on: going on without the fence would be unsafe, so detach panics.
    /// It takes nothing away, and the device is closed: newcomers are refused,
    /// those too that already wait.
    fn membarrier_is_refused_later<D>(expected: true) {
        let mut me = D::register().unwrap();
        let device = D::attach(7).unwrap();
        drop(device.acquire(&me).unwrap());
        refuse_membarrier();
        // The fast path does not ask the kernel.
        let guard = device.acquire(&me).unwrap();
        assert_eq!(*guard, 7);
        drop(guard);

        if FENCED_BY_KERNEL.contains(&D::PROPERTIES.id) {
            for _ in 0..2 {
                let panic = catch_unwind(AssertUnwindSafe(|| device.detach_timeout(&mut me, SHORT)));
                let said = message(panic.unwrap_err());
                assert!(said.contains(BROKEN), "{said}");
                assert_eq!(device.acquire(&me).err(), Some(Detached));
            }
        } else {
            assert_eq!(device.detach_in_time(&mut me), Ok(7));
            let admitted = D::PROPERTIES.late_arrival == LateArrival::Admitted;
            assert_eq!(device.acquire(&me).is_ok(), admitted);
        }
    }
}

/// Counts how often it is dropped.
struct Counted(&'static AtomicUsize);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A close that panics opens the gate again; a detach that panics loses nothing:
/// the softc goes with the handle, once.
#[test]
fn nothing_is_lost_when_the_fence_fails() {
    fn check<D: Reopen<Softc = Counted>>() {
        let drops: &'static AtomicUsize = Box::leak(Box::default());
        let mut me = D::register().unwrap();
        let device = D::attach(Counted(drops)).unwrap();
        refuse_membarrier();
        let panic = catch_unwind(AssertUnwindSafe(|| device.close(&mut me, SHORT).is_ok()));
        assert!(message(panic.unwrap_err()).contains(BROKEN));
        assert!(device.acquire(&me).is_ok(), "the gate stays closed");
        let panic = catch_unwind(AssertUnwindSafe(|| device.detach(&mut me).is_ok()));
        assert!(message(panic.unwrap_err()).contains(BROKEN));
        assert!(device.acquire(&me).is_err());
        let result = device.close(&mut me, SHORT).err();
        assert_eq!(result, Some(DetachError::Detached));
        assert_eq!(drops.load(Ordering::Relaxed), 0);
        drop(device);
        assert_eq!(drops.load(Ordering::Relaxed), 1);
    }

    if platform::membarrier_status().is_err() {
        return;
    }
    match isolated::case().as_deref() {
        Some("turnstile") => {
            if platform::rseq_status().is_ok() {
                check::<Turnstile<Counted>>();
            }
            isolated::survived();
        }
        Some(_) => {
            check::<TurnstileSlots<Counted>>();
            isolated::survived();
        }
        None => {
            let test = concat!(module_path!(), "::nothing_is_lost_when_the_fence_fails");
            for case in ["turnstile", "turnstile-slots"] {
                assert_eq!(isolated::run(test, case), Ending::Survived, "{case}");
            }
        }
    }
}

/// How the kernel knows a thread's area for restartable sequences.
mod area {
    use std::arch::asm;

    #[cfg(target_arch = "x86_64")]
    const SIGNATURE: u32 = 0x5305_3053;
    #[cfg(target_arch = "aarch64")]
    const SIGNATURE: u32 = 0xd428_bc00;

    const UNREGISTER: libc::c_int = 1;

    fn thread_pointer() -> usize {
        let pointer: usize;
        #[cfg(target_arch = "x86_64")]
        // SAFETY: it reads a word of the thread's own, its own address.
        unsafe {
            asm!("mov {}, fs:0", out(reg) pointer, options(nostack, readonly));
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: it reads a register.
        unsafe {
            asm!("mrs {}, tpidr_el0", out(reg) pointer, options(nostack, nomem));
        }
        pointer
    }

    /// Takes restartable sequences away from the calling thread.
    pub(super) fn unregister() {
        // SAFETY: the C library has variables of these names and types, as the
        // caller has found restartable sequences to be supported.
        let (offset, size) = unsafe {
            let symbol = |name: &std::ffi::CStr| libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr());
            (
                *symbol(c"__rseq_offset").cast::<isize>(),
                *symbol(c"__rseq_size").cast::<u32>(),
            )
        };
        let area = thread_pointer().wrapping_add_signed(offset);
        // What the C library told the kernel: at least the original size.
        let done = [32, size, size.next_multiple_of(32)]
            .into_iter()
            .any(|size| {
                // SAFETY: the kernel forgets the area, and writes to it for the
                // last time; it is the thread's, for as long as it lives.
                unsafe { libc::syscall(libc::SYS_rseq, area, size, UNREGISTER, SIGNATURE) == 0 }
            });
        assert!(done, "{}", std::io::Error::last_os_error());
    }
}

/// A thread loses its restartable sequences while it is registered, even while
/// it is inside. It goes on with the atomic counter, which says so, and a detach
/// counts both.
#[test]
fn restartable_sequences_are_lost() {
    type D = Turnstile<u64>;
    const ENTRIES: u64 = 100;
    if D::supported().is_err() {
        return;
    }
    let device = D::attach(7).unwrap();
    let mut me = D::register().unwrap();
    let counted = |name: &str| {
        let mechanisms = device.mechanisms();
        mechanisms
            .iter()
            .find(|(named, _)| *named == name)
            .unwrap()
            .1
    };
    thread::scope(|scope| {
        let loses = scope.spawn(|| {
            let other = D::register().unwrap();
            let guard = device.acquire(&other).unwrap();
            let before = counted("rseq") + counted("atomic fallback");
            assert_eq!(before, 1);
            area::unregister();
            // Entered by a sequence, left by the atomic counter.
            drop(guard);
            for _ in 0..ENTRIES {
                assert_eq!(*device.acquire(&other).unwrap(), 7);
            }
        });
        loses.join().unwrap();
    });
    // Interruptions may have made the first one fall back too.
    let fell_back = counted("atomic fallback");
    assert!((ENTRIES..=ENTRIES + 1).contains(&fell_back), "{fell_back}");
    assert_eq!(fell_back + counted("rseq"), ENTRIES + 1);

    // Inside by the atomic counter, out by a sequence, and waited for.
    thread::scope(|scope| {
        let loses = scope.spawn(|| {
            area::unregister();
            let other = Box::leak(Box::new(D::register().unwrap()));
            device.acquire(other).unwrap()
        });
        let guard = loses.join().unwrap();
        assert_eq!(
            device.detach_timeout(&mut me, SHORT),
            Err(DetachError::StillHeld)
        );
        drop(guard);
    });
    assert_eq!(device.detach_in_time(&mut me), Ok(7));
}

/// The same for a gate inside the sequence: entries and leaves that the sequence
/// does not count are counted in the word, either way round, before the device is
/// sealed and after.
#[test]
fn gated_sequences_are_lost() {
    type D = GateRseq<u64>;
    const ENTRIES: u64 = 100;
    if D::supported().is_err() {
        return;
    }
    let mut me = D::register().unwrap();
    let other = D::register().unwrap();
    let device = D::attach(7).unwrap();
    let fell_back = || {
        let mechanisms = device.mechanisms();
        let fallback = mechanisms
            .into_iter()
            .find(|(name, _)| *name == "atomic fallback");
        fallback.unwrap().1
    };
    let guards = thread::scope(|scope| {
        let loses = scope.spawn(|| {
            let guard = device.acquire(&other).unwrap();
            area::unregister();
            // In by a sequence, out by the word.
            drop(guard);
            for _ in 0..ENTRIES {
                assert_eq!(*device.acquire(&other).unwrap(), 7);
            }
            [(); 2].map(|()| device.acquire(&other).unwrap())
        });
        loses.join().unwrap()
    });
    // Interruptions may have made the first entry fall back too.
    let expected = 1 + 2 * ENTRIES + 2;
    assert!((expected..=expected + 1).contains(&fell_back()));

    let [before, after] = guards;
    // In by the word, out by a sequence.
    drop(before);
    assert_eq!(
        device.detach_timeout(&mut me, SHORT),
        Err(DetachError::StillHeld)
    );
    assert_eq!(device.acquire(&other).err(), Some(Detached));
    thread::scope(|scope| {
        scope.spawn(|| {
            area::unregister();
            assert_eq!(device.acquire(&other).err(), Some(Detached));
            drop(after);
        });
    });
    assert_eq!(device.detach_in_time(&mut me), Ok(7));
}
