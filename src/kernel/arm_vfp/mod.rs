//! Cortex-M cores with a single-precision floating-point unit: M4F, M7, M33, M55 and others.

mod gemv_f32;

pub use gemv_f32::{accumulate_f32, gemv_f32};
