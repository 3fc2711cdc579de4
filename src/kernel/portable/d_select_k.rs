//! DSelect-k: k selectors, each a product of smooth steps over the bits of an expert's index, mixed
//! by a softmax.
//!
//! The steps have γ = 1; another γ is a factor of the selectors' weights.

use super::softmax::{exponentials, headroom, softmax_in_place};
use crate::math::Math;

/// `s` for a bit of the index that is set, `one − s` for another; the first of the `bits` is the
/// most significant.
#[inline(always)]
fn bit<T: Copy + core::ops::Sub<Output = T>>(expert: usize, bits: u32, j: u32, s: T, one: T) -> T {
    if expert >> (bits - 1 - j) & 1 == 1 {
        s
    } else {
        one - s
    }
}

/// The weights of `p.len()` experts from `mix.len()` selectors of ⌈log2 N⌉ logits each, in `z` one
/// after the other.
///
/// `z` and `mix` are the selectors' and the mixing logits, and scratch afterwards. Experts that no
/// selector reaches get exactly 0. With a number of experts that is not a power of two the weights
/// may sum to less than 1.
#[inline(never)]
pub fn d_select_k_f32<M: Math>(z: &mut [f32], mix: &mut [f32], p: &mut [f32]) {
    for z in z.iter_mut() {
        let x = *z;
        *z = if x <= -0.5 {
            0.0
        } else if x >= 0.5 {
            1.0
        } else {
            (1.5 - 2.0 * x * x) * x + 0.5
        };
    }
    softmax_in_place::<M>(mix);
    let bits = headroom(p.len());
    for (expert, p) in p.iter_mut().enumerate() {
        let mut z = z.iter();
        *p = 0.0;
        for &mix in &*mix {
            let mut weight = 1.0;
            for (j, &s) in (0..bits).zip(&mut z) {
                weight *= bit(expert, bits, j, s, 1.0);
            }
            *p += mix * weight;
        }
    }
}

/// The same in integers: Q16.16 logits in, Q15 weights out; `z` and `mix` are scratch afterwards.
///
/// The weights are rounded one by one and sum to 32768 only within rounding.
#[inline(never)]
pub fn d_select_k_q15(z: &mut [i32], mix: &mut [i32], g: &mut [u16]) {
    for z in z.iter_mut() {
        // u = x + ½ in Q16; u²·(3 − 2u) in Q48, to Q30.
        let u = ((*z).clamp(-(1 << 15), 1 << 15) + (1 << 15)) as u64;
        *z = ((u * u * ((3 << 16) - 2 * u)) >> 18) as i32;
    }
    let (normal, _) = exponentials(mix);
    for m in mix.iter_mut() {
        *m = normal.q31(*m as u32) as i32;
    }
    let bits = headroom(g.len());
    for (expert, g) in g.iter_mut().enumerate() {
        let mut z = z.iter();
        let mut sum = 0u32;
        for &m in &*mix {
            let mut weight = 1 << 30;
            for (j, &s) in (0..bits).zip(&mut z) {
                weight = (weight * bit(expert, bits, j, s as u64, 1 << 30)) >> 30;
            }
            sum = sum.wrapping_add(((m as u32 as u64 * weight) >> 30) as u32);
        }
        *g = (sum.wrapping_add(1 << 15) >> 16) as u16;
    }
}
