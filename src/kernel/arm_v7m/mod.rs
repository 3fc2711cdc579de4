//! Cortex-M cores with Thumb-2: M3, and M33 without the DSP extension; the others too.

mod gemv_i8_quad;

pub use gemv_i8_quad::{accumulate_i8_quad, dense_i8_quad, logits_i8_quad};
