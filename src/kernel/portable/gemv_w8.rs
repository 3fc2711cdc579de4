//! Dense layers of int8 weights with an f32 scale per row, and f32 activations.

use super::fixed::do_not_unroll;
use super::panels::{panel, panels};

#[inline(always)]
pub(super) fn step(acc: f32, w: i8, x: f32) -> f32 {
    acc + w as f32 * x
}
panel!(panel8, i8, step, true, 8, 0 1 2 3 4 5 6 7);
panel!(panel4, i8, step, true, 4, 0 1 2 3);
panel!(panel1, i8, step, true, 1, 0);

#[inline(always)]
pub(super) fn scaled<const N: usize>(
    mut acc: [f32; N],
    scale: &[f32; N],
    bias: &[f32; N],
) -> [f32; N] {
    for ((acc, scale), bias) in acc.iter_mut().zip(scale).zip(bias) {
        *acc = *acc * scale + bias;
    }
    acc
}

/// `y = (W·x)·scale + bias`: per row the columns in order from 0, then the scale, then the bias,
/// each with a rounding.
///
/// `w` is in [`Order::Eights`](crate::kernel::Order::Eights). Results have the same bits on every
/// target; NaN and infinity go their IEEE way.
#[inline(never)]
pub fn gemv_w8(w: &[i8], scale: &[f32], bias: &[f32], x: &[f32], y: &mut [f32]) {
    let (mut w, mut scale, mut bias) = (w, scale, bias);
    panels!(8, w, x, y, [scale bias], out => *out = scaled(panel8(w, x, [0.0; 8]), scale, bias));
    panels!(4, w, x, y, [scale bias], out => *out = scaled(panel4(w, x, [0.0; 4]), scale, bias));
    panels!(1, w, x, y, [scale bias], out => *out = scaled(panel1(w, x, [0.0; 1]), scale, bias));
    let _ = y;
}

/// [`gemv_w8`] of several inputs.
#[inline(never)]
pub fn gemm_w8(w: &[i8], scale: &[f32], bias: &[f32], x: &[&[f32]], y: &mut [&mut [f32]]) {
    for (x, y) in x.iter().zip(y) {
        gemv_w8(w, scale, bias, x, y);
    }
}
