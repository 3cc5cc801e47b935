use detach_strategies::Properties;
use detach_strategies::platform::FullFence;
use detach_strategies::turnstile::{Form, PerThreadFenced, SlotLanes};

struct MyForm;

// SAFETY: none; no device is made of it.
unsafe impl<S> Form<S> for MyForm {
    type Lanes = SlotLanes;
    type Fence = FullFence;
    const RINGS: bool = true;
    const PROPERTIES: Properties = <PerThreadFenced as Form<S>>::PROPERTIES;
}

pub(crate) fn main() {
    println!("{}", <MyForm as Form<u32>>::PROPERTIES.id);
}
