//! The kernels in portable, safe Rust.

mod accumulate;
pub(super) mod active;
mod affine;
mod curve;
mod d_select_k;
mod dice;
mod exp;
mod fixed;
mod gate;
pub(super) mod gemv_f32;
mod gemv_i16;
pub(super) mod gemv_i8;
pub(super) mod gemv_i8_pairs;
mod gemv_i8_quad;
mod gemv_w8;
mod hash;
mod hot;
mod layer_norm;
mod lookup;
mod mix;
mod norm_f32;
mod norm_i16;
pub(super) mod panels;
mod quantize;
mod relu;
pub(super) mod requantize;
mod rows;
mod sigmoid;
mod softmax;
mod top_k;

pub use accumulate::{
    accumulate_f32, accumulate_i8, accumulate_i8_pairs, accumulate_i8_quad, accumulate_i16,
    accumulate_w8, finish_dense_i8, finish_dense_i16, finish_logits_i8, finish_logits_i16,
    finish_w8,
};
pub use active::{
    accumulate_active_f32, accumulate_active_i8, accumulate_active_i8_pairs,
    accumulate_active_i8_quad, accumulate_active_w8,
};
pub use affine::{affine_f32, affine_i16};
pub use curve::{
    clip_f32, curve_i16, elu_f32, exp_f32, gelu_f32, gelu_tanh_f32, hard_swish_f32, mish_f32,
    silu_f32, softplus_f32, softsign_f32, square_f32,
};
pub use d_select_k::{d_select_k_f32, d_select_k_q15};
pub use dice::{dice_f32, dice_i16, row_dice_f32, row_dice_i16};
pub use exp::{exp_neg, recip};
pub use gate::{hard_f32, hard_q15, linear_gate_q15, sigmoid_gate_f32, sigmoid_gate_q15};
pub use gemv_f32::{gemm_f32, gemv_f32};
pub use gemv_i8::{dense_i8, dense_rows_i8, logits_i8, logits_rows_i8};
pub use gemv_i8_pairs::{dense_i8_pairs, logits_i8_pairs};
pub use gemv_i8_quad::{dense_i8_quad, dense_rows_i8_quad, logits_i8_quad, logits_rows_i8_quad};
pub use gemv_i16::{dense_i16, logits_i16};
pub use gemv_w8::{gemm_w8, gemv_w8};
pub use hash::{decimal, farm64, modulo, murmur_bucket, murmur3, sip24};
pub use hot::{
    hot_dense_i8, hot_dense_i8_pairs, hot_dense_i8_quad, hot_dense_i16, hot_f32, hot_logits_i8,
    hot_logits_i8_pairs, hot_logits_i8_quad, hot_logits_i16, hot_w8,
};
pub use layer_norm::layer_norm_f32;
pub use lookup::{bucket_f32, bucket_i32, exact, find, token};
pub use mix::{mix_f32, mix_i16, product_q31, round_mixture_i16, signed_q15};
pub use norm_f32::{rms_norm_f32, unit_norm_f32};
pub use norm_i16::{NormKind, norm_i16, rsqrt};
pub use quantize::{quantize_f32, quantize_i32};
pub use relu::{leaky_relu_f32, leaky_relu_i16, prelu_f32, prelu_i16, relu_f32, relu_i16};
pub use rows::{
    add_row_f32, add_row_i8, add_row_i16, add_row_w8, max_row_f32, max_row_i8, max_row_i16,
    max_row_w8, mean_f32, mean_i16, row_f32, row_i8, row_i16, row_w8, scale_f32, shift_i16,
};
pub use sigmoid::{sigmoid_f32, sigmoid_i16, sigmoid_q31, tanh_f32, tanh_i16};
pub use softmax::{gate_softmax_q15, softmax_f32, softmax_q31};
pub use top_k::{top_k_f32, top_k_q15};
