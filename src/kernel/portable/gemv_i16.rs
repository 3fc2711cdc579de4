//! Dense layers of int16 weights (wide layers), int16 activations and i64 accumulators.

use super::fixed::at_least;
use super::panels::{finish, panel, panels};
use super::requantize::{wide_hidden, wide_logit};
use crate::kernel::WideRow;

#[inline(always)]
fn step(acc: i64, w: i16, x: i16) -> i64 {
    acc.wrapping_add((w as i32 * x as i32) as i64)
}
panel!(panel2, i16, i16, i64, step, 2, 0 1);
panel!(panel1, i16, i16, i64, step, 1, 0);

/// Adds a pair's products to `acc`. A function of its own, so that its loop has all the registers.
#[inline(never)]
fn pair(w: &[i16], x: &[i16], acc: &mut [i64; 2]) {
    *acc = panel2(w, x, *acc);
}

/// Adds one row's products to `acc`.
#[inline(never)]
fn single(w: &[i16], x: &[i16], acc: &mut [i64; 1]) {
    *acc = panel1(w, x, *acc);
}

#[inline(always)]
fn gemv<T: Copy>(w: &[i16], rows: &[WideRow], x: &[i16], y: &mut [T], f: impl Fn(i64, &WideRow) -> T) {
    let (mut w, mut rows) = (w, rows);
    panels!(2, w, x, y, [rows], out => {
        let mut acc = rows.each_ref().map(WideRow::bias);
        pair(w, x, &mut acc);
        finish(acc, rows, out, &f);
    });
    panels!(1, w, x, y, [rows], out => {
        let mut acc = rows.each_ref().map(WideRow::bias);
        single(w, x, &mut acc);
        finish(acc, rows, out, &f);
    });
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
