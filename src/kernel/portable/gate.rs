//! Gates without a normalization: one sigmoid per expert, the logits themselves, or one expert alone.

use super::sigmoid::{sigmoid, sigmoid_q31};
use crate::math::Math;

/// A sigmoid per expert, not normalized.
#[inline(never)]
pub fn sigmoid_gate_f32<M: Math>(z: &[f32], p: &mut [f32]) {
    for (p, &z) in p.iter_mut().zip(z) {
        *p = sigmoid::<M>(z);
    }
}

/// A sigmoid per expert, not normalized: Q16.16 to Q15.
#[inline(never)]
pub fn sigmoid_gate_q15(z: &[i32], g: &mut [u16]) {
    for (g, &z) in g.iter_mut().zip(z) {
        *g = ((sigmoid_q31(z) + (1 << 15)) >> 16) as u16;
    }
}

/// The logits as weights: Q16.16 to signed Q15 from above −1 to 1, rounded half up and saturated.
#[inline(never)]
pub fn linear_gate_q15(z: &[i32], g: &mut [u16]) {
    for (g, &z) in g.iter_mut().zip(z) {
        // `(z + 1) / 2`, without passing 32 bits.
        *g = ((z >> 1) + (z & 1)).clamp(-32767, 32768) as u16;
    }
}

/// The place of the first element that none exceeds.
#[inline(always)]
pub(super) fn argmax<T: Copy + PartialOrd>(z: &[T]) -> usize {
    let mut best = 0;
    let mut max = None;
    for (i, &z) in z.iter().enumerate() {
        if max.is_none_or(|max| z > max) {
            (best, max) = (i, Some(z));
        }
    }
    best
}

/// Weight 1 for the first largest logit, 0 for all others. If the first logit is NaN, that is the
/// one.
#[inline(never)]
pub fn hard_f32(z: &[f32], p: &mut [f32]) {
    p.fill(0.0);
    if let Some(p) = p.get_mut(argmax(z)) {
        *p = 1.0;
    }
}

/// Weight 1 (32768) for the first largest logit, 0 for all others.
#[inline(never)]
pub fn hard_q15(z: &[i32], g: &mut [u16]) {
    g.fill(0);
    if let Some(g) = g.get_mut(argmax(z)) {
        *g = 32768;
    }
}
