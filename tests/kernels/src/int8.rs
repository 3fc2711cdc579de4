//! The integer layers of int8 weights.

use crate::random::Random;
use crate::{Kernels, Packing, Report};
use mmoe::kernel::{Active, ActiveColumns, Row};
use mmoe::zerocopy::IntoBytes;

/// The most columns and rows of a case.
pub(crate) const COLUMNS: usize = 640;
pub(crate) const ROWS: usize = 9;
/// What is written into outputs before, and must stand behind them afterwards.
pub(crate) const PAINT: i16 = 0x5aa5;

/// What a layer is made of, where its weights lie on a word boundary. The bytes are any bytes: what
/// no converter writes must give the same numbers too.
pub(crate) struct Layer {
    words: [u32; COLUMNS * ROWS / 4],
    pub(crate) rows: [Row; ROWS],
    pub(crate) x: Inputs,
}

/// One more than there are columns, so that they can start behind a word boundary.
#[repr(C, align(4))]
pub(crate) struct Inputs(pub(crate) [i16; COLUMNS + 1]);

impl Layer {
    pub(crate) fn new() -> Self {
        Self {
            words: [0; COLUMNS * ROWS / 4],
            rows: [Row::default(); ROWS],
            x: Inputs([0; COLUMNS + 1]),
        }
    }

    pub(crate) fn fill(&mut self, random: &mut Random, bytes: usize) {
        // Now and then everything at its largest: what an accumulator has to bear.
        let extreme = match random.below(6) {
            0 => Some((0x8080_8080, i16::MIN)),
            1 => Some((0x7f7f_7f7f, i16::MIN)),
            2 => Some((0x7f80_7f80, i16::MAX)),
            _ => None,
        };
        for word in self.words.iter_mut().take(bytes.div_ceil(4)) {
            *word = extreme.map_or_else(|| random.next(), |(word, _)| word);
        }
        for x in &mut self.x.0 {
            *x = extreme.map_or_else(|| random.int16(), |(_, x)| x);
        }
        for row in &mut self.rows {
            *row = Row {
                bias: random.next() as i32 >> random.below(20),
                mult: random.next() as u16,
                shift: (random.next() >> 9) as u8,
                zero: 0,
            };
        }
    }

    pub(crate) fn weights(&self, len: usize) -> &[i8] {
        let bytes = &self.words.as_bytes()[..len];
        mmoe::zerocopy::transmute_ref!(bytes)
    }
}

/// The weight of a row and a column, by the format's description.
pub(crate) fn weight(
    packing: Packing,
    w: &[i8],
    rows: usize,
    columns: usize,
    r: usize,
    c: usize,
) -> i64 {
    let panel = r / 4 * 4 * columns;
    if r >= rows / 4 * 4 {
        return i64::from(w[panel + (r % 4) * columns + c]);
    }
    let byte = |at: usize| i64::from(w[panel + at]);
    match packing {
        Packing::Panels => byte(4 * c + r % 4),
        Packing::Quad if r % 4 == 3 => byte(4 * c + 3),
        Packing::Quad => (byte(4 * c + r % 4) & 0xff) - 128,
        Packing::Pairs => {
            // Two columns take eight bytes: both halves of rows 0 and 1, both of rows 2 and 3.
            let alone = c.is_multiple_of(2) && c + 1 == columns;
            let half = if alone {
                8 * (c / 2) + 2 * (r % 4 / 2)
            } else {
                8 * (c / 2) + 4 * (r % 4 / 2) + 2 * (c % 2)
            };
            let h = (byte(half) & 0xff) + 256 * byte(half + 1);
            let p = byte(half);
            if r.is_multiple_of(2) {
                p
            } else {
                (h - p) / 256
            }
        }
    }
}

/// Σ w·x of a row over the columns from `from` on, wrapping.
pub(crate) fn sum(
    packing: Packing,
    w: &[i8],
    (rows, columns): (usize, usize),
    r: usize,
    from: usize,
    x: &[i16],
) -> i32 {
    (from..)
        .zip(x)
        .map(|(c, x)| weight(packing, w, rows, columns, r, c) * i64::from(*x))
        .sum::<i64>() as i32
}

/// `⌊(acc·mult + 2^(s−1)) / 2^s⌋`, the multiplier read as signed.
fn rounded(acc: i32, row: &Row, s: u32) -> i64 {
    (i64::from(acc) * i64::from(row.mult as i16) + (1 << (s - 1))) >> s
}

pub(crate) fn hidden(sum: i32, row: &Row, floor: i16) -> i16 {
    let v = rounded(
        row.bias.wrapping_add(sum),
        row,
        17 + u32::from(row.shift & 31),
    );
    (v.clamp(-32768, 32767) as i16).max(floor)
}

pub(crate) fn logit(sum: i32, row: &Row) -> i32 {
    rounded(
        row.bias.wrapping_add(sum),
        row,
        16 - u32::from(row.shift & 15),
    ) as i32
}

