//! Layers without a matrix: one parameter set per unit.

use super::{Activation, Layer};
use crate::blob::{Check, LayerKind, LayerRecord};
use crate::math::Math;
use crate::number::Element;
use crate::precision::Precision;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// `gain·x + bias` per unit: a batch norm that could not be folded into a dense layer. 8 bytes a
/// unit.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Affine<const N: usize, P: Precision> {
    /// One per unit.
    pub units: [<P::Act as Element>::Affine; N],
}

/// `x < 0 ? slope·x : x` with a slope per unit. 4 bytes a unit, 2 in integer models.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct PRelu<const N: usize, P: Precision> {
    /// One per unit.
    pub slope: [<P::Act as Element>::UnitSlope; N],
}

/// An activation behind a layer that has none of its own, such as a norm. What the activation stores.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Pointwise<const N: usize, P: Precision, F: Activation> {
    /// What the activation stores.
    pub activation: F::Stored<P::Act>,
}

/// `x·(alpha + (1 − alpha)·sigmoid(gain·x + bias))` per unit: a leaky relu whose bend is a batch
/// norm's sigmoid. 12 bytes a unit.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Dice<const N: usize, P: Precision> {
    /// One per unit.
    pub units: [<P::Act as Element>::Dice; N],
}

/// `x·(alpha + (1 − alpha)·sigmoid(d / √(Σ d² + ε)))`, `d` the deviations from the mean over the
/// layer's units. 8 bytes, 12 in integer models.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct RowDice<const N: usize, P: Precision> {
    /// ε and alpha.
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
