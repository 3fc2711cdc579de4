//! Dice: a leaky relu whose bend is a sigmoid of the normalized input.

use super::fixed::Masks;
use super::norm_i16::{NormKind, Scaled};
use super::sigmoid::{sigmoid, sigmoid_q31};
use crate::kernel::{Dice32, DiceRow, NormEnergy};
use crate::math::Math;

/// `x·(alpha + (1 − alpha)·sigmoid(gain·x + bias))` of each element, in place.
#[inline(never)]
pub fn dice_f32<M: Math>(x: &mut [f32], units: &[Dice32]) {
    for (x, unit) in x.iter_mut().zip(units) {
        let p = sigmoid::<M>(*x * unit.gain + unit.bias);
        *x *= unit.alpha + (1.0 - unit.alpha) * p;
    }
}

/// `x·(alpha + (1 − alpha)·sigmoid(d / √(Σ d² + eps)))` of each element, in place, with `d` the
/// deviations from the mean.
#[inline(never)]
pub fn row_dice_f32<M: Math>(x: &mut [f32], eps: f32, alpha: f32) {
    let mut sum = 0.0;
    for x in &*x {
        sum += x;
    }
    let mean = sum * (1.0 / x.len() as f32);
    let mut sum = 0.0;
    for x in &*x {
        let d = x - mean;
        sum += d * d;
    }
    let inverse = 1.0 / M::sqrt(sum + eps);
    for x in x {
        let p = sigmoid::<M>((*x - mean) * inverse);
        *x *= alpha + (1.0 - alpha) * p;
    }
}

/// `v·(alpha + (1 − alpha)·P(z))`, `alpha` as Q12 and `z` as Q16.16.
#[inline(always)]
fn blend(masks: Masks, v: i16, alpha: i16, z: i32) -> i16 {
    let p = ((sigmoid_q31(z) + (1 << 15)) >> 16) as i32;
    let weight = i32::from(alpha) * ((1 << 15) - p) + (p << 12);
    let weight = (weight + (1 << 11)) >> 12;
    // The weight is below 2¹⁸, so the shifted product fits 32 bits.
    masks.sat16(((i64::from(v) * i64::from(weight) + (1 << 14)) >> 15) as i32)
}

/// Dice with a gain and a bias per unit, in place.
#[inline(never)]
pub fn dice_i16(x: &mut [i16], rows: &[DiceRow]) {
    let masks = Masks::new();
    for (x, row) in x.iter_mut().zip(rows) {
        let z = (i32::from(*x) * i32::from(row.gain)).wrapping_add(row.bias) >> (row.shift & 31);
        *x = blend(masks, *x, row.alpha, z);
    }
}

/// Dice over the units of the row, in place.
#[inline(never)]
pub fn row_dice_i16(x: &mut [i16], energy: NormEnergy, alpha: i16) {
    let masks = Masks::new();
    let scaled = Scaled::of(NormKind::Layer, energy, x);
    for x in x {
        *x = blend(masks, *x, alpha, scaled.unit(*x) >> 13);
    }
}
