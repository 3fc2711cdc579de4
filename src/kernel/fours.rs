//! What all kernels in assembly for int8 panels of four rows have in common: the shape of their work,
//! checked here once, and everything around their one loop.
//!
//! An architecture implements [`Fours`] for a packing and names [`dense`], [`logits`] and
//! [`accumulate`] with it after the portable functions.

use core::marker::PhantomData;
use core::ptr;

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
/// [`Work::sums`], so an architecture may rely on this: `panels` is not 0; `weights` is readable for
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
    fn add(w: &[i8], total: usize, from: usize, x: &[i16], acc: &mut [[i32; 4]]) {
        add_whole::<Self>(w, total, from, x, acc);
    }
}

/// Whether weights lie on a word boundary, which the types of all layers promise.
#[inline(always)]
fn aligned(w: &[i8]) -> bool {
    w.as_ptr().addr() % 4 == 0
}

impl<'a> Work<'a> {
    /// A hidden layer; `None` where there is nothing to do or a slice is too short.
    #[inline(always)]
    fn hidden(
        w: &'a [i8],
        rows: &'a [[Row; 4]],
        x: &'a [i16],
        y: &'a mut [[i16; 4]],
        finish: Finish,
    ) -> Option<Self> {
        let needed = x.len().checked_mul(4)?.checked_mul(y.len())?;
        if y.is_empty() || rows.len() < y.len() || w.len() < needed || !aligned(w) {
            return None;
        }
        Some(Self {
            x: x.as_ptr(),
            columns: x.len(),
            rows: rows.as_ptr().cast(),
            finish: finish as usize,
            out: y.as_mut_ptr().cast(),
            panels: y.len(),
            skip: 0,
            weights: w.as_ptr(),
            borrowed: PhantomData,
        })
    }

    /// Sums over columns `from ..` of panels of `total` columns.
    #[inline(always)]
    fn sums(
        w: &'a [i8],
        total: usize,
        from: usize,
        x: &'a [i16],
        acc: &'a mut [[i32; 4]],
    ) -> Option<Self> {
        let skip = total.checked_sub(x.len())?.checked_mul(4)?;
        let needed = total.checked_mul(4)?.checked_mul(acc.len())?;
        if acc.is_empty() || from.checked_add(x.len())? > total || w.len() < needed {
            return None;
        }
        let w = w.get(from.checked_mul(4)?..)?;
        aligned(w).then_some(Self {
            x: x.as_ptr(),
            columns: x.len(),
            rows: ptr::null(),
            finish: Finish::Sums as usize,
            out: acc.as_mut_ptr().cast(),
            panels: acc.len(),
            skip,
            weights: w.as_ptr(),
            borrowed: PhantomData,
        })
    }

    /// Where the weights start.
    #[inline(always)]
    pub(in crate::kernel) fn weights(&self) -> *const i8 {
        self.weights
    }
}

/// How many panels of `per_panel` weights there are, at most `panels`.
#[inline(always)]
fn fitting(mut panels: usize, weights: usize, per_panel: usize) -> usize {
    // No division: some of these cores have none.
    while per_panel.checked_mul(panels).is_none_or(|n| n > weights) {
        panels -= 1;
    }
    panels
}

/// [`Fours::add`] in segments.
#[inline(always)]
pub(in crate::kernel) fn add_whole<F: Fours + ?Sized>(
    w: &[i8],
    total: usize,
    from: usize,
    x: &[i16],
    acc: &mut [[i32; 4]],
) {
    let mut from = from;
    for x in x.chunks(F::SEGMENT) {
        if let Some(work) = Work::sums(w, total, from, x, acc) {
            F::run(&work);
        }
        from = from.wrapping_add(x.len());
    }
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
    let (panels, singles) = y.as_chunks_mut::<4>();
    let panel_rows = rows.as_chunks::<4>().0;
    let wanted = panels.len();
    let fit = fitting(
        wanted.min(panel_rows.len()),
        w.len(),
        x.len().saturating_mul(4),
    );
    let Some((panels, _)) = panels.split_at_mut_checked(fit) else {
        return;
    };
    if x.len() <= F::SEGMENT {
        let finish = if floor == 0 {
            Finish::Relu
        } else {
            Finish::Linear
        };
        if let Some(work) = Work::hidden(w, panel_rows, x, panels, finish) {
            F::run(&work);
        }
        if floor != 0 && floor != i16::MIN {
            panels
                .as_flattened_mut()
                .iter_mut()
                .for_each(|y| *y = (*y).max(floor));
        }
    } else {
        let mut w = w;
        for (rows, y) in panel_rows.iter().zip(panels) {
            let mut sums = [[0; 4]];
            add_whole::<F>(w, x.len(), 0, x, &mut sums);
            hidden(sums.as_flattened(), rows, y, floor);
            w = w.get(x.len().wrapping_mul(4)..).unwrap_or_default();
        }
    }
    if fit == wanted {
        for_singles(w, fit, x, rows, singles, |sum, row, y| {
            hidden(
                &[sum],
                core::slice::from_ref(row),
                core::slice::from_mut(y),
                floor,
            );
        });
    }
}

/// What the portable `logits_i8…` of the packing computes; weights as in [`dense`].
#[inline(always)]
pub(in crate::kernel) fn logits<F: Fours>(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
    let (panels, singles) = z.as_chunks_mut::<4>();
    let panel_rows = rows.as_chunks::<4>().0;
    let wanted = panels.len();
    let fit = fitting(
        wanted.min(panel_rows.len()),
        w.len(),
        x.len().saturating_mul(4),
    );
    let Some((panels, _)) = panels.split_at_mut_checked(fit) else {
        return;
    };
    panels.as_flattened_mut().fill(0);
    add_whole::<F>(w, x.len(), 0, x, panels);
    for (z, rows) in panels.iter_mut().zip(panel_rows) {
        finish_logits(&{ *z }, rows, z);
    }
    if fit == wanted {
        for_singles(w, fit, x, rows, singles, |sum, row, z| {
            finish_logits(&[sum], core::slice::from_ref(row), core::slice::from_mut(z));
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
    let (panels, singles) = acc.as_chunks_mut::<4>();
    let wanted = panels.len();
    let fit = fitting(wanted, w.len(), total.saturating_mul(4));
    let Some((panels, _)) = panels.split_at_mut_checked(fit) else {
        return;
    };
    F::add(w, total, from, x, panels);
    if fit < wanted {
        return;
    }
    let mut w = w
        .get(total.saturating_mul(4).saturating_mul(fit)..)
        .unwrap_or_default();
    for acc in singles {
        let end = from.wrapping_add(x.len());
        let (Some(weights), Some(rest)) = (w.get(from..end), w.get(total..)) else {
            return;
        };
        *acc = acc.wrapping_add(row(weights, x));
        w = rest;
    }
}

/// The rows behind the whole panels, one by one.
#[inline(always)]
fn for_singles<T>(
    w: &[i8],
    panels: usize,
    x: &[i16],
    rows: &[Row],
    y: &mut [T],
    finish: impl Fn(i32, &Row, &mut T),
) {
    let rows = rows.get(panels.saturating_mul(4)..).unwrap_or_default();
    let mut w = w
        .get(x.len().saturating_mul(4).saturating_mul(panels)..)
        .unwrap_or_default();
    for (record, y) in rows.iter().zip(y) {
        let Some((weights, rest)) = w.split_at_checked(x.len()) else {
            return;
        };
        finish(row(weights, x), record, y);
        w = rest;
    }
}
