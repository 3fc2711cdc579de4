//! Dense layers in parts: some columns now, the others later, with the same bits as all at once.
//!
//! A caller that scores many inputs which share their first columns keeps the sums of those. Every
//! function adds columns `from ..` of a layer of `total` columns, as many as `x` has, to one
//! accumulator per row; `finish_*` makes the outputs.

use super::gemv_f32 as f32_panels;
use super::gemv_i8 as i8_panels;
use super::gemv_i8_pairs as pairs_panels;
use super::gemv_i8_quad as quad_panels;
use super::gemv_i16 as i16_panels;
use super::gemv_w8 as w8_panels;
use super::panels::parts;
use super::requantize;
use crate::kernel::{Row, WideRow};
use core::slice;

/// Adds columns of an f32 layer. Start from the biases; the accumulators are the outputs when all
/// columns are in.
#[inline(never)]
pub fn accumulate_f32(w: &[f32], total: usize, from: usize, x: &[f32], acc: &mut [f32]) {
    let mut w = w;
    parts!(8, w, total, from, x, acc, p, a => *a = f32_panels::panel8(p, x, *a));
    parts!(4, w, total, from, x, acc, p, a => *a = f32_panels::panel4(p, x, *a));
    parts!(1, w, total, from, x, acc, p, a => *a = f32_panels::panel1(p, x, *a));
    let _ = acc;
}

/// Adds columns of a W8 layer. Start from zeros.
#[inline(never)]
pub fn accumulate_w8(w: &[i8], total: usize, from: usize, x: &[f32], acc: &mut [f32]) {
    let mut w = w;
    parts!(8, w, total, from, x, acc, p, a => *a = w8_panels::panel8(p, x, *a));
    parts!(4, w, total, from, x, acc, p, a => *a = w8_panels::panel4(p, x, *a));
    parts!(1, w, total, from, x, acc, p, a => *a = w8_panels::panel1(p, x, *a));
    let _ = acc;
}

/// The outputs of a W8 layer whose columns are all in.
#[inline(never)]
pub fn finish_w8(acc: &[f32], scale: &[f32], bias: &[f32], y: &mut [f32]) {
    for (((y, acc), scale), bias) in y.iter_mut().zip(acc).zip(scale).zip(bias) {
        *y = *acc * *scale + *bias;
    }
}

#[inline(always)]
fn accumulate_fours(
    w: &[i8],
    total: usize,
    from: usize,
    x: &[i16],
    acc: &mut [i32],
    panel: impl Fn(&[i8], &[i16], &mut [i32; 4]),
) {
    let mut w = w;
    parts!(4, w, total, from, x, acc, p, a => {
        let mut sums = [0; 4];
        panel(p, x, &mut sums);
        for (a, s) in a.iter_mut().zip(sums) {
            *a = a.wrapping_add(s);
        }
    });
    parts!(1, w, total, from, x, acc, p, a => {
        let [a] = a;
        *a = a.wrapping_add(i8_panels::row(p, x));
    });
    let _ = acc;
}

/// Adds columns of an I8 layer in `Panels`. Start from zeros.
#[inline(never)]
pub fn accumulate_i8(w: &[i8], total: usize, from: usize, x: &[i16], acc: &mut [i32]) {
    accumulate_fours(w, total, from, x, acc, i8_panels::panel);
}

/// Adds columns of an I8 layer in `Quad`. Start from zeros.
#[inline(never)]
pub fn accumulate_i8_quad(w: &[i8], total: usize, from: usize, x: &[i16], acc: &mut [i32]) {
    accumulate_fours(w, total, from, x, acc, quad_panels::panel(x));
}

/// Adds columns of an I8 layer in `Pairs`, split anywhere. Start from zeros.
#[inline(never)]
pub fn accumulate_i8_pairs(w: &[i8], total: usize, from: usize, x: &[i16], acc: &mut [i32]) {
    let (first, (middle, pairs), last) = pairs_panels::split(total, from, x);
    let mut w = w;
    let (panels, singles) = acc.as_chunks_mut::<4>();
    for acc in panels {
        let Some((panel, rest)) = w.split_at_checked(total.wrapping_mul(4)) else {
            return;
        };
        w = rest;
        for (c, x) in [first, last].into_iter().flatten() {
            pairs_panels::add_column(panel, total, c, x, acc);
        }
        let mut sums = [0; 4];
        if let Some(panel) = panel.get(middle.wrapping_mul(4)..) {
            pairs_panels::panel(panel, pairs, &mut sums);
        }
        for (a, s) in acc.iter_mut().zip(sums) {
            *a = a.wrapping_add(s);
        }
    }
    parts!(1, w, total, from, x, singles, p, a => {
        let [a] = a;
        *a = a.wrapping_add(i8_panels::row(p, x));
    });
    let _ = singles;
}

/// Adds columns of an I16 layer. Start from zeros.
#[inline(never)]
pub fn accumulate_i16(w: &[i16], total: usize, from: usize, x: &[i16], acc: &mut [i64]) {
    let mut w = w;
    parts!(2, w, total, from, x, acc, p, a => {
        let mut sums = [0; 2];
        i16_panels::pair(p, x, &mut sums);
        for (a, s) in a.iter_mut().zip(sums) {
            *a = a.wrapping_add(s);
        }
    });
    parts!(1, w, total, from, x, acc, p, a => {
        let [a] = a;
        *a = a.wrapping_add(i16_panels::single(p, x));
    });
    let _ = acc;
}

/// Requantizes `N` rows at a time and then the rest one by one. These are the lengths that the dense
/// kernels use as well, so that `requantize` is compiled for no further length, which saves flash.
#[inline(always)]
fn finish<const N: usize, A, R, T>(
    acc: &[A],
    rows: &[R],
    y: &mut [T],
    finish: impl Fn(&[A], &[R], &mut [T]),
) {
    let ((accs, acc), (panels, rows), (outs, y)) = (
        acc.as_chunks::<N>(),
        rows.as_chunks::<N>(),
        y.as_chunks_mut::<N>(),
    );
    for ((acc, rows), y) in accs.iter().zip(panels).zip(outs) {
        finish(acc, rows, y);
    }
    for ((acc, row), y) in acc.iter().zip(rows).zip(y) {
        finish(
            slice::from_ref(acc),
            slice::from_ref(row),
            slice::from_mut(y),
        );
    }
}

/// The activations of an I8 layer whose columns are all in, no less than `floor`.
#[inline(never)]
pub fn finish_dense_i8(acc: &[i32], rows: &[Row], y: &mut [i16], floor: i16) {
    finish::<4, _, _, _>(acc, rows, y, |acc, rows, y| {
        requantize::hidden(acc, rows, y, floor)
    });
}

/// The logits of an I8 layer whose columns are all in.
#[inline(never)]
pub fn finish_logits_i8(acc: &[i32], rows: &[Row], z: &mut [i32]) {
    finish::<4, _, _, _>(acc, rows, z, requantize::logits);
}

/// The activations of an I16 layer whose columns are all in, no less than `floor`.
#[inline(never)]
pub fn finish_dense_i16(acc: &[i64], rows: &[WideRow], y: &mut [i16], floor: i16) {
    finish::<2, _, _, _>(acc, rows, y, |acc, rows, y| {
        requantize::wide_hidden(acc, rows, y, floor)
    });
}

/// The logits of an I16 layer whose columns are all in.
#[inline(never)]
pub fn finish_logits_i16(acc: &[i64], rows: &[WideRow], z: &mut [i32]) {
    finish::<2, _, _, _>(acc, rows, z, requantize::wide_logits);
}
