//! The gate of stored weights.

use crate::blob::{Check, LayerKind, LayerRecord, NodeInfo, NodeOp};
use crate::layer::{Layer, Prefixed, Rest};
use crate::math::Math;
use crate::number::Element;
use crate::precision::Precision;
use core::marker::PhantomData;
use zerocopy::{Immutable, KnownLayout, TryFromBytes};

/// A gate that does not look at the input: stored weights, no product computed.
#[derive(TryFromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct ConstantGate<const IN: usize, const N: usize, P: Precision> {
    /// One per expert.
    pub weights: [<P::Act as Element>::Gate; N],
    /// The precision.
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
