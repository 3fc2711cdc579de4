//! The input stage: from what the caller has to activations.

use crate::bytes::InPlace;
use crate::kernel;
use crate::number::Element;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

pub use crate::kernel::InputCounts;

/// How f32 features become a trunk's input.
pub trait InputStage: InPlace {
    /// What the caller gives.
    type From: ?Sized;
    /// What the trunk reads.
    type Out;
    /// The number of features, as the header has it.
    const COUNT: usize;
    /// Bytes of its buffer.
    const SCRATCH: usize;
    /// Calls `f` with the trunk's input.
    fn with<R>(&self, x: &Self::From, f: impl FnOnce(&Self::Out) -> R) -> R;
}

/// The plain input: `[f32; N]`. Nothing is stored for f32 activations; a scale and an offset per
/// feature, 8 bytes, for int16.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub struct Raw<X: Features> {
    /// One per feature, in integer models.
    pub scales: X::Scales,
}

impl<X: Features> core::fmt::Debug for Raw<X> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Raw<{}>", X::COUNT)
    }
}

/// A trunk's input buffer that can be made from f32 features: `[f32; N]` or `[i16; N]`.
pub trait Features: 'static {
    /// What the caller gives.
    type From: 'static;
    /// What the stage stores.
    type Scales: InPlace;
    /// N.
    const COUNT: usize;
    /// Bytes of the buffer that conversion needs.
    const SCRATCH: usize;
    /// Calls `f` with the features as this buffer.
    fn with<R>(scales: &Self::Scales, x: &Self::From, f: impl FnOnce(&Self) -> R) -> R;
}

impl<A: Element, const N: usize> Features for [A; N] {
    type From = [f32; N];
    type Scales = A::Scales<N>;
    const COUNT: usize = N;
    const SCRATCH: usize = if A::CONVERTS { size_of::<[A; N]>() } else { 0 };
    fn with<R>(scales: &A::Scales<N>, x: &[f32; N], f: impl FnOnce(&Self) -> R) -> R {
        A::with_features(scales, x, f)
    }
}

impl<X: Features> InputStage for Raw<X> {
    type From = X::From;
    type Out = X;
    const COUNT: usize = X::COUNT;
    const SCRATCH: usize = X::SCRATCH;
    fn with<R>(&self, x: &X::From, f: impl FnOnce(&X) -> R) -> R {
        X::with(&self.scales, x, f)
    }
}

impl<const N: usize> Raw<[i16; N]> {
    /// Features to the integers that `predict_q` takes, and how many were NaN (they become 0) or
    /// out of range (they saturate).
    pub fn quantize(&self, x: &[f32; N], q: &mut [i16; N]) -> InputCounts {
        kernel::quantize_f32(x, &self.scales, q)
    }
}
