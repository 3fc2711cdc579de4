//! int16 weights: the wide layers of integer models.

use super::{Matrix, Precision, floor};
use crate::blob::{PackingKind, PrecisionKind};
use crate::features::RowsI16;
use crate::kernel::{self, ActiveColumns, HotInput, WideRow};
use crate::number::Q16;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// int16 weights, int16 activations, and integer arithmetic only: the precision of those layers of an
/// [`I8`](crate::I8) model for which int8 weights are too coarse.
#[derive(Debug)]
pub enum I16 {}

impl Precision for I16 {
    type Act = i16;
    type Matrix<const IN: usize, const OUT: usize> = MatrixI16<IN, OUT>;
    type Rows<const R: usize, const D: usize> = RowsI16<R, D>;
    type Wide = I16;
}

/// The weights of an [`I16`] layer: `12·OUT + 2·IN·OUT` bytes, rounded up to a multiple of 4.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct MatrixI16<const IN: usize, const OUT: usize> {
    /// The bias, multiplier and shift of each row.
    pub rows: [WideRow; OUT],
    /// The weights, in panels of rows: not in the order of the nested array.
    pub weights: [[i16; IN]; OUT],
}

debug_shape!(MatrixI16);

impl<const IN: usize, const OUT: usize> Matrix<i16> for MatrixI16<IN, OUT> {
    const FORMAT: (PrecisionKind, PackingKind) = (PrecisionKind::I16, PackingKind::Panels);
    fn dense(&self, x: &[i16], y: &mut [i16], relu: bool) {
        kernel::dense_i16(self.weights.as_flattened(), &self.rows, x, y, floor(relu));
    }
    fn logits(&self, x: &[i16], z: &mut [Q16]) {
        kernel::logits_i16(
            self.weights.as_flattened(),
            &self.rows,
            x,
            zerocopy::transmute_mut!(z),
        );
    }
    fn hot(&self, x: HotInput<'_, i16>, y: &mut [i16], relu: bool) {
        kernel::hot_dense_i16(self.weights.as_flattened(), &self.rows, x, y, floor(relu));
    }
    fn hot_logits(&self, x: HotInput<'_, i16>, z: &mut [Q16]) {
        kernel::hot_logits_i16(
            self.weights.as_flattened(),
            &self.rows,
            x,
            zerocopy::transmute_mut!(z),
        );
    }
    type Partial = i64;
    fn begin(&self, x: &[i16], sums: &mut [i64]) {
        sums.fill(0);
        if !x.is_empty() {
            self.add(0, x, sums);
        }
    }
    fn add(&self, from: usize, x: &[i16], sums: &mut [i64]) {
        kernel::accumulate_i16(self.weights.as_flattened(), IN, from, x, sums);
    }
    fn add_active(&self, x: ActiveColumns<'_, i16>, sums: &mut [i64]) {
        for x in x.within(IN).into_iter().flatten() {
            self.add(usize::from(x.column), &[x.value], sums);
        }
    }
    fn finish_dense(&self, sums: &[i64], y: &mut [i16], relu: bool) {
        kernel::finish_dense_i16(sums, &self.rows, y, floor(relu));
    }
    fn finish_logits(&self, sums: &[i64], z: &mut [Q16]) {
        kernel::finish_logits_i16(sums, &self.rows, zerocopy::transmute_mut!(z));
    }
}
