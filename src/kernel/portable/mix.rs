//! The mixture of the experts, and the product of probabilities.

use super::fixed::{Masks, do_not_unroll};

/// `m += g·h`: one expert's share.
#[inline(never)]
pub fn mix_f32(m: &mut [f32], g: f32, h: &[f32]) {
    for (m, h) in m.iter_mut().zip(h) {
        *m += g * h;
    }
}

/// The value of a gate weight: 32768 stands for 1, and what is above for a negative weight.
#[inline(always)]
pub fn signed_q15(g: u16) -> i32 {
    -(g.wrapping_neg() as i16 as i32)
}

/// `m += g·h`: one expert's share, `g` as signed Q15, wrapping.
#[inline(never)]
pub fn mix_i16(m: &mut [i32], g: u16, h: &[i16]) {
    let g = signed_q15(g);
    let add = |m: i32, h: i16| m.wrapping_add(g.wrapping_mul(h as i32));
    // Four at a time, since the loop itself costs as much as a product.
    let (fours, rest) = m.as_chunks_mut::<4>();
    let (h_fours, h_rest) = h.as_chunks::<4>();
    for (m, &[a, b, c, d]) in fours.iter_mut().zip(h_fours) {
        do_not_unroll();
        *m = [add(m[0], a), add(m[1], b), add(m[2], c), add(m[3], d)];
    }
    for (m, &h) in rest.iter_mut().zip(h_rest) {
        *m = add(*m, h);
    }
}

/// The finished mixture at the experts' scale: `m / 2¹⁵`, rounded half up and saturated.
#[inline(never)]
pub fn round_mixture_i16(m: &[i32], h: &mut [i16]) {
    let masks = Masks::new();
    let settled = |m: i32| masks.sat16(m.wrapping_add(1 << 14) >> 15);
    let (fours, rest) = h.as_chunks_mut::<4>();
    let (m_fours, m_rest) = m.as_chunks::<4>();
    for (h, m) in fours.iter_mut().zip(m_fours) {
        do_not_unroll();
        *h = m.map(settled);
    }
    for (h, &m) in rest.iter_mut().zip(m_rest) {
        *h = settled(m);
    }
}

/// The product of two probabilities in Q31, rounded down.
#[inline]
pub fn product_q31(a: u32, b: u32) -> u32 {
    ((a as u64 * b as u64) >> 31) as u32
}
