//! `fast_path`: what acquire and release execute, and what they write.
//!
//! The emitted machine code of an optimised build is a matter for a
//! disassembler. Here the code is watched while it runs.

use detach_strategies::points::Undisturbed;
use detach_strategies::registry::{self, Visitor};
use detach_strategies::{Count, DeviceRef, Reclaim};

use crate::support::claims::claims;

/// Does something with every strategy that this machine supports, undisturbed.
macro_rules! every_fast_path {
    ($(#[$meta:meta])* fn $name:ident<$device:ident>($id:ident) $check:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            struct Check;
            impl Visitor<u64> for Check {
                type Output = ();
                fn visit<$device: DeviceRef<Softc = u64>>(&mut self) {
                    let $id = $device::PROPERTIES.id;
                    if !crate::support::claims::concerns($id) {
                        return;
                    }
                    match $device::supported() {
                        Ok(()) => $check,
                        Err(why) => println!("{}: {why}", $id),
                    }
                }
            }
            let _alone = crate::support::alone();
            registry::visit_all::<u64, Undisturbed, _>(&mut Check);
        }
    };
}

/// How often a mechanism has served `device`; nothing if it has no such one.
fn mechanism<D: DeviceRef>(device: &D, name: &str) -> Option<u64> {
    let mechanisms = device.mechanisms();
    mechanisms
        .iter()
        .find(|(named, _)| *named == name)
        .map(|(_, times)| *times)
}

