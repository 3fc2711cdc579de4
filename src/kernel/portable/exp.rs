//! The exponential and the reciprocal of the integer paths.

use super::fixed::{Masks, mul_q31, mulhi};

/// e to the power of −d, `d` as unsigned Q16.16, the result as Q31, at most 2³¹ − 1.
///
/// Worst error: 2⁻²⁵ of the result plus one unit; the test `exp_neg_error` holds it.
#[inline(never)]
pub fn exp_neg(d: u32) -> u32 {
    // Multiplying by log2(e) turns it into a power of two: Q26, whole part and fraction.
    let t = mulhi((d & ((1 << 21) - 1)) << 11, 0xB8AA_3B29);
    let f = t << 6;
    let mut p = 0x3_c405;
    for c in [
        0x2a_5309,
        0x13a_79c4,
        0x71a_9948,
        0x1ebf_ba83,
        0x58b9_0bf0,
        0x7fff_ffff_u32,
    ] {
        p = c.wrapping_sub(mulhi(p, f));
    }
    let whole = t >> 26;
    // Zero unless the whole part, which is below 64, is below 32 and d below 2²¹.
    (p >> (whole & 31)) & !Masks::new().any(whole >> 5 | d >> 21)
}

/// Returns 2⁶³ / d for `d` from 2³¹ to below 2³²: the reciprocal of a Q32 number from 0.5 to below 1, as
/// Q31.
///
/// Worst error: 6.1·10⁻¹⁰ of the result; the test `recip_error` holds it. Other arguments give a
/// wrong number.
#[inline(never)]
pub fn recip(d: u32) -> u32 {
    // 48/17 − 32/17·d, the best straight line.
    let mut x = 0x6969_6969_u32.wrapping_sub(mulhi(d, 0xF0F0_F0F0));
    for _ in 0..3 {
        let u = mulhi(d, x).wrapping_neg();
        x = mul_q31(x, u);
    }
    x
}
