//! Dense layers of int8 weights in panels of four rows, for a row or a batch.
//!
//! A register holds four columns of a panel in each of its 128-bit parts. Shuffled to pairs of columns
//! of one row and widened to int16, they meet pairs of activations in one instruction, which
//! multiplies and adds two columns. The parts are added up at the end: sums in wrapping i32 do not
//! depend on the order.

#![allow(unsafe_code, reason = "vector instructions; every block has its proof")]

use super::Level;
use crate::kernel::Row;
use core::arch::x86_64::*;

/// What becomes of the sums of rows.
pub(super) trait Finish: Copy {
    /// An output.
    type Out: Copy;
    /// Four rows, from their sums.
    ///
    /// # Safety
    ///
    /// AVX2; four records must be readable at `rows` and four outputs writable at `y`.
    unsafe fn four(self, sums: __m128i, rows: *const Row, y: *mut Self::Out);
    /// One row, as the portable kernels do it.
    fn one(self, sum: i32, row: &Row, y: &mut Self::Out);
}

/// Activations, saturated, none below this one.
#[derive(Clone, Copy)]
pub(super) struct Hidden(pub(super) i16);

/// Logits.
#[derive(Clone, Copy)]
pub(super) struct Logit;

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

impl Finish for Hidden {
    type Out = i16;
    #[inline(always)]
    unsafe fn four(self, sums: __m128i, rows: *const Row, y: *mut i16) {
        // SAFETY: the caller's promise.
        unsafe {
            let (acc, mult, shift) = apart(sums, rows);
            let shift = _mm_and_si128(shift, _mm_set1_epi32(31));
            let high = _mm_mullo_epi32(_mm_srai_epi32::<16>(acc), mult);
            let low = _mm_mullo_epi32(_mm_and_si128(acc, _mm_set1_epi32(0xffff)), mult);
            let p = _mm_add_epi32(high, _mm_srai_epi32::<16>(low));
            let p = _mm_add_epi32(_mm_srav_epi32(p, shift), _mm_set1_epi32(1));
            let v = _mm_srai_epi32::<1>(p);
            let v = _mm_max_epi16(_mm_packs_epi32(v, v), _mm_set1_epi16(self.0));
            _mm_storeu_si64(y.cast(), v);
        }
    }
    #[inline(always)]
    fn one(self, sum: i32, row: &Row, y: &mut i16) {
        use core::slice::{from_mut, from_ref};
        let (sum, row) = (from_ref(&sum), from_ref(row));
        crate::kernel::portable::requantize::hidden(sum, row, from_mut(y), self.0);
    }
}

