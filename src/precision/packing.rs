//! Orders of int8 weights.

use crate::blob::PackingKind;
use crate::kernel::{self, ActiveColumns, Row};

/// An order of int8 weights.
pub trait Packing: 'static {
    /// How a layer's record calls it.
    const CODE: PackingKind;
    /// Rows to activations, not below `floor`.
    fn dense(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16);
    /// Rows to logits.
    fn logits(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]);
    /// Adds the columns from `from` on, of `total`, to the rows' sums.
    fn add(w: &[i8], total: usize, from: usize, x: &[i16], sums: &mut [i32]);
    /// Adds the columns that are not zero, of `total`, to the rows' sums.
    fn add_active(w: &[i8], total: usize, x: ActiveColumns<'_, i16>, sums: &mut [i32]);
}

/// Panels of four rows, column by column: the order for every target.
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
    fn add(w: &[i8], total: usize, from: usize, x: &[i16], sums: &mut [i32]) {
        kernel::accumulate_i8_pairs(w, total, from, x, sums);
    }
    fn add_active(w: &[i8], total: usize, x: ActiveColumns<'_, i16>, sums: &mut [i32]) {
        kernel::accumulate_active_i8_pairs(w, total, x, sums);
    }
}
