//! Dense layers of int8 weights in panels of four rows, in the packings `Panels` and `Quad`.
//!
//! Sums in wrapping i32 do not depend on the order, so a unit may split them as it likes.

use crate::kernel::Row;
use core::array;

/// Some columns of a panel in registers.
pub(in crate::kernel) trait Unit {
    /// The sums of the four rows of a panel, in as many chains as the unit likes.
    type Sums: Copy;
    /// Weights, ready to be multiplied.
    type W: Copy;
    /// The activations that meet them.
    type X: Copy;
    /// How many columns it takes at once.
    const COLUMNS: usize;
    /// Zeros.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions. So it is for all functions of the trait.
    unsafe fn zero() -> Self::Sums;
    /// The first `len` columns at `w`, at most `COLUMNS`, and zeros behind them. With `QUAD` they are
    /// stored as in that packing.
    ///
    /// # Safety
    ///
    /// `4·len` bytes must be readable.
    unsafe fn weights<const QUAD: bool>(w: *const i8, len: usize) -> Self::W;
    /// The first `len` activations at `x`, at most `COLUMNS`, and zeros behind them.
    ///
    /// # Safety
    ///
    /// `len` numbers must be readable.
    unsafe fn inputs(x: *const i16, len: usize) -> Self::X;
    /// `sums + w·x`.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions.
    unsafe fn dot(sums: Self::Sums, w: Self::W, x: Self::X) -> Self::Sums;
    /// Four activations, none below `floor`.
    ///
    /// # Safety
    ///
    /// Four records must be readable at `rows` and four numbers writable at `y`.
    unsafe fn hidden(sums: Self::Sums, rows: *const Row, y: *mut i16, floor: i16);
    /// Four logits.
    ///
    /// # Safety
    ///
    /// As [`hidden`](Self::hidden).
    unsafe fn logits(sums: Self::Sums, rows: *const Row, z: *mut i32);
    /// The sum of a row that lies by itself.
    ///
    /// # Safety
    ///
    /// As many bytes must be readable at `w` as `x` has numbers.
    unsafe fn single(w: *const i8, x: &[i16]) -> i32;
}

/// What becomes of the sums of rows.
pub(in crate::kernel) trait Finish: Copy {
    /// An output.
    type Out: Copy;
    /// Four rows.
    ///
    /// # Safety
    ///
    /// As [`Unit::hidden`].
    unsafe fn four<U: Unit>(self, sums: U::Sums, rows: *const Row, y: *mut Self::Out);
    /// One row.
    fn one(self, sum: i32, row: &Row, y: &mut Self::Out);
}

/// Activations, none below this one.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct Hidden(pub(in crate::kernel) i16);

/// Logits.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct Logit;

impl Finish for Hidden {
    type Out = i16;
    #[inline(always)]
    unsafe fn four<U: Unit>(self, sums: U::Sums, rows: *const Row, y: *mut i16) {
        // SAFETY: the caller's promise is the same.
        unsafe { U::hidden(sums, rows, y, self.0) }
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
    unsafe fn four<U: Unit>(self, sums: U::Sums, rows: *const Row, y: *mut i32) {
        // SAFETY: the caller's promise is the same.
        unsafe { U::logits(sums, rows, y) }
    }
    #[inline(always)]
    fn one(self, sum: i32, row: &Row, y: &mut i32) {
        use core::slice::{from_mut, from_ref};
        crate::kernel::portable::requantize::logits(from_ref(&sum), from_ref(row), from_mut(y));
    }
}

/// A matrix and the rows of a batch, whose lengths fit each other: `w` has `rows·columns` weights,
/// each `x` has `columns` numbers, each `y` has an output per row, and there are as many `x` as `y`.
/// [`Work::new`] checks it.
pub(in crate::kernel) struct Work<'a, 'x, 'y, F: Finish> {
    w: &'a [i8],
    rows: &'a [Row],
    columns: usize,
    x: &'a [&'x [i16]],
    y: &'a mut [&'y mut [F::Out]],
    finish: F,
}

