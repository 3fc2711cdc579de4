//! Coders: from an id, a text or a number to a code.

use crate::blob::{CoderKind, Given};
use crate::bytes::InPlace;
use crate::kernel;
use zerocopy::{FromBytes, Immutable, KnownLayout, TryFromBytes};

/// From what a field is to a code, counted from 0. A code beyond the rows of a table, or beyond the
/// columns of a layer, makes zeros.
pub trait Coder: InPlace + 'static {
    /// What is coded: of a list, an item.
    type Item<'a>: Copy;
    /// What a field is that is no list: an item, or an `Option` of one.
    type Raw<'a>: Copy;
    /// What an item is, as the record has it.
    const GIVEN: Given;
    /// How it is coded, as the record has it.
    const KIND: CoderKind;
    /// Whether a field may be missing.
    const MAYBE: bool = false;
    /// How many entries there are.
    const ENTRIES: usize;
    /// How many bytes of text are stored.
    const TEXT: usize = 0;
    /// Returns the code of an item.
    fn code(&self, item: Self::Item<'_>) -> u32;
    /// Returns the code of a field.
    fn code_field(&self, raw: Self::Raw<'_>) -> u32;
}

/// Dense ids, which are codes already: `0 .. N`. All others have the code `other`.
///
/// ```
/// use mmoe::features::{Coder, Direct};
/// let hours = Direct::<24> { other: 24 };
/// assert_eq!((hours.code(23), hours.code(99)), (23, 24));
/// ```
#[derive(Debug, FromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Direct<const N: usize> {
    /// The code of all other ids.
    pub other: u32,
}

/// Any ids: the code is the place among the ascending keys.
///
/// ```
/// use mmoe::features::{Coder, Sorted};
/// let zip = Sorted { other: 3, keys: [1010, 8001, 9000] };
/// assert_eq!((zip.code(8001), zip.code(8002)), (1, 3));
/// ```
#[derive(Debug, FromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Sorted<const N: usize> {
    /// The code of an id that is not among the keys.
    pub other: u32,
    /// The ids, ascending.
    pub keys: [u32; N],
}

/// Tokens by their hashes alone: an unknown text passes for a known one once in 2³² / `N`.
///
/// The hash is FNV-1a from a seed that the converter chooses so that no two tokens have the same.
#[derive(Debug, FromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Texts<const N: usize> {
    /// The code of a text that is no token.
    pub other: u32,
    /// Where the hash starts.
    pub seed: u32,
    /// The hashes, ascending.
    pub hashes: [u32; N],
}

/// Tokens, compared byte by byte where the hash is that of one: `BYTES` of them in all.
#[derive(Debug, FromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Exact<const N: usize, const BYTES: usize> {
    /// The tokens' hashes, which find the place.
    pub texts: Texts<N>,
    /// Where each token ends, in the order of the hashes.
    pub ends: [u16; N],
    /// The tokens, one after the other.
    pub tokens: [u8; BYTES],
}

/// Buckets of a number: the code is how many of the ascending bounds are not above it, so a bucket
/// has its lower bound and not its upper one. NaN is in the last bucket.
///
/// ```
/// use mmoe::features::{Buckets, Coder};
/// let ages = Buckets { bounds: [18.0, 65.0] };
/// let codes = [17.9, 18.0, 64.0, 65.0, f32::NAN].map(|age| ages.code(age));
/// assert_eq!(codes, [0, 1, 1, 2, 2]);
/// ```
#[derive(Debug, FromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Buckets<const N: usize, T = f32> {
    /// The bounds, ascending.
    pub bounds: [T; N],
}

/// A field that may be missing: `Option` of what the coder takes.
#[derive(Debug, TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Maybe<C> {
    /// The code of a missing field.
    pub missing: u32,
    /// The coder of all others.
    pub coder: C,
}

