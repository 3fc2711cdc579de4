//! Front ends: from a record of raw fields to the vector that a trunk reads.
//!
//! A *field* is what a product has: a number, an id, a text, or a list of them. A *feature* makes
//! elements of the vector from a field. A *coder* finds the code of an id or a text, counted from 0, in
//! a vocabulary; a code becomes a *row* of an embedding table, or a *slot* that names a one-hot column.
//! All of them are structs that lie in the blob and are used there; [`features!`](crate::features!)
//! writes the record and its stage from one text, for every precision, and `mmoe codegen` writes that
//! text.
//!
//! ```
//! use mmoe::features::{Bag, Direct, Embed, Log1p, Maybe, Mean, Number, Sorted, Texts};
//! use mmoe::{Binary, Dense, Gate, Head, I8, LoadError, Mmoe};
//!
//! mmoe::features! {
//!     /// What is known about a visit.
//!     pub struct Visit<'a> => VisitStage<P>[20] {
//!         age: f32 = Number<P>,
//!         income: f32 = Log1p<P>,
//!         // 50 tokens; rows 50 and 51 are those of a missing and of an unknown one.
//!         country: Option<&'a str> = Embed<Maybe<Texts<50>>, 52, 8, P>,
//!         hour: u32 = Embed<Direct<24>, 24, 2, P>,
//!         // The mean of the rows of the first 20 items.
//!         history: &'a [u32] = Bag<Sorted<500>, 20, Mean, 500, 8, P>,
//!     }
//! }
//! type Expert = Dense<20, 16, I8>;
//! type Clicks =
//!     Mmoe<[Expert; 4], [Gate<20, 4, I8>; 1], [Binary<Head<16, 1, I8>>; 1], VisitStage<I8>>;
//!
//! fn click(blob: &[u8]) -> Result<f32, LoadError> {
//!     let clicks = Clicks::load(blob)?;
//!     let [click] = clicks.predict(Visit {
//!         age: 34.0,
//!         income: f32::NAN, // not known
//!         country: Some("DE"),
//!         hour: 17,
//!         history: &[3, 17],
//!     });
//!     Ok(click)
//! }
//! assert!(click(b"not a blob").is_err());
//! ```
//!
//! What each of them computes is in `docs/numerics.md`, and where its numbers lie in `docs/format.md`.
//! Whatever those numbers are, a look-up ends after a number of steps that the type fixes (and the
//! length of a text), and makes a number.

mod both;
mod coder;
mod hashed;
mod lookup;
mod macros;
mod number;
mod rows;
mod slot;

pub use both::Both;
pub use coder::{Buckets, Coder, Direct, Exact, Maybe, Ordered, Sorted, Texts};
pub use hashed::{Farm, Hashed, Murmur, Sip};
use lookup::cut;
pub use lookup::{
    Bag, Embed, How, Last, Lookup, Max, Mean, Pool, Pooled, ReadAs, Row, SideBySide, Sum,
};
pub(crate) use lookup::{pool, side_by_side};
pub use number::{Clipped, Int, Log1p, Log10, MaybeInt, Number};
pub(crate) use number::{clip, log10};
pub use rows::{FloatRows, IntRows, Rows, RowsF32, RowsI8, RowsI16, RowsW8, Table};
pub(crate) use slot::slots;
pub use slot::{Once, Repeated, Repeats, Slot, Slots};

use crate::blob::{FeatureCheck, FeatureRecord, Given, Makes, PrecisionKind};
use crate::bytes::{InPlace, Word};
use crate::input::InputCounts;
use crate::number::Element;
use zerocopy::little_endian::{U16, U32};