impl<'a, 'x, 'y, F: Finish> Work<'a, 'x, 'y, F> {
    /// `None` where lengths do not fit.
    pub(in crate::kernel) fn new(
        w: &'a [i8],
        rows: &'a [Row],
        x: &'a [&'x [i16]],
        y: &'a mut [&'y mut [F::Out]],
        finish: F,
    ) -> Option<Self> {
        let columns = x.first()?.len();
        let fits = w.len() == rows.len().checked_mul(columns)?
            && x.len() == y.len()
            && x.iter().all(|x| x.len() == columns)
            && y.iter().all(|y| y.len() == rows.len());
        fits.then_some(Self {
            w,
            rows,
            columns,
            x,
            y,
            finish,
        })
    }

    /// How many rows the batch has.
    #[inline(always)]
    pub(in crate::kernel) fn batch(&self) -> usize {
        self.x.len()
    }

    /// How many panels there are.
    #[inline(always)]
    pub(in crate::kernel) fn panels(&self) -> usize {
        self.rows.len() / 4
    }

    /// `P` panels from panel `p` on, against the whole batch: `B` rows at a time, then 2, and `A` for
    /// one row alone.
    ///
    /// # Safety
    ///
    /// The core must have the instructions of both units, and the matrix that many panels.
    #[inline(always)]
    pub(in crate::kernel) unsafe fn run<
        U: Unit,
        A: Unit,
        const QUAD: bool,
        const P: usize,
        const B: usize,
    >(
        &mut self,
        p: usize,
    ) {
        let (batch, mut b) = (self.batch(), 0);
        // SAFETY: the caller's promise, and `b` plus the tile's rows is at most the batch.
        unsafe {
            while b + B <= batch {
                self.tile::<U, QUAD, P, B>(p, b);
                b += B;
            }
            while b + 2 <= batch {
                self.tile::<U, QUAD, P, 2>(p, b);
                b += 2;
            }
            if b < batch {
                self.tile::<A, QUAD, P, 1>(p, b);
            }
        }
    }

    /// `P` panels against `B` rows of the batch.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions, the matrix that many panels and the batch that many
    /// rows.
    #[inline(always)]
    unsafe fn tile<U: Unit, const QUAD: bool, const P: usize, const B: usize>(
        &mut self,
        p: usize,
        b: usize,
    ) {
        // SAFETY: panel `p` starts at byte `4·columns·p` and has `4·columns`; column `j` of it is the
        // word `j`. `j` and the length together are at most `columns`. The rest is what `Work`
        // promises.
        unsafe {
            let panel = 4 * self.columns;
            let w = self.w.as_ptr().add(panel * p);
            let x: [*const i16; B] = array::from_fn(|i| self.x.get_unchecked(b + i).as_ptr());
            let mut sums = [[U::zero(); P]; B];
            let mut j = 0;
            while j + U::COLUMNS <= self.columns {
                step::<U, QUAD, P, B>(w.add(4 * j), panel, &x, j, U::COLUMNS, &mut sums);
                j += U::COLUMNS;
            }
            if j < self.columns {
                step::<U, QUAD, P, B>(w.add(4 * j), panel, &x, j, self.columns - j, &mut sums);
            }
            for (i, sums) in sums.into_iter().enumerate() {
                let y = self.y.get_unchecked_mut(b + i).as_mut_ptr();
                for (k, sums) in sums.into_iter().enumerate() {
                    let row = 4 * (p + k);
                    let rows = self.rows.as_ptr().add(row);
                    self.finish.four::<U>(sums, rows, y.add(row));
                }
            }
        }
    }

    /// The rows that fill no panel.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions.
    #[inline(always)]
    pub(in crate::kernel) unsafe fn singles<U: Unit>(&mut self) {
        let first = self.panels() * 4;
        let (_, w) = self.w.split_at(first * self.columns);
        for (r, row) in self.rows.iter().enumerate().skip(first) {
            let (_, w) = w.split_at((r - first) * self.columns);
            for (x, y) in self.x.iter().zip(self.y.iter_mut()) {
                // SAFETY: the caller's promise; the row has as many weights as `x` has numbers.
                let sum = unsafe { U::single(w.as_ptr(), x) };
                if let Some(y) = y.get_mut(r) {
                    self.finish.one(sum, row, y);
                }
            }
        }
    }
}

/// `len` columns from column `j` on, which lie at `w` in the first of `P` panels, each `panel` bytes
/// behind the one before.
///
/// # Safety
///
/// The core must have the unit's instructions, and all columns must be readable.
// A function and not a closure: only what is always inlined is compiled with the caller's features.
#[inline(always)]
unsafe fn step<U: Unit, const QUAD: bool, const P: usize, const B: usize>(
    w: *const i8,
    panel: usize,
    x: &[*const i16; B],
    j: usize,
    len: usize,
    sums: &mut [[U::Sums; P]; B],
) {
    // SAFETY: the caller's promise. The first panel's weights are overwritten by themselves.
    unsafe {
        let mut columns = [U::weights::<QUAD>(w, len); P];
        for (k, columns) in columns.iter_mut().enumerate().skip(1) {
            *columns = U::weights::<QUAD>(w.add(panel * k), len);
        }
        for (sums, x) in sums.iter_mut().zip(x) {
            let x = U::inputs(x.add(j), len);
            for (sum, w) in sums.iter_mut().zip(&columns) {
                *sum = U::dot(*sum, *w, x);
            }
        }
    }
}
