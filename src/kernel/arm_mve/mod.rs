//! Cortex-M cores with the vector extension (Helium): M52, M55, M85.

mod gemv_i8_pairs;

pub use gemv_i8_pairs::{accumulate_i8_pairs, dense_i8_pairs, logits_i8_pairs};
