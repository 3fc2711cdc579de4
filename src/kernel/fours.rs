//! What all kernels in assembly for int8 panels of four rows have in common: the shape of their work,
//! checked here once, and everything around their one loop.
//!
//! An architecture implements [`Fours`] for a packing and names [`dense`], [`logits`] and
//! [`accumulate`] with it after the portable functions.

use core::marker::PhantomData;
use core::{ptr, slice};

use super::Row;
use super::portable::gemv_i8::row;
use super::portable::requantize::{hidden, logits as finish_logits};

/// What becomes of the sums of a panel.
#[derive(Clone, Copy)]
#[repr(usize)]
enum Finish {
    /// Hidden activations, saturated to 0 ..= 32767.
    Relu = 0,
    /// Hidden activations, saturated to −32768 ..= 32767.
    Linear = 1,
    /// They are added to what is there.
    Sums = 2,
}

/// Whole panels of a layer and what they meet, as the assembly reads it.
///
/// The fields are private to this module and every value comes from [`Work::hidden`] or
/// [`Work::sums`], so an architecture may rely on this, unless `panels` is 0, and [`Fours::run`] is
/// not called then: `weights` is readable for
/// `panels` panels of `4·columns` bytes, each `skip` bytes after the end of the one before, and lies
/// at a multiple of 4; `x` is readable for `columns` numbers; where `finish` is not 2, `rows` is
/// readable for four records a panel and `out` is writable for four int16 a panel; where it is 2,
/// `out` is writable for four i32 a panel. Nothing overlaps `out`.
#[repr(C)]
pub(in crate::kernel) struct Work<'a> {
    /// Word 0.
    x: *const i16,
    /// Word 1.
    columns: usize,
    /// Word 2.
    rows: *const Row,
    /// Word 3.
    finish: usize,
    /// Word 4.
    out: *mut (),
    /// Word 5.
    panels: usize,
    /// Word 6.
    skip: usize,
    /// Word 7.
    weights: *const i8,
    borrowed: PhantomData<(&'a [Row], &'a mut [i32])>,
}

/// Panels of four rows in one packing, on one architecture.
pub(in crate::kernel) trait Fours {
    /// The most columns that one walk may take; longer rows are added up in parts.
    const SEGMENT: usize = usize::MAX;
    /// Does the work.
    fn run(work: &Work<'_>);
    /// Adds columns `from ..` of `total` to the sums, whole panels alone. A packing in which columns
    /// depend on each other takes them apart first.
    fn add(w: &[i8], total: usize, from: usize, x: &[i16], acc: &mut [i32]) {
        add_whole::<Self>(w, total, from, x, acc);
    }
}

impl<'a> Work<'a> {
    /// The whole panels of a hidden layer, as many as all slices hold.
    #[inline(always)]
    fn hidden(
        w: &'a [i8],
        rows: &'a [Row],
        x: &'a [i16],
        y: &'a mut [i16],
        finish: Finish,
    ) -> Self {
        let panels = whole_panels(w, x.len(), y.len().min(rows.len()));
        Self {
            x: x.as_ptr(),
            columns: x.len(),
            rows: rows.as_ptr(),
            finish: finish as usize,
            out: y.as_mut_ptr().cast(),
            panels,
            skip: 0,
            weights: w.as_ptr(),
            borrowed: PhantomData,
        }
    }

    /// Sums over columns `from ..` of `total`, of whole panels, as many as all slices hold. Where
    /// there are not so many columns, there is nothing to do.
    #[inline(always)]
    fn sums(w: &'a [i8], total: usize, from: usize, x: &'a [i16], acc: &'a mut [i32]) -> Self {
        let end = from.saturating_add(x.len());
        let start = from.saturating_mul(4);
        let weights = w.get(start..).unwrap_or_default();
        let rows = if end > total || start > w.len() {
            0
        } else {
            acc.len()
        };
        Self {
            x: x.as_ptr(),
            columns: x.len(),
            rows: ptr::null(),
            finish: Finish::Sums as usize,
            out: acc.as_mut_ptr().cast(),
            panels: whole_panels(w, total, rows),
            skip: total.wrapping_sub(x.len()).wrapping_mul(4),
            weights: weights.as_ptr(),
            borrowed: PhantomData,
        }
    }

