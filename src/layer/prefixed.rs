//! Layers that can take their input in two parts.

use super::Layer;
use crate::math::Math;
use zerocopy::FromBytes;

/// A layer that can take its input in two parts.
///
/// It makes ranking cheap: [`Model::rank`](crate::Model::rank) computes the sums over the part that
/// all candidates share only once. The columns of the first part come first in the order of
/// summation, so the results have the same bits as those of the whole input.
///
/// Implement it for a layer of your own if the experts or gates of a model that you rank with begin
/// with that layer.
pub trait Prefixed: Layer {
    /// The sums over the first part of the input.
    type Partial: FromBytes;
    /// Computes the sums over the first part of the input.
    fn begin(&self, x: &[Self::Act], partial: &mut Self::Partial);
    /// Adds the rest of the input, from element `from` on, and writes every element of `y`.
    fn resume<M: Math>(
        &self,
        partial: &Self::Partial,
        from: usize,
        x: &[Self::Act],
        y: &mut Self::Out,
    );
}
