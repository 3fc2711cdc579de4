//! The layers in f32: one product and one sum after the other, each rounded.

use crate::random::Random;
use crate::{Kernels, Report};

pub(crate) const COLUMNS: usize = 70;
pub(crate) const ROWS: usize = 21;

/// Where the weight of a row and a column lies: panels of 8 rows, then one of 4, then single rows.
pub(crate) fn at(rows: usize, columns: usize, r: usize, c: usize) -> usize {
    let (eights, fours) = (rows / 8 * 8, rows / 8 * 8 + (rows % 8) / 4 * 4);
    let (first, height) = match r {
        _ if r < eights => (r / 8 * 8, 8),
        _ if r < fours => (eights, 4),
        _ => (r, 1),
    };
    first * columns + c * height + (r - first)
}

/// The strict sum of a row over the columns from `from` on.
pub(crate) fn sum(
    start: f32,
    w: &[f32],
    (rows, columns): (usize, usize),
    r: usize,
    from: usize,
    x: &[f32],
) -> f32 {
    let mut acc = start;
    for (c, x) in (from..).zip(x) {
        let product = w[at(rows, columns, r, c)] * *x;
        acc += product;
    }
    acc
}

/// The same bits, or NaN both.
pub(crate) fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// Every length of every tail and every way to fill panels.
pub(crate) fn layers(kernels: &Kernels, report: &mut Report<'_>) {
    let mut random = Random::new(14);
    for columns in (0..=19).chain([63, 64, COLUMNS]) {
        for rows in 0..=ROWS {
            let (mut w, mut x, mut bias) = ([0.0; ROWS * COLUMNS], [0.0; COLUMNS], [0.0; ROWS]);
            w[..rows * columns].fill_with(|| random.float());
            x.fill_with(|| random.float());
            bias.fill_with(|| random.float());
            let mut y = [7.5; ROWS + 3];
            (kernels.gemv_f32)(
                &w[..rows * columns],
                &bias[..rows],
                &x[..columns],
                &mut y[..rows],
            );
            let right = (0..rows)
                .all(|r| same(y[r], sum(bias[r], &w, (rows, columns), r, 0, &x[..columns])))
                && y[rows..] == [7.5; ROWS + 3][rows..];
            report.case(right, format_args!("f32 {columns}→{rows}: {y:?}"));
        }
    }
}

/// Sums over any part of the columns, added to what is there.
pub(crate) fn parts(kernels: &Kernels, report: &mut Report<'_>) {
    let mut random = Random::new(15);
    for _ in 0..800 {
        let columns = 1 + random.below(COLUMNS);
        let rows = random.below(ROWS + 1);
        let from = random.below(columns + 1);
        let length = random.below(columns - from + 1);
        let (mut w, mut x) = ([0.0; ROWS * COLUMNS], [0.0; COLUMNS]);
        w[..rows * columns].fill_with(|| random.float());
        x.fill_with(|| random.float());
        let mut y = [7.5; ROWS + 3];
        y[..rows].fill_with(|| random.float());
        let (before, x) = (y, &x[..length]);
        (kernels.accumulate_f32)(&w[..rows * columns], columns, from, x, &mut y[..rows]);
        let right = (0..rows).all(|r| same(y[r], sum(before[r], &w, (rows, columns), r, from, x)))
            && y[rows..] == before[rows..];
        report.case(
            right,
            format_args!("f32, columns {from}.. + {length} of {columns}→{rows}"),
        );
    }
}