    /// Where the weights start.
    #[inline(always)]
    pub(in crate::kernel) fn weights(&self) -> *const i8 {
        self.weights
    }
}

/// How many panels of `columns` columns there are among `rows` rows, as far as the weights reach;
/// none where they do not lie on a word boundary, which the types of all layers promise.
#[inline(always)]
fn whole_panels(w: &[i8], columns: usize, rows: usize) -> usize {
    let panels = rows / 4;
    let enough = |panels: usize| {
        let per_panel = columns.checked_mul(4);
        per_panel
            .and_then(|n| n.checked_mul(panels))
            .is_some_and(|n| n <= w.len())
    };
    if !w.as_ptr().addr().is_multiple_of(4) {
        0
    } else if enough(panels) {
        panels
    } else {
        // No division: some of these cores have none.
        (0..panels).rev().find(|n| enough(*n)).unwrap_or_default()
    }
}

/// [`Fours::add`] in segments.
#[inline(always)]
pub(in crate::kernel) fn add_whole<F: Fours + ?Sized>(
    w: &[i8],
    total: usize,
    from: usize,
    x: &[i16],
    acc: &mut [i32],
) {
    let (mut from, mut x) = (from, x);
    while let Some((segment, rest)) = x.split_at_checked(F::SEGMENT) {
        run::<F>(&Work::sums(w, total, from, segment, acc));
        (from, x) = (from.wrapping_add(F::SEGMENT), rest);
    }
    run::<F>(&Work::sums(w, total, from, x, acc));
}

/// [`Fours::add`] of the packing `Pairs`, split anywhere: the halves of pairs at both ends are added
/// column by column.
#[cfg(mmoe_arm_dsp)]
pub(in crate::kernel) fn add_pairs<F: Fours>(
    w: &[i8],
    total: usize,
    from: usize,
    x: &[i16],
    acc: &mut [i32],
) {
    use super::portable::gemv_i8_pairs::{add_column, split};
    let (first, (middle, pairs), last) = split(total, from, x);
    for (c, x) in [first, last].into_iter().flatten() {
        let mut w = w;
        for acc in acc.as_chunks_mut::<4>().0 {
            let Some((panel, rest)) = w.split_at_checked(total.saturating_mul(4)) else {
                break;
            };
            add_column(panel, total, c, x, acc);
            w = rest;
        }
    }
    add_whole::<F>(w, total, middle, pairs, acc);
}

/// Does the work where there is any; gives how many rows that were.
#[inline(always)]
fn run<F: Fours + ?Sized>(work: &Work<'_>) -> usize {
    if work.panels != 0 {
        F::run(work);
    }
    work.panels * 4
}

/// What the portable `dense_i8…` of the packing computes. Where the weights do not lie at a multiple
/// of 4, which no loaded model has, whole panels are left alone, as where a slice is too short.
#[inline(always)]
pub(in crate::kernel) fn dense<F: Fours>(
    w: &[i8],
    rows: &[Row],
    x: &[i16],
    y: &mut [i16],
    floor: i16,
) {
    let finish = if floor == 0 {
        Finish::Relu
    } else {
        Finish::Linear
    };
    let done = if x.len() <= F::SEGMENT {
        run::<F>(&Work::hidden(w, rows, x, y, finish))
    } else {
        long::<F>(w, rows, x, y, finish)
    };
    if floor != 0 && floor != i16::MIN {
        y.iter_mut().take(done).for_each(|y| *y = (*y).max(floor));
    }
    if done == y.len() / 4 * 4 {
        singles(done, w, rows, x, y, |sum, row, y| {
            hidden(&[sum], row, y, floor)
        });
    }
}

/// The panels of [`dense`] where a row is longer than a segment: the sums of all segments but the last
/// go into the biases that the last one starts from.
#[inline(never)]
fn long<F: Fours>(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], finish: Finish) -> usize {
    let columns = x.len();
    let done = whole_panels(w, columns, y.len().min(rows.len())) * 4;
    let mut last = x;
    while let Some((_, rest)) = last.split_at_checked(F::SEGMENT) {
        last = rest;
    }
    let first = x
        .get(..columns.wrapping_sub(last.len()))
        .unwrap_or_default();
    let mut w = w;
    let (panels, _) = y.as_chunks_mut::<4>();
    for (rows, y) in rows.as_chunks::<4>().0.iter().zip(panels).take(done / 4) {
        let (mut rows, mut sums) = (*rows, [0; 4]);
        add_whole::<F>(w, columns, 0, first, &mut sums);
        for (row, sum) in rows.iter_mut().zip(sums) {
            row.bias = row.bias.wrapping_add(sum);
        }
        let behind = w.get(first.len().wrapping_mul(4)..).unwrap_or_default();
        run::<F>(&Work::hidden(behind, &rows, last, y, finish));
        w = w.get(columns.wrapping_mul(4)..).unwrap_or_default();
    }
    done
}

