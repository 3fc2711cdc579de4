//! Dense layers in f32.

use super::fixed::do_not_unroll;
use super::panels::{panel, panels};

#[inline(always)]
fn step(acc: f32, w: f32, x: f32) -> f32 {
    acc + w * x
}
panel!(panel8, f32, step, false, 8, 0 1 2 3 4 5 6 7);
panel!(panel4, f32, step, true, 4, 0 1 2 3);
panel!(panel1, f32, step, true, 1, 0);

/// Two panels of 8 side by side: one alone does not fill a host's vector units, since each row is one chain of additions.
#[cfg(not(target_os = "none"))]
#[inline(always)]
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

/// `y = W·x + bias`: per row the bias, then the columns in order, one product and one addition each.
///
/// `w` is in [`Order::Eights`](crate::kernel::Order::Eights). Results have the same bits on every target; NaN and
/// infinity go their IEEE way.
#[inline(never)]
pub fn gemv_f32(w: &[f32], bias: &[f32], x: &[f32], y: &mut [f32]) {
    let (mut w, mut bias) = (w, bias);
    #[cfg(not(target_os = "none"))]
    panels!(16, w, x, y, [bias], out => *out = panel16(w, x, bias));
    panels!(8, w, x, y, [bias], out => *out = panel8(w, x, *bias));
    panels!(4, w, x, y, [bias], out => *out = panel4(w, x, *bias));
    panels!(1, w, x, y, [bias], out => *out = panel1(w, x, *bias));
    let _ = y;
}
