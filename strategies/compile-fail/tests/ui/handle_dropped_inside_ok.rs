use detach_strategies::{DeviceRef, Refcount};

pub(crate) fn main() {
    let registration = Refcount::<u32>::register().unwrap();
    let device = Refcount::attach(7u32).unwrap();
    let guard = device.acquire(&registration).unwrap();
    drop(guard);
    drop(device);
}
