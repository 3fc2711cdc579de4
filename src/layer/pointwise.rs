//! Layers without a matrix, which act on each unit by itself.

use super::{Activation, Layer};
use crate::blob::{Check, LayerKind, LayerRecord};
use crate::math::Math;
use crate::number::Element;
use crate::precision::Precision;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// `gain·x + bias` for each unit, such as a batch normalization that could not be folded into a dense
/// layer. It takes 8 bytes a unit.
///
/// ```
/// use mmoe::{F32, layer::{Affine, Layer}, math::Libm, number::Affine32};
/// let unit = |gain, bias| Affine32 { gain, bias };
/// let layer = Affine::<2, F32> { units: [unit(2.0, 1.0), unit(-1.0, 0.0)] };
/// let mut y = [0.0; 2];
/// layer.forward::<Libm>(&[3.0, 3.0], &mut y);
/// assert_eq!(y, [7.0, -3.0]);
/// ```
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Affine<const N: usize, P: Precision> {
    /// The gain and the bias of each unit.
    pub units: [<P::Act as Element>::Affine; N],
}

/// `x < 0 ? slope·x : x`, with a slope for each unit. It takes 4 bytes a unit, and 2 in integer
/// models.
///
/// ```
/// use mmoe::{F32, layer::{Layer, PRelu}, math::Libm};
/// let layer = PRelu::<2, F32> { slope: [0.5, 0.25] };
/// let mut y = [0.0; 2];
/// layer.forward::<Libm>(&[-4.0, 4.0], &mut y);
/// assert_eq!(y, [-2.0, 4.0]);
/// ```
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct PRelu<const N: usize, P: Precision> {
    /// The slope of each unit.
    pub slope: [<P::Act as Element>::UnitSlope; N],
}

/// An activation function as a layer of its own, behind a layer that has none, such as a
/// normalization. It takes what the function stores.
///
/// ```
/// use mmoe::{F32, Softsign, layer::{Layer, Pointwise}, math::Libm};
/// let layer = Pointwise::<2, F32, Softsign> { activation: [0.0; 3] };
/// let mut y = [0.0; 2];
/// layer.forward::<Libm>(&[1.0, -3.0], &mut y);
/// assert_eq!(y, [0.5, -0.75]);
/// ```
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Pointwise<const N: usize, P: Precision, F: Activation> {
    /// What the activation function stores.
    pub activation: F::Stored<P::Act>,
}

/// Dice: `x·(alpha + (1 − alpha)·sigmoid(gain·x + bias))` for each unit. It is a leaky relu whose bend
/// is where a batch normalization puts the mean, and is smooth. It takes 12 bytes a unit.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Dice<const N: usize, P: Precision> {
    /// The gain, the bias and `alpha` of each unit.
    pub units: [<P::Act as Element>::Dice; N],
}

/// Dice over the units of the row: `x·(alpha + (1 − alpha)·sigmoid(d / √(Σ d² + ε)))`, where `d` are
/// the deviations from the mean of the units. It takes 8 bytes, and 12 in integer models.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct RowDice<const N: usize, P: Precision> {
    /// ε and `alpha`.
    pub stored: <P::Act as Element>::RowDice,
}

impl<const N: usize, P: Precision, F: Activation> Layer for Pointwise<N, P, F> {
    type Act = P::Act;
    type In = [P::Act; N];
    type Out = [P::Act; N];
    fn describe(to: &mut Check<'_>) {
        to.layer(&const { LayerRecord::pointwise(F::CODE, P::Act::PRECISION, N) });
    }
    fn forward<M: Math>(&self, x: &[P::Act; N], y: &mut [P::Act; N]) {
        *y = *x;
        if F::RELU {
            P::Act::relu(y);
        }
        F::apply::<P::Act, M>(&self.activation, y);
    }
}

impl<const N: usize, P: Precision> Layer for Dice<N, P> {
    type Act = P::Act;
    type In = [P::Act; N];
    type Out = [P::Act; N];
    fn describe(to: &mut Check<'_>) {
        to.layer(&const { LayerRecord::vector(LayerKind::Dice, P::Act::PRECISION, N, N) });
    }
    fn forward<M: Math>(&self, x: &[P::Act; N], y: &mut [P::Act; N]) {
        *y = *x;
        P::Act::dice::<M>(y, &self.units);
    }
}

impl<const N: usize, P: Precision> Layer for RowDice<N, P> {
    type Act = P::Act;
    type In = [P::Act; N];
    type Out = [P::Act; N];
    fn describe(to: &mut Check<'_>) {
        to.layer(&const { LayerRecord::vector(LayerKind::RowDice, P::Act::PRECISION, N, N) });
    }
    fn forward<M: Math>(&self, x: &[P::Act; N], y: &mut [P::Act; N]) {
        *y = *x;
        P::Act::row_dice::<M>(y, &self.stored);
    }
}

impl<const N: usize, P: Precision> Layer for Affine<N, P> {
    type Act = P::Act;
    type In = [P::Act; N];
    type Out = [P::Act; N];
    fn describe(to: &mut Check<'_>) {
        to.layer(&const { LayerRecord::vector(LayerKind::Affine, P::Act::PRECISION, N, N) });
    }
    fn forward<M: Math>(&self, x: &[P::Act; N], y: &mut [P::Act; N]) {
        *y = *x;
        P::Act::affine(y, &self.units);
    }
}

impl<const N: usize, P: Precision> Layer for PRelu<N, P> {
    type Act = P::Act;
    type In = [P::Act; N];
    type Out = [P::Act; N];
    fn describe(to: &mut Check<'_>) {
        to.layer(&const { LayerRecord::vector(LayerKind::PRelu, P::Act::PRECISION, N, N) });
    }
    fn forward<M: Math>(&self, x: &[P::Act; N], y: &mut [P::Act; N]) {
        *y = *x;
        P::Act::prelu(y, &self.slope);
    }
}

impl<const N: usize, P: Precision> core::fmt::Debug for Affine<N, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Affine<{N}>")
    }
}
impl<const N: usize, P: Precision> core::fmt::Debug for PRelu<N, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PRelu<{N}>")
    }
}
impl<const N: usize, P: Precision, F: Activation> core::fmt::Debug for Pointwise<N, P, F> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Pointwise<{N}>")
    }
}
impl<const N: usize, P: Precision> core::fmt::Debug for Dice<N, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Dice<{N}>")
    }
}
impl<const N: usize, P: Precision> core::fmt::Debug for RowDice<N, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "RowDice<{N}>")
    }
}
