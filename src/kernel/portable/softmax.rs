//! Softmax, of gates and of classes.

use super::exp::{exp_neg, recip};
use super::fixed::{Masks, mulhi, select};
use crate::math::Math;

/// The largest, from −∞ on; NaN is passed over (it shows in the exponentials).
pub(super) fn max_f32(z: &[f32]) -> f32 {
    z.iter()
        .fold(f32::NEG_INFINITY, |m, &z| if z > m { z } else { m })
}

/// Softmax in place: the exponentials below the largest, times one reciprocal of their sum in
/// order.
#[inline(always)]
pub(super) fn softmax_in_place<M: Math>(z: &mut [f32]) {
    let max = max_f32(z);
    let mut sum = 0.0;
    for z in z.iter_mut() {
        *z = M::exp(*z - max);
        sum += *z;
    }
    let inv = 1.0 / sum;
    for z in z {
        *z *= inv;
    }
}

/// Softmax of `z` into `p`.
///
/// A NaN, a +∞, or nothing but −∞ makes every weight NaN.
#[inline(never)]
pub fn softmax_f32<M: Math>(z: &[f32], p: &mut [f32]) {
    let len = z.len().min(p.len());
    let (p, _) = p.split_at_mut(len);
    for (p, &z) in p.iter_mut().zip(z) {
        *p = z;
    }
    softmax_in_place::<M>(p);
}

/// ⌈log2 n⌉: how far exponentials are shifted so that n of them add up to at most 2³¹.
#[inline(always)]
pub(super) fn headroom(n: usize) -> u32 {
    let mut k = 0;
    while k < 31 && n > 1 << k {
        k += 1;
    }
    k
}

/// The largest, and the first place it stands at.
#[inline(always)]
pub(super) fn max_i32(z: &[i32]) -> (i32, u32) {
    let masks = Masks::new();
    let (mut max, mut first) = (i32::MIN, 0);
    for (i, &z) in z.iter().enumerate() {
        let more = masks.less(max, z);
        max = select(more, z as u32, max as u32) as i32;
        first = select(more, i as u32, first);
    }
    (max, first)
}

/// What turns exponentials into weights: a normalizing shift and the reciprocal of the shifted sum.
#[derive(Clone, Copy)]
pub(super) struct Normal {
    shift: u32,
    inverse: u32,
}

impl Normal {
    /// From the sum of exponentials that were shifted down by `k`.
    #[inline(always)]
    pub(super) fn new(sum: u32, k: u32) -> Self {
        let mut shift = 0;
        for j in 31 - k..32 {
            // The sum is at most 2³¹, so that the sign of the difference is the comparison.
            shift += sum.wrapping_sub(1 << j) >> 31;
        }
        let inverse = recip(sum << shift);
        Self { shift, inverse }
    }

    /// The weight of one exponential, Q31.
    #[inline(always)]
    pub(super) fn q31(self, e: u32) -> u32 {
        mulhi(e << self.shift, self.inverse)
    }

    /// The weight of one exponential, rounded to Q15.
    #[inline(always)]
    pub(super) fn q15(self, e: u32) -> u16 {
        ((self.q31(e) + (1 << 15)) >> 16) as u16
    }
}

/// Softmax of Q16.16 logits into unsigned Q31 probabilities.
#[inline(never)]
pub fn softmax_q31(z: &[i32], p: &mut [u32]) {
    let (max, _) = max_i32(z);
    let k = headroom(z.len());
    let mut sum = 0u32;
    for (p, &z) in p.iter_mut().zip(z) {
        *p = exp_neg(max.wrapping_sub(z) as u32) >> k;
        sum = sum.wrapping_add(*p);
    }
    let normal = Normal::new(sum, k);
    for (p, _) in p.iter_mut().zip(z) {
        *p = normal.q31(*p);
    }
}

/// Turns Q16.16 logits into exponentials; gives what normalizes them and where the first largest
/// stands.
#[inline(always)]
pub(super) fn exponentials(z: &mut [i32]) -> (Normal, u32) {
    let (max, first) = max_i32(z);
    let k = headroom(z.len());
    let mut sum = 0u32;
    for z in z {
        let e = exp_neg(max.wrapping_sub(*z) as u32) >> k;
        sum = sum.wrapping_add(e);
        *z = e as i32;
    }
    (Normal::new(sum, k), first)
}

/// Softmax of Q16.16 logits into Q15 gate weights that sum to exactly 32768; `z` is scratch
/// afterwards.
#[inline(never)]
pub fn gate_softmax_q15(z: &mut [i32], g: &mut [u16]) {
    let (normal, first) = exponentials(z);
    let mut rest = 32768_u16;
    for (g, &z) in g.iter_mut().zip(&*z) {
        *g = normal.q15(z as u32);
        rest = rest.wrapping_sub(*g);
    }
    if let Some(g) = g.get_mut(first as usize) {
        *g = g.wrapping_add(rest);
    }
}
