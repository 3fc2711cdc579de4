//! Dense layers of int8 weights in panels of 4 rows, int16 activations and i32 accumulators.

use zerocopy::{FromBytes, IntoBytes};

use super::fixed::do_not_unroll;
use super::panels::panels;
use super::requantize::{hidden, logits};
use crate::kernel::Row;

#[inline(always)]
fn step(acc: i32, w: i8, x: i16) -> i32 {
    // The product fits; only the sum can wrap, and the converter has proven that it does not.
    acc.wrapping_add(w as i32 * x as i32)
}

/// The sum of a single row.
#[inline(never)]
pub(in crate::kernel) fn row(w: &[i8], x: &[i16]) -> i32 {
    w.iter().zip(x).fold(0, |acc, (&w, &x)| step(acc, w, x))
}

/// Adds one column of a panel: one load, then one weight after the other from the word.
#[inline(always)]
pub(super) fn column([a, b, c, d]: [i32; 4], word: i32, x: i16) -> [i32; 4] {
    [
        step(a, word as i8, x),
        step(b, (word >> 8) as i8, x),
        step(c, (word >> 16) as i8, x),
        step(d, (word >> 24) as i8, x),
    ]
}

/// The sums of a panel. A function of its own, so that its loop has all the registers.
#[inline(never)]
fn words4(w: &[i32], x: &[i16], sums: &mut [i32; 4]) {
    *sums = columns(w, x, column);
}

/// All columns of a panel, two at a time, since the loop itself costs as much as a row.
#[inline(always)]
pub(super) fn columns(
    w: &[i32],
    x: &[i16],
    column: impl Fn([i32; 4], i32, i16) -> [i32; 4],
) -> [i32; 4] {
    let mut acc = [0; 4];
    let (w, w_rest) = w.as_chunks::<2>();
    let (x, x_rest) = x.as_chunks::<2>();
    for (&[v, w], &[x, y]) in w.iter().zip(x) {
        do_not_unroll();
        acc = column(acc, i32::from_le(v), x);
        acc = column(acc, i32::from_le(w), y);
    }
    if let (&[w], &[x]) = (w_rest, x_rest) {
        acc = column(acc, i32::from_le(w), x);
    }
    acc
}

/// The sums of a panel that does not lie on a word boundary: never in a loaded model.
#[cold]
#[inline(never)]
fn unaligned(w: &[i8], x: &[i16], sums: &mut [i32; 4]) {
    let (words, _) = w.as_bytes().as_chunks::<4>();
    *sums = words.iter().zip(x).fold([0; 4], |acc, (w, &x)| {
        column(acc, i32::from_le_bytes(*w), x)
    });
}

#[inline(always)]
pub(super) fn panel(w: &[i8], x: &[i16], sums: &mut [i32; 4]) {
    match <[i32]>::ref_from_bytes(w.as_bytes()) {
        Ok(words) => words4(words, x, sums),
        Err(_) => unaligned(w, x, sums),
    }
}

/// The walk over the rows that every packing of int8 shares: `panel` gives the sums of four rows,
/// `finish` turns sums into outputs.
#[inline(always)]
pub(super) fn gemv<T>(
    w: &[i8],
    rows: &[Row],
    x: &[i16],
    y: &mut [T],
    panel: impl Fn(&[i8], &[i16], &mut [i32; 4]),
    finish: impl Fn(&[i32], &[Row], &mut [T]),
) {
    let (mut w, mut rows) = (w, rows);
    panels!(4, w, x, y, [rows], out => {
        let mut sums = [0; 4];
        panel(w, x, &mut sums);
        finish(&sums, rows, out);
    });
    panels!(1, w, x, y, [rows], out => finish(&[row(w, x)], rows, out));
    let _ = y;
}

/// A hidden layer: requantized, saturated to int16, and no less than `floor` (0 for a relu,
/// `i16::MIN` for none).
///
/// `w` is in [`Order::Fours`](crate::kernel::Order::Fours); it is read word by word where it is
/// aligned to 4.
#[inline(never)]
pub fn dense_i8(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
    gemv(w, rows, x, y, panel, |sums, rows, y| {
        hidden(sums, rows, y, floor)
    });
}

/// A layer of logits: Q16.16. `w` as in [`dense_i8`].
#[inline(never)]
pub fn logits_i8(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
    gemv(w, rows, x, z, panel, logits);
}

/// [`dense_i8`] of several inputs.
#[inline(never)]
pub fn dense_rows_i8(w: &[i8], rows: &[Row], x: &[&[i16]], y: &mut [&mut [i16]], floor: i16) {
    for (x, y) in x.iter().zip(y) {
        dense_i8(w, rows, x, y, floor);
    }
}

/// [`logits_i8`] of several inputs.
#[inline(never)]
pub fn logits_rows_i8(w: &[i8], rows: &[Row], x: &[&[i16]], z: &mut [&mut [i32]]) {
    for (x, z) in x.iter().zip(z) {
        logits_i8(w, rows, x, z);
    }
}
