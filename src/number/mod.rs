//! The number system of a model: f32 throughout, or integers throughout.

mod f32;
mod fixed;
mod i16;

pub use crate::kernel::Affine32;
pub(crate) use f32::norm as norm_f32;
pub use fixed::{Q15, Q16, Q31};

use crate::blob::{ActivationKind, PrecisionKind, SelfTestError};
use crate::bytes::{Buffer, InPlace, Pod};
use crate::features::Rows;
use crate::kernel::{InputCounts, NormKind};
use crate::math::Math;

/// The activation type of a model, `f32` or `i16`, with the types and operations that go with it.
///
/// It is what makes one layer, one gate and one walk serve float and integer models alike. The
/// formulas are in `docs/numerics.md`. All operations expect slices of equal length. They never
/// panic: where one slice is longer, its end is left as it is.
pub trait Element: Pod + Default {
    /// A gate weight: f32, or [`Q15`].
    type Gate: Pod + PartialEq + PartialOrd + Into<f32> + Default;
    /// The accumulator of one element of a mixture.
    type MixtureSum: Pod;
    /// A value of a tower or of a gate before its sigmoid or softmax: f32, or [`Q16`].
    type Logit: Pod + Buffer + Default + Into<f32> + PartialEq;
    /// A probability: f32, or [`Q31`].
    type Prob: Pod + Buffer + Default + Into<f32> + PartialEq;
    /// What a linear output stores so that it can be converted to its own unit: nothing, or the f32
    /// value of one.
    type Unit: Pod;
    /// A stored slope below zero.
    type Slope: Pod;
    /// A stored slope per unit.
    type UnitSlope: Pod;
    /// What one unit of an affine layer stores.
    type Affine: Pod;
    /// What an activation stores that is a formula with up to three numbers, or a table.
    type Curve: Pod;
    /// What one unit of a Dice stores.
    type Dice: Pod;
    /// What a Dice over the units of the row stores.
    type RowDice: Pod;
    /// What a normalization of `N` units stores.
    type Norm<const N: usize>: InPlace;

    /// What the input stage stores for `N` features: nothing, or a scale and an offset each.
    type Scales<const N: usize>: InPlace;
    /// What a front end stores for an integer: nothing, or an offset, a multiplier and a shift.
    type IntScale: InPlace;
    /// The rows of an embedding table.
    type Cells<'a>: Rows<Self>;

    /// Zero: the weight of an expert that the gate excludes.
    const NONE: Self::Gate;
    /// The precision that the records of layers without a matrix have.
    const PRECISION: PrecisionKind;

    /// Whether features need a buffer to become activations.
    const CONVERTS: bool;

    /// The activation that stands for a code in front of a [`Hot`](crate::layer::Hot) layer: in a
    /// float model the number itself, in an integer model one more, since 0 is what NaN becomes.
    /// A code that does not fit becomes one that names no column.
    #[must_use]
    fn from_code(code: u32) -> Self;
    /// The hot column that an activation names; beyond every column where it names none.
    #[must_use]
    fn column(self) -> usize;
    /// What a hot column counts: 1, in integer models as the layer stores it.
    #[doc(hidden)]
    fn hot(one: i16) -> Self;

