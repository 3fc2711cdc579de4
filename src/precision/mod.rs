//! How the weights of one layer are written and multiplied.

/// Shapes say more than weights, of which there may be thousands.
macro_rules! debug_shape {
    ($name:ident $(<$p:ident>)?) => {
        impl<const IN: usize, const OUT: usize $(, $p)?> core::fmt::Debug
            for $name<IN, OUT $(, $p)?>
        {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "<{}, {}>"), IN, OUT)
            }
        }
    };
}

mod f32;
mod i16;
mod i8;
mod packing;
mod w8;

pub use f32::{F32, MatrixF32};
pub use i8::{I8, MatrixI8};
pub use i16::{I16, MatrixI16};
pub use packing::{Packing, Pairs, Panels, Quad};
pub use w8::{MatrixW8, W8};

use crate::blob::{PackingKind, PrecisionKind};
use crate::bytes::{InPlace, Pod};
use crate::kernel::ActiveColumns;
use crate::number::Element;

/// The weights of one dense layer as they lie in flash.
pub trait Matrix<A: Element>: InPlace {
    /// Precision and packing, as the layer's record has them.
    const FORMAT: (PrecisionKind, PackingKind);
    /// `y = W x + b` as activations, negative ones set to 0 if `relu`.
    fn dense(&self, x: &[A], y: &mut [A], relu: bool);
    /// `z = W x + b` as logits.
    fn logits(&self, x: &[A], z: &mut [A::Logit]);
    /// Writes what [`dense`](Self::dense) makes of four layers on one input, side by side. Returns
    /// `false` where that is no faster; nothing was done then.
    #[doc(hidden)]
    fn dense4(group: [&Self; 4], x: &[A], y: [&mut [A]; 4], relu: bool) -> bool
    where
        Self: Sized,
    {
        let _ = (group, x, y, relu);
        false
    }
    /// One row's sum over some of the columns.
    type Partial: Pod + Default;
    /// The sums of the columns that `x` holds, from the first one on.
    fn begin(&self, x: &[A], sums: &mut [Self::Partial]);
    /// Adds the columns from `from` on.
    fn add(&self, from: usize, x: &[A], sums: &mut [Self::Partial]);
    /// Adds the columns that are not zero, in their order.
    fn add_active(&self, x: ActiveColumns<'_, A>, sums: &mut [Self::Partial]);
    /// Whether leaving out columns of zeros gives the same bits as adding them.
    fn exact_without_zeros(&self) -> bool {
        true
    }
    /// What [`dense`](Self::dense) gives, once all columns are in.
    fn finish_dense(&self, sums: &[Self::Partial], y: &mut [A], relu: bool);
    /// What [`logits`](Self::logits) gives, once all columns are in.
    fn finish_logits(&self, sums: &[Self::Partial], z: &mut [A::Logit]);
}

/// The precision of a layer: [`F32`], [`W8`], [`I8`] or [`I16`].
pub trait Precision: 'static {
    /// Activations, and with them the whole number system.
    type Act: Element;
    /// The bytes of an `IN → OUT` layer.
    type Matrix<const IN: usize, const OUT: usize>: Matrix<Self::Act>;
    /// The precision of layers that need more: F32 for F32 and W8, I16 for I8 and I16.
    type Wide: Precision<Act = Self::Act>;
}

/// One step wider than `P`: what the last layer of a tower uses by default.
pub type Wide<P> = <P as Precision>::Wide;

/// The lowest value that leaves a layer.
pub(crate) const fn floor(relu: bool) -> i16 {
    if relu { 0 } else { i16::MIN }
}
