//! The input of the integer paths.

use crate::kernel::{InputCounts, InputScale};

/// Each feature as int16: `(x − offset)·scale`, rounded half to even; NaN gives 0, what is outside
/// ±32767 saturates.
#[inline(never)]
pub fn quantize_f32(x: &[f32], params: &[InputScale], q: &mut [i16]) -> InputCounts {
    const MAX: f32 = 32767.0;
    // 1.5·2²³: the unit in the last place is 1 there, so that the addition rounds, half to even,
    // and the low bits of the sum are the integer.
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
