//! The restartable increment, held against the kernel's rule one instruction at
//! a time ([`stepped`], where the processor can step), and against the kernel
//! itself ([`moved`]).

#[cfg(target_arch = "x86_64")]
mod broken;
mod moved;
#[cfg(target_arch = "x86_64")]
mod stepped;
#[cfg(target_arch = "x86_64")]
#[path = "../../../../tests/properties/stepping.rs"]
mod stepping;

/// How the tests lay out a CPU's record: a line, with the counter in it.
const SHIFT: u32 = 7;
const OFFSET: usize = 8;

/// A CPU's record.
type Record = [u64; 1 << SHIFT >> 3];

/// Where the counter is in it.
const COUNTER: usize = OFFSET / 8;
