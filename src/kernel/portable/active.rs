//! Dense layers on an input that is mostly zeros, from its other columns alone.
//!
//! A column of zeros adds nothing to a sum of integers, and `0·w` with a finite w nothing to a sum of
//! floats that is not −0: the results have the bits of the whole input's. Like the functions of
//! [`accumulate`](super::accumulate), these add to one accumulator per row, and the outputs are made
//! by the same `finish_…`.

use super::gemv_f32::step as step_f32;
use super::gemv_i8::column;
use super::gemv_i8_pairs::add_column;
use super::gemv_w8::step as step_w8;
use crate::kernel::ActiveColumns;

/// Adds the active columns, panel by panel, then the single rows.
#[inline(always)]
fn accumulate_fours(
    w: &[i8],
    total: usize,
    x: ActiveColumns<'_, i16>,
    acc: &mut [i32],
    add: impl Fn(&[i8], usize, i16, &mut [i32; 4]),
) {
    let Some(active) = x.within(total) else {
        return;
    };
    let mut w = w;
    let (panels, singles) = acc.as_chunks_mut::<4>();
    for acc in panels {
        let Some((panel, rest)) = w.split_at_checked(total.wrapping_mul(4)) else {
            return;
        };
        w = rest;
        for x in active {
            add(panel, usize::from(x.column), x.value, acc);
        }
    }
    accumulate_singles(w, total, x, singles);
}

/// The rows behind the whole panels, which every packing of int8 stores as they are.
#[inline(never)]
pub(in crate::kernel) fn accumulate_singles(
    w: &[i8],
    total: usize,
    x: ActiveColumns<'_, i16>,
    acc: &mut [i32],
) {
    let mut w = w;
    for acc in acc {
        let (Some((row, rest)), Some(active)) = (w.split_at_checked(total), x.within(total)) else {
            return;
        };
        w = rest;
        for x in active {
            if let Some(w) = row.get(usize::from(x.column)) {
                *acc = acc.wrapping_add((*w as i32).wrapping_mul(x.value as i32));
            }
        }
    }
}

/// The word of a column of a panel.
#[inline(always)]
fn word(panel: &[i8], c: usize) -> i32 {
    match panel.get(c.wrapping_mul(4)..) {
        Some(&[a, b, c, d, ..]) => i32::from_le_bytes([a as u8, b as u8, c as u8, d as u8]),
        _ => 0,
    }
}

/// Adds columns of an I8 layer in `Panels`.
#[inline(never)]
pub fn accumulate_active_i8(w: &[i8], total: usize, x: ActiveColumns<'_, i16>, acc: &mut [i32]) {
    accumulate_fours(w, total, x, acc, |panel, c, x, acc| {
        *acc = column(*acc, word(panel, c), x);
    });
}

/// Adds columns of an I8 layer in `Quad`.
#[inline(never)]
pub fn accumulate_active_i8_quad(
    w: &[i8],
    total: usize,
    x: ActiveColumns<'_, i16>,
    acc: &mut [i32],
) {
    accumulate_fours(w, total, x, acc, |panel, c, x, acc| {
        // 128 taken off each of the lower three bytes.
        *acc = column(*acc, word(panel, c) ^ 0x80_8080, x);
    });
}

/// Adds columns of an I8 layer in `Pairs`.
#[inline(never)]
pub fn accumulate_active_i8_pairs(
    w: &[i8],
    total: usize,
    x: ActiveColumns<'_, i16>,
    acc: &mut [i32],
) {
    accumulate_fours(w, total, x, acc, |panel, c, x, acc| {
        add_column(panel, total, c, x, acc);
    });
}

/// Does the panels of `$rows` rows: `$step` adds one weight times x.
macro_rules! float_panels {
    ($rows:literal, $w:ident, $total:ident, $active:ident, $acc:ident, $step:ident) => {
        let (panels, $acc) = $acc.as_chunks_mut::<$rows>();
        for acc in panels {
            let Some((panel, rest)) = $w.split_at_checked($total.wrapping_mul($rows)) else {
                return;
            };
            $w = rest;
            let (columns, _) = panel.as_chunks::<$rows>();
            for x in $active {
                if let Some(w) = columns.get(usize::from(x.column)) {
                    for (acc, w) in acc.iter_mut().zip(w) {
                        *acc = $step(*acc, *w, x.value);
                    }
                }
            }
        }
    };
}

/// Adds columns of an f32 layer.
#[inline(never)]
pub fn accumulate_active_f32(w: &[f32], total: usize, x: ActiveColumns<'_, f32>, acc: &mut [f32]) {
    let (mut w, Some(active)) = (w, x.within(total)) else {
        return;
    };
    float_panels!(8, w, total, active, acc, step_f32);
    float_panels!(4, w, total, active, acc, step_f32);
    float_panels!(1, w, total, active, acc, step_f32);
    let _ = acc;
}

/// Adds columns of a W8 layer.
#[inline(never)]
pub fn accumulate_active_w8(w: &[i8], total: usize, x: ActiveColumns<'_, f32>, acc: &mut [f32]) {
    let (mut w, Some(active)) = (w, x.within(total)) else {
        return;
    };
    float_panels!(8, w, total, active, acc, step_w8);
    float_panels!(4, w, total, active, acc, step_w8);
    float_panels!(1, w, total, active, acc, step_w8);
    let _ = acc;
}
