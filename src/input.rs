//! Input stages: how the features that a caller has become the activations that a trunk reads.

use crate::blob::{Check, FeatureCheck, InputRecord};
use crate::bytes::InPlace;
use crate::kernel;
use crate::number::Element;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

pub use crate::kernel::InputCounts;

/// The first part of a model: turns what the caller has into what the trunk reads.
///
/// [`Raw`] is the stage of models that take plain numbers. A stage of your own can look ids up in a
/// table, or compute features from readings. What it stores lies in the blob before the weights of
/// the layers. It is the last parameter of a family, as in `Mmoe<B, G, T, Embedding<7, 3, 2, 5>>`:
///
/// ```
#[doc = include_str!("../docs/own/input.rs")]
/// # let stage = Embedding::<1, 1, 1, 2> { table: [[7.0]] };
/// # let query = Query { id: 0, numbers: [1.5] };
/// # stage.with(&query, |x, _| assert_eq!(*x, [7.0, 1.5]));
/// ```
pub trait InputStage: InPlace {
    /// What the caller passes to a prediction: a reference to an array, or a record of fields. It is
    /// taken by value, so that a record may borrow its texts and lists for as long as it likes.
    type From<'a>: Copy;
    /// What the trunk reads.
    type Out;
    /// Bytes of the buffer that it needs.
    const SCRATCH: usize;
    /// Whether it is a front end, whose features the blob describes.
    const RECORD: bool = false;
    /// Appends its record to the description that `load` compares with the blob.
    fn describe(to: &mut Check<'_>);
    /// Compares the features of a front end with those of the blob.
    fn features(_: &mut FeatureCheck<'_>) {}
    /// Calls `f` with the trunk's input, and with how many features were NaN or out of range where
    /// the stage counts that.
    fn with<R>(&self, x: Self::From<'_>, f: impl FnOnce(&Self::Out, InputCounts) -> R) -> R;
}

/// The input stage of models that take plain numbers, `[f32; N]`, for a trunk that reads `X`, which is
/// `[f32; N]` or `[i16; N]`.
///
/// In float models the features are the activations, and nothing is stored. In integer models the
/// stage stores a scale and an offset for each feature, 8 bytes.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Raw<X: Features> {
    /// The scale and the offset of each feature in integer models; empty in float models.
    pub scales: X::Scales,
}

impl<X: Features> core::fmt::Debug for Raw<X> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Raw")
    }
}

/// A trunk's input that can be made from f32 features. It only names what [`Raw`] stores.
#[doc(hidden)]
pub trait Features {
    /// What the stage stores.
    type Scales: InPlace;
}

impl<A: Element, const N: usize> Features for [A; N] {
    type Scales = A::Scales<N>;
}

impl<A: Element, const N: usize> InputStage for Raw<[A; N]>
where
    Self: InPlace,
{
    type From<'a> = &'a [f32; N];
    type Out = [A; N];
    const SCRATCH: usize = if A::CONVERTS { size_of::<[A; N]>() } else { 0 };
    fn describe(to: &mut Check<'_>) {
        to.input(&const { InputRecord::raw(N) });
    }
    fn with<R>(&self, x: &[f32; N], f: impl FnOnce(&[A; N], InputCounts) -> R) -> R {
        A::with_features(&self.scales, x, f)
    }
}

impl<const N: usize> Raw<[i16; N]> {
    /// Converts features to the integers that [`predict_q`](crate::Model::predict_q) takes. Returns
    /// how many were NaN, which become 0, and how many were out of range, which saturate.
    pub fn quantize(&self, x: &[f32; N], q: &mut [i16; N]) -> InputCounts {
        kernel::quantize_f32(x, &self.scales, q)
    }
}
