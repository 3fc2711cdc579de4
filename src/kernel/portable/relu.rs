//! Rectifiers, in place: relu, leaky relu, and PReLU with a slope per unit.

use super::fixed::Masks;

/// `x < 0 ? 0 : x`. NaN stays NaN.
#[inline(never)]
pub fn relu_f32(x: &mut [f32]) {
    for x in x {
        *x = if *x < 0.0 { 0.0 } else { *x };
    }
}

#[inline(always)]
fn leaky(x: f32, slope: f32) -> f32 {
    if x < 0.0 { slope * x } else { x }
}

/// `x < 0 ? slope·x : x`. NaN stays NaN.
#[inline(never)]
pub fn leaky_relu_f32(x: &mut [f32], slope: f32) {
    for x in x {
        *x = leaky(*x, slope);
    }
}

/// `x < 0 ? slope·x : x` with a slope for each element. NaN stays NaN.
#[inline(never)]
pub fn prelu_f32(x: &mut [f32], slope: &[f32]) {
    for (x, slope) in x.iter_mut().zip(slope) {
        *x = leaky(*x, *slope);
    }
}

/// `max(v, 0)`.
#[inline(never)]
pub fn relu_i16(x: &mut [i16]) {
    let masks = Masks::new();
    for x in x {
        *x = masks.at_least(0, *x);
    }
}

#[inline(always)]
fn leaky_q14(masks: Masks, v: i16, slope: i16) -> i16 {
    let (below, above) = masks.split(v as i32);
    // One of the two is zero, and a zero rounds to zero.
    masks.sat16(above + ((below * slope as i32 + (1 << 13)) >> 14))
}

/// `v < 0 ? slope·v : v`, the slope as Q14, rounded half up and saturated.
#[inline(never)]
pub fn leaky_relu_i16(x: &mut [i16], slope: i16) {
    let masks = Masks::new();
    for x in x {
        *x = leaky_q14(masks, *x, slope);
    }
}

/// `v < 0 ? slope·v : v` with a Q14 slope for each element, rounded half up and saturated.
#[inline(never)]
pub fn prelu_i16(x: &mut [i16], slope: &[i16]) {
    let masks = Masks::new();
    for (x, slope) in x.iter_mut().zip(slope) {
        *x = leaky_q14(masks, *x, *slope);
    }
}
