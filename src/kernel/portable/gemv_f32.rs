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

/// The same panel of four matrices side by side.
#[cfg(not(target_os = "none"))]
#[inline(always)]
#[expect(
    clippy::indexing_slicing,
    reason = "constants below the arrays' lengths"
)]
fn panel_of_each<const R: usize>(
    w: [&[f32]; 4],
    x: &[f32],
    mut acc: [[f32; R]; 4],
) -> [[f32; R]; 4] {
    let [a, b, c, d] = w.map(|w| w.as_chunks::<R>().0);
    for ((((a, b), c), d), &x) in a.iter().zip(b).zip(c).zip(d).zip(x) {
        for r in 0..R {
            acc[0][r] = step(acc[0][r], a[r], x);
            acc[1][r] = step(acc[1][r], b[r], x);
            acc[2][r] = step(acc[2][r], c[r], x);
            acc[3][r] = step(acc[3][r], d[r], x);
        }
    }
    acc
}

/// [`gemv_f32`] of four matrices of one size on one input: a host's vector units are filled where
/// the matrices have few rows.
#[cfg(not(target_os = "none"))]
#[inline(never)]
pub fn gemv4_f32(w: [&[f32]; 4], bias: [&[f32]; 4], x: &[f32], y: [&mut [f32]; 4]) {
    let (mut w, mut bias, [mut y0, mut y1, mut y2, mut y3]) = (w, bias, y);
    macro_rules! rows {
        ($rows:literal) => {
            let ((c0, r0), (c1, r1)) = (y0.as_chunks_mut::<$rows>(), y1.as_chunks_mut::<$rows>());
            let ((c2, r2), (c3, r3)) = (y2.as_chunks_mut::<$rows>(), y3.as_chunks_mut::<$rows>());
            (y0, y1, y2, y3) = (r0, r1, r2, r3);
            for (((o0, o1), o2), o3) in c0.iter_mut().zip(c1).zip(c2).zip(c3) {
                let mut panels: [&[f32]; 4] = [&[]; 4];
                let mut acc = [[0.0; $rows]; 4];
                for ((w, panel), (bias, acc)) in w
                    .iter_mut()
                    .zip(&mut panels)
                    .zip(bias.iter_mut().zip(&mut acc))
                {
                    let Some((head, rest)) = w.split_at_checked(x.len().wrapping_mul($rows)) else {
                        return;
                    };
                    let Some((start, more)) = bias.split_first_chunk::<$rows>() else {
                        return;
                    };
                    (*panel, *w, *acc, *bias) = (head, rest, *start, more);
                }
                [*o0, *o1, *o2, *o3] = panel_of_each(panels, x, acc);
            }
        };
    }
    rows!(8);
    rows!(4);
    rows!(1);
    let _ = (y0, y1, y2, y3);
}
