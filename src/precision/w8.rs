//! int8 weights in float models.

use super::{F32, Matrix, Precision};
use crate::blob::{PackingKind, PrecisionKind};
use crate::features::RowsW8;
use crate::kernel::{self, ActiveColumns, HotInput};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// int8 weights with one f32 scale per row, and f32 arithmetic.
///
/// It takes a quarter of the flash of [`F32`], and its conversion needs no calibration rows.
#[derive(Debug)]
pub enum W8 {}

impl Precision for W8 {
    type Act = f32;
    type Matrix<const IN: usize, const OUT: usize> = MatrixW8<IN, OUT>;
    type Rows<const R: usize, const D: usize> = RowsW8<R, D>;
    type Wide = F32;
}

/// The weights of a [`W8`] layer: `8·OUT + IN·OUT` bytes, rounded up to a multiple of 4.
///
/// ```
/// use mmoe::{W8, layer::{Dense, Layer, Linear}, math::Libm, precision::MatrixW8};
/// let matrix = MatrixW8 { bias: [1.0], scale: [0.25], weights: [[8, -4]] };
/// let layer = Dense::<2, 1, W8, Linear> { matrix, activation: [] };
/// let mut y = [0.0];
/// layer.forward::<Libm>(&[1.0, 1.0], &mut y);
/// assert_eq!(y, [2.0], "(8 − 4)·0.25 + 1");
/// ```
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct MatrixW8<const IN: usize, const OUT: usize> {
    /// The bias of each row.
    pub bias: [f32; OUT],
    /// The scale of each row.
    pub scale: [f32; OUT],
    /// The weights, in panels of rows: not in the order of the nested array.
    pub weights: [[i8; IN]; OUT],
}

debug_shape!(MatrixW8);

impl<const IN: usize, const OUT: usize> Matrix<f32> for MatrixW8<IN, OUT> {
    const FORMAT: (PrecisionKind, PackingKind) = (PrecisionKind::W8, PackingKind::Panels);
    fn dense(&self, x: &[f32], y: &mut [f32], relu: bool) {
        kernel::gemv_w8(self.weights.as_flattened(), &self.scale, &self.bias, x, y);
        if relu {
            kernel::relu_f32(y);
        }
    }
    fn logits(&self, x: &[f32], z: &mut [f32]) {
        kernel::gemv_w8(self.weights.as_flattened(), &self.scale, &self.bias, x, z);
    }
    fn dense_rows(&self, x: &[&[f32]], y: &mut [&mut [f32]], relu: bool) {
        self.logits_rows(x, y);
        if relu {
            y.iter_mut().for_each(|y| kernel::relu_f32(y));
        }
    }
    fn logits_rows(&self, x: &[&[f32]], z: &mut [&mut [f32]]) {
        kernel::gemm_w8(self.weights.as_flattened(), &self.scale, &self.bias, x, z);
    }
    fn hot(&self, x: HotInput<'_, f32>, y: &mut [f32], relu: bool) {
        self.hot_logits(x, y);
        if relu {
            kernel::relu_f32(y);
        }
    }
    fn hot_logits(&self, x: HotInput<'_, f32>, z: &mut [f32]) {
        kernel::hot_w8(self.weights.as_flattened(), &self.scale, &self.bias, x, z);
    }
    type Partial = f32;
    fn begin(&self, x: &[f32], sums: &mut [f32]) {
        sums.fill(0.0);
        if !x.is_empty() {
            self.add(0, x, sums);
        }
    }
    fn add(&self, from: usize, x: &[f32], sums: &mut [f32]) {
        kernel::accumulate_w8(self.weights.as_flattened(), IN, from, x, sums);
    }
    fn add_active(&self, x: ActiveColumns<'_, f32>, sums: &mut [f32]) {
        kernel::accumulate_active_w8(self.weights.as_flattened(), IN, x, sums);
    }
    fn finish_dense(&self, sums: &[f32], y: &mut [f32], relu: bool) {
        self.finish_logits(sums, y);
        if relu {
            kernel::relu_f32(y);
        }
    }
    fn finish_logits(&self, sums: &[f32], z: &mut [f32]) {
        kernel::finish_w8(sums, &self.scale, &self.bias, z);
    }
}
