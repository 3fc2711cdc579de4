//! Layers: from one buffer to another. Experts, gates and towers are all layers.
//!
//! [`Dense`] layers do the work, [`Logits`] (or the wider [`Head`]) end gates and towers, [`Affine`],
//! [`PRelu`], [`Pointwise`], [`Dice`] and the norms ([`LayerNorm`], [`GroupNorm`], [`RmsNorm`],
//! [`UnitNorm`]) act on each unit. [`Seq`] puts one layer behind another, and
//! [`Slice`] lets one read a part of the input.

mod activation;
mod dense;
mod hot;
mod norm;
mod pointwise;
mod prefixed;
mod seq;
mod slice;

pub use crate::kernel::{Active, ActiveColumns};
pub use activation::{
    Activation, Clip, Elu, Exp, Gelu, GeluTanh, HardSwish, LeakyRelu, Linear, Mish, Relu, Sigmoid,
    Silu, Softplus, Softsign, Square, Tanh,
};
pub use dense::{Dense, Head, Logits};
pub use hot::{Hot, HotColumns};
pub use norm::{
    Centred, GroupNorm, Grouped, LayerNorm, Length, MeanSquare, Norm, NormRule, RmsNorm, UnitNorm,
};
pub use pointwise::{Affine, Dice, PRelu, Pointwise, RowDice};
pub use prefixed::{Prefixed, Rest};
pub use seq::{Seq, Seq3};
pub use slice::Slice;

use crate::blob::{Check, NodeInfo};
use crate::bytes::{Buffer, InPlace};
use crate::math::Math;
use crate::number::Element;

/// A layer: computes `Out` from `In`, with weights that are used where they lie.
///
/// A layer of your own is a `repr(C, align(4))` struct that derives zerocopy's `FromBytes`,
/// `KnownLayout` and `Immutable`. It describes itself by one record of a kind from
/// [`LayerKind::USER`](crate::blob::LayerKind::USER) on, and runs:
///
/// ```
#[doc = include_str!("../../docs/own/layer.rs")]
/// # let mut y = [0.0; 2];
/// # Bent { bend: [0.5, 2.0] }.forward::<mmoe::math::Libm>(&[2.0, -1.0], &mut y);
/// # assert_eq!(y, [4.0, 1.0]);
/// ```
///
/// The shape-erased view and the converter know only the crate's own layers: the blob of a model
/// with a layer of your own is your program's to write, and a typed model's to read.
pub trait Layer: InPlace {
    /// The model's activations.
    type Act: Element;
    /// What it reads.
    type In: Buffer;
    /// What it returns.
    type Out: Buffer;
    /// The description of the node that it becomes in the blob, as an expert, a gate or a tower.
    const NODE: NodeInfo = NodeInfo::plain(<Self::In as Buffer>::LEN);
    /// How many layer records it has in the blob.
    const LAYERS: u8 = 1;
    /// Bytes of the buffers that it keeps on the stack while it runs, beside input and output.
    const SCRATCH: usize = 0;
    /// Appends its layer records to the description that `load` compares with the blob.
    fn describe(to: &mut Check<'_>);
    /// Runs it: writes every element of `y`.
    fn forward<M: Math>(&self, x: &Self::In, y: &mut Self::Out);
    /// Runs it on several rows, at most `R`, with the same bits: writes every element of each `y`. The
    /// layers of this crate share their weights among the rows; a layer of your own need not.
    fn forward_rows<M: Math, const R: usize>(&self, x: &[&Self::In], y: &mut [&mut Self::Out]) {
        for (x, y) in x.iter().zip(y) {
            self.forward::<M>(x, y);
        }
    }
}

pub(crate) const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}
