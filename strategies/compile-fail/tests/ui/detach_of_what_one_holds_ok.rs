use detach_strategies::{DeviceRef, Turnstile};

pub(crate) fn main() {
    let Ok(mut registration) = Turnstile::<u32>::register() else {
        return;
    };
    let device = Turnstile::attach(7u32).unwrap();
    let guard = device.acquire(&registration).unwrap();
    drop(guard);
    let _ = device.detach(&mut registration);
}
