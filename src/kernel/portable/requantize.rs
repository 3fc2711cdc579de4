//! From accumulators to activations and logits: the one rounding rule, `⌊(acc·mult + 2^(s−1)) / 2^s⌋`.

use super::fixed::{clamp_logit, sat16};
use crate::kernel::{Row, WideRow};

/// The product in two parts, `hi·2¹⁶ + lo`, since 32 × 16 bits do not fit 32.
#[inline(always)]
fn product(acc: i32, mult: u16) -> (i32, u32) {
    let mult = mult as u32;
    let hi = ((acc >> 16) as u32).wrapping_mul(mult) as i32;
    let lo = (acc as u32 & 0xffff).wrapping_mul(mult);
    (hi, lo)
}

/// A hidden activation of a narrow row: s = 17 + shift, saturated.
#[inline(always)]
pub(super) fn hidden(acc: i32, row: &Row) -> i16 {
    let (hi, lo) = product(acc, row.mult);
    let p = hi.wrapping_add((lo >> 16) as i32) >> (row.shift & 31);
    sat16(p.wrapping_add(1) >> 1)
}

/// A logit of a narrow row: s = 16 − shift.
#[inline(always)]
pub(super) fn logit(acc: i32, row: &Row) -> i32 {
    let shift = row.shift & 15;
    let (hi, lo) = product(acc, row.mult);
    let lo = lo.wrapping_add(1 << (15 - shift)) >> (16 - shift);
    (hi << shift).wrapping_add(lo as i32)
}

/// A logit of a wide row: s = shift, clamped to ±(2³⁰ − 1).
#[inline(always)]
pub(super) fn wide_logit(acc: i64, row: &WideRow) -> i32 {
    let shift = row.shift & 63;
    let shift = shift + u8::from(shift == 0);
    let product = acc.wrapping_mul(row.mult as i64);
    clamp_logit(product.wrapping_add(1 << (shift - 1)) >> shift)
}

/// A hidden activation of a wide row: s = shift, saturated.
#[inline(always)]
pub(super) fn wide_hidden(acc: i64, row: &WideRow) -> i16 {
    sat16(wide_logit(acc, row))
}
