//! Dense layers of int16 weights (wide layers), int16 activations and i64 accumulators.

use super::fixed::do_not_unroll;
use super::panels::panels;
use super::requantize::{wide_hidden, wide_logits};
use crate::kernel::WideRow;

#[inline(always)]
pub(super) fn step(acc: i64, w: i16, x: i16) -> i64 {
    acc.wrapping_add((w as i32 * x as i32) as i64)
}

/// The sums of two rows. A function of its own, so that its loop has all the registers.
#[inline(never)]
pub(super) fn pair(w: &[i16], x: &[i16], sums: &mut [i64; 2]) {
    let [mut a, mut b] = [0; 2];
    let (columns, _) = w.as_chunks::<2>();
    for (&[v, w], &x) in columns.iter().zip(x) {
        do_not_unroll();
        a = step(a, v, x);
        b = step(b, w, x);
    }
    *sums = [a, b];
}

/// The sum of a single row.
#[inline(never)]
pub(super) fn single(w: &[i16], x: &[i16]) -> i64 {
    w.iter().zip(x).fold(0, |acc, (&w, &x)| step(acc, w, x))
}

#[inline(always)]
fn gemv<T>(
    w: &[i16],
    rows: &[WideRow],
    x: &[i16],
    y: &mut [T],
    finish: impl Fn(&[i64], &[WideRow], &mut [T]),
) {
    let (mut w, mut rows) = (w, rows);
    panels!(2, w, x, y, [rows], out => {
        let mut sums = [0; 2];
        pair(w, x, &mut sums);
        finish(&sums, rows, out);
    });
    panels!(1, w, x, y, [rows], out => finish(&[single(w, x)], rows, out));
    let _ = y;
}

/// A hidden layer: requantized, saturated to int16, and no less than `floor` (0 for a relu,
/// `i16::MIN` for none).
///
/// `w` is in [`Order::Pairs`](crate::kernel::Order::Pairs).
#[inline(never)]
pub fn dense_i16(w: &[i16], rows: &[WideRow], x: &[i16], y: &mut [i16], floor: i16) {
    gemv(w, rows, x, y, |sums, rows, y| {
        wide_hidden(sums, rows, y, floor)
    });
}

/// A layer of logits: Q16.16, clamped to ±(2³⁰ − 1). `w` as in [`dense_i16`].
#[inline(never)]
pub fn logits_i16(w: &[i16], rows: &[WideRow], x: &[i16], z: &mut [i32]) {
    gemv(w, rows, x, z, wide_logits);
}
