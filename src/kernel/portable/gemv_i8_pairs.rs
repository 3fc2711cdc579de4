//! Dense layers of int8 weights packed as `Pairs`: two rows in one int16, for cores that multiply
//! pairs of int16.
//!
//! The weights p and q of two rows that meet one input are stored as h = 256·q + p. This
//! specification takes them apart; a core with such instructions does without: since Σ h·x = 256·Σ
//! q·x + Σ p·x, the two sums Σ h·x and Σ p·x tell both rows' sums, for any weights and inputs.

use super::gemv_i8::gemv;
use super::requantize::{hidden, logits};
use crate::kernel::Row;

/// Adds one column of two rows.
#[inline(always)]
fn rows2([a, b]: [i32; 2], [low, high]: [i8; 2], x: i16) -> [i32; 2] {
    let (p, x) = (low as i32, x as i32);
    // The stored byte is one less where p is negative.
    let q = high as i32 + (low < 0) as i32;
    [
        a.wrapping_add(p.wrapping_mul(x)),
        b.wrapping_add(q.wrapping_mul(x)),
    ]
}

/// Adds one column of a panel: rows 0 and 1, rows 2 and 3.
#[inline(always)]
fn column([a, b, c, d]: [i32; 4], upper: [i8; 2], lower: [i8; 2], x: i16) -> [i32; 4] {
    let ([a, b], [c, d]) = (rows2([a, b], upper, x), rows2([c, d], lower, x));
    [a, b, c, d]
}

/// The sums of a panel.
#[inline(never)]
pub(super) fn panel(w: &[i8], x: &[i16], sums: &mut [i32; 4]) {
    let (pairs, single) = w.as_chunks::<8>();
    let (xs, last) = x.as_chunks::<2>();
    let mut acc = [0; 4];
    for (&[a, b, c, d, e, f, g, h], &[x, y]) in pairs.iter().zip(xs) {
        acc = column(acc, [a, b], [e, f], x);
        acc = column(acc, [c, d], [g, h], y);
    }
    if let (&[a, b, c, d], &[x]) = (single, last) {
        acc = column(acc, [a, b], [c, d], x);
    }
    *sums = acc;
}

/// Adds column `c` alone, of `total`, of a panel: one of a pair, or the odd one at the end.
#[inline(never)]
pub(in crate::kernel) fn add_column(w: &[i8], total: usize, c: usize, x: i16, acc: &mut [i32; 4]) {
    if c.is_multiple_of(2) && c.wrapping_add(1) == total {
        return add_last_column(w, x, acc);
    }
    *acc = match w.get(c / 2 * 8..) {
        Some(&[a, b, _, _, e, f, _, _, ..]) if c.is_multiple_of(2) => {
            column(*acc, [a, b], [e, f], x)
        }
        Some(&[_, _, a, b, _, _, e, f, ..]) => column(*acc, [a, b], [e, f], x),
        _ => return,
    };
}

/// Adds the odd column at the end of a panel.
#[inline(always)]
pub(in crate::kernel) fn add_last_column(w: &[i8], x: i16, acc: &mut [i32; 4]) {
    if let Some(&[a, b, c, d]) = w.last_chunk() {
        *acc = column(*acc, [a, b], [c, d], x);
    }
}

/// Columns `from ..` of `total`, as many as `x` has, in three parts: a first one that is the second
/// of its pair, whole pairs (and the odd column at the end of a row), and a last one that is the
/// first of its pair. Each is what `x` has of it, with its first column.
#[inline(always)]
#[allow(clippy::type_complexity, reason = "three times a column and an input")]
pub(in crate::kernel) fn split(
    total: usize,
    from: usize,
    x: &[i16],
) -> (Option<(usize, i16)>, (usize, &[i16]), Option<(usize, i16)>) {
    let (first, from, x) = match x {
        [first, rest @ ..] if from % 2 == 1 => (Some((from, *first)), from.wrapping_add(1), rest),
        _ => (None, from, x),
    };
    let end = from.wrapping_add(x.len());
    match x {
        [rest @ .., last] if end % 2 == 1 && end != total => {
            (first, (from, rest), Some((end.wrapping_sub(1), *last)))
        }
        _ => (first, (from, x), None),
    }
}

/// What [`dense_i8`](super::dense_i8) computes, from weights packed as `Pairs`.
///
/// `w` is in the order of [`pairs_index`](crate::kernel::pairs_index).
#[inline(never)]
pub fn dense_i8_pairs(w: &[i8], rows: &[Row], x: &[i16], y: &mut [i16], floor: i16) {
    gemv(w, rows, x, y, panel, |sums, rows, y| {
        hidden(sums, rows, y, floor)
    });
}

/// What [`logits_i8`](super::logits_i8) computes, from weights packed as `Pairs`.
#[inline(never)]
pub fn logits_i8_pairs(w: &[i8], rows: &[Row], x: &[i16], z: &mut [i32]) {
    gemv(w, rows, x, z, panel, logits);
}
