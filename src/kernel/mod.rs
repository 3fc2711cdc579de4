//! The arithmetic: functions over slices, from which layers are made.
//!
//! They take no shapes, since the lengths of the slices are the shapes. So one compiled kernel serves
//! all layers of all models, where a kernel that is generic in the shape would be compiled for each
//! layer. They never panic: where a slice is too short they do less. [`portable`] is the specification
//! and is always compiled; `docs/numerics.md` fixes what it computes.
//!
//! Each folder beside it holds one architecture's kernels, under the portable names and equal to them
//! bit for bit. The build script chooses the ones that the target can run, and these take the place of
//! the portable ones here. `tests/kernels` compares every one of them with an oracle of its own, on the
//! core itself.

mod active;
mod hot;
mod order;
pub mod portable;
mod row;

#[cfg(all(target_arch = "aarch64", not(target_os = "none")))]
#[doc(hidden)]
pub mod aarch64;
#[cfg(mmoe_arm_dsp)]
mod arm_dsp;
#[cfg(mmoe_arm_mve)]
mod arm_mve;
#[cfg(mmoe_arm_v6m)]
mod arm_v6m;
#[cfg(mmoe_arm_v7m)]
mod arm_v7m;
#[cfg(mmoe_arm_vfp)]
mod arm_vfp;
#[cfg(any(mmoe_arm_dsp, mmoe_arm_v6m, mmoe_arm_v7m, mmoe_rv32im))]
mod fours;
#[cfg(mmoe_rv32im)]
mod rv32im;
#[cfg(all(
    any(target_arch = "aarch64", target_arch = "x86_64"),
    not(target_os = "none")
))]
mod tiles;
#[cfg(all(target_arch = "x86_64", not(target_os = "none")))]
#[doc(hidden)]
pub mod x86_64;

// A name that is imported by itself stands before one that comes with `portable::*`.
#[cfg(mmoe_aarch64)]
pub use aarch64::neon::{
    dense_i8, dense_i8_quad, dense_rows_i8, dense_rows_i8_quad, gemm_f32, gemm_w8, gemv_f32,
    gemv_w8, logits_i8, logits_i8_quad, logits_rows_i8, logits_rows_i8_quad,
};
#[cfg(mmoe_arm_dsp)]
pub use arm_dsp::accumulate_active_i8_pairs;
#[cfg(all(mmoe_arm_dsp, not(mmoe_arm_mve)))]
pub use arm_dsp::{accumulate_i8_pairs, dense_i8_pairs, logits_i8_pairs};
#[cfg(mmoe_arm_mve)]
pub use arm_mve::{accumulate_i8_pairs, dense_i8_pairs, logits_i8_pairs};
#[cfg(mmoe_arm_v6m)]
pub use arm_v6m::{accumulate_i8_quad, dense_i8_quad, logits_i8_quad};
#[cfg(mmoe_arm_v7m)]
pub use arm_v7m::{accumulate_i8_quad, dense_i8_quad, logits_i8_quad};
#[cfg(mmoe_arm_vfp)]
pub use arm_vfp::{accumulate_f32, gemv_f32};
#[cfg(mmoe_rv32im)]
pub use rv32im::{accumulate_i8, dense_i8, logits_i8};
#[cfg(mmoe_x86_64)]
pub use x86_64::avx512::{
    dense_i8, dense_i8_quad, dense_rows_i8, dense_rows_i8_quad, gemm_f32, gemm_w8, gemv_f32,
    gemv_w8, logits_i8, logits_i8_quad, logits_rows_i8, logits_rows_i8_quad,
};

pub use active::{Active, ActiveColumns};
pub use hot::HotInput;
pub(crate) use hot::one_of;
pub use order::{Order, pairs_high, pairs_index, panel_index, quad_biased};
pub use portable::*;
pub use row::{
    Affine32, AffineRow, CURVE_KNOTS, CurveTable, Dice32, DiceRow, InputCounts, InputScale,
    IntScale, Norm32, NormEnergy, NormRows, Row, RowDice32, RowDiceQ, WideRow,
};

#[cfg(test)]
mod tests;
