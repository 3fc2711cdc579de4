//! The integer dense layers, in every packing.

use super::rules::{requantize, sat16};
use super::values::*;
use crate::kernel::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;
use zerocopy::{FromBytes, IntoBytes};

/// The order of int8 weights.
#[derive(Clone, Copy, PartialEq)]
enum Packing {
    Panels,
    Quad,
    Pairs,
}

/// Row-major int8 weights in a packing, on a word boundary or `skew` bytes after one.
fn pack8(packing: Packing, rows: usize, cols: usize, w: &[i8], skew: usize) -> (Vec<u32>, usize) {
    let mut words = vec![0_u32; w.len() / 4 + 2];
    let bytes = <[i8]>::mut_from_bytes(words.as_mut_slice().as_mut_bytes()).unwrap();
    for r in 0..rows {
        for c in 0..cols {
            let stored = w[r * cols + c];
            let fours = panel_index(Order::Fours, rows, cols, r, c);
            let (at, stored) = match packing {
                Packing::Quad if quad_biased(rows, r) => (fours, stored.wrapping_add(-128)),
                Packing::Pairs => {
                    let upper = r % 2 == 1 && r < rows / 4 * 4;
                    let below = if upper { w[(r - 1) * cols + c] } else { 0 };
                    (pairs_index(rows, cols, r, c), pairs_high(below, stored))
                }
                _ => (fours, stored),
            };
            bytes[skew + at] = stored;
        }
    }
    (words, skew)
}

fn bytes8(packed: &(Vec<u32>, usize), len: usize) -> &[i8] {
    &<[i8]>::ref_from_bytes(packed.0.as_bytes()).unwrap()[packed.1..packed.1 + len]
}

fn row() -> impl Strategy<Value = Row> {
    let mult = prop_oneof![3 => 0_u16..=32767, 1 => 16384_u16..=32767, 1 => Just(32767)];
    let bias = prop_oneof![3 => -100_000..100_000, 1 => any::<i32>()];
    (bias, mult, 0_u8..=30).prop_map(|(bias, mult, shift)| Row {
        bias,
        mult,
        shift,
        zero: 0,
    })
}

/// Any multiplier: bytes that no converter writes are read as signed.
fn any_row() -> impl Strategy<Value = Row> {
    (
        row(),
        prop_oneof![4 => Just(None), 1 => any::<u16>().prop_map(Some)],
    )
        .prop_map(|(row, mult)| Row {
            mult: mult.unwrap_or(row.mult),
            ..row
        })
}

fn wide_row() -> impl Strategy<Value = WideRow> {
    let bias = prop_oneof![3 => -100_000..100_000_i64, 1 => -(1_i64 << 45)..1 << 45];
    (bias, 0_u16..=32767, 1_u8..=46).prop_map(|(bias, mult, shift)| WideRow::new(bias, mult, shift))
}

fn layer<
    W: core::fmt::Debug,
    R: core::fmt::Debug,
    S: Strategy<Value = W>,
    T: Strategy<Value = R>,
>(
    weight: impl Fn() -> S,
    row: impl Fn() -> T,
) -> impl Strategy<Value = (usize, usize, Vec<W>, Vec<R>, Vec<i16>)> {
    (0..=21_usize, 0..=67_usize).prop_flat_map(move |(rows, cols)| {
        (
            Just(rows),
            Just(cols),
            list(weight(), rows * cols),
            list(row(), rows),
            list(int16(), cols),
        )
    })
}

