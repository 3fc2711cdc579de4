//! Dense layers of int8 weights, [`tiles`](crate::kernel::tiles::int8) of NEON vectors.
//!
//! The four weights of a column are widened to int16 and meet one activation in a lane: `smlal` adds
//! the four products to the four sums.

#![allow(unsafe_code, reason = "vector instructions; every block has its proof")]

use crate::kernel::Row;
use crate::kernel::portable::{gemv_i8, requantize};
use crate::kernel::tiles::int8::{Finish, Unit, Work};
use core::arch::aarch64::*;
use core::slice;

/// A layer of weights in `Panels`, or in `Quad`; `false` where the lengths do not fit each other.
pub(super) fn run<F: Finish, const QUAD: bool>(
    w: &[i8],
    rows: &[Row],
    x: &[&[i16]],
    y: &mut [&mut [F::Out]],
    finish: F,
) -> bool {
    let Some(mut work) = Work::new(w, rows, x, y, finish) else {
        return false;
    };
    let (panels, mut p) = (work.panels(), 0);
    // SAFETY: every AArch64 core that Rust has a target with an operating system for has NEON. `p`
    // plus the panels of a step is at most the number of panels.
    unsafe {
        while p + 4 <= panels {
            work.run::<Neon, Neon, QUAD, 4, 4>(p);
            p += 4;
        }
        if p + 2 <= panels {
            work.run::<Neon, Neon, QUAD, 2, 4>(p);
            p += 2;
        }
        if p < panels {
            work.run::<Neon, Neon, QUAD, 1, 4>(p);
        }
        work.singles::<Neon>();
    }
    true
}

struct Neon;

impl Unit for Neon {
    type Sums = int32x4_t;
    /// Columns 0 and 1, columns 2 and 3.
    type W = [int16x8_t; 2];
    type X = int16x4_t;
    const COLUMNS: usize = 4;
    #[inline(always)]
    unsafe fn zero() -> int32x4_t {
        // SAFETY: the caller's promise.
        unsafe { vdupq_n_s32(0) }
    }
    #[inline(always)]
    unsafe fn weights<const QUAD: bool>(w: *const i8, len: usize) -> [int16x8_t; 2] {
        // SAFETY: sixteen bytes are readable at `w`, or at `few`.
        unsafe {
            let mut few = [0; 16];
            let w = if len >= 4 {
                w
            } else {
                for (i, few) in few.iter_mut().enumerate().take(4 * len) {
                    *few = *w.add(i);
                }
                few.as_ptr()
            };
            let mut v = vld1q_s8(w);
            if QUAD {
                v = veorq_s8(v, vreinterpretq_s8_s32(vdupq_n_s32(0x0080_8080)));
            }
            [vmovl_s8(vget_low_s8(v)), vmovl_s8(vget_high_s8(v))]
        }
    }
    #[inline(always)]
    unsafe fn inputs(x: *const i16, len: usize) -> int16x4_t {
        // SAFETY: four numbers are readable at `x`, or at `few`.
        unsafe {
            let mut few = [0; 4];
            let x = if len >= 4 {
                x
            } else {
                for (i, few) in few.iter_mut().enumerate().take(len) {
                    *few = *x.add(i);
                }
                few.as_ptr()
            };
            vld1_s16(x)
        }
    }
    #[inline(always)]
    unsafe fn dot(sums: int32x4_t, [a, b]: [int16x8_t; 2], x: int16x4_t) -> int32x4_t {
        // SAFETY: the caller's promise. The instruction wraps.
        unsafe {
            let sums = vmlal_lane_s16::<0>(sums, vget_low_s16(a), x);
            let sums = vmlal_high_lane_s16::<1>(sums, a, x);
            let sums = vmlal_lane_s16::<2>(sums, vget_low_s16(b), x);
            vmlal_high_lane_s16::<3>(sums, b, x)
        }
    }
    #[inline(always)]
    unsafe fn hidden(sums: int32x4_t, rows: *const Row, y: *mut i16, floor: i16) {
        // SAFETY: four records are readable and four numbers writable.
        let (rows, y) = unsafe {
            (
                slice::from_raw_parts(rows, 4),
                slice::from_raw_parts_mut(y, 4),
            )
        };
        // SAFETY: the caller's promise.
        requantize::hidden(&unsafe { four(sums) }, rows, y, floor);
    }
    #[inline(always)]
    unsafe fn logits(sums: int32x4_t, rows: *const Row, z: *mut i32) {
        // SAFETY: four records are readable and four numbers writable.
        let (rows, z) = unsafe {
            (
                slice::from_raw_parts(rows, 4),
                slice::from_raw_parts_mut(z, 4),
            )
        };
        // SAFETY: the caller's promise.
        requantize::logits(&unsafe { four(sums) }, rows, z);
    }
    #[inline(always)]
    unsafe fn single(w: *const i8, x: &[i16]) -> i32 {
        // SAFETY: the caller's promise.
        gemv_i8::row(unsafe { slice::from_raw_parts(w, x.len()) }, x)
    }
}

/// The four sums as an array.
///
/// # Safety
///
/// NEON.
#[inline(always)]
unsafe fn four(sums: int32x4_t) -> [i32; 4] {
    let mut all = [0; 4];
    // SAFETY: the array has room for four.
    unsafe { vst1q_s32(all.as_mut_ptr(), sums) };
    all
}
