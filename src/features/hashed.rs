//! Coders that put a text into one of `N` buckets by its hash, as frameworks do that hash.

use super::Coder;
use crate::blob::{CoderKind, Given};
use crate::kernel;
use core::marker::PhantomData;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// What is hashed: a text, or an integer through its decimal digits.
pub trait Hashed: 'static {
    /// What the caller has.
    type Item<'a>: Copy;
    /// What it is, as the record has it.
    const GIVEN: Given;
    /// Calls `f` with the bytes that are hashed.
    fn bytes<R>(item: Self::Item<'_>, f: impl FnOnce(&[u8]) -> R) -> R;
}
impl Hashed for str {
    type Item<'a> = &'a str;
    const GIVEN: Given = Given::Text;
    fn bytes<R>(item: &str, f: impl FnOnce(&[u8]) -> R) -> R {
        f(item.as_bytes())
    }
}
impl Hashed for u32 {
    type Item<'a> = u32;
    const GIVEN: Given = Given::U32;
    fn bytes<R>(item: u32, f: impl FnOnce(&[u8]) -> R) -> R {
        f(kernel::decimal(false, item, &mut [0; 11]))
    }
}
impl Hashed for i32 {
    type Item<'a> = i32;
    const GIVEN: Given = Given::I32;
    fn bytes<R>(item: i32, f: impl FnOnce(&[u8]) -> R) -> R {
        f(kernel::decimal(item < 0, item.unsigned_abs(), &mut [0; 11]))
    }
}

/// FarmHash's Fingerprint64, modulo `N`: TensorFlow's `to_hash_bucket_fast`, Keras' `Hashing` without a
/// salt. `T` is `str`, `u32` or `i32`; integers of 64 bits are given as text.
///
/// ```
/// use mmoe::features::{Coder, Farm};
/// let hashing: Farm<10> = Farm::new();
/// assert_eq!((hashing.code("DE"), hashing.code("FR")), (1, 2)); // as TensorFlow says
/// ```
#[derive(Debug, FromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Farm<const N: usize, T: ?Sized = str> {
    /// What is hashed.
    pub of: PhantomData<T>,
}

/// SipHash-2-4 with a key, modulo `N`: TensorFlow's `to_hash_bucket_strong`, Keras' `Hashing` with a
/// salt.
#[derive(Debug, FromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Sip<const N: usize, T: ?Sized = str> {
    /// The low and the high half of each half of the key.
    pub key: [[u32; 2]; 2],
    /// What is hashed.
    pub of: PhantomData<T>,
}

/// The size of MurmurHash3 (32 bits, seed 0), modulo `N`: scikit-learn's `FeatureHasher`.
#[derive(Debug, FromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Murmur<const N: usize, T: ?Sized = str> {
    /// What is hashed.
    pub of: PhantomData<T>,
}

impl<const N: usize, T: ?Sized> Farm<N, T> {
    /// Creates it; it stores nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { of: PhantomData }
    }
}
impl<const N: usize, T: ?Sized> Default for Farm<N, T> {
    fn default() -> Self {
        Self::new()
    }
}
impl<const N: usize, T: ?Sized> Murmur<N, T> {
    /// Creates it; it stores nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { of: PhantomData }
    }
}
impl<const N: usize, T: ?Sized> Default for Murmur<N, T> {
    fn default() -> Self {
        Self::new()
    }
}

macro_rules! coder {
    ($Name:ident, |$coder:ident, $bytes:ident| $code:expr) => {
        impl<const N: usize, T: Hashed + ?Sized> Coder for $Name<N, T> {
            type Item<'a> = T::Item<'a>;
            type Raw<'a> = T::Item<'a>;
            const GIVEN: Given = T::GIVEN;
            const KIND: CoderKind = CoderKind::$Name;
            const ENTRIES: usize = N;
            fn code(&self, item: T::Item<'_>) -> u32 {
                let $coder = self;
                T::bytes(item, |$bytes| $code)
            }
            fn code_field(&self, raw: T::Item<'_>) -> u32 {
                self.code(raw)
            }
        }
    };
}
coder!(Farm, |_coder, bytes| kernel::modulo(
    kernel::farm64(bytes),
    N as u32
));
coder!(Murmur, |_coder, bytes| kernel::murmur_bucket(
    bytes, N as u32
));
coder!(Sip, |coder, bytes| kernel::modulo(
    kernel::sip24(bytes, coder.key),
    N as u32
));
