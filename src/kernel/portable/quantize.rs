//! The input stage of integer models.

use crate::kernel::{InputCounts, InputScale, IntScale};

/// Converts each feature to int16: `(x − offset)·scale`, rounded half to even. NaN becomes 0, and what
/// is outside ±32767 saturates.
#[inline(never)]
pub fn quantize_f32(x: &[f32], params: &[InputScale], q: &mut [i16]) -> InputCounts {
    const MAX: f32 = 32767.0;
    // 1.5·2²³. An f32 of this size has a unit in the last place of 1, so adding it rounds to an
    // integer, half to even, and the low 16 bits of the sum are that integer in two's complement. A
    // cast would round towards zero, and `round_ties_even` is a call into software on cores without a
    // float unit.
    const ROUND: f32 = 12_582_912.0;
    let mut counts = InputCounts::default();
    for ((q, &x), p) in q.iter_mut().zip(x).zip(params) {
        let v = (x - p.offset) * p.scale;
        let v = if v.is_nan() {
            counts.nan = counts.nan.wrapping_add(1);
            0.0
        } else if v > MAX {
            counts.saturated = counts.saturated.wrapping_add(1);
            MAX
        } else if v < -MAX {
            counts.saturated = counts.saturated.wrapping_add(1);
            -MAX
        } else {
            v
        };
        *q = (v + ROUND).to_bits() as i16;
    }
    counts
}

/// Converts an integer to int16: `sat16((clamp(x − offset, ±65535)·mult + 2^(s−1)) >> s)`, and returns
/// whether it was out of range. The shift is masked with `& 31`; a zero s counts as 1.
#[inline(never)]
#[must_use]
pub fn quantize_i32(x: i32, p: &IntScale) -> (i16, bool) {
    let wide = x.saturating_sub(p.offset);
    let near = wide.clamp(-65535, 65535);
    let s = u32::from(p.shift & 31).max(1);
    let scaled = near.wrapping_mul(i32::from(p.mult));
    // Half of it at a time, which is the same and does not wrap.
    let v = (scaled >> (s - 1)).wrapping_add(1) >> 1;
    let y = v.clamp(-32768, 32767);
    (y as i16, near != wide || y != v)
}
