use detach_strategies::{DeviceRef, DyingXcall};

pub(crate) fn main() {
    let mut registration = DyingXcall::<u32>::register().unwrap();
    let device = DyingXcall::attach(7u32).unwrap();
    let guard = device.acquire(&registration).unwrap();
    drop(guard);
    DyingXcall::<u32>::safe_point(&mut registration);
}
