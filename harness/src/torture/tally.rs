//! What was done, counted.

use std::iter::Sum;
use std::ops::AddAssign;

macro_rules! tally {
    ($($(#[$meta:meta])* $field:ident),* $(,)?) => {
        /// What the threads of a torture did.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Tally {
            $($(#[$meta])* pub $field: u64,)*
        }

        impl Tally {
            /// Nothing was done.
            pub const NOTHING: Tally = Tally { $($field: 0,)* };
        }

        impl AddAssign for Tally {
            fn add_assign(&mut self, other: Tally) {
                $(self.$field += other.$field;)*
            }
        }
    };
}

tally! {
    /// Batches run.
    batches,
    /// Threads started.
    threads,
    /// Devices attached.
    attaches,
    /// Acquires that got in.
    acquires,
    /// Acquires that were refused.
    late,
    /// Of the acquires: by a thread that was inside that device already.
    nested,
    /// Holders that moved to another CPU.
    migrations,
    /// Holders that panicked.
    panics,
    /// Guards released by another thread than the one that acquired them.
    handed_over,
    /// Closed devices that were opened again.
    reopened,
    /// Detaches that got the softc.
    detaches,
    /// Detaches that another one beat to it.
    beaten,
    /// Detaches that ran out of patience, to be repeated.
    gave_up,
    /// Of the detaches: by a poller, when another had given up for good.
    polled,
    /// Of the detaches: together with other devices.
    together,
    /// Entries by a thread that was inside with its other registration.
    twofold,
    /// Of the detaches: by a thread that was inside another device with its
    /// other registration.
    aside,
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Tally>>(tallies: I) -> Tally {
        tallies.fold(Tally::default(), |mut sum, tally| {
            sum += tally;
            sum
        })
    }
}