fn dot<W: Copy + Into<i128>>(w: &[W], x: &[i16], r: usize) -> i128 {
    (0..x.len())
        .map(|j| w[r * x.len() + j].into() * x[j] as i128)
        .sum()
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn int8_layers_follow_the_rule(
        (rows, cols, w, records, x) in layer(weight8, any_row),
        floor in prop_oneof![Just(0_i16), Just(i16::MIN), int16()],
        skew in 0..4_usize,
    ) {
        let acc = |r: usize| (records[r].bias as i128 + dot(&w, &x, r)) as i32 as i128;
        let hidden: Vec<i16> = records.iter().enumerate()
            .map(|(r, row)| sat16(requantize(acc(r), row.mult as i16 as i128, 17 + row.shift as u32)).max(floor)).collect();
        // In logits the shift counts the other way, and has 15 as its largest.
        let records_z: Vec<Row> = records.iter().map(|row| Row { shift: row.shift / 2, ..*row }).collect();
        let logits: Vec<i32> = records_z.iter().enumerate()
            .map(|(r, row)| requantize(acc(r), row.mult as i16 as i128, 16 - row.shift as u32) as i32).collect();
        let (mut y, mut z) = (vec![99; rows], vec![99; rows]);
        for skew in [0, skew] {
            type Kernels = (
                Packing,
                fn(&[i8], &[Row], &[i16], &mut [i16], i16),
                fn(&[i8], &[Row], &[i16], &mut [i32]),
            );
            let kernels: [Kernels; 3] = [
                (Packing::Panels, dense_i8, logits_i8),
                (Packing::Quad, dense_i8_quad, logits_i8_quad),
                (Packing::Pairs, dense_i8_pairs, logits_i8_pairs),
            ];
            for (packing, dense, logits_of) in kernels {
                let packed = pack8(packing, rows, cols, &w, skew);
                let packed = bytes8(&packed, w.len());
                dense(packed, &records, &x, &mut y, floor);
                prop_assert_eq!(&y, &hidden);
                logits_of(packed, &records_z, &x, &mut z);
                prop_assert_eq!(&z, &logits);
                y.fill(99);
                z.fill(99);
            }
        }
    }

    #[test]
    fn int16_layers_follow_the_rule(
        (rows, cols, w, records, x) in layer(|| int16().prop_map(|w| w.max(-32767)), wide_row),
        floor in prop_oneof![Just(0_i16), Just(i16::MIN), int16()],
    ) {
        let mut packed = vec![0; w.len()];
        for r in 0..rows {
            for c in 0..cols {
                packed[panel_index(Order::Pairs, rows, cols, r, c)] = w[r * cols + c];
            }
        }
        let value = |r: usize| {
            let row = &records[r];
            requantize(row.bias() as i128 + dot(&w, &x, r), row.mult as i16 as i128, row.shift as u32)
        };
        let (mut y, mut z) = (vec![99; rows], vec![99; rows]);
        dense_i16(&packed, &records, &x, &mut y, floor);
        logits_i16(&packed, &records, &x, &mut z);
        for r in 0..rows {
            prop_assert_eq!(y[r], sat16(value(r)).max(floor));
            prop_assert_eq!(z[r] as i128, value(r).clamp(-(1 << 30) + 1, (1 << 30) - 1));
        }
    }

    /// A greater accumulator never gives a smaller result.
    #[test]
    fn requantization_is_monotone(row in row(), step in 1..1000_i32, cols in 0..3_usize) {
        let more = Row { bias: row.bias.saturating_add(step), ..row };
        let x = vec![0_i16; cols];
        let w = vec![0_i8; 2 * cols];
        let (mut y, mut z) = ([0_i16; 2], [0_i32; 2]);
        dense_i8(&w, &[row, more], &x, &mut y, i16::MIN);
        prop_assert!(y[0] <= y[1]);
        let [a, b] = [row, more].map(|row| WideRow::new(row.bias.into(), row.mult, row.shift + 1));
        logits_i16(&vec![0; 2 * cols], &[a, b], &x, &mut z);
        prop_assert!(z[0] <= z[1]);
        // Narrow logits wrap beyond 2³¹: shift 0 cannot.
        let [a, b] = [row, more].map(|row| Row { shift: 0, ..row });
        logits_i8(&w, &[a, b], &x, &mut z);
        prop_assert!(z[0] <= z[1]);
    }

    /// What a hostile blob may hold: some number, never a panic (these run with overflow checks).
    #[test]
    fn hostile_records_do_not_panic(bytes in list(any::<u8>(), 12 * 7), w in list(any::<i8>(), 50), x in list(any::<i16>(), 11)) {
        let bytes: Vec<u32> = bytes.chunks(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let rows = <[Row]>::ref_from_prefix(&bytes.as_bytes()[..80]).unwrap().0;
        let wide = <[WideRow]>::ref_from_bytes(bytes.as_bytes()).unwrap();
        let affine = <[AffineRow]>::ref_from_prefix(&bytes.as_bytes()[..80]).unwrap().0;
        let w16: Vec<i16> = w.iter().map(|&w| i16::from_le_bytes([w as u8, 0x80])).collect();
        for cols in 0..=x.len() {
            let (mut y, mut z) = ([0_i16; 9], [0_i32; 9]);
            dense_i8(&w, rows, &x[..cols], &mut y, 0);
            dense_i8_quad(&w, rows, &x[..cols], &mut y, 0);
            dense_i8_pairs(&w, rows, &x[..cols], &mut y, 0);
            dense_i16(&w16, wide, &x[..cols], &mut y, 0);
            affine_i16(&mut y, affine);
            logits_i8(&w, rows, &x[..cols], &mut z);
            logits_i8_quad(&w, rows, &x[..cols], &mut z);
            logits_i8_pairs(&w, rows, &x[..cols], &mut z);
            logits_i16(&w16, wide, &x[..cols], &mut z);
        }
    }
}

#[test]
fn records_have_the_documented_bytes() {
    let row = Row {
        bias: -2,
        mult: 0x1234,
        shift: 5,
        zero: 0,
    };
    assert_eq!(row.as_bytes(), [0xfe, 0xff, 0xff, 0xff, 0x34, 0x12, 5, 0]);
    let wide = WideRow::new(-3 << 32 | 7, 0x1234, 46);
    assert_eq!(wide.bias(), -3 << 32 | 7);
    assert_eq!(
        wide.as_bytes(),
        [7, 0, 0, 0, 0xfd, 0xff, 0xff, 0xff, 0x34, 0x12, 46, 0]
    );
    assert_eq!(
        (
            size_of::<WideRow>(),
            align_of::<WideRow>(),
            align_of::<Row>()
        ),
        (12, 4, 4)
    );
    let affine = AffineRow {
        bias: 1,
        gain: -2,
        shift: 3,
        zero: 0,
    };
    assert_eq!(affine.as_bytes(), [1, 0, 0, 0, 0xfe, 0xff, 3, 0]);
}
