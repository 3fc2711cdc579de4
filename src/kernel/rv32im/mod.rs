//! RISC-V cores of 32 bits with multiplication: RV32IM and RV32IMAC, RV32IMC and so on.

mod gemv_i8;

pub use gemv_i8::{accumulate_i8, dense_i8, logits_i8};
