//! Sigmoid and tanh.

use super::exp::{exp_neg, recip};
use super::fixed::{Masks, mulhi, select};
use crate::math::Math;

/// The probability of one f32 logit, never overflowing.
#[inline(always)]
pub(super) fn sigmoid<M: Math>(z: f32) -> f32 {
    let e = M::exp(-z.abs());
    if z < 0.0 {
        e / (1.0 + e)
    } else {
        1.0 / (1.0 + e)
    }
}

/// `1 / (1 + exp(−x))` of each element, in place. NaN stays NaN.
#[inline(never)]
pub fn sigmoid_f32<M: Math>(x: &mut [f32]) {
    for x in x {
        *x = sigmoid::<M>(*x);
    }
}

/// The hyperbolic tangent of each element, in place. NaN stays NaN.
#[inline(never)]
pub fn tanh_f32<M: Math>(x: &mut [f32]) {
    for x in x {
        let e = M::exp(-x.abs());
        let e = e * e;
        *x = ((1.0 - e) / (1.0 + e)).copysign(*x);
    }
}

/// The probability of one logit: Q16.16 to unsigned Q31, at most 2³¹.
///
/// Worst error: see `docs/numerics.md`; the test `sigmoid_q31_error` holds it.
#[inline(never)]
pub fn sigmoid_q31(z: i32) -> u32 {
    let sign = Masks::new().negative(z);
    let magnitude = (z as u32 ^ sign).wrapping_sub(sign);
    let e = exp_neg(magnitude);
    let q = mulhi(e, recip((1 << 31) + e));
    select(sign, q, (1 << 31) - q)
}

/// Sigmoid of each element, in place: Q11 to Q15, at most 32767.
#[inline(never)]
pub fn sigmoid_i16(x: &mut [i16]) {
    for x in x {
        let p = (sigmoid_q31(*x as i32 * 32) + (1 << 15)) >> 16;
        // 32768 is the only value with bit 15 set.
        *x = (p - (p >> 15)) as i16;
    }
}

/// Hyperbolic tangent of each element, in place: Q11 to Q15.
#[inline(never)]
pub fn tanh_i16(x: &mut [i16]) {
    let masks = Masks::new();
    for x in x {
        let p = sigmoid_q31(*x as i32 * 64);
        // 2·p − 1 at half its scale, so that it fits 32 bits.
        let t = p.wrapping_sub((1 << 30) - (1 << 14)) as i32;
        *x = masks.sat16(t >> 15);
    }
}
