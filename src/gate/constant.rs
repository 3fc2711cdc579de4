//! The gate whose weights are stored.

use crate::blob::{Check, LayerKind, LayerRecord, NodeInfo, NodeOp};
use crate::layer::{Layer, Prefixed, Rest};
use crate::math::Math;
use crate::number::Element;
use crate::precision::Precision;
use core::marker::PhantomData;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// A gate that does not look at the input: its weights are stored, and nothing is computed.
///
/// An expert whose stored weight is zero is not run.
///
/// ```
/// use mmoe::{F32, gate::ConstantGate, layer::Layer, math::Libm};
/// let gate = ConstantGate::<8, 2, F32> { weights: [0.25, 0.75], precision: Default::default() };
/// let mut weights = [0.0; 2];
/// gate.forward::<Libm>(&[1.0; 8], &mut weights);
/// assert_eq!(weights, [0.25, 0.75]);
/// ```
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct ConstantGate<const IN: usize, const N: usize, P: Precision> {
    /// The weights, one per expert.
    pub weights: [<P::Act as Element>::Gate; N],
    /// Names the precision, which decides the type of the weights.
    pub precision: PhantomData<P>,
}

impl<const IN: usize, const N: usize, P: Precision> Layer for ConstantGate<IN, N, P> {
    type Act = P::Act;
    type In = [P::Act; IN];
    type Out = [<P::Act as Element>::Gate; N];
    const NODE: NodeInfo = NodeInfo {
        op: NodeOp::Constant,
        ..NodeInfo::plain(IN)
    };
    fn describe(to: &mut Check<'_>) {
        to.layer(&const { LayerRecord::vector(LayerKind::Constant, P::Act::PRECISION, IN, N) });
    }
    fn forward<M: Math>(&self, _: &[P::Act; IN], y: &mut Self::Out) {
        *y = self.weights;
    }
}

impl<const IN: usize, const N: usize, P: Precision> Prefixed for ConstantGate<IN, N, P> {
    type Partial = [u8; 0];
    fn begin(&self, _: &[P::Act], _: &mut [u8; 0]) {}
    fn resume<M: Math>(&self, _: &[u8; 0], _: Rest<'_, P::Act>, y: &mut Self::Out) {
        *y = self.weights;
    }
    fn exact_without_zeros(&self) -> bool {
        true
    }
}

impl<const IN: usize, const N: usize, P: Precision> core::fmt::Debug for ConstantGate<IN, N, P> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "ConstantGate<{IN}, {N}>")
    }
}
