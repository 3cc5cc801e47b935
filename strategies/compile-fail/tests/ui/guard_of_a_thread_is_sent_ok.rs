use detach_strategies::{DeviceRef, Refcount};

fn send<T: Send>(_: T) {}

pub(crate) fn main() {
    let registration = Refcount::<u32>::register().unwrap();
    let device = Refcount::attach(7u32).unwrap();
    let guard = device.acquire(&registration).unwrap();
    send(guard);
}
