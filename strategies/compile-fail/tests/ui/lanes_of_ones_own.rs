use detach_strategies::Unsupported;
use detach_strategies::turnstile::Lanes;

struct CountsNothing;

impl Lanes for CountsNothing {
    type Registration = ();

    fn supported() -> Result<(), Unsupported> {
        Ok(())
    }

    fn register() -> Result<(), Unsupported> {
        Ok(())
    }

    fn install() -> Result<Self, Unsupported> {
        Ok(CountsNothing)
    }

    fn enter(&self, (): &()) {}

    fn leave(&self, (): &()) {}

    fn left(&self) -> u64 {
        0
    }

    fn entered(&self) -> u64 {
        0
    }

    fn counted(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}

pub(crate) fn main() {
    println!("{:?}", CountsNothing.counted());
}
