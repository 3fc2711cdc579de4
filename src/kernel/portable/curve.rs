//! Pointwise functions beyond relu and sigmoid: formulas in f32, one table with interpolation in
//! int16.

use super::sigmoid::sigmoid;
use crate::kernel::{CURVE_KNOTS, CurveTable};
use crate::math::Math;

/// Applies `f` to each element. The functions below are loops over closures that inline, so that
/// each is compiled once, whatever the widths of a model's layers.
#[inline(always)]
fn each(x: &mut [f32], f: impl Fn(f32) -> f32) {
    for x in x {
        *x = f(*x);
    }
}

/// `x·(1 + erf(x / √2)) / 2`.
#[inline(never)]
pub fn gelu_f32<M: Math>(x: &mut [f32]) {
    each(x, |x| {
        0.5 * x * (1.0 + M::erf(x * core::f32::consts::FRAC_1_SQRT_2))
    });
}

/// `x·(1 + tanh(√(2/π)·(x + 0.044715·x³))) / 2`, as `x` times the sigmoid of twice the argument.
#[inline(never)]
pub fn gelu_tanh_f32<M: Math>(x: &mut [f32]) {
    // 2·√(2/π)
    const RATE: f32 = 1.595_769;
    each(x, |x| x * sigmoid::<M>(RATE * (x + 0.044_715 * x * x * x)));
}

/// `x·sigmoid(rate·x)`: silu (swish) for a rate of 1.
#[inline(never)]
pub fn silu_f32<M: Math>(x: &mut [f32], rate: f32) {
    each(x, |x| x * sigmoid::<M>(rate * x));
}

/// `x < 0 ? depth·(exp(rate·x) − 1) : slope·x`: elu, selu and celu by their three numbers.
#[inline(never)]
pub fn elu_f32<M: Math>(x: &mut [f32], depth: f32, rate: f32, slope: f32) {
    each(x, |x| {
        if x < 0.0 {
            depth * (M::exp(rate * x) - 1.0)
        } else {
            slope * x
        }
    });
}

/// `ln(1 + exp(rate·x)) / rate`, never overflowing. The caller gives `1 / rate` too.
#[inline(never)]
pub fn softplus_f32<M: Math>(x: &mut [f32], rate: f32, inverse: f32) {
    each(x, |x| {
        let z = rate * x;
        let tail = M::ln_1p(M::exp(-z.abs()));
        (if z < 0.0 { tail } else { z + tail }) * inverse
    });
}

/// `x·tanh(ln(1 + exp(x)))`, with the exponentials of −|x| alone, so that none overflows.
#[inline(never)]
pub fn mish_f32<M: Math>(x: &mut [f32]) {
    each(x, |x| {
        let e = M::exp(-x.abs());
        let (above, below) = if x < 0.0 {
            (e * (e + 2.0), 2.0)
        } else {
            (1.0 + 2.0 * e, 2.0 * e * e)
        };
        x * (above / (above + below))
    });
}

/// `x / (1 + |x|)`.
#[inline(never)]
pub fn softsign_f32(x: &mut [f32]) {
    each(x, |x| x / (1.0 + x.abs()));
}

/// `x·clamp(x + 3, 0, 6) / 6`.
#[inline(never)]
pub fn hard_swish_f32(x: &mut [f32]) {
    each(x, |x| x * (clip(x + 3.0, 0.0, 6.0) * (1.0 / 6.0)));
}

/// `x` between `low` and `high`. NaN stays NaN.
#[inline(never)]
pub fn clip_f32(x: &mut [f32], low: f32, high: f32) {
    each(x, |x| clip(x, low, high));
}

/// `e^x`.
#[inline(never)]
pub fn exp_f32<M: Math>(x: &mut [f32]) {
    each(x, M::exp);
}

/// `x²`.
#[inline(never)]
pub fn square_f32(x: &mut [f32]) {
    each(x, |x| x * x);
}

/// Unlike `f32::clamp` this has no panic path for bounds that are NaN or in the wrong order.
#[inline(always)]
fn clip(x: f32, low: f32, high: f32) -> f32 {
    if x < low {
        low
    } else if x > high {
        high
    } else {
        x
    }
}

/// Any function of one int16: linear between 257 stored values, one at every 256th input, the last
/// one for the input 32768 that does not exist.
///
/// The result lies between two neighbouring table entries, so it cannot leave int16.
#[inline(never)]
#[expect(
    clippy::indexing_slicing,
    reason = "`i` is at most 255, which the compiler sees"
)]
pub fn curve_i16(x: &mut [i16], table: &CurveTable) {
    for x in x {
        let u = (*x as u16) ^ 0x8000;
        let (i, fraction) = (usize::from(u >> 8), i32::from(u & 0xff));
        let (from, to) = (i32::from(table.values[i]), i32::from(table.values[i + 1]));
        *x = (from + (((to - from) * fraction + 128) >> 8)) as i16;
    }
}

const _: () = assert!(CURVE_KNOTS > 256);
