use detach_strategies::Unsupported;
use detach_strategies::platform::AsymmetricFence;

struct Empty;

impl AsymmetricFence for Empty {
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
