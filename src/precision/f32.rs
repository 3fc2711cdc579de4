//! f32 weights and arithmetic.

use super::{Matrix, Precision};
use crate::blob::{PackingKind, PrecisionKind};
use crate::features::RowsF32;
use crate::kernel::{self, ActiveColumns, HotInput};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// f32 weights and f32 arithmetic.
#[derive(Debug)]
pub enum F32 {}

impl Precision for F32 {
    type Act = f32;
    type Matrix<const IN: usize, const OUT: usize> = MatrixF32<IN, OUT>;
    type Rows<const R: usize, const D: usize> = RowsF32<R, D>;
    type Wide = F32;
}

/// The weights of an [`F32`] layer: `4·OUT + 4·IN·OUT` bytes.
///
/// The matrix is not stored row by row. Rows lie in panels of eight (then one of four, then single
/// rows), and a panel is stored column by column, so that the weights that meet one input are
/// neighbours and are read in order:
///
/// ```
/// use mmoe::{F32, layer::{Dense, Layer, Linear}, math::Libm, precision::MatrixF32};
/// // Four rows are one panel: column 0 of all rows, then column 1.
/// let weights = [[1.0, 2.0], [3.0, 4.0], [10.0, 20.0], [30.0, 40.0]];
/// let layer = Dense::<2, 4, F32, Linear> {
///     matrix: MatrixF32 { bias: [0.0; 4], weights },
///     activation: [],
/// };
/// let mut y = [0.0; 4];
/// layer.forward::<Libm>(&[1.0, 0.0], &mut y);
/// assert_eq!(y, [1.0, 2.0, 3.0, 4.0], "column 0");
/// layer.forward::<Libm>(&[0.0, 1.0], &mut y);
/// assert_eq!(y, [10.0, 20.0, 30.0, 40.0], "column 1");
/// ```
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct MatrixF32<const IN: usize, const OUT: usize> {
    /// The bias of each row.
    pub bias: [f32; OUT],
    /// The weights, in panels of rows: not in the order of the nested array.
    pub weights: [[f32; IN]; OUT],
}

debug_shape!(MatrixF32);

impl<const IN: usize, const OUT: usize> Matrix<f32> for MatrixF32<IN, OUT> {
    const FORMAT: (PrecisionKind, PackingKind) = (PrecisionKind::F32, PackingKind::Panels);
    fn dense(&self, x: &[f32], y: &mut [f32], relu: bool) {
        kernel::gemv_f32(self.weights.as_flattened(), &self.bias, x, y);
        if relu {
            kernel::relu_f32(y);
        }
    }
    fn logits(&self, x: &[f32], z: &mut [f32]) {
        kernel::gemv_f32(self.weights.as_flattened(), &self.bias, x, z);
    }
    fn hot(&self, x: HotInput<'_, f32>, y: &mut [f32], relu: bool) {
        self.hot_logits(x, y);
        if relu {
            kernel::relu_f32(y);
        }
    }
    fn hot_logits(&self, x: HotInput<'_, f32>, z: &mut [f32]) {
        kernel::hot_f32(self.weights.as_flattened(), &self.bias, x, z);
    }
    fn dense_rows(&self, x: &[&[f32]], y: &mut [&mut [f32]], relu: bool) {
        self.logits_rows(x, y);
        if relu {
            y.iter_mut().for_each(|y| kernel::relu_f32(y));
        }
    }
    fn logits_rows(&self, x: &[&[f32]], z: &mut [&mut [f32]]) {
        kernel::gemm_f32(self.weights.as_flattened(), &self.bias, x, z);
    }
    type Partial = f32;
    fn begin(&self, x: &[f32], sums: &mut [f32]) {
        for (s, b) in sums.iter_mut().zip(&self.bias) {
            *s = *b;
        }
        if !x.is_empty() {
            self.add(0, x, sums);
        }
    }
    fn add(&self, from: usize, x: &[f32], sums: &mut [f32]) {
        kernel::accumulate_f32(self.weights.as_flattened(), IN, from, x, sums);
    }
    fn add_active(&self, x: ActiveColumns<'_, f32>, sums: &mut [f32]) {
        kernel::accumulate_active_f32(self.weights.as_flattened(), IN, x, sums);
    }
    fn exact_without_zeros(&self) -> bool {
        // A sum that starts at −0 stays −0 without the zeros alone, and 0·∞ is NaN.
        self.bias
            .iter()
            .all(|b| b.to_bits() != (-0.0_f32).to_bits())
            && self.weights.as_flattened().iter().all(|w| w.is_finite())
    }
    fn finish_dense(&self, sums: &[f32], y: &mut [f32], relu: bool) {
        self.finish_logits(sums, y);
        if relu {
            kernel::relu_f32(y);
        }
    }
    fn finish_logits(&self, sums: &[f32], z: &mut [f32]) {
        for (z, s) in z.iter_mut().zip(sums) {
            *z = *s;
        }
    }
}