impl Finish for Logit {
    type Out = i32;
    #[inline(always)]
    unsafe fn four(self, sums: __m128i, rows: *const Row, y: *mut i32) {
        // SAFETY: the caller's promise.
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
    #[inline(always)]
    fn one(self, sum: i32, row: &Row, y: &mut i32) {
        use core::slice::{from_mut, from_ref};
        crate::kernel::portable::requantize::logits(from_ref(&sum), from_ref(row), from_mut(y));
    }
}

/// A register of columns.
trait Unit {
    type V: Copy;
    /// How many columns of a panel it holds.
    const COLUMNS: usize;
    /// # Safety
    ///
    /// The core must have the unit's instructions. So it is for all functions of the trait.
    unsafe fn zero() -> Self::V;
    /// The first `len` columns at `w`, at most `COLUMNS`, as bytes; zeros behind them.
    ///
    /// # Safety
    ///
    /// `4·len` bytes must be readable.
    unsafe fn columns(w: *const i8, len: usize) -> Self::V;
    /// The same number with the sign turned in the lower three bytes of each word: `Quad` to `Panels`.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions.
    unsafe fn unbias(bytes: Self::V) -> Self::V;
    /// The first and the second pair of columns of each four, as int16, row by row.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions.
    unsafe fn pairs(bytes: Self::V) -> [Self::V; 2];
    /// The activations that meet them.
    ///
    /// # Safety
    ///
    /// `len` numbers must be readable.
    unsafe fn inputs(x: *const i16, len: usize) -> [Self::V; 2];
    /// `acc + w·x`, two columns a row.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions.
    unsafe fn dot(acc: Self::V, w: Self::V, x: Self::V) -> Self::V;
    /// `a + b`.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// The sum of each row.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions.
    unsafe fn rows(acc: Self::V) -> __m128i;
}

/// Bytes 0 to 15, four columns of four rows, to pairs of columns row by row.
const TO_PAIRS: [i8; 16] = [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15];

struct Avx2;

impl Unit for Avx2 {
    type V = __m256i;
    const COLUMNS: usize = 8;
    #[inline(always)]
    unsafe fn zero() -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn columns(w: *const i8, len: usize) -> __m256i {
        // SAFETY: a column is one word; only words below `len` are read.
        unsafe {
            if len >= 8 {
                return _mm256_loadu_si256(w.cast());
            }
            let number = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
            let mask = _mm256_cmpgt_epi32(_mm256_set1_epi32(len as i32), number);
            _mm256_maskload_epi32(w.cast(), mask)
        }
    }
    #[inline(always)]
    unsafe fn unbias(bytes: __m256i) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_xor_si256(bytes, _mm256_set1_epi32(0x0080_8080)) }
    }
    #[inline(always)]
    unsafe fn pairs(bytes: __m256i) -> [__m256i; 2] {
        // SAFETY: the caller's promise; the constant has 16 bytes.
        unsafe {
            let order = _mm256_broadcastsi128_si256(_mm_loadu_si128(TO_PAIRS.as_ptr().cast()));
            let v = _mm256_shuffle_epi8(bytes, order);
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
    #[inline(always)]
    unsafe fn dot(acc: __m256i, w: __m256i, x: __m256i) -> __m256i {
        // SAFETY: the caller's promise. The sum of two products of an int8 fits i32.
        unsafe { _mm256_add_epi32(acc, _mm256_madd_epi16(w, x)) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: the caller's promise.
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn rows(acc: __m256i) -> __m128i {
        // SAFETY: the caller's promise.
        unsafe {
            _mm_add_epi32(
                _mm256_castsi256_si128(acc),
                _mm256_extracti128_si256::<1>(acc),
            )
        }
    }
}

struct Vnni;

impl Unit for Vnni {
    type V = __m512i;
    const COLUMNS: usize = 16;
    #[inline(always)]
    unsafe fn zero() -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn columns(w: *const i8, len: usize) -> __m512i {
        // SAFETY: a column is one word; only words below `len` are read.
        unsafe {
            if len >= 16 {
                return _mm512_loadu_si512(w.cast());
            }
            _mm512_maskz_loadu_epi32(((1u32 << len) - 1) as u16, w.cast())
        }
    }
    #[inline(always)]
    unsafe fn unbias(bytes: __m512i) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_xor_si512(bytes, _mm512_set1_epi32(0x0080_8080)) }
    }
    #[inline(always)]
    unsafe fn pairs(bytes: __m512i) -> [__m512i; 2] {
        // SAFETY: the caller's promise; the constant has 16 bytes.
        unsafe {
            let order = _mm512_broadcast_i32x4(_mm_loadu_si128(TO_PAIRS.as_ptr().cast()));
            let v = _mm512_shuffle_epi8(bytes, order);
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
    #[inline(always)]
    unsafe fn dot(acc: __m512i, w: __m512i, x: __m512i) -> __m512i {
        // SAFETY: the caller's promise. The instruction wraps.
        unsafe { _mm512_dpwssd_epi32(acc, w, x) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn rows(acc: __m512i) -> __m128i {
        // SAFETY: the caller's promise.
        unsafe {
            let half = _mm256_add_epi32(
                _mm512_castsi512_si256(acc),
                _mm512_extracti64x4_epi64::<1>(acc),
            );
            Avx2::rows(half)
        }
    }
}

/// A matrix and the rows of a batch, whose lengths fit each other: `w` has `rows·columns` weights,
/// each `x` has `columns` numbers, each `y` has an output per row, and there are as many `x` as `y`.
/// [`run`] checks it.
struct Work<'a, 'x, 'y, F: Finish> {
    w: &'a [i8],
    rows: &'a [Row],
    columns: usize,
    x: &'a [&'x [i16]],
    y: &'a mut [&'y mut [F::Out]],
    finish: F,
}

/// A layer of weights in `Panels`, or in `Quad`; `false` where the lengths do not fit each other.
pub(super) fn run<F: Finish, const QUAD: bool>(
    level: Level,
    w: &[i8],
    rows: &[Row],
    x: &[&[i16]],
    y: &mut [&mut [F::Out]],
    finish: F,
) -> bool {
    let Some(columns) = x.first().map(|x| x.len()) else {
        return false;
    };
    let fits = rows.len().checked_mul(columns) == Some(w.len())
        && x.len() == y.len()
        && x.iter().all(|x| x.len() == columns)
        && y.iter().all(|y| y.len() == rows.len());
    if !fits {
        return false;
    }
    let work = Work {
        w,
        rows,
        columns,
        x,
        y,
        finish,
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
    let (panels, mut p) = (work.rows.len() / 4, 0);
    // SAFETY: `p` plus the panels of a step is at most the number of panels.
    unsafe {
        if work.x.len() == 1 {
            while p + 4 <= panels {
                work.panels::<Avx2, QUAD, 4, 1>(p);
                p += 4;
            }
        }
        while p + 2 <= panels {
            work.panels::<Avx2, QUAD, 2, 4>(p);
            p += 2;
        }
        if p < panels {
            work.panels::<Avx2, QUAD, 1, 4>(p);
        }
        work.singles();
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2")]
fn vnni<F: Finish, const QUAD: bool>(mut work: Work<'_, '_, '_, F>) {
    let (panels, mut p) = (work.rows.len() / 4, 0);
    // SAFETY: `p` plus the panels of a step is at most the number of panels.
    unsafe {
        while p + 4 <= panels {
            work.panels::<Vnni, QUAD, 4, 4>(p);
            p += 4;
        }
        if p + 2 <= panels {
            work.panels::<Vnni, QUAD, 2, 4>(p);
            p += 2;
        }
        if p < panels {
            work.panels::<Vnni, QUAD, 1, 4>(p);
        }
        work.singles();
    }
}

impl<F: Finish> Work<'_, '_, '_, F> {
    /// `P` panels from panel `p` on, against the whole batch.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions, and the matrix that many panels.
    #[inline(always)]
    unsafe fn panels<U: Unit, const QUAD: bool, const P: usize, const B: usize>(
        &mut self,
        p: usize,
    ) {
        let (batch, mut b) = (self.x.len(), 0);
        // SAFETY: the caller's promise, and `b` plus the tile's rows is at most the batch.
        unsafe {
            while b + B <= batch {
                self.tile::<U, QUAD, P, B, 1>(p, b);
                b += B;
            }
            if b + 2 <= batch {
                self.tile::<U, QUAD, P, 2, 1>(p, b);
                b += 2;
            }
            while b < batch {
                self.tile::<U, QUAD, P, 1, 2>(p, b);
                b += 1;
            }
        }
    }

    /// `P` panels against `B` rows of the batch, with `S` chains of sums for each.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions, the matrix that many panels and the batch that many
    /// rows.
    #[inline(always)]
    unsafe fn tile<U: Unit, const QUAD: bool, const P: usize, const B: usize, const S: usize>(
        &mut self,
        p: usize,
        b: usize,
    ) {
        // SAFETY: panel `p` starts at byte `4·columns·p` and has `4·columns`; column `j` of it is the
        // word `j`. `j` and `len` together are at most `columns`. The rest is what `Work` promises.
        unsafe {
            let panel = 4 * self.columns;
            let w = self.w.as_ptr().add(panel * p);
            let x: [*const i16; B] = core::array::from_fn(|i| self.x.get_unchecked(b + i).as_ptr());
            let mut sums = [[[U::zero(); S]; P]; B];
            let mut j = 0;
            while j + U::COLUMNS <= self.columns {
                step::<U, QUAD, P, B, S>(w.add(4 * j), panel, &x, j, U::COLUMNS, &mut sums);
                j += U::COLUMNS;
            }
            if j < self.columns {
                step::<U, QUAD, P, B, S>(w.add(4 * j), panel, &x, j, self.columns - j, &mut sums);
            }
            for (i, sums) in sums.into_iter().enumerate() {
                let y = self.y.get_unchecked_mut(b + i).as_mut_ptr();
                for (k, sums) in sums.into_iter().enumerate() {
                    let mut sum = U::zero();
                    for part in sums {
                        sum = U::add(sum, part);
                    }
                    let row = 4 * (p + k);
                    let rows = self.rows.as_ptr().add(row);
                    self.finish.four(U::rows(sum), rows, y.add(row));
                }
            }
        }
    }

    /// The rows that fill no panel.
    ///
    /// # Safety
    ///
    /// The core must have AVX2.
    #[inline(always)]
    unsafe fn singles(&mut self) {
        let first = self.rows.len() / 4 * 4;
        let (_, w) = self.w.split_at(first * self.columns);
        for (r, row) in self.rows.iter().enumerate().skip(first) {
            let (_, w) = w.split_at((r - first) * self.columns);
            for (x, y) in self.x.iter().zip(self.y.iter_mut()) {
                // SAFETY: the caller's promise; the row has as many weights as `x` has numbers.
                let sum = unsafe { single(w.as_ptr(), x) };
                if let Some(y) = y.get_mut(r) {
                    self.finish.one(sum, row, y);
                }
            }
        }
    }
}

/// `len` columns from column `j` on, at `w` in the first of `P` panels, each `panel` bytes behind the
/// one before.
// A function and not a closure: only what is always inlined is compiled with the caller's features.
///
/// # Safety
///
/// The core must have the unit's instructions, and all columns must be readable.
#[inline(always)]
unsafe fn step<U: Unit, const QUAD: bool, const P: usize, const B: usize, const S: usize>(
    w: *const i8,
    panel: usize,
    x: &[*const i16; B],
    j: usize,
    len: usize,
    sums: &mut [[[U::V; S]; P]; B],
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut columns = [[U::zero(); 2]; P];
        for (k, columns) in columns.iter_mut().enumerate() {
            let bytes = U::columns(w.add(panel * k), len);
            *columns = U::pairs(if QUAD { U::unbias(bytes) } else { bytes });
        }
        for (sums, x) in sums.iter_mut().zip(x) {
            let [first, second] = U::inputs(x.add(j), len);
            for (sums, [a, b]) in sums.iter_mut().zip(&columns) {
                // The first and the last chain, which are one where `S` is 1.
                if let Some(sum) = sums.first_mut() {
                    *sum = U::dot(*sum, *a, first);
                }
                if let Some(sum) = sums.last_mut() {
                    *sum = U::dot(*sum, *b, second);
                }
            }
        }
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
        _mm_storeu_si128(sums.as_mut_ptr().cast(), Avx2::rows(acc));
        let start = sums.iter().fold(0i32, |a, b| a.wrapping_add(*b));
        let w = w.add(16 * sixteens.len());
        rest.iter().enumerate().fold(start, |acc, (i, x)| {
            acc.wrapping_add(*w.add(i) as i32 * *x as i32)
        })
    }
}
