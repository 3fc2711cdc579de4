//! Layers that can take their input in two parts.

use super::Layer;
use crate::math::Math;
use zerocopy::FromBytes;

/// A layer that can take its input in two parts. The summation order is that of the whole input
/// (the first part's columns come first), so the results have the same bits.
///
/// [`Model::rank`](crate::Model::rank) takes the part that all candidates share once. A layer of
/// your own implements this trait where a ranked model's experts or gates begin with it.
pub trait Prefixed: Layer {
    /// The sums over the first part.
    type Partial: FromBytes;
    /// Takes the first part.
    fn begin(&self, x: &[Self::Act], partial: &mut Self::Partial);
    /// Takes the rest, from element `from` on.
    fn resume<M: Math>(
        &self,
        partial: &Self::Partial,
        from: usize,
        x: &[Self::Act],
        y: &mut Self::Out,
    );
}
