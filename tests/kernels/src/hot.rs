//! Layers whose last columns are named by codes: those of the expanded vector.

use crate::float::{self, same};
use crate::int8::{COLUMNS, Layer, PAINT, ROWS, hidden, logit, sum};
use crate::random::Random;
use crate::{Kernels, Report};
use mmoe::kernel::HotInput;

/// More codes than the portable kernel adds up at once.
const CODES: usize = 300;

/// How many columns, numbers and codes a case has.
fn shape(random: &mut Random, round: usize, most: usize) -> (usize, usize, usize) {
    let columns = if round.is_multiple_of(20) {
        most - random.below(141)
    } else {
        1 + random.below(40)
    };
    let codes = if round.is_multiple_of(50) {
        CODES
    } else {
        random.below(9)
    };
    (columns, random.below(columns + 1), codes)
}

/// Any numbers and any codes: of columns twice, of none, negative ones.
pub(crate) fn layers(kernels: &Kernels, report: &mut Report<'_>) {
    let mut random = Random::new(17);
    let mut layer = Layer::new();
    for round in 0..1500 {
        let (columns, dense, count) = shape(&mut random, round, COLUMNS);
        let rows = random.below(ROWS + 1);
        layer.fill(&mut random, columns * rows);
        let exponent = random.below(40) as u32;
        let one = 1i16.wrapping_shl(exponent % 16);
        let mut x = [0; COLUMNS + CODES];
        x[..dense].copy_from_slice(&layer.x.0[..dense]);
        // What the codes stand for, in i64: a column may be named more often than an int16 counts.
        let mut named = [0i64; COLUMNS];
        let hot = columns - dense;
        for code in &mut x[dense..dense + count] {
            *code = match random.below(8) {
                0 => random.int16(),
                1 => (hot + random.below(3)) as i16,
                _ => 1 + random.below(hot.max(1)) as i16,
            };
            if let Ok(c) = usize::try_from(i32::from(*code) - 1)
                && c < hot
            {
                named[dense + c] += i64::from(one);
            }
        }
        let Some(input) = HotInput::new(columns, dense, exponent, &x[..dense + count]) else {
            report.case(
                false,
                format_args!("{dense} of {columns} columns are refused"),
            );
            continue;
        };
        let (w, records) = (layer.weights(columns * rows), &layer.rows[..rows]);
        for (packing, hot_dense, hot_logits) in kernels.hot {
            let size = (rows, columns);
            let sum = |r: usize| {
                let numbers = sum(packing, w, size, r, 0, &x[..dense]);
                let codes = (dense..columns)
                    .map(|c| crate::int8::weight(packing, w, rows, columns, r, c) * named[c]);
                numbers.wrapping_add(codes.sum::<i64>() as i32)
            };
            for floor in [0, i16::MIN] {
                let mut y = [PAINT; ROWS + 3];
                hot_dense(w, records, input, &mut y[..rows], floor);
                let right = (0..rows).all(|r| y[r] == hidden(sum(r), &records[r], floor))
                    && y[rows..].iter().all(|y| *y == PAINT);
                report.case(
                    right,
                    format_args!("{packing:?}: hot {dense} + {count} of {columns}→{rows}: {y:?}"),
                );
            }
            let mut z = [i32::from(PAINT); ROWS + 3];
            hot_logits(w, records, input, &mut z[..rows]);
            let right = (0..rows).all(|r| z[r] == logit(sum(r), &records[r]))
                && z[rows..].iter().all(|z| *z == i32::from(PAINT));
            report.case(
                right,
                format_args!(
                    "{packing:?}: hot logits {dense} + {count} of {columns}→{rows}: {z:?}"
                ),
            );
        }
    }
}

/// The same in f32, where what is no whole number names no column.
pub(crate) fn floats(kernels: &Kernels, report: &mut Report<'_>) {
    const MOST: usize = float::COLUMNS;
    const ROWS: usize = float::ROWS;
    let mut random = Random::new(18);
    for _ in 0..1500 {
        let columns = 1 + random.below(MOST);
        let dense = random.below(columns + 1);
        let (rows, count) = (random.below(ROWS + 1), random.below(12));
        let (mut w, mut bias, mut x) = ([0.0; ROWS * MOST], [0.0; ROWS], [0.0; MOST + 12]);
        w[..rows * columns].fill_with(|| random.float());
        bias.fill_with(|| random.float());
        x[..dense].fill_with(|| random.float());
        let mut named = [usize::MAX; 12];
        for (code, named) in x[dense..dense + count].iter_mut().zip(&mut named) {
            let column = random.below(columns - dense + 2);
            *code = match random.below(8) {
                0 => random.float(),
                1 => column as f32 + 0.5,
                2 => -1.0 - column as f32,
                3 => column as f32 + 4_294_967_296.0,
                _ => {
                    *named = dense + column;
                    column as f32
                }
            };
            // Any float may be a code by chance.
            for c in 0..columns - dense {
                if *code == c as f32 {
                    *named = dense + c;
                }
            }
        }
        let x = &x[..dense + count];
        let Some(input) = HotInput::new(columns, dense, 0, x) else {
            report.case(
                false,
                format_args!("{dense} of {columns} columns are refused"),
            );
            continue;
        };
        let mut y = [7.5; ROWS + 3];
        (kernels.hot_f32)(&w[..rows * columns], &bias[..rows], input, &mut y[..rows]);
        let right = (0..rows).all(|r| {
            let size = (rows, columns);
            let mut acc = float::sum(bias[r], &w, size, r, 0, &x[..dense]);
            for c in named.into_iter().filter(|c| *c < columns) {
                acc += w[float::at(rows, columns, r, c)];
            }
            same(y[r], acc)
        }) && y[rows..] == [7.5; ROWS + 3][rows..];
        report.case(
            right,
            format_args!(
                "f32, {dense} numbers and codes {:?} of {columns}→{rows}: {y:?}",
                &x[dense..]
            ),
        );
    }
}
