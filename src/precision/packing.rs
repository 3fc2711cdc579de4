//! Packings: orders in which int8 weights are stored.

use crate::blob::PackingKind;
use crate::kernel::{self, ActiveColumns, HotInput, Row};

/// A packing: an order in which the int8 weights of a layer are stored, with the kernels that read it.
pub trait Packing: 'static {
    /// The code of the packing in a layer's record.
    const CODE: PackingKind;
    /// Computes activations, none of which is below `floor`.
    fn dense(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16);
    /// Computes logits.
    fn logits(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]);
    /// Computes activations of several inputs.
    fn dense_rows(w: &[i8], rows: &[Row], x: &[&[i16]], y: &mut [&mut [i16]], floor: i16) {
        for (x, y) in x.iter().zip(y) {
            Self::dense(w, rows, x, y, floor);
        }
    }
    /// Computes logits of several inputs.
    fn logits_rows(w: &[i8], rows: &[Row], x: &[&[i16]], z: &mut [&mut [i32]]) {
        for (x, z) in x.iter().zip(z) {
            Self::logits(w, rows, x, z);
        }
    }
    /// Computes activations from numbers and codes.
    fn hot(w: &[i8], rows: &[Row], x: HotInput<'_, i16>, y: &mut [i16], floor: i16);
    /// Computes logits from numbers and codes.
    fn hot_logits(w: &[i8], rows: &[Row], x: HotInput<'_, i16>, z: &mut [i32]);
    /// Adds the columns from `from` on, of `total`, to the rows' sums.
    fn add(w: &[i8], total: usize, from: usize, x: &[i16], sums: &mut [i32]);
    /// Adds the columns that are not zero, of `total`, to the rows' sums.
    fn add_active(w: &[i8], total: usize, x: ActiveColumns<'_, i16>, sums: &mut [i32]);
}

/// Panels of four rows, column by column: the packing for every target. The four weights that meet
/// one input are one word.
#[derive(Debug)]
pub enum Panels {}
/// Panels of four rows as 32-bit words whose lower three bytes are stored + 128, so that one shift
/// extracts a weight.
#[derive(Debug)]
pub enum Quad {}
/// Panels of four rows in which two rows share an int16 (see [`pairs_index`]), for cores that
/// multiply pairs of int16: Arm's DSP extension.
///
/// [`pairs_index`]: crate::kernel::pairs_index
#[derive(Debug)]
pub enum Pairs {}

impl Packing for Panels {
    const CODE: PackingKind = PackingKind::Panels;
    fn dense(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
        kernel::dense_i8(w, rows, x, y, floor);
    }
    fn logits(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
        kernel::logits_i8(w, rows, x, z);
    }
    fn dense_rows(w: &[i8], rows: &[Row], x: &[&[i16]], y: &mut [&mut [i16]], floor: i16) {
        kernel::dense_rows_i8(w, rows, x, y, floor);
    }
    fn logits_rows(w: &[i8], rows: &[Row], x: &[&[i16]], z: &mut [&mut [i32]]) {
        kernel::logits_rows_i8(w, rows, x, z);
    }
    fn hot(w: &[i8], rows: &[Row], x: HotInput<'_, i16>, y: &mut [i16], floor: i16) {
        kernel::hot_dense_i8(w, rows, x, y, floor);
    }
    fn hot_logits(w: &[i8], rows: &[Row], x: HotInput<'_, i16>, z: &mut [i32]) {
        kernel::hot_logits_i8(w, rows, x, z);
    }
    fn add(w: &[i8], total: usize, from: usize, x: &[i16], sums: &mut [i32]) {
        kernel::accumulate_i8(w, total, from, x, sums);
    }
    fn add_active(w: &[i8], total: usize, x: ActiveColumns<'_, i16>, sums: &mut [i32]) {
        kernel::accumulate_active_i8(w, total, x, sums);
    }
}

impl Packing for Quad {
    const CODE: PackingKind = PackingKind::Quad;
    fn dense(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
        kernel::dense_i8_quad(w, rows, x, y, floor);
    }
    fn logits(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
        kernel::logits_i8_quad(w, rows, x, z);
    }
    fn dense_rows(w: &[i8], rows: &[Row], x: &[&[i16]], y: &mut [&mut [i16]], floor: i16) {
        kernel::dense_rows_i8_quad(w, rows, x, y, floor);
    }
    fn logits_rows(w: &[i8], rows: &[Row], x: &[&[i16]], z: &mut [&mut [i32]]) {
        kernel::logits_rows_i8_quad(w, rows, x, z);
    }
    fn hot(w: &[i8], rows: &[Row], x: HotInput<'_, i16>, y: &mut [i16], floor: i16) {
        kernel::hot_dense_i8_quad(w, rows, x, y, floor);
    }
    fn hot_logits(w: &[i8], rows: &[Row], x: HotInput<'_, i16>, z: &mut [i32]) {
        kernel::hot_logits_i8_quad(w, rows, x, z);
    }
    fn add(w: &[i8], total: usize, from: usize, x: &[i16], sums: &mut [i32]) {
        kernel::accumulate_i8_quad(w, total, from, x, sums);
    }
    fn add_active(w: &[i8], total: usize, x: ActiveColumns<'_, i16>, sums: &mut [i32]) {
        kernel::accumulate_active_i8_quad(w, total, x, sums);
    }
}

impl Packing for Pairs {
    const CODE: PackingKind = PackingKind::Pairs;
    fn dense(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
        kernel::dense_i8_pairs(w, rows, x, y, floor);
    }
    fn logits(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
        kernel::logits_i8_pairs(w, rows, x, z);
    }
    fn hot(w: &[i8], rows: &[Row], x: HotInput<'_, i16>, y: &mut [i16], floor: i16) {
        kernel::hot_dense_i8_pairs(w, rows, x, y, floor);
    }
    fn hot_logits(w: &[i8], rows: &[Row], x: HotInput<'_, i16>, z: &mut [i32]) {
        kernel::hot_logits_i8_pairs(w, rows, x, z);
    }
    fn add(w: &[i8], total: usize, from: usize, x: &[i16], sums: &mut [i32]) {
        kernel::accumulate_i8_pairs(w, total, from, x, sums);
    }
    fn add_active(w: &[i8], total: usize, x: ActiveColumns<'_, i16>, sums: &mut [i32]) {
        kernel::accumulate_active_i8_pairs(w, total, x, sums);
    }
}