    /// Calls `f` with the features as activations, and with how many were NaN or out of range
    /// (integers count them).
    fn with_features<const N: usize, R>(
        scales: &Self::Scales<N>,
        x: &[f32; N],
        f: impl FnOnce(&[Self; N], InputCounts) -> R,
    ) -> R;
    /// Writes the features `x`, of which the first is feature `start` of the model, as activations.
    /// Returns how many were NaN or out of range (integers count them).
    fn features<const N: usize>(
        scales: &Self::Scales<N>,
        start: usize,
        x: &[f32],
        y: &mut [Self],
    ) -> InputCounts;
    /// Converts an integer, and returns whether it was out of range.
    fn from_int(scale: &Self::IntScale, x: i32) -> (Self, bool);
    /// Whether the feature 0 is the activation 0, in every column.
    fn zero_is_zero<const N: usize>(scales: &Self::Scales<N>) -> bool;
    /// Writes the `softmax` of gate logits. The logits are scratch afterwards.
    fn gate_softmax<M: Math>(z: &mut [Self::Logit], g: &mut [Self::Gate]);
    /// Writes the `sigmoid` of each gate logit.
    fn gate_sigmoid<M: Math>(z: &mut [Self::Logit], g: &mut [Self::Gate]);
    /// Writes the gate logits themselves, as weights.
    fn gate_linear(z: &[Self::Logit], g: &mut [Self::Gate]);
    /// Writes one for the largest logit (of equal ones the first) and zero for all others.
    fn gate_hard(z: &[Self::Logit], g: &mut [Self::Gate]);
    /// Writes the weights of the `k` largest logits (of equal ones the first) and zero for all others.
    fn gate_top_k<M: Math>(
        k: usize,
        renormalise: bool,
        z: &mut [Self::Logit],
        g: &mut [Self::Gate],
    );
    /// Writes the weights of a DSelect-k gate. `z` holds the bits of `k` selectors and then `k` mixing
    /// logits.
    fn gate_d_select_k<M: Math>(k: usize, z: &mut [Self::Logit], g: &mut [Self::Gate]);
    /// Whether a gate weight is nearer to zero than `least`, which is from 0 to below 1.
    fn gate_is_below(g: Self::Gate, least: f32) -> bool;
    /// Adds an expert to a mixture: `m += g·h`.
    fn mix(m: &mut [Self::MixtureSum], g: Self::Gate, h: &[Self]);
    /// Rounds a mixture to activations.
    fn round_mixture(m: &[Self::MixtureSum], h: &mut [Self]);
    /// Computes class probabilities from logits.
    fn softmax<M: Math>(z: &[Self::Logit], p: &mut [Self::Prob]);
    /// Computes one probability from one logit.
    fn sigmoid<M: Math>(z: Self::Logit) -> Self::Prob;
    /// Multiplies two probabilities.
    fn product(a: Self::Prob, b: Self::Prob) -> Self::Prob;
    /// Converts a logit to its own unit.
    fn in_unit(z: Self::Logit, unit: &Self::Unit) -> f32;
    /// Converts an activation to its own unit.
    fn activation_in_unit(v: Self, unit: &Self::Unit) -> f32;
    /// Returns the bits of a logit.
    fn logit_word(z: Self::Logit) -> u32;
    /// Returns the bits of a probability.
    fn prob_word(p: Self::Prob) -> u32;
    /// Returns the bits of an activation, sign-extended.
    fn word(v: Self) -> u32;
    /// Reads an activation from its little-endian bytes at the start of `bytes`. Returns it and the
    /// rest of the bytes.
    fn read(bytes: &[u8]) -> Option<(Self, &[u8])>;
    /// `max(y, 0)`.
    fn relu(y: &mut [Self]);
    /// `y < 0 ? slope·y : y`.
    fn leaky_relu(y: &mut [Self], slope: &Self::Slope);
    /// The same with a slope per unit.
    fn prelu(y: &mut [Self], slope: &[Self::UnitSlope]);
    /// Logistic function of each.
    fn sigmoid_all<M: Math>(y: &mut [Self]);
    /// Hyperbolic tangent of each.
    fn tanh_all<M: Math>(y: &mut [Self]);
    /// `gain·y + bias` per unit.
    fn affine(y: &mut [Self], p: &[Self::Affine]);
    /// An activation that stores numbers or a table, of each.
    fn curve<M: Math>(kind: ActivationKind, stored: &Self::Curve, y: &mut [Self]);
    /// Dice with a gain, a bias and an alpha per unit.
    fn dice<M: Math>(y: &mut [Self], p: &[Self::Dice]);
    /// Dice over the units of the row.
    fn row_dice<M: Math>(y: &mut [Self], p: &Self::RowDice);
    /// Normalizes each of `groups` groups of units.
    fn norm<M: Math, const N: usize>(
        kind: NormKind,
        groups: usize,
        stored: &Self::Norm<N>,
        x: &[Self; N],
        y: &mut [Self; N],
    );
}

/// Reads activations from their little-endian bytes.
// Not inlined: where the length is a constant, the compiler unrolls the loop into kilobytes of code
// for each model.
#[inline(never)]
pub(crate) fn read<A: Element>(mut bytes: &[u8], x: &mut [A]) -> Result<(), SelfTestError> {
    for x in x {
        let (v, rest) = A::read(bytes).ok_or(SelfTestError::Section)?;
        *x = v;
        bytes = rest;
    }
    Ok(())
}
