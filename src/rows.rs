//! Blocks of rows: what lets one walk serve a single row and a batch.
//!
//! A block has at most `R` rows. On a microcontroller `R` is 1, a constant: every loop over the rows
//! of a block is compiled to its body.

use heapless::Vec;

/// The most rows of a block: a mask of 32 bits names those that need an expert.
pub(crate) const MOST: usize = 32;

/// References to the rows of a block: at least one, at most `R`.
#[derive(Debug)]
pub struct Rows<'x, X: ?Sized, const R: usize> {
    /// The rows, and behind the last one more references to it.
    rows: [&'x X; R],
    len: usize,
}

impl<X: ?Sized, const R: usize> Clone for Rows<'_, X, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<X: ?Sized, const R: usize> Copy for Rows<'_, X, R> {}

impl<'x, X: ?Sized> Rows<'x, X, 1> {
    /// A block of one row.
    #[inline(always)]
    pub(crate) fn one(row: &'x X) -> Self {
        Self {
            rows: [row],
            len: 1,
        }
    }
}

impl<'x, X, const R: usize> Rows<'x, X, R> {
    /// These rows, at most `R`; `None` where there are none.
    #[inline(always)]
    pub(crate) fn of(rows: &'x [X]) -> Option<Self> {
        let first = rows.first()?;
        Some(Self {
            rows: core::array::from_fn(|i| rows.get(i).unwrap_or(first)),
            len: rows.len(),
        })
    }

    /// The first `len` of these rows.
    #[inline(always)]
    pub(crate) fn first(rows: &'x [X; R], len: usize) -> Self {
        Self {
            rows: rows.each_ref(),
            len,
        }
    }
}

impl<'x, X: ?Sized, const R: usize> Rows<'x, X, R> {
    /// How many rows there are.
    #[inline(always)]
    pub(crate) const fn len(&self) -> usize {
        if R == 1 || self.len > R { R } else { self.len }
    }

    /// The rows.
    #[inline(always)]
    pub(crate) fn as_slice(&self) -> &[&'x X] {
        self.rows.split_at(self.len()).0
    }
}

/// As many items as there are, at most `R`.
#[must_use]
#[inline(always)]
pub fn collect<T, const R: usize>(items: impl Iterator<Item = T>) -> Vec<T, R> {
    let mut all = Vec::new();
    for item in items.take(R) {
        // There is room for `R`.
        let _ = all.push(item);
    }
    all
}

/// Calls `one` with the row of a block of one, and `all` with the rows of every other block, as many
/// as `x` has. Where `R` is 1, nothing is collected and no loop is left.
#[inline(always)]
pub(crate) fn each<X, Y, const R: usize>(
    mut x: impl Iterator<Item = X>,
    mut y: impl Iterator<Item = Y>,
    one: impl FnOnce(X, Y),
    all: impl FnOnce(&[X], &mut [Y]),
) {
    if R == 1 {
        if let (Some(x), Some(y)) = (x.next(), y.next()) {
            one(x, y);
        }
    } else {
        let x = collect::<_, R>(x);
        all(&x, &mut collect::<_, R>(y.take(x.len())));
    }
}
