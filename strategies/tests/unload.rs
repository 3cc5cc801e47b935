//! A library that contains this crate is unloaded, and the threads that were in
//! it live on.
//!
//! The library is `examples/plugin.rs`. For every strategy a process of its own
//! loads it, enters a device from several threads, hands a guard from one to
//! another where the strategy allows it, detaches, and unloads: the library's
//! memory is gone. Then the threads, which never sleep in between, are
//! interrupted and moved. The kernel looks at what they armed last: were it in
//! the library, the process would die.
//!
//! An `arc-swap` keeps the library in memory: the crate has a record for each
//! thread that used it, and the C library unloads nobody of whom a running
//! thread has a destructor left to call.

#![cfg(target_os = "linux")]

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{env, fs, ptr, thread};

use detach_strategies::platform::topology::{allowed_cpus, pin_current_thread};

#[allow(unreachable_pub, reason = "it is public in the library that it is")]
#[path = "../examples/plugin.rs"]
mod plugin;
#[path = "properties/support/mod.rs"]
mod support;

use plugin::Strategy;
use support::cue::Cue;
use support::every_strategy_isolated;

/// How often the library is loaded and unloaded.
const ROUNDS: usize = 5;
/// How often each thread is interrupted and moved after that.
const DISTURBANCES: usize = 200;
/// Threads that come and go without regard to the others.
const VISITORS: usize = 2;
const LAPS: u32 = 1000;

/// The strategies that keep the library in memory until the threads that used
/// it end.
const KEEPS: [&str; 1] = ["arc-swap"];

/// Builds the library, or takes it from where a build of all tests leaves it.
fn build() -> PathBuf {
    const NAME: &str = "libplugin.so";
    let Some(cargo) = env::var_os("CARGO") else {
        let program = env::current_exe().expect("the test program has a path");
        let folder = program.ancestors().nth(2).expect("it lies in `deps`");
        return folder.join("examples").join(NAME);
    };
    // As a part of the whole workspace: that is how the tests are built.
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--example", "plugin"])
        .arg("--message-format=json")
        .output()
        .expect("cargo runs");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let said = String::from_utf8(built.stdout).expect("JSON");
    let path = said.split('"').find(|word| word.ends_with(NAME));
    path.expect("cargo names what it built").into()
}

/// The library, loaded.
struct Library(*mut c_void);

// SAFETY: what the C library calls it is the same for every thread.
unsafe impl Send for Library {}

impl Library {
    fn load(path: &CStr) -> Self {
        // SAFETY: loading it runs nothing but the initialisers of libraries.
        let library = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!library.is_null(), "{path:?} cannot be loaded");
        Library(library)
    }

    /// Its functions for the strategy of that id.
    fn strategy(&self, id: &str) -> Strategy {
        type Tell = unsafe extern "C" fn(*const c_char, *mut Strategy) -> bool;
        let id = CString::new(id).unwrap();
        let mut strategy = std::mem::MaybeUninit::uninit();
        // SAFETY: the function has that type, the id is a C string, and there
        // is room for the answer, which is there if it says so.
        unsafe {
            let tell = libc::dlsym(self.0, c"plugin_strategy".as_ptr());
            assert!(!tell.is_null());
            let tell: Tell = std::mem::transmute(tell);
            assert!(tell(id.as_ptr(), strategy.as_mut_ptr()));
            strategy.assume_init()
        }
    }

    /// # Safety
    ///
    /// No thread is in it or will be.
    unsafe fn unload(self) {
        // SAFETY: it was loaded, once, and the caller knows the rest.
        assert_eq!(unsafe { libc::dlclose(self.0) }, 0);
    }
}

/// Whether any memory of the process is the library's.
fn is_mapped(path: &CStr) -> bool {
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.contains(path.to_str().unwrap())
}

/// Interrupts and moves the calling thread, many times.
fn disturb(cpus: &[usize]) {
    for round in 0..DISTURBANCES {
        // SAFETY: the signal has a handler that does nothing.
        assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
        pin_current_thread(cpus[round % cpus.len()]).unwrap();
        thread::yield_now();
    }
}

extern "C" fn nothing(_: libc::c_int) {}

/// Loads the library, uses it from several threads, unloads it, and disturbs
/// them.
fn round(path: &CStr, id: &str, hand_over: bool, cpus: &[usize]) {
    let library = Library::load(path);
    assert!(is_mapped(path));
    let strategy = library.strategy(id);
    let device = AtomicPtr::new((strategy.attach)());
    let device = || device.load(Ordering::Relaxed);
    assert!(!device().is_null());

    let entered = AtomicPtr::new(ptr::null_mut());
    let visited = Barrier::new(VISITORS + 1);
    let unloaded = Cue::new();
    // Without going to sleep, which would make the kernel look too early.
    let spin_until = |condition: &dyn Fn() -> bool| {
        while !condition() {
            std::hint::spin_loop();
        }
    };
    thread::scope(|scope| {
        let visit = || {
            // SAFETY: the device is attached until all have visited.
            let admitted = unsafe { (strategy.enter_and_leave)(device(), LAPS) };
            assert_eq!(admitted, LAPS);
            visited.wait();
            spin_until(&|| unloaded.given());
            disturb(cpus);
        };
        let mut threads: Vec<_> = (0..VISITORS).map(|_| scope.spawn(visit)).collect();
        visited.wait();
        if hand_over {
            threads.push(scope.spawn(|| {
                // SAFETY: the device is attached until it is left.
                let inside = unsafe { (strategy.enter)(device()) };
                entered.store(inside, Ordering::Release);
                spin_until(&|| unloaded.given());
                disturb(cpus);
            }));
        }
        threads.push(scope.spawn(|| {
            let library = library;
            if hand_over {
                spin_until(&|| !entered.load(Ordering::Acquire).is_null());
            }
            // SAFETY: the device is attached, everybody else has left it or
            // left that to this thread, and nobody is in the library.
            unsafe {
                assert_eq!((strategy.enter_and_leave)(device(), 1), 1);
                if hand_over {
                    (strategy.leave)(entered.load(Ordering::Relaxed));
                }
                assert!((strategy.detach)(device()));
                library.unload();
            }
            unloaded.give();
            disturb(cpus);
            assert_eq!(is_mapped(path), KEEPS.contains(&id), "{id}");
        }));
        // A scope waits for what threads do, but not for their end.
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

every_strategy_isolated! {
    fn threads_outlive_the_library<D>(expected: true) {
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(libc::SIGUSR1, nothing as *const () as usize) };
        let path = build();
        let path = CString::new(path.to_str().unwrap()).unwrap();
        let cpus = allowed_cpus().unwrap();
        for _ in 0..ROUNDS {
            round(&path, D::PROPERTIES.id, D::PROPERTIES.release_elsewhere, &cpus);
            // Whoever kept it has ended. It goes with the next that is
            // unloaded: itself.
            // SAFETY: nobody is in there.
            unsafe { Library::load(&path).unload() };
            assert!(!is_mapped(&path));
        }
    }
}