/// What the portable `logits_i8…` of the packing computes; weights as in [`dense`].
#[inline(always)]
pub(in crate::kernel) fn logits<F: Fours>(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
    let done = whole_panels(w, x.len(), z.len().min(rows.len())) * 4;
    let (panels, _) = z.as_chunks_mut::<4>();
    for z in panels.iter_mut().take(done / 4) {
        *z = [0; 4];
    }
    if let Some(z) = z.get_mut(..done) {
        add_whole::<F>(w, x.len(), 0, x, z);
    }
    let (panels, _) = z.as_chunks_mut::<4>();
    for (z, rows) in panels
        .iter_mut()
        .zip(rows.as_chunks::<4>().0)
        .take(done / 4)
    {
        finish_logits(&{ *z }, rows, z);
    }
    if done == z.len() / 4 * 4 {
        singles(done, w, rows, x, z, |sum, row, z| {
            finish_logits(&[sum], row, z)
        });
    }
}

/// What the portable `accumulate_i8…` of the packing computes; weights as in [`dense`].
#[inline(always)]
pub(in crate::kernel) fn accumulate<F: Fours>(
    w: &[i8],
    total: usize,
    from: usize,
    x: &[i16],
    acc: &mut [i32],
) {
    let done = whole_panels(w, total, acc.len()) * 4;
    let whole = acc.len() / 4 * 4;
    F::add(w, total, from, x, acc);
    let mut w = w.get(total.saturating_mul(done)..).unwrap_or_default();
    if done < whole {
        return;
    }
    for acc in acc.iter_mut().skip(done) {
        let end = from.wrapping_add(x.len());
        let (Some(weights), Some(rest)) = (w.get(from..end), w.get(total..)) else {
            return;
        };
        *acc = acc.wrapping_add(row(weights, x));
        w = rest;
    }
}

/// The rows behind the `done` rows of whole panels, one by one.
#[inline(always)]
fn singles<T>(
    done: usize,
    w: &[i8],
    rows: &[Row],
    x: &[i16],
    y: &mut [T],
    finish: impl Fn(i32, &[Row], &mut [T]),
) {
    let (Some(y), Some(rows)) = (y.get_mut(done..), rows.get(done..)) else {
        return;
    };
    if y.is_empty() {
        return;
    }
    let mut w = w.get(x.len().wrapping_mul(done)..).unwrap_or_default();
    for (record, y) in rows.iter().zip(y) {
        let Some((weights, rest)) = w.split_at_checked(x.len()) else {
            return;
        };
        finish(row(weights, x), slice::from_ref(record), slice::from_mut(y));
        w = rest;
    }
}
