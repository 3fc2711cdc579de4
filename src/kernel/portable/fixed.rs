//! Comparisons, selections and saturations whose instruction count does not depend on the numbers.
//!
//! A comparison becomes a branch on cores that have no conditional instructions (Cortex-M0, RV32), so these are
//! mask arithmetic: a mask is all ones or all zeros.

/// The upper half of the 64-bit product.
#[inline(always)]
pub(super) fn mulhi(a: u32, b: u32) -> u32 {
    ((a as u64 * b as u64) >> 32) as u32
}

/// All ones if `v` is negative.
#[inline(always)]
pub(super) fn negative(v: i32) -> u32 {
    (v >> 31) as u32
}

/// All ones if `a < b`, over the whole range.
#[inline(always)]
pub(super) fn less(a: i32, b: i32) -> u32 {
    negative((a & !b) | (!(a ^ b) & a.wrapping_sub(b)))
}

/// `a` where the mask is set, `b` elsewhere.
#[inline(always)]
pub(super) fn select(mask: u32, a: u32, b: u32) -> u32 {
    b ^ ((a ^ b) & mask)
}

/// `v` clamped to the range of an i16; |v| must be at most 2³⁰.
///
/// Compilers know the usual ways to write a minimum and make a branch of them; not this one.
#[inline(always)]
pub(super) fn sat16(v: i32) -> i16 {
    if cfg!(mmoe_saturates) {
        return v.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
    let below = v.wrapping_add(32768).wrapping_abs();
    let above = v.wrapping_sub(32767).wrapping_abs();
    (below.wrapping_sub(above).wrapping_sub(1) >> 1) as i16
}

/// `v`, but no less than `floor`.
#[inline(always)]
pub(super) fn at_least(floor: i16, v: i16) -> i16 {
    if cfg!(mmoe_saturates) {
        return v.max(floor);
    }
    let (v, floor) = (v as i32, floor as i32);
    ((v + floor + (v - floor).abs()) >> 1) as i16
}

/// `v` clamped to ±(2³⁰ − 1).
#[inline(always)]
pub(super) fn clamp_logit(v: i64) -> i32 {
    const MAX: u32 = (1 << 30) - 1;
    let sign = v >> 63;
    let magnitude = (v ^ sign).wrapping_sub(sign) as u64;
    let (high, low) = ((magnitude >> 32) as u32, magnitude as u32);
    // Not zero from 2³⁰ on.
    let over = high | low >> 30;
    let over = negative((over | over.wrapping_neg()) as i32);
    let magnitude = select(over, MAX, low);
    let sign = sign as u32;
    (magnitude ^ sign).wrapping_sub(sign) as i32
}
