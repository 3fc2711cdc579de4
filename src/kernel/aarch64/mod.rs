//! Kernels for AArch64, whose cores all have NEON. (`sdot` and its kin multiply int8 by int8, and
//! activations are int16, so the integer kernels widen the weights and use `smlal`.)

mod gemv_f32;
mod gemv_i8;

/// The kernels, under the portable names.
pub mod neon {
    use super::{gemv_f32 as floats, gemv_i8 as ints};
    use crate::kernel::Row;
    use crate::kernel::tiles::int8::{Hidden, Logit};

    pub use crate::kernel::portable::*;

    use crate::kernel::portable;

    /// See [`portable::gemv_f32`].
    #[inline(never)]
    pub fn gemv_f32(w: &[f32], bias: &[f32], x: &[f32], y: &mut [f32]) {
        if !floats::gemm_f32(w, bias, &[x], &mut [&mut *y]) {
            portable::gemv_f32(w, bias, x, y);
        }
    }

    /// See [`portable::gemm_f32`].
    #[inline(never)]
    pub fn gemm_f32(w: &[f32], bias: &[f32], x: &[&[f32]], y: &mut [&mut [f32]]) {
        if !floats::gemm_f32(w, bias, x, y) {
            portable::gemm_f32(w, bias, x, y);
        }
    }

    /// See [`portable::gemv_w8`].
    #[inline(never)]
    pub fn gemv_w8(w: &[i8], scale: &[f32], bias: &[f32], x: &[f32], y: &mut [f32]) {
        if !floats::gemm_w8(w, scale, bias, &[x], &mut [&mut *y]) {
            portable::gemv_w8(w, scale, bias, x, y);
        }
    }

    /// See [`portable::gemm_w8`].
    #[inline(never)]
    pub fn gemm_w8(w: &[i8], scale: &[f32], bias: &[f32], x: &[&[f32]], y: &mut [&mut [f32]]) {
        if !floats::gemm_w8(w, scale, bias, x, y) {
            portable::gemm_w8(w, scale, bias, x, y);
        }
    }

    /// The integer kernels of one packing.
    macro_rules! packing {
        ($quad:literal: $dense:ident $logits:ident $dense_rows:ident $logits_rows:ident) => {
            /// See the portable function.
            #[inline(never)]
            pub fn $dense(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
                if !ints::run::<_, $quad>(w, rows, &[x], &mut [&mut *y], Hidden(floor)) {
                    portable::$dense(w, rows, x, y, floor);
                }
            }

            /// See the portable function.
            #[inline(never)]
            pub fn $logits(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
                if !ints::run::<_, $quad>(w, rows, &[x], &mut [&mut *z], Logit) {
                    portable::$logits(w, rows, x, z);
                }
            }

            /// See the portable function.
            #[inline(never)]
            pub fn $dense_rows(
                w: &[i8],
                rows: &[Row],
                x: &[&[i16]],
                y: &mut [&mut [i16]],
                floor: i16,
            ) {
                if !ints::run::<_, $quad>(w, rows, x, y, Hidden(floor)) {
                    portable::$dense_rows(w, rows, x, y, floor);
                }
            }

            /// See the portable function.
            #[inline(never)]
            pub fn $logits_rows(w: &[i8], rows: &[Row], x: &[&[i16]], z: &mut [&mut [i32]]) {
                if !ints::run::<_, $quad>(w, rows, x, z, Logit) {
                    portable::$logits_rows(w, rows, x, z);
                }
            }
        };
    }
    packing!(false: dense_i8 logits_i8 dense_rows_i8 logits_rows_i8);
    packing!(true: dense_i8_quad logits_i8_quad dense_rows_i8_quad logits_rows_i8_quad);
}
