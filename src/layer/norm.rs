//! Normalizations over a layer's units.

use super::Layer;
use crate::blob::{Check, LayerKind, LayerRecord, PrecisionKind};
use crate::kernel::NormKind;
use crate::math::Math;
use crate::number::Element;
use crate::precision::{F32, Precision};
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// How a [`Norm`] measures its units.
pub trait NormRule: 'static {
    /// Around the mean or around zero.
    const KIND: NormKind;
    /// Its layer record, for `n` units in `groups` groups.
    fn record(precision: PrecisionKind, groups: usize, n: usize) -> LayerRecord;
}

/// By mean and variance.
#[derive(Debug)]
pub enum Centred {}
/// By mean and variance, in groups.
#[derive(Debug)]
pub enum Grouped {}
/// By the mean square.
#[derive(Debug)]
pub enum MeanSquare {}
/// By the length.
#[derive(Debug)]
pub enum Length {}

impl NormRule for Centred {
    const KIND: NormKind = NormKind::Layer;
    fn record(precision: PrecisionKind, _: usize, n: usize) -> LayerRecord {
        LayerRecord::vector(LayerKind::LayerNorm, precision, n, n)
    }
}
impl NormRule for Grouped {
    const KIND: NormKind = NormKind::Layer;
    fn record(precision: PrecisionKind, groups: usize, n: usize) -> LayerRecord {
        LayerRecord::group_norm(groups, precision, n)
    }
}
impl NormRule for MeanSquare {
    const KIND: NormKind = NormKind::Rms;
    fn record(precision: PrecisionKind, _: usize, n: usize) -> LayerRecord {
        LayerRecord::vector(LayerKind::RmsNorm, precision, n, n)
    }
}
impl NormRule for Length {
    const KIND: NormKind = NormKind::Unit;
    fn record(precision: PrecisionKind, _: usize, n: usize) -> LayerRecord {
        LayerRecord::vector(LayerKind::UnitNorm, precision, n, n)
    }
}

/// `N` units in `G` groups, each brought to a common scale by the rule `K`, then `gain·x + bias` per
/// unit. `8·N + 4` bytes, `8·N + 8` in integer models.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Norm<const N: usize, const G: usize, K: NormRule, P: Precision> {
    /// ε, gains and biases.
    pub stored: <P::Act as Element>::Norm<N>,
    rule: core::marker::PhantomData<K>,
}

/// `(x − mean) / √(variance + ε) · gain + bias` over the layer's units.
pub type LayerNorm<const N: usize, P = F32> = Norm<N, 1, Centred, P>;
/// [`LayerNorm`] of each of `G` groups of neighbouring units.
pub type GroupNorm<const N: usize, const G: usize, P = F32> = Norm<N, G, Grouped, P>;
/// `x / √(mean(x²) + ε) · gain + bias` over the layer's units.
pub type RmsNorm<const N: usize, P = F32> = Norm<N, 1, MeanSquare, P>;
/// `x / √(max(Σ x², ε)) · gain + bias` over the layer's units.
pub type UnitNorm<const N: usize, P = F32> = Norm<N, 1, Length, P>;

impl<const N: usize, const G: usize, K: NormRule, P: Precision> Layer for Norm<N, G, K, P> {
    type Act = P::Act;
    type In = [P::Act; N];
    type Out = [P::Act; N];
    fn describe(to: &mut Check<'_>) {
        to.layer(&K::record(P::Act::PRECISION, G, N));
    }
    fn forward<M: Math>(&self, x: &[P::Act; N], y: &mut [P::Act; N]) {
        P::Act::norm::<M, N>(K::KIND, G, &self.stored, x, y);
    }
}

impl<const N: usize, const G: usize, K: NormRule, P: Precision> core::fmt::Debug
    for Norm<N, G, K, P>
{
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Norm<{N}, {G}>")
    }
}
