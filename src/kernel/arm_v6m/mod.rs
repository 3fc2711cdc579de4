//! Cortex-M cores with Thumb's 16-bit instructions alone: M0, M0+, M23.

mod gemv_i8_quad;

pub use gemv_i8_quad::{accumulate_i8_quad, dense_i8_quad, logits_i8_quad};
