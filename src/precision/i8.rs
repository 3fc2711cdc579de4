//! int8 weights in integer models.

use super::{I16, Matrix, Packing, Panels, Precision, floor};
use crate::blob::{PackingKind, PrecisionKind};
use crate::features::RowsI8;
use crate::kernel::{self, ActiveColumns, HotInput, Row};
use crate::number::Q16;
use crate::rows;
use core::marker::PhantomData;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// int8 weights, int16 activations, and integer arithmetic only.
///
/// `K` is the packing, the order of the weights in flash. It changes speed, never a result.
#[derive(Debug)]
pub struct I8<K = Panels>(PhantomData<K>);

impl<K: Packing> Precision for I8<K> {
    type Act = i16;
    type Matrix<const IN: usize, const OUT: usize> = MatrixI8<IN, OUT, K>;
    type Rows<const R: usize, const D: usize> = RowsI8<R, D>;
    type Wide = I16;
}

/// The weights of an [`I8`] layer: `8·OUT + IN·OUT` bytes, rounded up to a multiple of 4.
#[derive(FromBytes, KnownLayout, Immutable)]
#[repr(C, align(4))]
pub struct MatrixI8<const IN: usize, const OUT: usize, K> {
    /// The bias, multiplier and shift of each row.
    pub rows: [Row; OUT],
    /// The weights, in the order of the packing `K`: not in the order of the nested array.
    pub weights: [[i8; IN]; OUT],
    /// Names the packing.
    pub packing: PhantomData<K>,
}

debug_shape!(MatrixI8<K>);

impl<const IN: usize, const OUT: usize, K: Packing> Matrix<i16> for MatrixI8<IN, OUT, K> {
    const FORMAT: (PrecisionKind, PackingKind) = (PrecisionKind::I8, K::CODE);
    fn dense(&self, x: &[i16], y: &mut [i16], relu: bool) {
        K::dense(self.weights.as_flattened(), &self.rows, x, y, floor(relu));
    }
    fn logits(&self, x: &[i16], z: &mut [Q16]) {
        K::logits(
            self.weights.as_flattened(),
            &self.rows,
            x,
            zerocopy::transmute_mut!(z),
        );
    }
    fn dense_rows(&self, x: &[&[i16]], y: &mut [&mut [i16]], relu: bool) {
        K::dense_rows(self.weights.as_flattened(), &self.rows, x, y, floor(relu));
    }
    fn logits_rows(&self, x: &[&[i16]], z: &mut [&mut [Q16]]) {
        let z = z
            .iter_mut()
            .map(|z| -> &mut [i32] { zerocopy::transmute_mut!(&mut **z) });
        let mut z = rows::collect::<_, { rows::MOST }>(z);
        K::logits_rows(self.weights.as_flattened(), &self.rows, x, &mut z);
    }
    fn hot(&self, x: HotInput<'_, i16>, y: &mut [i16], relu: bool) {
        K::hot(self.weights.as_flattened(), &self.rows, x, y, floor(relu));
    }
    fn hot_logits(&self, x: HotInput<'_, i16>, z: &mut [Q16]) {
        K::hot_logits(
            self.weights.as_flattened(),
            &self.rows,
            x,
            zerocopy::transmute_mut!(z),
        );
    }
    type Partial = i32;
    fn begin(&self, x: &[i16], sums: &mut [i32]) {
        sums.fill(0);
        if !x.is_empty() {
            self.add(0, x, sums);
        }
    }
    fn add(&self, from: usize, x: &[i16], sums: &mut [i32]) {
        K::add(self.weights.as_flattened(), IN, from, x, sums);
    }
    fn add_active(&self, x: ActiveColumns<'_, i16>, sums: &mut [i32]) {
        K::add_active(self.weights.as_flattened(), IN, x, sums);
    }
    fn finish_dense(&self, sums: &[i32], y: &mut [i16], relu: bool) {
        kernel::finish_dense_i8(sums, &self.rows, y, floor(relu));
    }
    fn finish_logits(&self, sums: &[i32], z: &mut [Q16]) {
        kernel::finish_logits_i8(sums, &self.rows, zerocopy::transmute_mut!(z));
    }
}