every_fast_path! {
    /// Each acquire is counted by the mechanism that served it, and the heavy
    /// side runs when somebody detaches, not before.
    fn mechanisms_are_counted_where_they_run<D>(id) {
        const ENTRIES: u64 = 1000;
        let mut me = D::register().unwrap();
        let device = D::attach(0).unwrap();
        for _ in 0..ENTRIES {
            drop(device.acquire(&me).unwrap());
        }
        // A net count does not tell how many came.
        let counts = ["rseq", "plain store"].map(|name| mechanism(&device, name));
        if counts != [None, None] {
            let fell_back = mechanism(&device, "atomic fallback");
            let enters = counts.into_iter().chain([fell_back]).flatten();
            assert_eq!(enters.sum::<u64>(), ENTRIES, "{id}");
        }
        if let Some(rseq) = mechanism(&device, "rseq") {
            // It falls back only after a row of interruptions within a few
            // nanoseconds each.
            assert!(rseq > ENTRIES / 2, "{id}: {rseq}");
        }
        let heavy = ["membarrier", "membarrier-rseq", "full fence", "cross-call"];
        let heavies = |device: &D| -> Option<u64> {
            heavy.iter().filter_map(|name| mechanism(device, name)).reduce(|a, b| a + b)
        };
        let before = heavies(&device);
        device.detach(&mut me).unwrap();
        let after = heavies(&device);
        if let (Some(before), Some(after)) = (before, after) {
            assert_eq!(before, 0, "{id}");
            assert!(after > 0, "{id}");
        }
        // Protection has its price: who waits for holders, and is neither
        // locked nor fenced when they come and go, must have a heavy side.
        let claims = claims::<D>();
        if claims.reclaim == Reclaim::AfterHolders
            && claims.fast_path.locked == Count::Exactly(0)
            && claims.fast_path.fences == 0
        {
            assert!(after.is_some(), "{id}: where does it pay?");
        }
    }
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
every_fast_path! {
    /// Every instruction of an acquire and a release is looked at.
    ///
    /// On this processor a locked instruction is a full fence, and code that
    /// needs a fence may use one for it, as crossbeam-epoch does. So locked
    /// instructions and fences are counted together.
    fn barriers_are_as_many_as_claimed<D>(id) {
        let me = D::register().unwrap();
        let device = D::attach(0).unwrap();
        // What only a thread's first entries do is not the fast path.
        for _ in 0..3 {
            drop(device.acquire(&me).unwrap());
        }
        let fallback = || mechanism(&device, "atomic fallback").unwrap_or(0);
        let fell_back = fallback();
        let seen = crate::stepping::barriers(|| drop(device.acquire(&me)));
        // A restartable sequence does not get through when every instruction
        // of it is interrupted. So enter and leave both fell back, and one
        // locked instruction of each is owed to that. (`gate-rseq` notes both,
        // with a locked instruction each.)
        let owed = 2 * (fallback() - fell_back);
        let seen = seen.len() as u64 - owed;

        let claims = claims::<D>().fast_path;
        let fences = u64::from(claims.fences);
        match claims.locked {
            Count::Exactly(locked) => {
                assert_eq!(seen, u64::from(locked) + fences, "{id}");
            }
            Count::AtLeast(locked) => {
                assert!(seen >= u64::from(locked) + fences, "{id}: {seen}");
            }
        }
    }
}

/// `shared_writes`: the handle, and what was allocated for it, is made
/// read-only, and a holder comes and goes.
///
/// The turnstiles of a device are not part of this: they lie in areas of their
/// own, a page apart for each CPU or thread. Neither is what all devices share,
/// such as a library's list of threads.
#[cfg(target_os = "linux")]
mod shared_writes {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use crate::allocator::in_arena;
    use crate::support::claims::claims;
    use crate::support::every_strategy_isolated;
    use crate::support::isolated::violated;

    static START: AtomicUsize = AtomicUsize::new(0);
    static WRITTEN: AtomicBool = AtomicBool::new(false);
    const SIZE: usize = 1 << 16;

    fn protect(how: libc::c_int) {
        let start = START.load(Ordering::Relaxed) as *mut libc::c_void;
        // SAFETY: the pages were mapped for this purpose.
        let result = unsafe { libc::mprotect(start, SIZE, how) };
        assert_eq!(result, 0);
    }

    extern "C" fn on_fault(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
        // SAFETY: the kernel passes a valid one, and it is about an address.
        let address = unsafe { (*info).si_addr() }.addr();
        let start = START.load(Ordering::Relaxed);
        if !(start..start + SIZE).contains(&address) {
            // A fault of another kind: it comes again, and ends the process.
            // SAFETY: it takes plain numbers.
            unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
            return;
        }
        WRITTEN.store(true, Ordering::Relaxed);
        protect(libc::PROT_READ | libc::PROT_WRITE);
    }

    fn prepare() {
        // SAFETY: new pages, anywhere; all zeros is a valid `sigaction`, and
        // the handler has the signature that SA_SIGINFO asks for.
        unsafe {
            let pages = libc::mmap(
                std::ptr::null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(pages, libc::MAP_FAILED);
            START.store(pages.addr(), Ordering::Relaxed);
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_fault as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            assert_eq!(
                libc::sigaction(libc::SIGSEGV, &action, std::ptr::null_mut()),
                0
            );
        }
    }

    every_strategy_isolated! {
        fn shared_writes_are_told<D>(expected: !claims::<D>().fast_path.shared_writes) {
            prepare();
            let start = START.load(Ordering::Relaxed);
            let me = D::register().unwrap();
            // Areas that all devices share are begun before the arena.
            drop(D::attach(0).unwrap());
            // SAFETY: the pages are new and kept for ever.
            let device = unsafe { in_arena(start, start + SIZE, || Box::new(D::attach(7).unwrap())) };
            assert!((start..start + SIZE).contains(&std::ptr::from_ref(&*device).addr()));
            drop(device.acquire(&me).unwrap());
            protect(libc::PROT_READ);
            let seen = device.acquire(&me).map(|guard| *guard);
            let written = WRITTEN.load(Ordering::Relaxed);
            protect(libc::PROT_READ | libc::PROT_WRITE);
            assert_eq!(seen, Ok(7));
            if written {
                violated("acquire or release writes to the handle");
            }
        }
    }
}