/// Numbers that have buckets: f32 and i32.
pub trait Ordered: FromBytes + KnownLayout + Immutable + Copy + 'static {
    /// What it is, as the record has it.
    const GIVEN: Given;
    /// How many of the bounds are not above the number.
    fn bucket(bounds: &[Self], x: Self) -> u32;
}
impl Ordered for f32 {
    const GIVEN: Given = Given::F32;
    fn bucket(bounds: &[f32], x: f32) -> u32 {
        kernel::bucket_f32(bounds, x)
    }
}
impl Ordered for i32 {
    const GIVEN: Given = Given::I32;
    fn bucket(bounds: &[i32], x: i32) -> u32 {
        kernel::bucket_i32(bounds, x)
    }
}

impl<const N: usize> Coder for Direct<N> {
    type Item<'a> = u32;
    type Raw<'a> = u32;
    const GIVEN: Given = Given::U32;
    const KIND: CoderKind = CoderKind::Direct;
    const ENTRIES: usize = N;
    fn code(&self, item: u32) -> u32 {
        if item < N as u32 { item } else { self.other }
    }
    fn code_field(&self, raw: u32) -> u32 {
        self.code(raw)
    }
}

impl<const N: usize> Coder for Sorted<N> {
    type Item<'a> = u32;
    type Raw<'a> = u32;
    const GIVEN: Given = Given::U32;
    const KIND: CoderKind = CoderKind::Sorted;
    const ENTRIES: usize = N;
    fn code(&self, item: u32) -> u32 {
        kernel::find(&self.keys, item).unwrap_or(self.other)
    }
    fn code_field(&self, raw: u32) -> u32 {
        self.code(raw)
    }
}

impl<const N: usize> Coder for Texts<N> {
    type Item<'a> = &'a str;
    type Raw<'a> = &'a str;
    const GIVEN: Given = Given::Text;
    const KIND: CoderKind = CoderKind::Texts;
    const ENTRIES: usize = N;
    fn code(&self, item: &str) -> u32 {
        let hash = kernel::token(self.seed, item.as_bytes());
        kernel::find(&self.hashes, hash).unwrap_or(self.other)
    }
    fn code_field(&self, raw: &str) -> u32 {
        self.code(raw)
    }
}

impl<const N: usize, const BYTES: usize> Coder for Exact<N, BYTES> {
    type Item<'a> = &'a str;
    type Raw<'a> = &'a str;
    const GIVEN: Given = Given::Text;
    const KIND: CoderKind = CoderKind::Exact;
    const ENTRIES: usize = N;
    const TEXT: usize = BYTES;
    fn code(&self, item: &str) -> u32 {
        let Texts {
            other,
            seed,
            hashes,
        } = &self.texts;
        kernel::exact(hashes, &self.ends, &self.tokens, *seed, item.as_bytes()).unwrap_or(*other)
    }
    fn code_field(&self, raw: &str) -> u32 {
        self.code(raw)
    }
}

impl<const N: usize, T: Ordered> Coder for Buckets<N, T> {
    type Item<'a> = T;
    type Raw<'a> = T;
    const GIVEN: Given = T::GIVEN;
    const KIND: CoderKind = CoderKind::Buckets;
    const ENTRIES: usize = N;
    fn code(&self, item: T) -> u32 {
        T::bucket(&self.bounds, item)
    }
    fn code_field(&self, raw: T) -> u32 {
        self.code(raw)
    }
}

impl<C: Coder> Coder for Maybe<C> {
    type Item<'a> = C::Item<'a>;
    type Raw<'a> = Option<C::Item<'a>>;
    const GIVEN: Given = C::GIVEN;
    const KIND: CoderKind = C::KIND;
    const MAYBE: bool = {
        assert!(!C::MAYBE, "a field is missing in one way only");
        true
    };
    const ENTRIES: usize = C::ENTRIES;
    const TEXT: usize = C::TEXT;
    fn code(&self, item: C::Item<'_>) -> u32 {
        self.coder.code(item)
    }
    fn code_field(&self, raw: Option<C::Item<'_>>) -> u32 {
        raw.map_or(self.missing, |item| self.coder.code(item))
    }
}
