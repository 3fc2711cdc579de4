//! Dense layers in f32.

use super::fixed::do_not_unroll;
use super::panels::{panel, panels};

#[inline(always)]
pub(super) fn step(acc: f32, w: f32, x: f32) -> f32 {
    acc + w * x
}
panel!(panel8, f32, step, false, 8, 0 1 2 3 4 5 6 7);
panel!(panel4, f32, step, true, 4, 0 1 2 3);
panel!(panel1, f32, step, true, 1, 0);

/// Two panels of 8 side by side: one alone does not fill a host's vector units, since each row is
/// one chain of additions.
#[cfg(not(target_os = "none"))]
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    reason = "constants below the arrays' lengths"
)]
fn panel16(w: &[f32], x: &[f32], acc: &[f32; 16]) -> [f32; 16] {
    let (columns, _) = w.as_chunks::<8>();
    let (upper, lower) = columns.split_at(columns.len() / 2);
    let mut acc = *acc;
    for ((upper, lower), &x) in upper.iter().zip(lower).zip(x) {
        for r in 0..8 {
            acc[r] = step(acc[r], upper[r], x);
            acc[r + 8] = step(acc[r + 8], lower[r], x);
        }
    }
    acc
}

/// Four panels of 8 side by side, for vectors of 8 numbers.
#[cfg(not(target_os = "none"))]
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    reason = "constants below the arrays' lengths"
)]
fn panel32(w: &[f32], x: &[f32], acc: &[f32; 32]) -> [f32; 32] {
    let (columns, _) = w.as_chunks::<8>();
    let (upper, lower) = columns.split_at(columns.len() / 2);
    let ((a, b), (c, d)) = (
        upper.split_at(upper.len() / 2),
        lower.split_at(lower.len() / 2),
    );
    let mut acc = *acc;
    for ((((a, b), c), d), &x) in a.iter().zip(b).zip(c).zip(d).zip(x) {
        for r in 0..8 {
            acc[r] = step(acc[r], a[r], x);
            acc[r + 8] = step(acc[r + 8], b[r], x);
            acc[r + 16] = step(acc[r + 16], c[r], x);
            acc[r + 24] = step(acc[r + 24], d[r], x);
        }
    }
    acc
}

/// `y = W·x + bias`: per row the bias, then the columns in order, one product and one addition
/// each.
///
/// `w` is in [`Order::Eights`](crate::kernel::Order::Eights). Results have the same bits on every
/// target; NaN and infinity go their IEEE way.
#[inline(never)]
pub fn gemv_f32(w: &[f32], bias: &[f32], x: &[f32], y: &mut [f32]) {
    let (mut w, mut bias) = (w, bias);
    #[cfg(not(target_os = "none"))]
    panels!(32, w, x, y, [bias], out => *out = panel32(w, x, bias));
    #[cfg(not(target_os = "none"))]
    panels!(16, w, x, y, [bias], out => *out = panel16(w, x, bias));
    panels!(8, w, x, y, [bias], out => *out = panel8(w, x, *bias));
    panels!(4, w, x, y, [bias], out => *out = panel4(w, x, *bias));
    panels!(1, w, x, y, [bias], out => *out = panel1(w, x, *bias));
    let _ = y;
}

/// [`gemv_f32`] of several inputs, with the same bits: each weight is loaded once for four of them.
///
/// Every `x` has as many numbers as the matrix has columns, every `y` as many as it has rows. Where
/// lengths differ, less is done.
#[inline(never)]
pub fn gemm_f32(w: &[f32], bias: &[f32], x: &[&[f32]], y: &mut [&mut [f32]]) {
    let (x, x_rest) = x.as_chunks::<4>();
    let (y, y_rest) = y.as_chunks_mut::<4>();
    for (x, y) in x.iter().zip(y) {
        gemv_of_four(w, bias, x, y);
    }
    for (x, y) in x_rest.iter().zip(y_rest) {
        gemv_f32(w, bias, x, y);
    }
}

/// Four inputs at a time: panels of 8, and what is left of the matrix input by input.
#[inline(always)]
fn gemv_of_four(w: &[f32], bias: &[f32], x: &[&[f32]; 4], y: &mut [&mut [f32]; 4]) {
    let [x0, x1, x2, x3] = x;
    let mut w = w;
    let (panels, bias) = bias.as_chunks::<8>();
    for (p, start) in panels.iter().enumerate() {
        let Some((panel, rest)) = w.split_at_checked(x0.len().wrapping_mul(8)) else {
            return;
        };
        w = rest;
        let mut acc = [*start; 4];
        let (columns, _) = panel.as_chunks::<8>();
        let inputs = x0.iter().zip(*x1).zip(x2.iter().zip(*x3));
        for (column, ((a, b), (c, d))) in columns.iter().zip(inputs) {
            for (acc, x) in acc.iter_mut().zip([*a, *b, *c, *d]) {
                for (acc, w) in acc.iter_mut().zip(column) {
                    *acc = step(*acc, *w, x);
                }
            }
        }
        for (y, acc) in y.iter_mut().zip(acc) {
            if let Some(y) = y.get_mut(p * 8..).and_then(<[f32]>::first_chunk_mut) {
                *y = acc;
            }
        }
    }
    for (x, y) in x.iter().zip(y) {
        if let Some(y) = y.get_mut(panels.len() * 8..) {
            gemv_f32(w, bias, x, y);
        }
    }
}
