//! Dense layers in f32.

use super::panels::{panel, panels};

#[inline(always)]
fn step(acc: f32, w: f32, x: f32) -> f32 {
    acc + w * x
}
panel!(panel8, f32, f32, f32, step, 8, 0 1 2 3 4 5 6 7);
panel!(panel4, f32, f32, f32, step, 4, 0 1 2 3);
panel!(panel1, f32, f32, f32, step, 1, 0);

/// `y = W·x + bias`: per row the bias, then the columns in order, one product and one addition each.
///
/// `w` is in [`Order::Eights`](crate::kernel::Order::Eights). Results have the same bits on every target; NaN and
/// infinity go their IEEE way.
#[inline(never)]
pub fn gemv_f32(w: &[f32], bias: &[f32], x: &[f32], y: &mut [f32]) {
    let (mut w, mut bias) = (w, bias);
    panels!(8, w, x, y, [bias], out => *out = panel8(w, x, *bias));
    panels!(4, w, x, y, [bias], out => *out = panel4(w, x, *bias));
    panels!(1, w, x, y, [bias], out => *out = panel1(w, x, *bias));
    let _ = y;
}
