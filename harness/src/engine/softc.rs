//! What the measured devices hold, and what a holder does with it.

use super::crew::Trouble;

/// What a measured device can hold. `Copy`, because some strategies hand out
/// copies.
pub(crate) trait Payload: Copy + Send + Sync + 'static {
    /// The softc of a new device.
    ///
    /// # Errors
    ///
    /// What the system lacks or refuses.
    fn make(serial: u64) -> Result<Self, Trouble>;

    /// Which device it belongs to; detach must hand this very one back.
    fn serial(&self) -> u64;

    /// What the detacher does with it as soon as it has it.
    fn reclaim(&self) -> Result<(), Trouble> {
        Ok(())
    }

    /// What becomes of it after the round, whether it was detached or not.
    fn bury(self) {}
}

/// The driver state of a measured device: one word, which says which device
/// it is.
///
/// Small on purpose: a large softc would measure memory, not protection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softc {
    /// Which device this is; detach must hand this very one back.
    pub serial: u64,
}

impl Payload for Softc {
    fn make(serial: u64) -> Result<Self, Trouble> {
        Ok(Softc { serial })
    }

    fn serial(&self) -> u64 {
        self.serial
    }
}

impl Softc {
    /// What a holder does: reads a word of the softc.
    #[inline(always)]
    pub(crate) fn touch(&self) {
        sink(self.serial);
    }
}

/// Uses `word` as far as the compiler can tell, for no instruction at all.
///
/// The empty assembly text claims to read a register and to touch any memory.
/// So the load that produced the word has to happen, on every lap anew, and
/// acquire and release of two laps cannot be merged. [`std::hint::black_box`]
/// promises the same, but stores the word to the stack first, which would cost
/// as much as the thinnest loop does as a whole.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
pub(crate) fn sink(word: u64) {
    // SAFETY: no instruction is emitted. The text is a comment, since an
    // operand must be mentioned.
    unsafe { std::arch::asm!("/* {} */", in(reg) word, options(nostack, preserves_flags)) }
}

/// As above, where the register of an assembly operand is not known here.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
#[inline(always)]
pub(crate) fn sink(word: u64) {
    std::hint::black_box(word);
}
