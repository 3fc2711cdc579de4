//! Dense layers.

use super::{Activation, Layer, Prefixed, Relu, Rest};
use crate::blob::{ActivationKind, Check, LayerKind, LayerRecord};
use crate::math::Math;
use crate::number::Element;
use crate::precision::{Matrix, Precision, Wide};
use crate::rows;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// A dense layer, `F(W x + b)`, from `IN` to `OUT` values, in precision `P` and with the activation
/// function `F`.
///
/// The order of summation is strict: the bias first, then the columns in order, each with one
/// product and one addition (`docs/numerics.md`). That is why results have the same bits on every
/// target. The layer takes the memory of `P::Matrix<IN, OUT>`, and that of what `F` stores.
///
/// ```
/// use mmoe::{Dense, F32, layer::Layer, math::Libm, precision::MatrixF32};
/// // Two rows are stored one after the other; rows in larger layers lie in panels.
/// let matrix = MatrixF32 { bias: [1.0, -100.0], weights: [[2.0, 3.0], [4.0, 5.0]] };
/// let layer = Dense::<2, 2, F32> { matrix, activation: [] };
/// let mut y = [0.0; 2];
/// layer.forward::<Libm>(&[10.0, 1.0], &mut y);
/// assert_eq!(y, [24.0, 0.0], "relu is the default");
/// ```
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Dense<const IN: usize, const OUT: usize, P: Precision, F: Activation = Relu> {
    /// Weights and biases.
    pub matrix: P::Matrix<IN, OUT>,
    /// What the activation function stores, such as a slope; empty for most.
    pub activation: F::Stored<P::Act>,
}

/// A dense layer whose outputs are logits: the last layer of a gate or of a tower.
///
/// Logits have no activation function, since the gate or the tower applies its own. In integer models
/// they have more bits than activations have.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Logits<const IN: usize, const OUT: usize, P: Precision> {
    /// Weights and biases.
    pub matrix: P::Matrix<IN, OUT>,
}

/// The last layer of a tower, in the next wider precision than the other layers.
///
/// The converter keeps these layers wide because they decide the outputs directly and have few
/// weights. `mmoe convert --narrow-heads` writes plain [`Logits`] in their place.
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
    fn forward_rows<M: Math, const R: usize>(&self, x: &[&Self::In], y: &mut [&mut Self::Out]) {
        let x = rows::collect::<_, R>(x.iter().map(|x| x.as_slice()));
        let mut y = rows::collect::<_, R>(y.iter_mut().map(|y| y.as_mut_slice()));
        self.matrix.dense_rows(&x, &mut y, F::RELU);
        for y in &mut y {
            F::apply::<P::Act, M>(&self.activation, y);
        }
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
    fn forward_rows<M: Math, const R: usize>(&self, x: &[&Self::In], z: &mut [&mut Self::Out]) {
        let x = rows::collect::<_, R>(x.iter().map(|x| x.as_slice()));
        let mut z = rows::collect::<_, R>(z.iter_mut().map(|z| z.as_mut_slice()));
        self.matrix.logits_rows(&x, &mut z);
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
