//! Dense layers of int8 weights, [`tiles`](crate::kernel::tiles::int8) of AVX2 and of AVX-512 with
//! VNNI.
//!
//! A register holds four columns of a panel in each of its 128-bit parts. Shuffled to pairs of columns
//! of one row and widened to int16, they meet pairs of activations in one instruction, which multiplies
//! and adds two columns. The parts are added up at the end.

#![allow(unsafe_code, reason = "vector instructions; every block has its proof")]

use super::Level;
use crate::kernel::Row;
use crate::kernel::tiles::int8::{Finish, Unit, Work};
use core::arch::x86_64::*;

/// A layer of weights in `Panels`, or in `Quad`; `false` where the lengths do not fit each other.
pub(super) fn run<F: Finish, const QUAD: bool>(
    level: Level,
    w: &[i8],
    rows: &[Row],
    x: &[&[i16]],
    y: &mut [&mut [F::Out]],
    finish: F,
) -> bool {
    let Some(work) = Work::new(w, rows, x, y, finish) else {
        return false;
    };
    match level {
        Level::Portable => return false,
        // SAFETY: a level is made only where the core has its instructions.
        Level::Avx2 => unsafe { avx2::<F, QUAD>(work) },
        // SAFETY: the same.
        Level::Avx512 => unsafe { vnni::<F, QUAD>(work) },
    }
    true
}

