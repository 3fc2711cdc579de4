//! Layers without a matrix: one parameter set per unit.

use super::Layer;
use crate::blob::{Check, LayerKind, LayerRecord, PrecisionKind};
use crate::kernel;
use crate::math::Math;
use crate::number::Element;
use crate::precision::Precision;
use zerocopy::{FromBytes, Immutable, KnownLayout, TryFromBytes};

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

/// `(x − mean) / √(variance + ε) · gain + bias` over the layer's units. Float models only. `8·N +
/// 4` bytes.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct LayerNorm<const N: usize> {
    /// ε.
    pub epsilon: f32,
    /// One per unit.
    pub gain: [f32; N],
    /// One per unit.
    pub bias: [f32; N],
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

impl<const N: usize> Layer for LayerNorm<N> {
    type Act = f32;
    type In = [f32; N];
    type Out = [f32; N];
    fn describe(to: &mut Check<'_>) {
        to.layer(&const { LayerRecord::vector(LayerKind::LayerNorm, PrecisionKind::F32, N, N) });
    }
    fn forward<M: Math>(&self, x: &[f32; N], y: &mut [f32; N]) {
        kernel::layer_norm_f32::<M>(x, &self.gain, &self.bias, self.epsilon, y);
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
impl<const N: usize> core::fmt::Debug for LayerNorm<N> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "LayerNorm<{N}>")
    }
}
