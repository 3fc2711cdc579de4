//! Precisions: how the weights of a layer are stored and multiplied.
//!
//! | precision | weights | activations | bytes of a layer of `IN` × `OUT` | use it for |
//! |---|---|---|---|---|
//! | [`F32`] | f32 | f32 | `4·IN·OUT + 4·OUT` | cores with a float unit, reference models |
//! | [`W8`] | int8 | f32 | `IN·OUT + 8·OUT` | a quarter of the flash, without calibration |
//! | [`I8`] | int8 | int16 | `IN·OUT + 8·OUT` | cores without a float unit |
//! | [`I16`] | int16 | int16 | `2·IN·OUT + 12·OUT` | the layers of an I8 model that need more |

/// Implements `Debug` by the shape, which tells more than thousands of weights.
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
use crate::features::Table;
use crate::kernel::{ActiveColumns, HotInput};
use crate::number::Element;

/// The weights of one dense layer as they lie in flash.
pub trait Matrix<A: Element>: InPlace {
    /// The precision and the packing, as the layer's record has them.
    const FORMAT: (PrecisionKind, PackingKind);
    /// Computes `y = W x + b` as activations. With `relu`, negative ones become 0.
    fn dense(&self, x: &[A], y: &mut [A], relu: bool);
    /// Computes `z = W x + b` as logits.
    fn logits(&self, x: &[A], z: &mut [A::Logit]);
    /// Computes what [`dense`](Self::dense) computes, from numbers and codes.
    fn hot(&self, x: HotInput<'_, A>, y: &mut [A], relu: bool);
    /// Computes what [`logits`](Self::logits) computes, from numbers and codes.
    fn hot_logits(&self, x: HotInput<'_, A>, z: &mut [A::Logit]);
    /// Does what [`dense`](Self::dense) does, for the rows of a block, at most 32.
    fn dense_rows(&self, x: &[&[A]], y: &mut [&mut [A]], relu: bool) {
        for (x, y) in x.iter().zip(y) {
            self.dense(x, y, relu);
        }
    }
    /// Does what [`logits`](Self::logits) does, for the rows of a block, at most 32.
    fn logits_rows(&self, x: &[&[A]], z: &mut [&mut [A::Logit]]) {
        for (x, z) in x.iter().zip(z) {
            self.logits(x, z);
        }
    }
    /// The sum of one row over some of the columns.
    type Partial: Pod + Default;
    /// Writes the sums over the first columns, as many as `x` has.
    fn begin(&self, x: &[A], sums: &mut [Self::Partial]);
    /// Adds the columns from `from` on, as many as `x` has.
    fn add(&self, from: usize, x: &[A], sums: &mut [Self::Partial]);
    /// Adds the columns that are not zero, in their order.
    fn add_active(&self, x: ActiveColumns<'_, A>, sums: &mut [Self::Partial]);
    /// Whether leaving out columns of zeros gives the same bits as adding them.
    fn exact_without_zeros(&self) -> bool {
        true
    }
    /// Finishes what [`dense`](Self::dense) computes, once all columns are added.
    fn finish_dense(&self, sums: &[Self::Partial], y: &mut [A], relu: bool);
    /// Finishes what [`logits`](Self::logits) computes, once all columns are added.
    fn finish_logits(&self, sums: &[Self::Partial], z: &mut [A::Logit]);
}

/// The precision of a layer: [`F32`], [`W8`], [`I8`] or [`I16`].
pub trait Precision: 'static {
    /// The activations, which decide all other types of numbers as well.
    type Act: Element;
    /// The weights of a layer from `IN` to `OUT` values.
    type Matrix<const IN: usize, const OUT: usize>: Matrix<Self::Act>;
    /// The rows of an embedding table: `R` of `D` elements.
    type Rows<const R: usize, const D: usize>: Table<Self::Act>;
    /// The precision of layers that need more: F32 for F32 and W8, I16 for I8 and I16.
    type Wide: Precision<Act = Self::Act>;
}

/// The next wider precision than `P`, which the last layer of a tower has by default.
pub type Wide<P> = <P as Precision>::Wide;

/// Returns the lowest activation that a layer may return. A relu is so a saturation that integer
/// kernels do anyway, and costs nothing.
pub(crate) const fn floor(relu: bool) -> i16 {
    if relu { 0 } else { i16::MIN }
}