#[target_feature(enable = "avx2")]
fn avx2<F: Finish, const QUAD: bool>(mut work: Work<'_, '_, '_, F>) {
    let (panels, mut p) = (work.panels(), 0);
    // SAFETY: `p` plus the panels of a step is at most the number of panels.
    unsafe {
        if work.batch() == 1 {
            while p + 4 <= panels {
                work.run::<Avx2<1>, Avx2<1>, QUAD, 4, 4>(p);
                p += 4;
            }
        }
        while p + 2 <= panels {
            work.run::<Avx2<1>, Avx2<2>, QUAD, 2, 4>(p);
            p += 2;
        }
        if p < panels {
            work.run::<Avx2<1>, Avx2<2>, QUAD, 1, 4>(p);
        }
        work.singles::<Avx2<1>>();
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2")]
fn vnni<F: Finish, const QUAD: bool>(mut work: Work<'_, '_, '_, F>) {
    let (panels, mut p) = (work.panels(), 0);
    // SAFETY: `p` plus the panels of a step is at most the number of panels.
    unsafe {
        while p + 4 <= panels {
            work.run::<Vnni<1>, Vnni<2>, QUAD, 4, 4>(p);
            p += 4;
        }
        if p + 2 <= panels {
            work.run::<Vnni<1>, Vnni<2>, QUAD, 2, 4>(p);
            p += 2;
        }
        if p < panels {
            work.run::<Vnni<1>, Vnni<2>, QUAD, 1, 4>(p);
        }
        work.singles::<Vnni<1>>();
    }
}

/// Bytes 0 to 15, four columns of four rows, to pairs of columns row by row.
const TO_PAIRS: [i8; 16] = [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15];

/// AVX2, with one or two chains of sums.
struct Avx2<const S: usize>;
/// AVX-512 with VNNI, with one or two chains of sums.
struct Vnni<const S: usize>;

macro_rules! dot {
    (avx2, $sum:expr, $w:expr, $x:expr) => {
        _mm256_add_epi32($sum, _mm256_madd_epi16($w, $x))
    };
    (vnni, $sum:expr, $w:expr, $x:expr) => {
        _mm512_dpwssd_epi32($sum, $w, $x)
    };
}

/// The functions that both units have in common, of the first and the second pair of each four
/// columns: `$dot` goes to the first chain and to the last, which are one where `S` is 1.
macro_rules! common {
    ($V:ty, $zero:ident, $add:ident, $dot:ident, $four:ident) => {
        type Sums = [$V; S];
        type W = [$V; 2];
        type X = [$V; 2];
        #[inline(always)]
        unsafe fn zero() -> [$V; S] {
            // SAFETY: the caller's promise.
            unsafe { [$zero(); S] }
        }
        #[inline(always)]
        unsafe fn dot(mut sums: [$V; S], [a, b]: [$V; 2], [x, y]: [$V; 2]) -> [$V; S] {
            // SAFETY: the caller's promise. A product of an int8 and an int16 fits, and so does the
            // sum of two; what they are added to wraps.
            unsafe {
                if let Some(sum) = sums.first_mut() {
                    *sum = dot!($dot, *sum, a, x);
                }
                if let Some(sum) = sums.last_mut() {
                    *sum = dot!($dot, *sum, b, y);
                }
            }
            sums
        }
        #[inline(always)]
        unsafe fn hidden(sums: [$V; S], rows: *const Row, y: *mut i16, floor: i16) {
            // SAFETY: the caller's promise.
            unsafe {
                let mut all = $zero();
                for sum in sums {
                    all = $add(all, sum);
                }
                hidden($four(all), rows, y, floor);
            }
        }
        #[inline(always)]
        unsafe fn logits(sums: [$V; S], rows: *const Row, z: *mut i32) {
            // SAFETY: the caller's promise.
            unsafe {
                let mut all = $zero();
                for sum in sums {
                    all = $add(all, sum);
                }
                logits($four(all), rows, z);
            }
        }
        #[inline(always)]
        unsafe fn single(w: *const i8, x: &[i16]) -> i32 {
            // SAFETY: the caller's promise.
            unsafe { single(w, x) }
        }
    };
}

impl<const S: usize> Unit for Avx2<S> {
    const COLUMNS: usize = 8;
    common!(
        __m256i,
        _mm256_setzero_si256,
        _mm256_add_epi32,
        avx2,
        four_of_256
    );
    #[inline(always)]
    unsafe fn weights<const QUAD: bool>(w: *const i8, len: usize) -> [__m256i; 2] {
        // SAFETY: a column is one word; only words below `len` are read. The constant has 16 bytes.
        unsafe {
            let mut v = if len >= 8 {
                _mm256_loadu_si256(w.cast())
            } else {
                let number = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
                let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(len as i32), number);
                _mm256_maskload_epi32(w.cast(), mask)
            };
            if QUAD {
                v = _mm256_xor_si256(v, _mm256_set1_epi32(0x0080_8080));
            }
            let order = _mm256_broadcastsi128_si256(_mm_loadu_si128(TO_PAIRS.as_ptr().cast()));
            let v = _mm256_shuffle_epi8(v, order);
            // Each byte to the upper half of an int16, and down with its sign.
            [
                _mm256_srai_epi16::<8>(_mm256_unpacklo_epi8(v, v)),
                _mm256_srai_epi16::<8>(_mm256_unpackhi_epi8(v, v)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn inputs(x: *const i16, len: usize) -> [__m256i; 2] {
        // SAFETY: eight numbers are readable at `x`, or at `few`.
        unsafe {
            let mut few = [0; 8];
            let x = if len >= 8 {
                x
            } else {
                for (i, few) in few.iter_mut().enumerate().take(len) {
                    *few = *x.add(i);
                }
                few.as_ptr()
            };
            let x = _mm256_castsi128_si256(_mm_loadu_si128(x.cast()));
            [
                _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2)),
                _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3)),
            ]
        }
    }
}

impl<const S: usize> Unit for Vnni<S> {
    const COLUMNS: usize = 16;
    common!(
        __m512i,
        _mm512_setzero_si512,
        _mm512_add_epi32,
        vnni,
        four_of_512
    );
    #[inline(always)]
    unsafe fn weights<const QUAD: bool>(w: *const i8, len: usize) -> [__m512i; 2] {
        // SAFETY: a column is one word; only words below `len` are read. The constant has 16 bytes.
        unsafe {
            let mut v = if len >= 16 {
                _mm512_loadu_si512(w.cast())
            } else {
                _mm512_maskz_loadu_epi32(((1u32 << len) - 1) as u16, w.cast())
            };
            if QUAD {
                v = _mm512_xor_si512(v, _mm512_set1_epi32(0x0080_8080));
            }
            let order = _mm512_broadcast_i32x4(_mm_loadu_si128(TO_PAIRS.as_ptr().cast()));
            let v = _mm512_shuffle_epi8(v, order);
            [
                _mm512_srai_epi16::<8>(_mm512_unpacklo_epi8(v, v)),
                _mm512_srai_epi16::<8>(_mm512_unpackhi_epi8(v, v)),
            ]
        }
    }
    #[inline(always)]
    unsafe fn inputs(x: *const i16, len: usize) -> [__m512i; 2] {
        // SAFETY: only numbers below `len` are read.
        unsafe {
            let x = if len >= 16 {
                _mm256_loadu_si256(x.cast())
            } else {
                _mm256_maskz_loadu_epi16(((1u32 << len) - 1) as u16, x)
            };
            let x = _mm512_castsi256_si512(x);
            let first = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
            let second = _mm512_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3, 5, 5, 5, 5, 7, 7, 7, 7);
            [
                _mm512_permutexvar_epi32(first, x),
                _mm512_permutexvar_epi32(second, x),
            ]
        }
    }
}

/// The sum of each row: the 128-bit parts are different columns of the same four rows.
#[inline(always)]
unsafe fn four_of_256(sums: __m256i) -> __m128i {
    // SAFETY: the caller's core has AVX2.
    unsafe {
        _mm_add_epi32(
            _mm256_castsi256_si128(sums),
            _mm256_extracti128_si256::<1>(sums),
        )
    }
}

