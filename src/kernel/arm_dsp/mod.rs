//! Cortex-M cores with the DSP extension: M4, M7, and M33 or M35P where they have it.

mod gemv_i8_pairs;

pub use gemv_i8_pairs::{
    accumulate_active_i8_pairs, accumulate_i8_pairs, dense_i8_pairs, logits_i8_pairs,
};
