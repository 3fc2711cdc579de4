//! Normalizations: layers that bring the units of one row to a common scale.

use super::Layer;
use crate::blob::{Check, LayerKind, LayerRecord, PrecisionKind};
use crate::kernel::NormKind;
use crate::math::Math;
use crate::number::Element;
use crate::precision::{F32, Precision};
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// How a [`Norm`] measures the scale of its units.
pub trait NormRule: 'static {
    /// Whether it measures around the mean or around zero.
    const KIND: NormKind;
    /// The kind of its layer record.
    const LAYER: LayerKind;
}

/// The rule of [`LayerNorm`]: by mean and variance.
#[derive(Debug)]
pub enum Centred {}
/// The rule of [`GroupNorm`]: by mean and variance, in groups.
#[derive(Debug)]
pub enum Grouped {}
/// The rule of [`RmsNorm`]: by the mean square.
#[derive(Debug)]
pub enum MeanSquare {}
/// The rule of [`UnitNorm`]: by the length.
#[derive(Debug)]
pub enum Length {}

impl NormRule for Centred {
    const KIND: NormKind = NormKind::Layer;
    const LAYER: LayerKind = LayerKind::LayerNorm;
}
impl NormRule for Grouped {
    const KIND: NormKind = NormKind::Layer;
    const LAYER: LayerKind = LayerKind::GroupNorm;
}
impl NormRule for MeanSquare {
    const KIND: NormKind = NormKind::Rms;
    const LAYER: LayerKind = LayerKind::RmsNorm;
}
impl NormRule for Length {
    const KIND: NormKind = NormKind::Unit;
    const LAYER: LayerKind = LayerKind::UnitNorm;
}

/// The layer record of a norm. A number of groups that the format cannot hold does not compile.
const fn record<K: NormRule>(precision: PrecisionKind, groups: usize, n: usize) -> LayerRecord {
    if matches!(K::LAYER, LayerKind::GroupNorm) {
        LayerRecord::group_norm(groups, precision, n)
    } else {
        assert!(groups == 1, "only a group norm has groups");
        LayerRecord::vector(K::LAYER, precision, n, n)
    }
}

/// A normalization of `N` units in `G` groups: each group is brought to a common scale by the rule
/// `K`, and then each unit becomes `gain·x + bias`. Use one of the aliases.
///
/// It takes `8·N + 4` bytes, and `8·N + 8` in integer models.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct Norm<const N: usize, const G: usize, K: NormRule, P: Precision> {
    /// ε, the gains and the biases.
    pub stored: <P::Act as Element>::Norm<N>,
    rule: core::marker::PhantomData<K>,
}

/// Layer normalization: `(x − mean) / √(variance + ε) · gain + bias`, over all units.
///
/// ```
/// use mmoe::{layer::{Layer, LayerNorm}, math::Libm, zerocopy::{IntoBytes, TryFromBytes}};
/// // As in a blob: ε, the gains, the biases.
/// let stored = [0.0f32, 1.0, 1.0, 0.0, 0.5];
/// let norm = LayerNorm::<2>::try_ref_from_bytes(stored.as_bytes()).unwrap();
/// let mut y = [0.0; 2];
/// norm.forward::<Libm>(&[1.0, 3.0], &mut y);
/// assert_eq!(y, [-1.0, 1.5]);
/// ```
pub type LayerNorm<const N: usize, P = F32> = Norm<N, 1, Centred, P>;
/// Group normalization: a [`LayerNorm`] of each of `G` groups of neighbouring units.
///
/// ```
/// use mmoe::{layer::{Layer, GroupNorm}, math::Libm, zerocopy::{IntoBytes, TryFromBytes}};
/// // As in a blob: ε, the gains, the biases.
/// let stored = [0.0f32, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0];
/// let norm = GroupNorm::<4, 2>::try_ref_from_bytes(stored.as_bytes()).unwrap();
/// let mut y = [0.0; 4];
/// norm.forward::<Libm>(&[1.0, 3.0, 4.0, 8.0], &mut y);
/// assert_eq!(y, [-1.0, 1.0, -1.0, 1.0]);
/// ```
pub type GroupNorm<const N: usize, const G: usize, P = F32> = Norm<N, G, Grouped, P>;
/// Root-mean-square normalization: `x / √(mean(x²) + ε) · gain + bias`, over all units.
///
/// ```
/// use mmoe::{layer::{Layer, RmsNorm}, math::Libm, zerocopy::{IntoBytes, TryFromBytes}};
/// // As in a blob: ε, the gains, the biases.
/// let stored = [0.0f32, 1.0, 3.0, 0.0, 0.0];
/// let norm = RmsNorm::<2>::try_ref_from_bytes(stored.as_bytes()).unwrap();
/// let mut y = [0.0; 2];
/// norm.forward::<Libm>(&[2.0, -2.0], &mut y);
/// assert_eq!(y, [1.0, -3.0]);
/// ```
pub type RmsNorm<const N: usize, P = F32> = Norm<N, 1, MeanSquare, P>;
/// Division by the length: `x / √(max(Σ x², ε)) · gain + bias`, over all units.
///
/// ```
/// use mmoe::{layer::{Layer, UnitNorm}, math::Libm, zerocopy::{IntoBytes, TryFromBytes}};
/// // As in a blob: ε, the gains, the biases.
/// let stored = [0.0f32, 1.0, 1.0, 0.0, 0.0];
/// let norm = UnitNorm::<2>::try_ref_from_bytes(stored.as_bytes()).unwrap();
/// let mut y = [0.0; 2];
/// norm.forward::<Libm>(&[0.0, -4.0], &mut y);
/// assert_eq!(y, [0.0, -1.0]);
/// ```
pub type UnitNorm<const N: usize, P = F32> = Norm<N, 1, Length, P>;

impl<const N: usize, const G: usize, K: NormRule, P: Precision> Layer for Norm<N, G, K, P> {
    type Act = P::Act;
    type In = [P::Act; N];
    type Out = [P::Act; N];
    fn describe(to: &mut Check<'_>) {
        to.layer(&const { record::<K>(P::Act::PRECISION, G, N) });
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
