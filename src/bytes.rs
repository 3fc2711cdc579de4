//! Values and the bytes that they lie in: what may be borrowed from a blob, what may be a buffer, and
//! how a blob is aligned.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Types that can be borrowed directly from a blob's bytes: zerocopy's three traits in a word.
pub trait InPlace: TryFromBytes + KnownLayout + Immutable {}
impl<T: TryFromBytes + KnownLayout + Immutable> InPlace for T {}

/// Plain old data: any bytes are a value, and a value is its bytes.
pub trait Pod:
    FromBytes + IntoBytes + Immutable + KnownLayout + Copy + core::fmt::Debug + 'static
{
}
impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + core::fmt::Debug + 'static> Pod
    for T
{
}

/// A buffer that a type can name: `[T; N]` or one scalar.
pub trait Buffer: FromBytes + Immutable + Copy + core::fmt::Debug + 'static {
    /// How many elements.
    const LEN: usize;
}
impl<T: Pod, const N: usize> Buffer for [T; N] {
    const LEN: usize = N;
}
impl Buffer for f32 {
    const LEN: usize = 1;
}

/// Bytes at an address that is a multiple of 64. [`include_blob!`](crate::include_blob) makes one
/// in flash; a buffer in RAM for a model that arrives at run time is an `Aligned<[u8; N]>`.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub struct Aligned<T: ?Sized>(pub T);

impl<T: ?Sized> core::ops::Deref for Aligned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: ?Sized> core::ops::DerefMut for Aligned<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Includes a blob file in flash, aligned, as a `&'static Aligned<[u8]>`. The path is relative to
/// the source file.
#[macro_export]
macro_rules! include_blob {
    ($path:expr) => {{
        static BLOB: &$crate::Aligned<[u8]> = &$crate::Aligned(*include_bytes!($path));
        BLOB
    }};
}
