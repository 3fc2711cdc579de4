//! Gates that keep the k largest logits.

use super::exp::exp_neg;
use super::softmax::{Normal, headroom, max_f32, max_i32, softmax_f32};
use crate::math::Math;

/// How many logits come before number `i` in falling order, equal ones by index.
#[inline(always)]
fn rank<T: PartialOrd>(z: &[T], i: usize, v: T) -> usize {
    z.iter()
        .enumerate()
        .filter(|&(j, z)| *z > v || (*z == v && j < i))
        .count()
}

/// Softmax over the `k` largest logits (ties to the lowest index), exactly 0 for the others.
///
/// `renormalize`: over the chosen logits alone; otherwise over all of them, of which the others are
/// then dropped. A NaN is always chosen, so that it shows.
#[inline(never)]
pub fn top_k_f32<M: Math>(z: &[f32], k: usize, renormalize: bool, p: &mut [f32]) {
    if !renormalize {
        softmax_f32::<M>(z, p);
        for (i, (p, &v)) in p.iter_mut().zip(z).enumerate() {
            if rank(z, i, v) >= k {
                *p = 0.0;
            }
        }
        return;
    }
    let max = max_f32(z);
    let mut sum = 0.0;
    for (i, (p, &v)) in p.iter_mut().zip(z).enumerate() {
        *p = if rank(z, i, v) < k {
            M::exp(v - max)
        } else {
            0.0
        };
        sum += *p;
    }
    let inv = 1.0 / sum;
    for (i, (p, &v)) in p.iter_mut().zip(z).enumerate() {
        // Not 0·inv, which is NaN where the sum is.
        if rank(z, i, v) < k {
            *p *= inv;
        }
    }
}

/// The same on Q16.16 logits, into Q15 weights; `z` is scratch afterwards.
///
/// Renormalized weights sum to exactly 32768, as do the others before the drop.
#[inline(never)]
pub fn top_k_q15(z: &mut [i32], k: usize, renormalize: bool, g: &mut [u16]) {
    if k == 0 {
        return g.fill(0);
    }
    for (i, (g, &v)) in g.iter_mut().zip(&*z).enumerate() {
        *g = u16::from(rank(z, i, v) < k);
    }
    let (max, first) = max_i32(z);
    let k = headroom(if renormalize { k.min(z.len()) } else { z.len() });
    let mut sum = 0u32;
    for (z, g) in z.iter_mut().zip(&*g) {
        let e = exp_neg(max.wrapping_sub(*z) as u32) >> k;
        let e = if renormalize && *g == 0 { 0 } else { e };
        sum = sum.wrapping_add(e);
        *z = e as i32;
    }
    let normal = Normal::new(sum, k);
    let mut rest = 32768_u16;
    for (g, &z) in g.iter_mut().zip(&*z) {
        let weight = normal.q15(z as u32);
        rest = rest.wrapping_sub(weight);
        *g *= weight;
    }
    if let Some(g) = g.get_mut(first as usize) {
        *g = g.wrapping_add(rest);
    }
}
