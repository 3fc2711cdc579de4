//! The mixture of the experts, and the product of probabilities.

use super::fixed::Masks;

/// `m += g·h`: one expert's share.
#[inline(never)]
pub fn mix_f32(m: &mut [f32], g: f32, h: &[f32]) {
    for (m, h) in m.iter_mut().zip(h) {
        *m += g * h;
    }
}

/// `m += g·h`: one expert's share, `g` as Q15, wrapping.
#[inline(never)]
pub fn mix_i16(m: &mut [i32], g: u16, h: &[i16]) {
    let g = g as i32;
    for (m, &h) in m.iter_mut().zip(h) {
        *m = m.wrapping_add(g.wrapping_mul(h as i32));
    }
}

/// The finished mixture at the experts' scale: `m / 2¹⁵`, rounded half up and saturated.
#[inline(never)]
pub fn round_mixture_i16(m: &[i32], h: &mut [i16]) {
    let masks = Masks::new();
    for (h, &m) in h.iter_mut().zip(m) {
        *h = masks.sat16(m.wrapping_add(1 << 14) >> 15);
    }
}

/// The product of two probabilities in Q31, rounded down.
#[inline]
pub fn product_q31(a: u32, b: u32) -> u32 {
    ((a as u64 * b as u64) >> 31) as u32
}
