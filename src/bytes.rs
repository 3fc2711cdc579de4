//! Types and the bytes that they lie in: which types may be borrowed from a blob, which may be a
//! buffer, and how a blob is aligned in memory.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, TryFromBytes};

/// Types that can be borrowed directly from a blob's bytes: zerocopy's three traits in a word.
pub trait InPlace: TryFromBytes + KnownLayout + Immutable {}
impl<T: TryFromBytes + KnownLayout + Immutable> InPlace for T {}

/// Types for which any bytes are a value, and which may be looked at as bytes (plain old data).
pub trait Pod:
    FromBytes + IntoBytes + Immutable + KnownLayout + Copy + core::fmt::Debug + 'static
{
}
impl<T: FromBytes + IntoBytes + Immutable + KnownLayout + Copy + core::fmt::Debug + 'static> Pod
    for T
{
}

/// What a layer may read or write: an array `[T; N]`, or one number.
pub trait Buffer: FromBytes + Immutable + Copy + core::fmt::Debug + 'static {
    /// How many elements it has.
    const LEN: usize;
}
impl<T: Pod, const N: usize> Buffer for [T; N] {
    const LEN: usize = N;
}
impl Buffer for f32 {
    const LEN: usize = 1;
}

/// A buffer at an address that is a multiple of 4.
///
/// Kernels of single architectures load two int16 at once. From an address that is no multiple of 4
/// they take a longer loop, with the same results, so every buffer of activations that the engine
/// makes is a `Word`: a `[i16; N]` alone promises a multiple of 2.
#[derive(Debug)]
#[repr(C, align(4))]
pub(crate) struct Word<T>(T);

impl<T: zerocopy::FromZeros> Word<T> {
    /// All zeros.
    #[inline(always)]
    pub(crate) fn new_zeroed() -> Self {
        Self(T::new_zeroed())
    }
}

impl<T> core::ops::Deref for Word<T> {
    type Target = T;
    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> core::ops::DerefMut for Word<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Bytes at an address that is a multiple of 64.
///
/// A blob must lie at a multiple of 4 bytes, which a plain `[u8; N]` does not promise.
/// [`include_blob!`](crate::include_blob) makes an `Aligned` in flash. A buffer in RAM for a model
/// that arrives at run time is an `Aligned<[u8; N]>`:
///
/// ```
/// use mmoe::{Aligned, Blob, LoadError};
/// let mut slot = Aligned([0u8; 256]);
/// assert_eq!(slot.as_ptr() as usize % 64, 0);
/// slot[..4].copy_from_slice(b"MMOE"); // a receiver writes the rest
/// assert!(matches!(Blob::open(&slot[..]), Err(LoadError::Version { found: 0 })));
/// ```
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

/// Includes a blob file in the program, aligned, as a `&'static Aligned<[u8]>`.
///
/// On a microcontroller the bytes lie in flash. The path is relative to the source file, as that of
/// [`include_bytes!`] is; unlike `include_bytes!`, the address is a multiple of 64.
///
/// ```
/// use mmoe::{Aligned, Blob};
/// # macro_rules! include_blob { ($name:literal) => {
/// #     mmoe::include_blob!(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/firmware/minimal/src/", $name))
/// # } }
/// static EDGE: &Aligned<[u8]> = include_blob!("edge.mmoe");
/// assert_eq!(Blob::open(EDGE)?.id().name, "edge");
/// # Ok::<(), mmoe::LoadError>(())
/// ```
#[macro_export]
macro_rules! include_blob {
    ($path:expr) => {{
        static BLOB: &$crate::Aligned<[u8]> = &$crate::Aligned(*include_bytes!($path));
        BLOB
    }};
}
