use detach_strategies::{DeviceRef, DyingXcall};

fn send<T: Send>(_: T) {}

pub(crate) fn main() {
    let registration = DyingXcall::<u32>::register().unwrap();
    send(&registration);
}