/// A feature: takes a field, makes [`WIDTH`](Self::WIDTH) elements of the vector.
pub trait Feature: InPlace {
    /// The activations.
    type Act: Element;
    /// What the caller has.
    type Raw<'a>: Copy;
    /// How many elements it makes.
    const WIDTH: usize;
    /// Its record in the blob. What depends on the feature's place is left at 0.
    const RECORD: FeatureRecord;
    /// Writes the elements to `y`, which has room for [`WIDTH`](Self::WIDTH). Returns how many numbers
    /// were NaN without a number that stands for them, or out of range.
    fn encode(&self, raw: Self::Raw<'_>, y: &mut [Self::Act]) -> InputCounts;
}

/// A stage that makes a part of a vector; what [`features!`](crate::features!) writes.
pub trait Fill: InPlace {
    /// The activations.
    type Act: Element;
    /// The record that it reads.
    type Record<'a>: Copy;
    /// How many elements it makes.
    const WIDTH: usize;
    /// Compares its features with those of the blob.
    fn describe(to: &mut FeatureCheck<'_>);
    /// Writes the elements to `y`. Returns how many numbers were NaN or out of range.
    fn fill(&self, x: Self::Record<'_>, y: &mut [Self::Act]) -> InputCounts;
}

/// Calls `f` with the vector that `fill` writes.
#[doc(hidden)]
#[inline(always)]
pub fn with_vector<A: Element, const N: usize, R>(
    fill: impl FnOnce(&mut [A; N]) -> InputCounts,
    f: impl FnOnce(&[A; N], InputCounts) -> R,
) -> R {
    let mut y = Word::<[A; N]>::new_zeroed();
    let counts = fill(&mut y);
    f(&y, counts)
}

/// Cuts a feature's elements off `y`, makes them, and returns what is left of `y`.
#[doc(hidden)]
#[inline(always)]
pub fn put<'y, F: Feature>(
    feature: &F,
    raw: F::Raw<'_>,
    y: &'y mut [F::Act],
    counts: &mut InputCounts,
) -> &'y mut [F::Act] {
    let Some((elements, rest)) = y.split_at_mut_checked(F::WIDTH) else {
        return &mut [];
    };
    *counts = counts.and(feature.encode(raw, elements));
    rest
}

/// Does what [`put`] does for a field that reads another feature's table.
#[doc(hidden)]
#[inline(always)]
pub fn put_as<'y, K: How, F: ReadAs<K>>(
    feature: &F,
    raw: F::Raw<'_>,
    y: &'y mut [F::Act],
) -> &'y mut [F::Act] {
    let Some((elements, rest)) = y.split_at_mut_checked(F::WIDTH) else {
        return &mut [];
    };
    feature.read_as(raw, elements);
    rest
}

/// Names the type of a feature; for [`features!`](crate::features!), whose aliases need a parameter
/// that is used.
#[doc(hidden)]
#[allow(missing_debug_implementations, reason = "no value of it exists")]
pub struct Own<F, P>(core::marker::PhantomData<(F, P)>);

/// The type that [`Own`] names.
#[doc(hidden)]
pub trait Owned {
    /// It.
    type Feature;
}
impl<F, P> Owned for Own<F, P> {
    type Feature = F;
}

/// The record of a feature, apart from its place. `given` and `coder` are the bytes of the record.
const fn record(
    (given, coder): (u8, u8),
    makes: Makes,
    precision: PrecisionKind,
    width: usize,
    (entries, rows, text): (usize, usize, usize),
) -> FeatureRecord {
    assert!(
        width <= 0xffff,
        "the elements of a feature are at most 65535"
    );
    FeatureRecord {
        given,
        coder,
        makes: makes.code(),
        precision: precision.code(),
        width: U16::new(width as u16),
        items: 1,
        flags: 0,
        field: 0,
        table: 0,
        reserved: U16::new(0),
        entries: U32::new(entries as u32),
        rows: U32::new(rows as u32),
        text: U32::new(text as u32),
    }
}

/// The record of a feature that reads a list of at most `items`.
const fn list(mut record: FeatureRecord, items: usize, flags: u8) -> FeatureRecord {
    assert!(
        items >= 1 && items <= 255,
        "a list has 1 to 255 items that count"
    );
    record.given |= FeatureRecord::LIST;
    record.items = items as u8;
    record.flags |= flags;
    record
}

/// The bytes of a coder's record: what is given and how it is coded.
const fn coded<C: Coder>() -> (u8, u8) {
    let maybe = if C::MAYBE { FeatureRecord::MAYBE } else { 0 };
    (C::GIVEN.code(), C::KIND.code() | maybe)
}

/// The bytes of a number's record.
const fn plain(given: Given) -> (u8, u8) {
    (given.code(), crate::blob::CoderKind::Number.code())
}