/// The same of a wider register.
#[inline(always)]
unsafe fn four_of_512(sums: __m512i) -> __m128i {
    // SAFETY: the caller's core has AVX-512.
    unsafe {
        let (low, high) = (
            _mm512_castsi512_si256(sums),
            _mm512_extracti64x4_epi64::<1>(sums),
        );
        four_of_256(_mm256_add_epi32(low, high))
    }
}

/// Four records taken apart: the accumulators with the bias added, the multipliers, the shifts.
#[inline(always)]
unsafe fn apart(sums: __m128i, rows: *const Row) -> (__m128i, __m128i, __m128i) {
    // SAFETY: four records of 8 bytes are readable: bias, then multiplier and shift in one word. The
    // caller's core has AVX2.
    unsafe {
        let (a, b) = (
            _mm_castsi128_ps(_mm_loadu_si128(rows.cast())),
            _mm_castsi128_ps(_mm_loadu_si128(rows.add(2).cast())),
        );
        let bias = _mm_castps_si128(_mm_shuffle_ps::<0b10_00_10_00>(a, b));
        let word = _mm_castps_si128(_mm_shuffle_ps::<0b11_01_11_01>(a, b));
        let mult = _mm_srai_epi32::<16>(_mm_slli_epi32::<16>(word));
        (_mm_add_epi32(sums, bias), mult, _mm_srli_epi32::<16>(word))
    }
}

/// Four activations from their sums; see [`requantize`](crate::kernel::portable).
#[inline(always)]
unsafe fn hidden(sums: __m128i, rows: *const Row, y: *mut i16, floor: i16) {
    // SAFETY: four records are readable and four numbers writable; the caller's core has AVX2.
    unsafe {
        let (acc, mult, shift) = apart(sums, rows);
        let shift = _mm_and_si128(shift, _mm_set1_epi32(31));
        let high = _mm_mullo_epi32(_mm_srai_epi32::<16>(acc), mult);
        let low = _mm_mullo_epi32(_mm_and_si128(acc, _mm_set1_epi32(0xffff)), mult);
        let p = _mm_add_epi32(high, _mm_srai_epi32::<16>(low));
        let p = _mm_add_epi32(_mm_srav_epi32(p, shift), _mm_set1_epi32(1));
        let v = _mm_srai_epi32::<1>(p);
        let v = _mm_max_epi16(_mm_packs_epi32(v, v), _mm_set1_epi16(floor));
        _mm_storeu_si64(y.cast(), v);
    }
}

/// Four logits from their sums.
#[inline(always)]
unsafe fn logits(sums: __m128i, rows: *const Row, y: *mut i32) {
    // SAFETY: four records are readable and four numbers writable; the caller's core has AVX2.
    unsafe {
        let (acc, mult, shift) = apart(sums, rows);
        let shift = _mm_and_si128(shift, _mm_set1_epi32(15));
        let high = _mm_mullo_epi32(_mm_srai_epi32::<16>(acc), mult);
        let low = _mm_mullo_epi32(_mm_and_si128(acc, _mm_set1_epi32(0xffff)), mult);
        let half = _mm_sllv_epi32(_mm_set1_epi32(1), _mm_sub_epi32(_mm_set1_epi32(15), shift));
        let low = _mm_srav_epi32(
            _mm_add_epi32(low, half),
            _mm_sub_epi32(_mm_set1_epi32(16), shift),
        );
        let z = _mm_add_epi32(_mm_sllv_epi32(high, shift), low);
        _mm_storeu_si128(y.cast(), z);
    }
}

/// The sum of a row that lies by itself.
///
/// # Safety
///
/// AVX2; as many bytes must be readable at `w` as `x` has numbers.
#[inline(always)]
unsafe fn single(w: *const i8, x: &[i16]) -> i32 {
    let (sixteens, rest) = x.as_chunks::<16>();
    // SAFETY: the caller's promise; `j` counts the columns that were read.
    unsafe {
        let mut acc = _mm256_setzero_si256();
        for (i, x) in sixteens.iter().enumerate() {
            let w = _mm256_cvtepi8_epi16(_mm_loadu_si128(w.add(16 * i).cast()));
            let x = _mm256_loadu_si256(x.as_ptr().cast());
            acc = _mm256_add_epi32(acc, _mm256_madd_epi16(w, x));
        }
        let mut sums = [0i32; 4];
        _mm_storeu_si128(sums.as_mut_ptr().cast(), four_of_256(acc));
        let start = sums.iter().fold(0i32, |a, b| a.wrapping_add(*b));
        let w = w.add(16 * sixteens.len());
        rest.iter().enumerate().fold(start, |acc, (i, x)| {
            acc.wrapping_add(*w.add(i) as i32 * *x as i32)
        })
    }
}
