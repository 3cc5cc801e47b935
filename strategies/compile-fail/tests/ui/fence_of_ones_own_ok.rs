use detach_strategies::Unsupported;
use detach_strategies::platform::AsymmetricFence;

struct Empty;

// SAFETY: none; no device is made of it.
unsafe impl AsymmetricFence for Empty {
    const NAME: &'static str = "none";

    fn supported() -> Result<(), Unsupported> {
        Ok(())
    }

    fn light() {}

    fn heavy() {}
}

pub(crate) fn main() {
    println!("{}", Empty::NAME);
}
