//! Dense layers.

use super::{Activation, Layer, Prefixed, Relu, Rest};
use crate::blob::{ActivationKind, Check, LayerKind, LayerRecord};
use crate::math::Math;
use crate::number::Element;
use crate::precision::{Matrix, Precision, Wide};
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// A dense layer, `F(W x + b)`, `IN → OUT` in precision `P`.
///
/// The summation order is strict: bias first, then the columns in order, a product and an addition
/// each (`docs/numerics.md`). Memory: what `P::Matrix<IN, OUT>` says, and 4 bytes for the slope of
/// [`LeakyRelu`](super::LeakyRelu).
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Dense<const IN: usize, const OUT: usize, P: Precision, F: Activation = Relu> {
    /// Weights and biases.
    pub matrix: P::Matrix<IN, OUT>,
    /// What the activation stores.
    pub activation: F::Stored<P::Act>,
}

/// A dense layer whose outputs are logits: the last one of a gate or of a tower.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Logits<const IN: usize, const OUT: usize, P: Precision> {
    /// Weights and biases.
    pub matrix: P::Matrix<IN, OUT>,
}

/// The last layer of a tower, one step wider than the rest (`mmoe convert --narrow-heads` writes
/// plain [`Logits`]).
pub type Head<const IN: usize, const OUT: usize, P> = Logits<IN, OUT, Wide<P>>;

impl<const IN: usize, const OUT: usize, P: Precision, F: Activation> Layer
    for Dense<IN, OUT, P, F>
{
    type Act = P::Act;
    type In = [P::Act; IN];
    type Out = [P::Act; OUT];
    fn describe(to: &mut Check<'_>) {
        to.layer(
            &const {
                LayerRecord::matrix(
                    LayerKind::Dense,
                    F::CODE,
                    P::Matrix::<IN, OUT>::FORMAT,
                    IN,
                    OUT,
                )
            },
        );
    }
    fn forward<M: Math>(&self, x: &[P::Act; IN], y: &mut [P::Act; OUT]) {
        self.matrix.dense(x, y, F::RELU);
        F::apply::<P::Act, M>(&self.activation, y);
    }
    fn forward4<M: Math>(group: [&Self; 4], x: &[P::Act; IN], y: &mut [[P::Act; OUT]; 4]) -> bool {
        let done = Matrix::dense4(
            group.map(|l| &l.matrix),
            x,
            y.each_mut().map(|y| y.as_mut_slice()),
            F::RELU,
        );
        if done {
            for (l, y) in group.into_iter().zip(y) {
                F::apply::<P::Act, M>(&l.activation, y);
            }
        }
        done
    }
}

impl<const IN: usize, const OUT: usize, P: Precision> Layer for Logits<IN, OUT, P> {
    type Act = P::Act;
    type In = [P::Act; IN];
    type Out = [<P::Act as Element>::Logit; OUT];
    fn describe(to: &mut Check<'_>) {
        to.layer(
            &const {
                LayerRecord::matrix(
                    LayerKind::Logits,
                    ActivationKind::Linear,
                    P::Matrix::<IN, OUT>::FORMAT,
                    IN,
                    OUT,
                )
            },
        );
    }
    fn forward<M: Math>(&self, x: &[P::Act; IN], z: &mut Self::Out) {
        self.matrix.logits(x, z);
    }
}

impl<const IN: usize, const OUT: usize, P: Precision, F: Activation> Prefixed
    for Dense<IN, OUT, P, F>
{
    type Partial = [<P::Matrix<IN, OUT> as Matrix<P::Act>>::Partial; OUT];
    fn begin(&self, x: &[P::Act], partial: &mut Self::Partial) {
        self.matrix.begin(x, partial);
    }
    fn resume<M: Math>(&self, partial: &Self::Partial, rest: Rest<'_, P::Act>, y: &mut Self::Out) {
        let mut sums = *partial;
        rest.add_to(&self.matrix, &mut sums);
        self.matrix.finish_dense(&sums, y, F::RELU);
        F::apply::<P::Act, M>(&self.activation, y);
    }
    fn exact_without_zeros(&self) -> bool {
        self.matrix.exact_without_zeros()
    }
}

impl<const IN: usize, const OUT: usize, P: Precision> Prefixed for Logits<IN, OUT, P> {
    type Partial = [<P::Matrix<IN, OUT> as Matrix<P::Act>>::Partial; OUT];
    fn begin(&self, x: &[P::Act], partial: &mut Self::Partial) {
        self.matrix.begin(x, partial);
    }
    fn resume<M: Math>(&self, partial: &Self::Partial, rest: Rest<'_, P::Act>, y: &mut Self::Out) {
        let mut sums = *partial;
        rest.add_to(&self.matrix, &mut sums);
        self.matrix.finish_logits(&sums, y);
    }
    fn exact_without_zeros(&self) -> bool {
        self.matrix.exact_without_zeros()
    }
}

impl<const IN: usize, const OUT: usize, P: Precision, F: Activation> core::fmt::Debug
    for Dense<IN, OUT, P, F>
{
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Dense<{IN}, {OUT}>")
    }
}
impl<const IN: usize, const OUT: usize, P: Precision> core::fmt::Debug for Logits<IN, OUT, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Logits<{IN}, {OUT}>")
    }
}
