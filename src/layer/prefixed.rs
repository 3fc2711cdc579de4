//! Layers that can take their input in two parts.

use super::Layer;
use crate::kernel::ActiveColumns;
use crate::math::Math;
use crate::number::Element;
use crate::precision::Matrix;
use zerocopy::FromBytes;

/// A layer that can take its input in two parts.
///
/// It makes ranking cheap: [`Model::rank`](crate::Model::rank) computes the sums over the part that
/// all candidates share only once. The columns of the first part come first in the order of
/// summation, so the results have the same bits as those of the whole input.
///
/// Implement it for a layer of your own if the experts or gates of a model that you rank with begin
/// with that layer.
///
/// ```
/// use mmoe::layer::{Layer, Prefixed, Rest};
/// use mmoe::{Dense, F32, math::Libm, precision::MatrixF32};
/// let matrix = MatrixF32 { bias: [1.0], weights: [[1.0, 10.0, 100.0]] };
/// let layer = Dense::<3, 1, F32> { matrix, activation: [] };
///
/// let (mut whole, mut parts) = ([0.0], [0.0]);
/// layer.forward::<Libm>(&[1.0, 2.0, 3.0], &mut whole);
///
/// let mut partial = [0.0];
/// layer.begin(&[1.0, 2.0], &mut partial);
/// layer.resume::<Libm>(&partial, Rest::From(2, &[3.0]), &mut parts);
/// assert_eq!(parts, whole);
/// ```
pub trait Prefixed: Layer {
    /// The sums over the first part of the input.
    type Partial: FromBytes;
    /// Computes the sums over the first part of the input.
    fn begin(&self, x: &[Self::Act], partial: &mut Self::Partial);
    /// Adds the rest of the input and writes every element of `y`.
    fn resume<M: Math>(
        &self,
        partial: &Self::Partial,
        rest: Rest<'_, Self::Act>,
        y: &mut Self::Out,
    );
    /// Returns `true` if leaving out elements that are zero changes no bit of the result. Only such
    /// layers can be part of a [`Sparse`](crate::rank::Sparse) model.
    fn exact_without_zeros(&self) -> bool {
        false
    }
}

/// The rest of a layer's input, behind the part that it has taken in.
#[derive(Clone, Copy, Debug)]
pub enum Rest<'x, A> {
    /// All elements from this number on.
    From(usize, &'x [A]),
    /// Only these elements; all others are zero.
    Active(ActiveColumns<'x, A>),
}

impl<A: Element> Rest<'_, A> {
    /// Adds it to the sums of a matrix's rows.
    pub(crate) fn add_to<W: Matrix<A>>(self, matrix: &W, sums: &mut [W::Partial]) {
        match self {
            Self::From(from, x) => matrix.add(from, x, sums),
            Self::Active(x) => matrix.add_active(x, sums),
        }
    }
}
