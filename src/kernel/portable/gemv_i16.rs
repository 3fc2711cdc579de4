//! Dense layers of int16 weights (wide layers), int16 activations and i64 accumulators.

use super::fixed::at_least;
use super::panels::{panel, panels};
use super::requantize::{wide_hidden, wide_logit};
use crate::kernel::WideRow;

#[inline(always)]
fn step(acc: i64, w: i16, x: i16) -> i64 {
    acc.wrapping_add((w as i32 * x as i32) as i64)
}
panel!(panel2, i16, i16, i64, step, 2, 0 1);
panel!(panel1, i16, i16, i64, step, 1, 0);

#[inline(always)]
fn finish<T, const N: usize>(acc: [i64; N], rows: &[WideRow; N], f: impl Fn(i64, &WideRow) -> T) -> [T; N] {
    let mut rows = rows.iter();
    acc.map(|acc| match rows.next() {
        Some(row) => f(acc, row),
        None => f(acc, &WideRow::default()),
    })
}

#[inline(always)]
fn gemv<T>(w: &[i16], rows: &[WideRow], x: &[i16], y: &mut [T], f: impl Fn(i64, &WideRow) -> T) {
    let (mut w, mut rows) = (w, rows);
    panels!(2, w, x, y, [rows], finish(panel2(w, x, rows.each_ref().map(WideRow::bias)), rows, &f));
    panels!(1, w, x, y, [rows], finish(panel1(w, x, rows.each_ref().map(WideRow::bias)), rows, &f));
    let _ = y;
}

/// A hidden layer: requantized, saturated to int16, and no less than `floor` (0 for a relu, `i16::MIN` for none).
///
/// `w` is in [`Order::Pairs`](crate::kernel::Order::Pairs).
#[inline(never)]
pub fn dense_i16(w: &[i16], rows: &[WideRow], x: &[i16], y: &mut [i16], floor: i16) {
    gemv(w, rows, x, y, |acc, row| at_least(floor, wide_hidden(acc, row)));
}

/// A layer of logits: Q16.16, clamped to ±(2³⁰ − 1). `w` as in [`dense_i16`].
#[inline(never)]
pub fn logits_i16(w: &[i16], rows: &[WideRow], x: &[i16], z: &mut [i32]) {
    gemv(w, rows, x, z, wide_logit);
}
