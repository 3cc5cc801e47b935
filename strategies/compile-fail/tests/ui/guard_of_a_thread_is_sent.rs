use detach_strategies::{DeviceRef, DyingXcall};

fn send<T: Send>(_: T) {}

pub(crate) fn main() {
    let registration = DyingXcall::<u32>::register().unwrap();
    let device = DyingXcall::attach(7u32).unwrap();
    let guard = device.acquire(&registration).unwrap();
    send(guard);
}
