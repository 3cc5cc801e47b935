//! Memory of its own for what one thread writes and others must not feel.

use std::ops::{Deref, DerefMut};

/// A value that shares no cache line with anything else.
///
/// 128 bytes and not 64: x86_64 fetches lines in pairs, and some aarch64 and
/// all of Apple's processors have lines that long.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(128))]
pub struct Padded<T>(pub T);

impl<T> Deref for Padded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Padded<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}
