//! Normalizations of integer models: layer, group and RMS norm and division by the length, without
//! a division and without floats.

use super::fixed::{Masks, mulhi};
use crate::kernel::{AffineRow, NormEnergy};

/// How a normalization measures its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormKind {
    /// Around the mean: layer norm and group norm.
    Layer,
    /// Around zero: RMS norm.
    Rms,
    /// Around zero, and the energy is a lower bound instead of an addend: division by the length.
    Unit,
}

/// `2³⁰ / √(m / 2³²)` for `m` in 2³⁰ ..< 2³², at most 2³¹ − 1.
///
/// A straight line that is at most 10.7 % off and four steps of Newton's method. Worst error: see
/// `docs/numerics.md`; the test `rsqrt_error` holds it.
#[inline(always)]
pub fn rsqrt(m: u32) -> u32 {
    // 2.19 − 1.25·m/2³² as Q30.
    let mut r = 0x8C28_F5C2_u32.wrapping_sub(mulhi(m, 0x5000_0000));
    for _ in 0..4 {
        // m·r² as Q28, then r·(3 − m·r²)/2.
        let square = mulhi(m, mulhi(r, r));
        let w = 0xC000_0000_u32.wrapping_sub(square << 2);
        r = mulhi(r, w) << 1;
    }
    r.min(0x7fff_ffff)
}

/// Normalizes each group of `width` units of `x` into `y`, then applies the unit's gain and bias.
///
/// `docs/numerics.md` has the rule. Hostile numbers give wrong numbers, never a panic.
#[inline(never)]
pub fn norm_i16(
    kind: NormKind,
    width: usize,
    energy: NormEnergy,
    rows: &[AffineRow],
    x: &[i16],
    y: &mut [i16],
) {
    let width = width.max(1);
    let mut rest = (x, y, rows);
    while let (Some((x, x_rest)), Some((y, y_rest)), Some((rows, rows_rest))) = (
        rest.0.split_at_checked(width),
        rest.1.split_at_mut_checked(width),
        rest.2.split_at_checked(width),
    ) {
        group(&Scaled::of(kind, energy, x), rows, x, y);
        rest = (x_rest, y_rest, rows_rest);
    }
}

/// A group's values over the root of their energy.
pub(super) struct Scaled {
    factor: i32,
    sum: i32,
    up: u32,
    down: u32,
    r: i64,
}

impl Scaled {
    pub(super) fn of(kind: NormKind, energy: NormEnergy, x: &[i16]) -> Self {
        let (factor, sum, down) = match kind {
            NormKind::Layer => {
                let sum = x.iter().fold(0_i32, |s, x| s.wrapping_add(i32::from(*x)));
                // What keeps the sum of the squares below 2⁶²: they are taken down by twice as many
                // bits.
                let bits = usize::BITS - x.len().saturating_sub(1).leading_zeros();
                (x.len() as i32, sum, bits.saturating_sub(7) & 31)
            }
            NormKind::Rms | NormKind::Unit => (1, 0, 0),
        };
        let mut scaled = Self {
            factor,
            sum,
            up: 0,
            down,
            r: 0,
        };
        let half = (1_u64 << (2 * down)) >> 1;
        let mut total = 0_u64;
        for x in x {
            let d = i64::from(scaled.deviation(*x));
            total = total.wrapping_add(((d * d) as u64).wrapping_add(half) >> (2 * down));
        }
        let total = match kind {
            NormKind::Unit => total.max(energy.value()),
            NormKind::Layer | NormKind::Rms => total.wrapping_add(energy.value()),
        };
        // An even shift, so that its root is a shift too; at least 2, since the total is below 2⁶².
        let up = total.leading_zeros().clamp(2, 62) & !1;
        scaled.r = i64::from(rsqrt(((total << up) >> 32) as u32));
        // A deviation is at most the root of the total, so this fits 32 bits. Wide groups of large
        // numbers have bits to spare, and go down instead.
        let up = up / 2 - 1;
        scaled.up = up.saturating_sub(down) & 31;
        scaled.down = down.saturating_sub(up) & 31;
        scaled
    }

    #[inline(always)]
    fn deviation(&self, x: i16) -> i32 {
        i32::from(x)
            .wrapping_mul(self.factor)
            .wrapping_sub(self.sum)
    }

    /// The value over the root of the energy, as Q29.
    #[inline(always)]
    pub(super) fn unit(&self, x: i16) -> i32 {
        let d = (self.deviation(x) << self.up) >> self.down;
        ((i64::from(d) * self.r) >> 32) as i32
    }
}

fn group(scaled: &Scaled, rows: &[AffineRow], x: &[i16], y: &mut [i16]) {
    let masks = Masks::new();
    for ((y, x), row) in y.iter_mut().zip(x).zip(rows) {
        let unit = scaled.unit(*x);
        let gain = i32::from(row.gain);
        let low = ((unit & 0xffff).wrapping_mul(gain)) >> 16;
        let v = (unit >> 16)
            .wrapping_mul(gain)
            .wrapping_add(low)
            .wrapping_add(row.bias);
        *y = masks.sat16(((v >> (row.shift & 31)) + 1) >> 1);
    }
}
