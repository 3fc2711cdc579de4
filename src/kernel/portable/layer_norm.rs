//! Layer normalization.

use crate::math::Math;

/// `y = (x − mean) / sqrt(variance + eps) · gain + bias`, the sums in order, the divisions as
/// products with reciprocals.
#[inline(never)]
pub fn layer_norm_f32<M: Math>(x: &[f32], gain: &[f32], bias: &[f32], eps: f32, y: &mut [f32]) {
    let inv_n = 1.0 / x.len() as f32;
    let mut sum = 0.0;
    for x in x {
        sum += x;
    }
    let mean = sum * inv_n;
    let mut sum = 0.0;
    for x in x {
        let d = x - mean;
        sum += d * d;
    }
    let inv_std = 1.0 / M::sqrt(sum * inv_n + eps);
    for (((y, x), gain), bias) in y.iter_mut().zip(x).zip(gain).zip(bias) {
        *y = ((x - mean) * inv_std) * gain + bias;
    }
}
