//! What a vector of sums is on x86-64.

#![allow(unsafe_code, reason = "vector instructions; every block has its proof")]

use crate::kernel::tiles::float::Unit;
use core::arch::x86_64::*;

/// A panel of 4 rows in an SSE register.
pub(super) struct Four;
/// A panel of 8 rows in an AVX register.
pub(super) struct Eight;
/// Two panels of 8 rows in an AVX-512 register.
pub(super) struct Sixteen;

impl Unit for Four {
    type V = __m128;
    const HEIGHT: usize = 4;
    const PANELS: usize = 1;
    #[inline(always)]
    unsafe fn zero() -> __m128 {
        // SAFETY: the caller's promise.
        unsafe { _mm_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn load(w: *const f32, _: usize) -> __m128 {
        // SAFETY: four numbers are readable.
        unsafe { _mm_loadu_ps(w) }
    }
    #[inline(always)]
    unsafe fn load_i8(w: *const i8, _: usize) -> __m128 {
        // SAFETY: four bytes are readable.
        unsafe { _mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_loadu_si32(w.cast()))) }
    }
    #[inline(always)]
    unsafe fn splat(x: *const f32) -> __m128 {
        // SAFETY: the caller's promise.
        unsafe { _mm_set1_ps(*x) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m128, b: __m128) -> __m128 {
        // SAFETY: the caller's promise.
        unsafe { _mm_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn add(a: __m128, b: __m128) -> __m128 {
        // SAFETY: the caller's promise.
        unsafe { _mm_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn store(v: __m128, y: *mut f32) {
        // SAFETY: four numbers are writable.
        unsafe { _mm_storeu_ps(y, v) }
    }
}

impl Unit for Eight {
    type V = __m256;
    const HEIGHT: usize = 8;
    const PANELS: usize = 1;
    #[inline(always)]
    unsafe fn zero() -> __m256 {
        // SAFETY: the caller's promise.
        unsafe { _mm256_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn load(w: *const f32, _: usize) -> __m256 {
        // SAFETY: eight numbers are readable.
        unsafe { _mm256_loadu_ps(w) }
    }
    #[inline(always)]
    unsafe fn load_i8(w: *const i8, _: usize) -> __m256 {
        // SAFETY: eight bytes are readable.
        unsafe { _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadu_si64(w.cast()))) }
    }
    #[inline(always)]
    unsafe fn splat(x: *const f32) -> __m256 {
        // SAFETY: the caller's promise.
        unsafe { _mm256_set1_ps(*x) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller's promise.
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        // SAFETY: the caller's promise.
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn store(v: __m256, y: *mut f32) {
        // SAFETY: eight numbers are writable.
        unsafe { _mm256_storeu_ps(y, v) }
    }
}

impl Unit for Sixteen {
    type V = __m512;
    const HEIGHT: usize = 8;
    const PANELS: usize = 2;
    #[inline(always)]
    unsafe fn zero() -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_setzero_ps() }
    }
    #[inline(always)]
    unsafe fn load(w: *const f32, next: usize) -> __m512 {
        // SAFETY: eight numbers are readable at both places.
        unsafe {
            let first = _mm512_castps256_ps512(_mm256_loadu_ps(w));
            _mm512_insertf32x8::<1>(first, _mm256_loadu_ps(w.add(next)))
        }
    }
    #[inline(always)]
    unsafe fn load_i8(w: *const i8, next: usize) -> __m512 {
        // SAFETY: eight bytes are readable at both places.
        unsafe {
            let first = _mm_loadu_si64(w.cast());
            let both = _mm_unpacklo_epi64(first, _mm_loadu_si64(w.add(next).cast()));
            _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(both))
        }
    }
    #[inline(always)]
    unsafe fn splat(x: *const f32) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_set1_ps(*x) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn store(v: __m512, y: *mut f32) {
        // SAFETY: sixteen numbers are writable.
        unsafe { _mm512_storeu_ps(y, v) }
    }
}
