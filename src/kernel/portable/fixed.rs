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

/// `v` clamped to the range of an i16.
#[inline(always)]
pub(super) fn sat16(v: i32) -> i16 {
    if cfg!(mmoe_saturates) {
        return v.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
    }
    let sign = v >> 31;
    // Not zero where the upper 17 bits differ, and never negative.
    let over = (v >> 15) ^ sign;
    select(negative(-over), (sign ^ 0x7fff) as u32, v as u32) as i16
}

/// `v`, but no less than `floor`.
#[inline(always)]
pub(super) fn at_least(floor: i16, v: i16) -> i16 {
    if cfg!(mmoe_saturates) {
        return v.max(floor);
    }
    let below = v as i32 - floor as i32;
    (v as i32 - (below & (below >> 31))) as i16
}

/// `v` clamped to the range of an i32.
#[inline(always)]
pub(super) fn sat32(v: i64) -> i32 {
    let (high, low) = ((v >> 32) as i32, v as i32);
    let over = (high ^ (low >> 31)) as u32;
    let over = negative((over | over.wrapping_neg()) as i32);
    select(over, ((high >> 31) ^ i32::MAX) as u32, low as u32) as i32
}
