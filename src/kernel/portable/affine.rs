//! A gain and an offset per unit: what is left of a batch normalization that could not be folded.

use super::fixed::Masks;
use crate::kernel::{Affine32, AffineRow};

/// `x·gain + bias` of each element, in place, with two roundings.
#[inline(never)]
pub fn affine_f32(x: &mut [f32], units: &[Affine32]) {
    for (x, unit) in x.iter_mut().zip(units) {
        *x = *x * unit.gain + unit.bias;
    }
}

/// `(v·gain + bias) / 2^shift` of each element, in place, rounded half up and saturated.
#[inline(never)]
pub fn affine_i16(x: &mut [i16], rows: &[AffineRow]) {
    let masks = Masks::new();
    for (x, row) in x.iter_mut().zip(rows) {
        let shift = row.shift & 31;
        let shift = shift + u8::from(shift == 0);
        let half = 1 << (shift - 1);
        let v = (*x as i32 * row.gain as i32)
            .wrapping_add(row.bias)
            .wrapping_add(half);
        *x = masks.sat16(v >> shift);
    }
}
