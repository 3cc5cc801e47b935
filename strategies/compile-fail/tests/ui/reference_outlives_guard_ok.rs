use detach_strategies::{DeviceRef, Refcount};

pub(crate) fn main() {
    let registration = Refcount::<String>::register().unwrap();
    let device = Refcount::attach(String::from("softc")).unwrap();
    let guard = device.acquire(&registration).unwrap();
    let borrowed: &str = &guard;
    println!("{borrowed}");
    drop(guard);
}