/// Every length of every tail, rows that fill panels and that do not, inputs on and behind a word
/// boundary, long rows about the length at which they are done in parts.
pub(crate) fn layers(kernels: &Kernels, report: &mut Report<'_>) {
    let mut random = Random::new(11);
    let mut layer = Layer::new();
    for columns in (0..=67).chain([499, 500]).chain(507..=513).chain([COLUMNS]) {
        for count in 0..=ROWS {
            layer.fill(&mut random, columns * count);
            let (w, rows) = (layer.weights(columns * count), &layer.rows[..count]);
            for skew in 0..2 {
                let x = &layer.x.0[skew..skew + columns];
                for (packing, dense, logits, _) in kernels.int8 {
                    let mut sums = [0; ROWS];
                    for (r, s) in sums.iter_mut().enumerate().take(count) {
                        *s = sum(packing, w, (count, columns), r, 0, x);
                    }
                    for floor in [0, i16::MIN, 5] {
                        let mut y = [PAINT; ROWS + 3];
                        dense(w, rows, x, &mut y[..count], floor);
                        let right = (0..count).all(|r| y[r] == hidden(sums[r], &rows[r], floor))
                            && y[count..].iter().all(|y| *y == PAINT);
                        report.case(
                            right,
                            format_args!("{packing:?}: dense {columns}→{count}, x + {skew}, floor {floor}: {y:?}"),
                        );
                    }
                    let mut z = [i32::from(PAINT); ROWS + 3];
                    logits(w, rows, x, &mut z[..count]);
                    let right = (0..count).all(|r| z[r] == logit(sums[r], &rows[r]))
                        && z[count..].iter().all(|z| *z == i32::from(PAINT));
                    report.case(
                        right,
                        format_args!("{packing:?}: logits {columns}→{count}, x + {skew}: {z:?}"),
                    );
                }
            }
        }
    }
}

/// Sums over any part of the columns, added to what is there.
pub(crate) fn parts(kernels: &Kernels, report: &mut Report<'_>) {
    let mut random = Random::new(12);
    let mut layer = Layer::new();
    for round in 0..2500 {
        let columns = if round % 50 == 0 {
            500 + random.below(141)
        } else {
            1 + random.below(40)
        };
        let count = random.below(ROWS + 1);
        layer.fill(&mut random, columns * count);
        let w = layer.weights(columns * count);
        let from = random.below(columns + 1);
        let length = random.below(columns - from + 1);
        let skew = random.below(2);
        let x = &layer.x.0[skew..skew + length];
        for (packing, _, _, accumulate) in kernels.int8 {
            let mut sums = [0; ROWS + 3];
            sums.fill_with(|| random.next() as i32);
            let before = sums;
            accumulate(w, columns, from, x, &mut sums[..count]);
            let right = (0..count).all(|r| {
                let part = sum(packing, w, (count, columns), r, from, x);
                sums[r] == before[r].wrapping_add(part)
            }) && sums[count..] == before[count..];
            report.case(
                right,
                format_args!(
                    "{packing:?}: columns {from}.. + {length} of {columns}→{count}, x + {skew}"
                ),
            );
        }
    }
}

/// Sums over the columns that are not zero, as many as there are columns and as few as none.
pub(crate) fn active(kernels: &Kernels, report: &mut Report<'_>) {
    let mut random = Random::new(16);
    let mut layer = Layer::new();
    for round in 0..700 {
        let columns = if round % 20 == 0 {
            500 + random.below(141)
        } else {
            1 + random.below(40)
        };
        let count = random.below(ROWS + 1);
        layer.fill(&mut random, columns * count);
        let w = layer.weights(columns * count);
        // Every column, most of them, or few.
        let among = [1, 2, 9][random.below(3)];
        let mut list = [Active::default(); COLUMNS];
        let mut whole = [0; COLUMNS];
        let mut length = 0;
        for (c, value) in (0..columns).zip(layer.x.0) {
            if random.below(among) == 0 {
                list[length] = Active {
                    column: c as u16,
                    value,
                };
                whole[c] = value;
                length += 1;
            }
        }
        let Some(x) = ActiveColumns::new(&list[..length], columns) else {
            report.case(
                false,
                format_args!("{length} ascending columns are refused"),
            );
            continue;
        };
        for (packing, accumulate) in kernels.active {
            let mut sums = [0; ROWS + 3];
            sums.fill_with(|| random.next() as i32);
            let before = sums;
            accumulate(w, columns, x, &mut sums[..count]);
            let right = (0..count).all(|r| {
                let part = sum(packing, w, (count, columns), r, 0, &whole[..columns]);
                sums[r] == before[r].wrapping_add(part)
            }) && sums[count..] == before[count..];
            report.case(
                right,
                format_args!("{packing:?}: {length} active of {columns}→{count}"),
            );
        }
    }
}

/// Slices that do not belong together: whole panels and then rows are done as far as all slices
/// reach, nothing is written beyond them.
pub(crate) fn short_slices(kernels: &Kernels, report: &mut Report<'_>) {
    const COLUMNS: usize = 6;
    let mut random = Random::new(13);
    let mut layer = Layer::new();
    for outputs in 0..=ROWS {
        for records in 0..=ROWS {
            for weights in [0, 5, 6, 23, 24, 25, 30, 47, 48, 53, 54] {
                layer.fill(&mut random, COLUMNS * ROWS);
                let (w, rows) = (layer.weights(weights), &layer.rows[..records]);
                let x = &layer.x.0[..COLUMNS];
                let panels = (outputs / 4).min(records / 4).min(weights / (4 * COLUMNS));
                let done = if panels < outputs / 4 {
                    4 * panels
                } else {
                    outputs.min(records).min(weights / COLUMNS)
                };
                for (packing, dense, logits, _) in kernels.int8 {
                    let (mut y, mut z) = ([PAINT; ROWS], [i32::from(PAINT); ROWS]);
                    dense(w, rows, x, &mut y[..outputs], 0);
                    logits(w, rows, x, &mut z[..outputs]);
                    let right = (0..ROWS).all(|r| {
                        if r < done {
                            let sum = sum(packing, w, (outputs, COLUMNS), r, 0, x);
                            y[r] == hidden(sum, &rows[r], 0) && z[r] == logit(sum, &rows[r])
                        } else {
                            y[r] == PAINT && z[r] == i32::from(PAINT)
                        }
                    });
                    report.case(
                        right,
                        format_args!("{packing:?}: {outputs} outputs, {records} rows, {weights} weights: {y:?} {z:?}"),
                    );
                }
            }
        }
    }
}
