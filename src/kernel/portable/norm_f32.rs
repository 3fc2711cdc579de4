//! Normalizations around zero: RMS norm and division by the length.

use crate::math::Math;

/// The sum of squares, in order.
#[inline(always)]
fn energy(x: &[f32]) -> f32 {
    let mut sum = 0.0;
    for x in x {
        sum += x * x;
    }
    sum
}

/// `x / √(mean(x²) + eps) · gain + bias`, the division as a product with the reciprocal.
#[inline(never)]
pub fn rms_norm_f32<M: Math>(x: &[f32], gain: &[f32], bias: &[f32], eps: f32, y: &mut [f32]) {
    let inv_n = 1.0 / x.len() as f32;
    let factor = 1.0 / M::sqrt(energy(x) * inv_n + eps);
    for (((y, x), gain), bias) in y.iter_mut().zip(x).zip(gain).zip(bias) {
        *y = (x * factor) * gain + bias;
    }
}

/// `x / √(max(Σ x², least)) · gain + bias`, the division as a product with the reciprocal.
#[inline(never)]
pub fn unit_norm_f32<M: Math>(x: &[f32], gain: &[f32], bias: &[f32], least: f32, y: &mut [f32]) {
    let sum = energy(x);
    // NaN stays NaN: it is not below the bound.
    let sum = if sum < least { least } else { sum };
    let factor = 1.0 / M::sqrt(sum);
    for (((y, x), gain), bias) in y.iter_mut().zip(x).zip(gain).zip(bias) {
        *y = (x * factor) * gain + bias;
    }
}
