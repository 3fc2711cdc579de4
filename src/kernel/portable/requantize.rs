//! From sums of products to activations and logits: the one rounding rule, `⌊(acc·mult + 2^(s−1)) /
//! 2^s⌋`.
//!
//! The bias is added here: in wrapping arithmetic it does not matter when. These are functions of
//! their own, not inlined into each kernel, for the flash.

use super::fixed::Masks;
use crate::kernel::{Row, WideRow};

/// The product in two parts, `hi·2¹⁶ + lo`, since 32 × 16 bits do not fit 32.
///
/// The multiplier is read as signed, since that is how the cores' own instructions read it: so even
/// bytes that no converter wrote give the same number everywhere. Neither part can overflow then.
#[inline(always)]
fn product(sum: i32, row: &Row) -> (i32, i32) {
    let acc = row.bias.wrapping_add(sum);
    let mult = row.mult as i16 as i32;
    (
        (acc >> 16).wrapping_mul(mult),
        (acc & 0xffff).wrapping_mul(mult),
    )
}

/// Hidden activations of narrow rows: s = 17 + shift, saturated, no less than `floor`.
#[inline(never)]
pub(in crate::kernel) fn hidden(sums: &[i32], rows: &[Row], y: &mut [i16], floor: i16) {
    let masks = Masks::new();
    for ((y, &sum), row) in y.iter_mut().zip(sums).zip(rows) {
        let (hi, lo) = product(sum, row);
        let p = hi.wrapping_add(lo >> 16) >> (row.shift & 31);
        *y = masks.at_least(floor, masks.sat16(p.wrapping_add(1) >> 1));
    }
}

/// Logits of narrow rows: s = 16 − shift.
#[inline(never)]
pub(in crate::kernel) fn logits(sums: &[i32], rows: &[Row], z: &mut [i32]) {
    for ((z, &sum), row) in z.iter_mut().zip(sums).zip(rows) {
        let (hi, lo) = product(sum, row);
        let shift = row.shift & 15;
        let lo = lo.wrapping_add(1 << (15 - shift)) >> (16 - shift);
        *z = (hi << shift).wrapping_add(lo);
    }
}

#[inline(always)]
fn wide(masks: Masks, sum: i64, row: &WideRow) -> i32 {
    let shift = row.shift & 63;
    let shift = shift + u8::from(shift == 0);
    let product = row
        .bias()
        .wrapping_add(sum)
        .wrapping_mul(row.mult as i16 as i64);
    masks.clamp_logit(product.wrapping_add(1 << (shift - 1)) >> shift)
}

/// Hidden activations of wide rows: s = shift, saturated, no less than `floor`.
#[inline(never)]
pub(super) fn wide_hidden(sums: &[i64], rows: &[WideRow], y: &mut [i16], floor: i16) {
    let masks = Masks::new();
    for ((y, &sum), row) in y.iter_mut().zip(sums).zip(rows) {
        *y = masks.at_least(floor, masks.sat16(wide(masks, sum, row)));
    }
}

/// Logits of wide rows: s = shift, clamped to ±(2³⁰ − 1).
#[inline(never)]
pub(super) fn wide_logits(sums: &[i64], rows: &[WideRow], z: &mut [i32]) {
    let masks = Masks::new();
    for ((z, &sum), row) in z.iter_mut().zip(sums).zip(rows) {
        *z = wide(masks, sum, row);
    }
}
