use detach_strategies::{DeviceRef, DyingXcall};

pub(crate) fn main() {
    let mut registration = DyingXcall::<u32>::register().unwrap();
    let device = DyingXcall::attach(7u32).unwrap();
    let guard = device.acquire(&registration).unwrap();
    let softc = *guard;
    drop(guard);
    DyingXcall::<u32>::offline(&mut registration, || println!("{softc}"));
}
