//! Dense layers with float activations.
//!
//! The weights of a step are loaded once for all rows of the tile, and an activation once for all
//! panels. Each sum is still one row's own chain, a product and then an addition for each column in
//! order, so that the bits are those of the portable kernels; no sum is split, and nothing is fused.

/// A vector of sums, one per row of one or two panels of a matrix.
pub(in crate::kernel) trait Unit {
    /// The sums.
    type V: Copy;
    /// How many rows of a matrix a panel has: 8 or 4.
    const HEIGHT: usize;
    /// How many panels lie in one vector.
    const PANELS: usize;
    /// Zeros.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions. So it is for all functions of the trait.
    unsafe fn zero() -> Self::V;
    /// One column of each panel.
    ///
    /// # Safety
    ///
    /// `HEIGHT` numbers must be readable at `w`, and at `w + next` where the unit has two panels.
    unsafe fn load(w: *const f32, next: usize) -> Self::V;
    /// One column of each panel, from int8 weights.
    ///
    /// # Safety
    ///
    /// As [`load`](Self::load), of bytes.
    unsafe fn load_i8(w: *const i8, next: usize) -> Self::V;
    /// The number at `x` for every row.
    ///
    /// # Safety
    ///
    /// `x` must be readable.
    unsafe fn splat(x: *const f32) -> Self::V;
    /// `a·b`, rounded.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions.
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a + b`, rounded.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// Writes the sums.
    ///
    /// # Safety
    ///
    /// `HEIGHT·PANELS` numbers must be writable at `y`.
    unsafe fn store(v: Self::V, y: *mut f32);
}

/// How weights are stored, and what stands before and behind the sum over the columns.
pub(in crate::kernel) trait Weights: Copy {
    /// One weight.
    type Stored;
    /// Loads one column; see [`Unit::load`].
    ///
    /// # Safety
    ///
    /// As [`Unit::load`].
    unsafe fn load<U: Unit>(w: *const Self::Stored, next: usize) -> U::V;
    /// What the sums of the rows from `row` on start with.
    ///
    /// # Safety
    ///
    /// The matrix must have the unit's rows from `row` on.
    unsafe fn start<U: Unit>(self, row: usize) -> U::V;
    /// What becomes of them.
    ///
    /// # Safety
    ///
    /// As [`start`](Self::start).
    unsafe fn finish<U: Unit>(self, sums: U::V, row: usize) -> U::V;
    /// A row by itself, from its first weight.
    ///
    /// # Safety
    ///
    /// `w` and `x` must be readable for `columns` numbers, and the matrix have row `row`.
    unsafe fn single(self, w: *const Self::Stored, x: &[f32], row: usize) -> f32;
}

/// f32 weights and a bias.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct Plain {
    pub(in crate::kernel) bias: *const f32,
}

/// int8 weights, a scale and a bias.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct Scaled {
    pub(in crate::kernel) scale: *const f32,
    pub(in crate::kernel) bias: *const f32,
}

impl Weights for Plain {
    type Stored = f32;
    #[inline(always)]
    unsafe fn load<U: Unit>(w: *const f32, next: usize) -> U::V {
        // SAFETY: the caller's promise is the same.
        unsafe { U::load(w, next) }
    }
    #[inline(always)]
    unsafe fn start<U: Unit>(self, row: usize) -> U::V {
        // SAFETY: there is a bias for each row of the matrix.
        unsafe { U::load(self.bias.add(row), U::HEIGHT) }
    }
    #[inline(always)]
    unsafe fn finish<U: Unit>(self, sums: U::V, _: usize) -> U::V {
        sums
    }
    #[inline(always)]
    unsafe fn single(self, w: *const f32, x: &[f32], row: usize) -> f32 {
        // SAFETY: the caller's promise.
        unsafe {
            let w = core::slice::from_raw_parts(w, x.len());
            let bias = *self.bias.add(row);
            w.iter().zip(x).fold(bias, |acc, (w, x)| acc + w * x)
        }
    }
}

impl Weights for Scaled {
    type Stored = i8;
    #[inline(always)]
    unsafe fn load<U: Unit>(w: *const i8, next: usize) -> U::V {
        // SAFETY: the caller's promise is the same.
        unsafe { U::load_i8(w, next) }
    }
    #[inline(always)]
    unsafe fn start<U: Unit>(self, _: usize) -> U::V {
        // SAFETY: the caller's promise is the same.
        unsafe { U::zero() }
    }
    #[inline(always)]
    unsafe fn finish<U: Unit>(self, sums: U::V, row: usize) -> U::V {
        // SAFETY: there is a scale and a bias for each row of the matrix.
        unsafe {
            let scale = U::load(self.scale.add(row), U::HEIGHT);
            let bias = U::load(self.bias.add(row), U::HEIGHT);
            U::add(U::mul(sums, scale), bias)
        }
    }
    #[inline(always)]
    unsafe fn single(self, w: *const i8, x: &[f32], row: usize) -> f32 {
        // SAFETY: the caller's promise.
        unsafe {
            let w = core::slice::from_raw_parts(w, x.len());
            let acc = w.iter().zip(x).fold(0.0, |acc, (w, x)| acc + *w as f32 * x);
            acc * *self.scale.add(row) + *self.bias.add(row)
        }
    }
}

/// A matrix and the rows of a batch, whose lengths fit each other: `w` is readable for `rows·columns`
/// weights, each `x` has `columns` numbers and each `y` has `rows`, there are as many `x` as `y`, and
/// the vectors of `with` have `rows` numbers. [`Work::new`] checks it.
pub(in crate::kernel) struct Work<'a, 'x, 'y, W: Weights> {
    w: *const W::Stored,
    with: W,
    columns: usize,
    rows: usize,
    x: &'a [&'x [f32]],
    y: &'a mut [&'y mut [f32]],
}

impl<'a, 'x, 'y, W: Weights> Work<'a, 'x, 'y, W> {
    /// `None` where lengths do not fit. `rows` is the length of the vectors of `with`.
    pub(in crate::kernel) fn new(
        w: &'a [W::Stored],
        with: W,
        rows: usize,
        x: &'a [&'x [f32]],
        y: &'a mut [&'y mut [f32]],
    ) -> Option<Self> {
        let columns = x.first()?.len();
        let fits = w.len() == rows.checked_mul(columns)?
            && x.len() == y.len()
            && x.iter().all(|x| x.len() == columns)
            && y.iter().all(|y| y.len() == rows);
        let w = w.as_ptr();
        fits.then_some(Self {
            w,
            with,
            columns,
            rows,
            x,
            y,
        })
    }

    /// How many rows the batch has.
    #[inline(always)]
    pub(in crate::kernel) fn batch(&self) -> usize {
        self.x.len()
    }

    /// How many panels of 8 rows there are.
    #[inline(always)]
    pub(in crate::kernel) fn eights(&self) -> usize {
        self.rows / 8
    }

    /// `P` units of the matrix from row `row` on, against `B` rows of the batch from `b` on.
    ///
    /// # Safety
    ///
    /// The core must have the unit's instructions, the matrix that many rows in panels of `U::HEIGHT`,
    /// and the batch that many rows.
    #[inline(always)]
    unsafe fn tile<U: Unit, const P: usize, const B: usize>(&mut self, row: usize, b: usize) {
        // SAFETY: `row` plus the rows of `P` units is at most `rows`, and `b + B` is at most the
        // length of `x` and of `y`: the caller's promises. A panel has `HEIGHT·columns` weights, and
        // its column `j` the `HEIGHT` from `HEIGHT·j` on; `j` stays below `columns`. The rest is what
        // `Work` promises.
        unsafe {
            let next = U::HEIGHT * self.columns;
            let rows = U::HEIGHT * U::PANELS;
            let mut sums = [[U::zero(); P]; B];
            for p in 0..P {
                let start = self.with.start::<U>(row + p * rows);
                for sums in &mut sums {
                    *sums.get_unchecked_mut(p) = start;
                }
            }
            let x: [*const f32; B] = core::array::from_fn(|i| self.x.get_unchecked(b + i).as_ptr());
            let mut w = self.w.add(row * self.columns);
            for j in 0..self.columns {
                let mut column = [U::zero(); P];
                for (p, column) in column.iter_mut().enumerate() {
                    *column = W::load::<U>(w.add(p * U::PANELS * next), next);
                }
                for (sums, x) in sums.iter_mut().zip(&x) {
                    let x = U::splat(x.add(j));
                    for (sum, w) in sums.iter_mut().zip(&column) {
                        *sum = U::add(*sum, U::mul(*w, x));
                    }
                }
                w = w.add(U::HEIGHT);
            }
            for (i, sums) in sums.into_iter().enumerate() {
                let y = self.y.get_unchecked_mut(b + i).as_mut_ptr();
                for (p, sum) in sums.into_iter().enumerate() {
                    let row = row + p * rows;
                    U::store(self.with.finish::<U>(sum, row), y.add(row));
                }
            }
        }
    }

    /// `P` units of the matrix from row `row` on, against the whole batch: `B` rows at a time, and
    /// then 4, 2 and 1.
    ///
    /// # Safety
    ///
    /// As [`tile`](Self::tile) for the rows of the matrix.
    #[inline(always)]
    pub(in crate::kernel) unsafe fn units<U: Unit, const P: usize, const B: usize>(
        &mut self,
        row: usize,
    ) {
        let (batch, mut b) = (self.batch(), 0);
        // SAFETY: the caller's promise, and `b` plus the tile's rows is at most the batch.
        unsafe {
            while b + B <= batch {
                self.tile::<U, P, B>(row, b);
                b += B;
            }
            if b + 4 <= batch {
                self.tile::<U, P, 4>(row, b);
                b += 4;
            }
            if b + 2 <= batch {
                self.tile::<U, P, 2>(row, b);
                b += 2;
            }
            if b < batch {
                self.tile::<U, P, 1>(row, b);
            }
        }
    }

    /// The rows of the matrix that are left when all panels of 8 are done: one panel of 4, and single
    /// rows.
    ///
    /// # Safety
    ///
    /// The core must have the instructions of `U`, whose panels have 4 rows.
    #[inline(always)]
    pub(in crate::kernel) unsafe fn rest<U: Unit, const B: usize>(&mut self) {
        let mut row = self.rows / 8 * 8;
        // SAFETY: whole panels of 4 and single rows lie from `row` on, below `rows`.
        unsafe {
            if row + 4 <= self.rows {
                self.units::<U, 1, B>(row);
                row += 4;
            }
            while row < self.rows {
                let w = self.w.add(row * self.columns);
                for (x, y) in self.x.iter().zip(self.y.iter_mut()) {
                    *y.get_unchecked_mut(row) = self.with.single(w, x, row);
                }
                row += 1;
            }
        }
    }
}
