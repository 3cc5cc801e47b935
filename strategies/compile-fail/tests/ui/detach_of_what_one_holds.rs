use detach_strategies::{DeviceRef, Turnstile};

pub(crate) fn main() {
    let mut registration = Turnstile::<u32>::register().unwrap();
    let device = Turnstile::attach(7u32).unwrap();
    let guard = device.acquire(&registration).unwrap();
    let _ = device.detach(&mut registration);
    drop(guard);
}
