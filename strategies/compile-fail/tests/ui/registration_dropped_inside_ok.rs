use detach_strategies::{DeviceRef, TurnstileFenced};

pub(crate) fn main() {
    let registration = TurnstileFenced::<u32>::register().unwrap();
    let device = TurnstileFenced::attach(7u32).unwrap();
    let guard = device.acquire(&registration).unwrap();
    drop(guard);
    drop(registration);
}
