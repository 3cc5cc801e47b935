//! A program for ThreadSanitizer: holders and a detacher touch plain memory,
//! and the only thing between them is the strategy.
//!
//! Each holder writes a cell of its own in the softc while it is inside; the
//! detacher reads and overwrites all of them once detach has returned. If a
//! leave did not happen before the return, the sanitizer reports a race. Between
//! two devices each holder attaches and detaches one of its own, in memory that
//! another thread may just have given back.
//!
//! Threads are raw pthreads, since the standard library that comes with the
//! compiler is not instrumented. Only strategies whose edges are atomic accesses
//! can be judged: the sanitizer sees neither fences alone, nor what membarrier and
//! restartable sequences do, which leaves out `turnstile` and `gate-rseq`.
//!
//! `race_check` checks the shipped strategies. `race_check control` runs a
//! reference count whose release has no barrier; the sanitizer must object.

#[cfg(not(unix))]
fn main() {
    println!("needs pthreads");
}

#[cfg(unix)]
fn main() {
    let control = std::env::args()
        .nth(1)
        .is_some_and(|word| word == "control");
    if control {
        // The sanitizer remembers the last few accesses to a cell only, so one
        // run in twenty escapes it; ten in a row do not.
        #[cfg(feature = "controls")]
        for _ in 0..10 {
            unix::check::<detach_strategies::controls::refcount_nobarrier::RefcountNobarrier<_>>();
        }
        #[cfg(not(feature = "controls"))]
        panic!("built without the feature `controls`");
    } else {
        use detach_strategies::{
            DyingMembarrier, DyingXcall, DyingXcallRef, FoRestart, Refcount, TurnstileFenced,
            TurnstileSlots,
        };
        unix::check::<Refcount<_>>();
        unix::check::<FoRestart<_>>();
        unix::check::<TurnstileSlots<_>>();
        unix::check::<TurnstileFenced<_>>();
        unix::check::<DyingMembarrier<_>>();
        unix::check::<DyingXcall<_>>();
        unix::check::<DyingXcallRef<_>>();
    }
}

#[cfg(unix)]
mod unix {
    use std::cell::UnsafeCell;
    use std::ffi::c_void;
    use std::ptr;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use detach_strategies::DeviceRef;

    const HOLDERS: usize = 2;
    const ROUNDS: usize = 2_000;

    /// A cell for each holder.
    pub(super) struct Softc([UnsafeCell<u64>; HOLDERS]);

    // SAFETY: a holder touches its own cell only, and the detacher touches
    // them when no holder is left; that this is so is what is being checked.
    unsafe impl Sync for Softc {}

    static EMPTY: Softc = Softc([const { UnsafeCell::new(0) }; HOLDERS]);

    struct Stage<D> {
        devices: Vec<D>,
        /// Devices that each holder is done with.
        done: [AtomicUsize; HOLDERS],
    }

    struct Part<D> {
        stage: *const Stage<D>,
        holder: usize,
    }

    extern "C" fn hold<D: DeviceRef<Softc = &'static Softc>>(part: *mut c_void) -> *mut c_void {
        // SAFETY: `check` passes a part that outlives the thread.
        let part = unsafe { &*part.cast::<Part<D>>() };
        // SAFETY: the same.
        let stage = unsafe { &*part.stage };
        let mut me = D::register().expect("supported");
        for (index, device) in stage.devices.iter().enumerate() {
            let own = D::attach(&EMPTY).expect("supported");
            own.detach(&mut me).expect("nobody else has it");
            drop(own);
            loop {
                let Ok(softc) = device.acquire(&me) else {
                    break;
                };
                // SAFETY: nobody else touches this cell while we are inside.
                unsafe { *softc.0[part.holder].get() += 1 };
                drop(softc);
                D::safe_point(&mut me);
                // Ordering: Relaxed, so that it orders nothing by itself.
                stage.done[part.holder].store(index + 1, Ordering::Relaxed);
            }
            // Ordering: Relaxed, as above.
            stage.done[part.holder].store(index + 1, Ordering::Relaxed);
        }
        ptr::null_mut()
    }

    pub(super) fn check<D: DeviceRef<Softc = &'static Softc>>() {
        let id = D::PROPERTIES.id;
        if let Err(why) = D::supported() {
            println!("{id}: {why}");
            return;
        }
        let device =
            || D::attach(Box::leak(Box::new(Softc(Default::default())))).expect("supported");
        let stage = Stage {
            devices: (0..ROUNDS).map(|_| device()).collect(),
            done: Default::default(),
        };
        let mut me = D::register().expect("supported");
        let parts: Vec<Part<D>> = (0..HOLDERS)
            .map(|holder| Part {
                stage: &raw const stage,
                holder,
            })
            .collect();
        let threads: Vec<libc::pthread_t> = parts
            .iter()
            .map(|part| {
                let mut thread = std::mem::MaybeUninit::uninit();
                // SAFETY: all pointers are valid; the part is joined before it
                // goes away.
                let error = unsafe {
                    libc::pthread_create(
                        thread.as_mut_ptr(),
                        ptr::null(),
                        hold::<D>,
                        ptr::from_ref(part).cast_mut().cast(),
                    )
                };
                assert_eq!(error, 0, "pthread_create");
                // SAFETY: the call succeeded and so has written it.
                unsafe { thread.assume_init() }
            })
            .collect();
        let mut visits = 0;
        for (index, device) in stage.devices.iter().enumerate() {
            while stage
                .done
                .iter()
                // Ordering: Relaxed, as in `hold`.
                .all(|done| done.load(Ordering::Relaxed) <= index)
            {
                std::hint::spin_loop();
                D::safe_point(&mut me);
            }
            let softc = device.detach(&mut me).expect("nobody else detaches");
            for cell in &softc.0 {
                // SAFETY: no holder is left, says detach.
                visits += unsafe { cell.get().replace(u64::MAX) };
            }
        }
        D::offline(&mut me, || {
            for thread in threads {
                // SAFETY: each thread is joined once.
                unsafe { libc::pthread_join(thread, ptr::null_mut()) };
            }
        });
        println!("{id}: {ROUNDS} detaches, {visits} visits");
    }
}
