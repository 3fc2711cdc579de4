//! Dense layers with float activations, [`tiles`](crate::kernel::tiles::float) of NEON vectors.

#![allow(unsafe_code, reason = "vector instructions; every block has its proof")]

use crate::kernel::tiles::float::{Plain, Scaled, Unit, Weights, Work};
use core::arch::aarch64::*;

/// `y = W·x + bias` for each row of a batch; `false` where the lengths do not fit each other.
pub(super) fn gemm_f32(w: &[f32], bias: &[f32], x: &[&[f32]], y: &mut [&mut [f32]]) -> bool {
    let with = Plain {
        bias: bias.as_ptr(),
    };
    run(Work::new(w, with, bias.len(), x, y))
}

/// `y = (W·x)·scale + bias` for each row of a batch; `false` where the lengths do not fit each other.
pub(super) fn gemm_w8(
    w: &[i8],
    scale: &[f32],
    bias: &[f32],
    x: &[&[f32]],
    y: &mut [&mut [f32]],
) -> bool {
    let with = Scaled {
        scale: scale.as_ptr(),
        bias: bias.as_ptr(),
    };
    let fits = scale.len() == bias.len();
    run(Work::new(w, with, bias.len(), x, y).filter(|_| fits))
}

/// A tile of two panels and six rows has 24 registers of sums, and leaves eight of the 32.
fn run<W: Weights>(work: Option<Work<'_, '_, '_, W>>) -> bool {
    let Some(mut work) = work else { return false };
    let (panels, mut p) = (work.eights(), 0);
    // SAFETY: every AArch64 core that Rust has a target with an operating system for has NEON. `p`
    // plus the panels of a step is at most the number of panels.
    unsafe {
        // A row by itself: many panels side by side, since each sum waits for its last addition.
        if work.batch() == 1 {
            while p + 4 <= panels {
                work.units::<Eight, 4, 1>(8 * p);
                p += 4;
            }
        }
        while p + 2 <= panels {
            work.units::<Eight, 2, 6>(8 * p);
            p += 2;
        }
        if p < panels {
            work.units::<Eight, 1, 6>(8 * p);
        }
        work.rest::<Four, 6>();
    }
    true
}

/// A panel of 4 rows in a register.
struct Four;
/// A panel of 8 rows in two registers.
struct Eight;

impl Unit for Four {
    type V = float32x4_t;
    const HEIGHT: usize = 4;
    const PANELS: usize = 1;
    #[inline(always)]
    unsafe fn zero() -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vdupq_n_f32(0.0) }
    }
    #[inline(always)]
    unsafe fn load(w: *const f32, _: usize) -> float32x4_t {
        // SAFETY: four numbers are readable.
        unsafe { vld1q_f32(w) }
    }
    #[inline(always)]
    unsafe fn load_i8(w: *const i8, _: usize) -> float32x4_t {
        // SAFETY: four bytes are readable.
        unsafe {
            let word = w.cast::<i32>().read_unaligned();
            let bytes = vreinterpret_s8_s32(vdup_n_s32(word));
            vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(bytes))))
        }
    }
    #[inline(always)]
    unsafe fn splat(x: *const f32) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vld1q_dup_f32(x) }
    }
    #[inline(always)]
    unsafe fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn store(v: float32x4_t, y: *mut f32) {
        // SAFETY: four numbers are writable.
        unsafe { vst1q_f32(y, v) }
    }
}

impl Unit for Eight {
    type V = [float32x4_t; 2];
    const HEIGHT: usize = 8;
    const PANELS: usize = 1;
    #[inline(always)]
    unsafe fn zero() -> [float32x4_t; 2] {
        // SAFETY: the caller's promise.
        unsafe { [vdupq_n_f32(0.0); 2] }
    }
    #[inline(always)]
    unsafe fn load(w: *const f32, _: usize) -> [float32x4_t; 2] {
        // SAFETY: eight numbers are readable.
        unsafe { [vld1q_f32(w), vld1q_f32(w.add(4))] }
    }
    #[inline(always)]
    unsafe fn load_i8(w: *const i8, _: usize) -> [float32x4_t; 2] {
        // SAFETY: eight bytes are readable.
        unsafe {
            let wide = vmovl_s8(vld1_s8(w));
            [
                vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide))),
                vcvtq_f32_s32(vmovl_s16(vget_high_s16(wide))),
            ]
        }
    }
    #[inline(always)]
    unsafe fn splat(x: *const f32) -> [float32x4_t; 2] {
        // SAFETY: the caller's promise.
        unsafe { [vld1q_dup_f32(x); 2] }
    }
    #[inline(always)]
    unsafe fn mul([a, b]: [float32x4_t; 2], [c, d]: [float32x4_t; 2]) -> [float32x4_t; 2] {
        // SAFETY: the caller's promise.
        unsafe { [vmulq_f32(a, c), vmulq_f32(b, d)] }
    }
    #[inline(always)]
    unsafe fn add([a, b]: [float32x4_t; 2], [c, d]: [float32x4_t; 2]) -> [float32x4_t; 2] {
        // SAFETY: the caller's promise.
        unsafe { [vaddq_f32(a, c), vaddq_f32(b, d)] }
    }
    #[inline(always)]
    unsafe fn store([a, b]: [float32x4_t; 2], y: *mut f32) {
        // SAFETY: eight numbers are writable.
        unsafe {
            vst1q_f32(y, a);
            vst1q_f32(y.add(4), b);
        }
    }
}
