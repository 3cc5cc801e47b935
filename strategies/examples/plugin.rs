//! A plug-in that contains this crate: a library that a host loads, calls from
//! several threads, and unloads while those threads live on. `tests/unload.rs`
//! is the host.
//!
//! Its interface is C's: functions that attach, use and detach a device of
//! whatever strategy of the registry the host names.

use std::ffi::{CStr, c_char, c_void};

use detach_strategies::points::Undisturbed;
use detach_strategies::registry::{self, Visitor};
use detach_strategies::{Detached, DeviceRef};

/// What can be done with the devices of one strategy.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Strategy {
    /// A new device, or null where the machine cannot run the strategy.
    pub attach: extern "C" fn() -> *mut c_void,
    /// Enters the device and leaves it, so many times; tells how often it was
    /// admitted. The device is attached.
    pub enter_and_leave: unsafe extern "C" fn(device: *mut c_void, laps: u32) -> u32,
    /// Enters the device, which is attached; null if it is not admitted.
    pub enter: unsafe extern "C" fn(device: *mut c_void) -> *mut c_void,
    /// Leaves, once for each `enter` that was admitted. On the same thread,
    /// unless the strategy's guards may be sent to others.
    pub leave: unsafe extern "C" fn(entered: *mut c_void),
    /// Detaches the device and drops it: nobody uses it afterwards. Tells
    /// whether it held what it should.
    pub detach: unsafe extern "C" fn(device: *mut c_void) -> bool,
}

const SOFTC: u64 = 7;

extern "C" fn attach<D: DeviceRef<Softc = u64>>() -> *mut c_void {
    D::attach(SOFTC).map_or(std::ptr::null_mut(), |device| {
        Box::into_raw(Box::new(device)).cast()
    })
}

unsafe extern "C" fn enter_and_leave<D: DeviceRef<Softc = u64>>(
    device: *mut c_void,
    laps: u32,
) -> u32 {
    // SAFETY: it came from `attach`, and is attached, says the caller.
    let device = unsafe { &*device.cast::<D>() };
    let Ok(mut me) = D::register() else {
        return 0;
    };
    let mut lap = || {
        let admitted = device.acquire(&me).is_ok_and(|softc| *softc == SOFTC);
        D::safe_point(&mut me);
        u32::from(admitted)
    };
    (0..laps).map(|_| lap()).sum()
}

/// Somebody inside, with the registration that the guard borrows.
struct Entered<'d, D: DeviceRef + 'd> {
    guard: Result<D::Guard<'d>, Detached>,
    me: *mut D::Registration,
}

unsafe extern "C" fn enter<D: DeviceRef<Softc = u64>>(device: *mut c_void) -> *mut c_void {
    // SAFETY: it came from `attach`, and stays attached until `leave`, says the
    // caller.
    let device = unsafe { &*device.cast::<D>() };
    let Ok(me) = D::register() else {
        return std::ptr::null_mut();
    };
    let me = Box::into_raw(Box::new(me));
    // SAFETY: it stays until the guard is gone; see `leave`.
    let guard = device.acquire(unsafe { &*me });
    Box::into_raw(Box::new(Entered::<D> { guard, me })).cast()
}

unsafe extern "C" fn leave<D: DeviceRef<Softc = u64>>(entered: *mut c_void) {
    // SAFETY: it came from `enter` and comes here once, says the caller.
    let Entered { guard, me } = *unsafe { Box::from_raw(entered.cast::<Entered<'_, D>>()) };
    drop(guard);
    // SAFETY: it came from a box, and the guard that borrowed it is gone.
    drop(unsafe { Box::from_raw(me) });
}

unsafe extern "C" fn detach<D: DeviceRef<Softc = u64>>(device: *mut c_void) -> bool {
    // SAFETY: it came from `attach`, and nobody else uses it, says the caller.
    let device = unsafe { Box::from_raw(device.cast::<D>()) };
    D::register().is_ok_and(|mut me| device.detach(&mut me) == Ok(SOFTC))
}

struct Functions;

impl Visitor<u64> for Functions {
    type Output = Strategy;

    fn visit<D: DeviceRef<Softc = u64>>(&mut self) -> Strategy {
        Strategy {
            attach: attach::<D>,
            enter_and_leave: enter_and_leave::<D>,
            enter: enter::<D>,
            leave: leave::<D>,
            detach: detach::<D>,
        }
    }
}

/// Tells the functions of the strategy of that id; whether there is one.
///
/// # Safety
///
/// `id` is a C string, and there is room for the answer.
// SAFETY: no other function of this library has the name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn plugin_strategy(id: *const c_char, strategy: *mut Strategy) -> bool {
    // SAFETY: a C string, says the caller.
    let id = unsafe { CStr::from_ptr(id) };
    let found = id
        .to_str()
        .ok()
        .and_then(|id| registry::visit::<u64, Undisturbed, _>(id, &mut Functions));
    if let Some(found) = found {
        // SAFETY: there is room, says the caller.
        unsafe { strategy.write(found) };
    }
    found.is_some()
}
