//! Comparisons, selections and saturations whose instruction count does not depend on the numbers.
//!
//! On cores that have no conditional instructions (Cortex-M0, RV32) a comparison is a branch, so
//! these are mask arithmetic: a mask is all ones or all zeros. Compilers know the usual forms of it
//! and make comparisons of them again, unless they cannot see that a shift is one by 31.

use core::hint::black_box;

/// The upper half of the 64-bit product.
#[inline(always)]
pub(super) fn mulhi(a: u32, b: u32) -> u32 {
    if cfg!(mmoe_narrow_products) {
        mulhi_by_halves(a, b)
    } else {
        ((a as u64 * b as u64) >> 32) as u32
    }
}

/// Bits 31 ..= 62 of the 64-bit product.
#[inline(always)]
pub(super) fn mul_q31(a: u32, b: u32) -> u32 {
    if cfg!(mmoe_narrow_products) {
        mulhi_by_halves(a, b) << 1 | a.wrapping_mul(b) >> 31
    } else {
        ((a as u64 * b as u64) >> 31) as u32
    }
}

/// [`mulhi`] from four products of 16 bits: a core that multiplies 32 bits to 32 alone would call a
/// library function, which takes twice as long. Compilers know this form, and would make that call
/// of it again, unless they cannot see what one of the halves is.
#[inline(always)]
fn mulhi_by_halves(a: u32, b: u32) -> u32 {
    let (a_high, a_low) = (a >> 16, black_box(a & 0xffff));
    let (b_high, b_low) = (b >> 16, b & 0xffff);
    // None of the sums can wrap: (2¹⁶ − 1)² + 2·(2¹⁶ − 1) is 2³² − 1.
    let middle = a_high
        .wrapping_mul(b_low)
        .wrapping_add(a_low.wrapping_mul(b_low) >> 16);
    let other = a_low.wrapping_mul(b_high).wrapping_add(middle & 0xffff);
    a_high
        .wrapping_mul(b_high)
        .wrapping_add(middle >> 16)
        .wrapping_add(other >> 16)
}

/// `a` where the mask is set, `b` elsewhere.
#[inline(always)]
pub(super) fn select(mask: u32, a: u32, b: u32) -> u32 {
    b ^ ((a ^ b) & mask)
}

/// Keeps a loop over an array's worth of accumulators as it is written: unrolled further, they
/// would not fit the registers. Costs no instruction. Hosts may do as they like.
#[inline(always)]
pub(super) fn do_not_unroll() {
    if cfg!(target_os = "none") {
        black_box(());
    }
}

/// Where masks come from: made once at the start of a kernel.
#[derive(Clone, Copy)]
pub(super) struct Masks {
    /// 31, which the compiler must not know where it would make branches of it.
    sign: u32,
}

impl Masks {
    #[inline(always)]
    pub(super) fn new() -> Self {
        Self {
            sign: if cfg!(mmoe_saturates) {
                31
            } else {
                black_box(31)
            },
        }
    }

    /// `v` if it is negative, else 0.
    #[inline(always)]
    fn below_zero(self, v: i32) -> i32 {
        v & (v >> (self.sign & 31))
    }

    /// All ones if `v` is negative.
    #[inline(always)]
    pub(super) fn negative(self, v: i32) -> u32 {
        (v >> (self.sign & 31)) as u32
    }

    /// All ones if `a < b`, over the whole range.
    #[inline(always)]
    pub(super) fn less(self, a: i32, b: i32) -> u32 {
        self.negative((a & !b) | (!(a ^ b) & a.wrapping_sub(b)))
    }

    /// All ones if `v`, at most 2³¹, is not zero.
    #[inline(always)]
    pub(super) fn any(self, v: u32) -> u32 {
        self.negative(v.wrapping_add(0x7fff_ffff) as i32)
    }

    /// `v`, at most 2³⁰ in size, split into what is below zero and what is above.
    #[inline(always)]
    pub(super) fn split(self, v: i32) -> (i32, i32) {
        let below = self.below_zero(v);
        (below, v.wrapping_sub(below))
    }

    /// `v` clamped to the range of an i16; |v| must be at most 2³⁰.
    #[inline(always)]
    pub(super) fn sat16(self, v: i32) -> i16 {
        if cfg!(mmoe_saturates) {
            v.clamp(-32768, 32767) as i16
        } else {
            self.sat16_by_mask(v)
        }
    }

    #[inline(always)]
    fn sat16_by_mask(self, v: i32) -> i16 {
        let v = v.wrapping_sub(self.below_zero(v.wrapping_add(32768)));
        v.wrapping_add(self.below_zero(32767_i32.wrapping_sub(v))) as i16
    }

    /// `v`, but no less than `floor`.
    #[inline(always)]
    pub(super) fn at_least(self, floor: i16, v: i16) -> i16 {
        if cfg!(mmoe_saturates) {
            v.max(floor)
        } else {
            self.at_least_by_mask(floor, v)
        }
    }

    #[inline(always)]
    fn at_least_by_mask(self, floor: i16, v: i16) -> i16 {
        let v = v as i32;
        (v - self.below_zero(v - floor as i32)) as i16
    }

    /// `v` clamped to ±(2³⁰ − 1); |v| must be at most 2⁶².
    #[inline(always)]
    pub(super) fn clamp_logit(self, v: i64) -> i32 {
        const MAX: u32 = (1 << 30) - 1;
        let sign = self.negative((v >> 32) as i32);
        let sign64 = (sign as u64) << 32 | sign as u64;
        let magnitude = (v as u64 ^ sign64).wrapping_sub(sign64);
        let (high, low) = ((magnitude >> 32) as u32, magnitude as u32);
        let magnitude = (low | self.any(high | low >> 30)) & MAX;
        (magnitude ^ sign).wrapping_sub(sign) as i32
    }
}

/// The forms that the kernels of this host do not use.
#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn products_from_halves(a: u32, b: u32, near in 0..3_u32, shift in 0..32_u32) {
            for (a, b) in [(a, b), (a, u32::MAX - near), (u32::MAX - near, u32::MAX), (a >> shift, b), (near << shift, b)] {
                prop_assert_eq!(mulhi_by_halves(a, b), mulhi(a, b));
                prop_assert_eq!(mulhi_by_halves(a, b) << 1 | a.wrapping_mul(b) >> 31, mul_q31(a, b));
            }
        }

        #[test]
        fn masks_saturate(wide in -(1_i32 << 30)..=1 << 30, near in -70_000..70_000, floor: i16, v: i16) {
            let masks = Masks::new();
            for wide in [wide, near] {
                prop_assert_eq!(masks.sat16_by_mask(wide), wide.clamp(-32768, 32767) as i16);
            }
            prop_assert_eq!(masks.at_least_by_mask(floor, v), v.max(floor));
        }
    }

    #[test]
    fn masks_saturate_at_the_ends() {
        let masks = Masks::new();
        for v in [
            -32769,
            -32768,
            -32767,
            -1,
            0,
            32766,
            32767,
            32768,
            1 << 30,
            -(1 << 30),
        ] {
            assert_eq!(masks.sat16_by_mask(v), v.clamp(-32768, 32767) as i16);
        }
        for (floor, v) in [
            (0, -1),
            (0, 0),
            (0, 1),
            (i16::MIN, i16::MAX),
            (i16::MAX, i16::MIN),
            (i16::MIN, i16::MIN),
        ] {
            assert_eq!(masks.at_least_by_mask(floor, v), v.max(floor));
        }
    }
}
