//! Layers: from one buffer to another. Experts, gates and towers are all layers.

mod activation;
mod dense;
mod pointwise;
mod seq;
mod slice;

pub use activation::{Activation, LeakyRelu, Linear, Relu, Sigmoid, Tanh};
pub use dense::{Dense, Head, Logits};
pub use pointwise::{Affine, LayerNorm, PRelu};
pub use seq::{Seq, Seq3};
pub use slice::Slice;

use crate::blob::{Check, NodeInfo};
use crate::bytes::{Buffer, InPlace};
use crate::math::Math;
use crate::number::Element;

/// From `In` to `Out`, with weights that are used where they lie.
///
/// A layer of your own is a `repr(C, align(4))` struct that derives zerocopy's `FromBytes`,
/// `KnownLayout` and `Immutable`, and implements this trait: it describes itself by one record of a
/// kind from [`LayerKind::USER`](crate::blob::LayerKind::USER) on, and runs. (The shape-erased view and the
/// converter know only the crate's own layers.)
pub trait Layer: InPlace {
    /// The model's activations.
    type Act: Element;
    /// What it reads.
    type In: Buffer;
    /// What it makes.
    type Out: Buffer;
    /// What it says about its step of the wiring.
    const NODE: NodeInfo = NodeInfo::plain(<Self::In as Buffer>::LEN);
    /// How many layer records it has.
    const LAYERS: u8 = 1;
    /// Bytes of its own buffers while it runs.
    const SCRATCH: usize = 0;
    /// Says its layer records.
    fn describe(to: &mut Check<'_>);
    /// Runs it.
    fn forward<M: Math>(&self, x: &Self::In, y: &mut Self::Out);
    /// Runs four of them on one input, side by side, with the same bits. `false`: that is no faster
    /// here, and nothing was done.
    fn forward4<M: Math>(_group: [&Self; 4], _x: &Self::In, _y: &mut [Self::Out; 4]) -> bool
    where
        Self: Sized,
    {
        false
    }
}

pub(crate) const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}
