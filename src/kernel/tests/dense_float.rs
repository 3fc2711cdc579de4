//! gemv_f32 and gemv_w8.

use super::values::*;
use crate::kernel::*;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// Row-major weights to the stored order.
fn pack<T: Copy + Default>(order: Order, rows: usize, cols: usize, w: &[T]) -> Vec<T> {
    let mut packed = vec![T::default(); w.len()];
    for r in 0..rows {
        for c in 0..cols {
            packed[panel_index(order, rows, cols, r, c)] = w[r * cols + c];
        }
    }
    packed
}

/// The order as a walk over panels, which `panel_index` states as a formula.
fn walk(heights: &[usize], rows: usize, cols: usize) -> Vec<(usize, usize)> {
    let mut walked = vec![];
    let mut first = 0;
    for &height in heights {
        while rows - first >= height {
            for c in 0..cols {
                walked.extend((first..first + height).map(|r| (r, c)));
            }
            first += height;
        }
    }
    walked
}

#[test]
fn panel_index_is_the_walk_over_panels() {
    let orders = [
        (Order::Eights, &[8, 4, 1][..]),
        (Order::Fours, &[4, 1]),
        (Order::Pairs, &[2, 1]),
        (Order::Rows, &[1]),
    ];
    for (order, heights) in orders {
        for rows in 0..=40 {
            for cols in [0, 1, 2, 3, 7] {
                for (i, (r, c)) in walk(heights, rows, cols).into_iter().enumerate() {
                    assert_eq!(
                        panel_index(order, rows, cols, r, c),
                        i,
                        "{order:?} {rows}×{cols}, {r} {c}"
                    );
                }
            }
        }
    }
}

/// One layer: rows, columns, and its slices.
type Layer<W> = (usize, usize, Vec<W>, Vec<f32>, Vec<f32>, Vec<f32>);

fn layer<W: core::fmt::Debug, S: Strategy<Value = W> + Clone, F: Strategy<Value = f32> + Clone>(
    weight: impl Fn() -> S + Clone,
    value: impl Fn() -> F + Clone,
) -> impl Strategy<Value = Layer<W>> {
    (0..=37_usize, 0..=67_usize).prop_flat_map(move |(rows, cols)| {
        let per_row = list(value(), rows);
        (
            Just(rows),
            Just(cols),
            list(weight(), rows * cols),
            list(value(), rows),
            per_row,
            list(value(), cols),
        )
    })
}

fn strict_f32(w: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
    let mut y = vec![];
    for (r, &bias) in bias.iter().enumerate() {
        let mut acc = bias;
        for j in 0..x.len() {
            acc += w[r * x.len() + j] * x[j];
        }
        y.push(acc);
    }
    y
}

fn strict_w8(w: &[i8], scale: &[f32], bias: &[f32], x: &[f32]) -> Vec<f32> {
    let mut y = vec![];
    for r in 0..bias.len() {
        let mut acc = 0.0;
        for j in 0..x.len() {
            acc += w[r * x.len() + j] as f32 * x[j];
        }
        let scaled = acc * scale[r];
        y.push(scaled + bias[r]);
    }
    y
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn gemv_f32_has_the_strict_order((rows, cols, w, bias, _, x) in layer(wild, wild)) {
        let mut y = vec![f32::NAN; rows];
        gemv_f32(&pack(Order::Eights, rows, cols, &w), &bias, &x, &mut y);
        assert_same(&y, &strict_f32(&w, &bias, &x));
    }

    #[test]
    fn gemv_f32_is_near_f64((rows, cols, w, bias, _, x) in layer(tame, tame)) {
        let mut y = vec![f32::NAN; rows];
        gemv_f32(&pack(Order::Eights, rows, cols, &w), &bias, &x, &mut y);
        for r in 0..rows {
            let terms = || (0..cols).map(|j| w[r * cols + j] as f64 * x[j] as f64).chain([bias[r] as f64]);
            let (sum, size): (f64, f64) = (terms().sum(), terms().map(f64::abs).sum());
            let bound = (cols + 1) as f64 * f64::from(f32::EPSILON) * size + 1e-37;
            prop_assert!((y[r] as f64 - sum).abs() <= bound, "{} against {sum}", y[r]);
        }
    }

    #[test]
    fn gemv_w8_has_the_strict_order((rows, cols, w, bias, scale, x) in layer(weight8, wild)) {
        let mut y = vec![f32::NAN; rows];
        gemv_w8(&pack(Order::Eights, rows, cols, &w), &scale, &bias, &x, &mut y);
        assert_same(&y, &strict_w8(&w, &scale, &bias, &x));
    }

    #[test]
    fn gemv_w8_is_near_f64((rows, cols, w, bias, scale, x) in layer(weight8, tame)) {
        let mut y = vec![f32::NAN; rows];
        gemv_w8(&pack(Order::Eights, rows, cols, &w), &scale, &bias, &x, &mut y);
        for r in 0..rows {
            let terms = || (0..cols).map(|j| w[r * cols + j] as f64 * x[j] as f64 * scale[r] as f64);
            let (sum, size): (f64, f64) = (terms().sum(), terms().map(f64::abs).sum());
            let (sum, size) = (sum + bias[r] as f64, size + bias[r].abs() as f64);
            let bound = (cols + 2) as f64 * f64::from(f32::EPSILON) * size + 1e-35;
            prop_assert!((y[r] as f64 - sum).abs() <= bound, "{} against {sum}", y[r]);
        }
    }
}

/// Slices that do not belong together: less is done, nothing panics, and nothing is written beyond
/// the shortest.
#[test]
fn short_slices_do_less() {
    for (w, bias, x, y) in [
        (0, 9, 3, 9),
        (26, 9, 3, 9),
        (100, 0, 3, 9),
        (100, 13, 3, 14),
        (100, 9, 200, 9),
    ] {
        let mut out = vec![7.0; y];
        gemv_f32(&vec![1.0; w], &vec![1.0; bias], &vec![1.0; x], &mut out);
        gemv_w8(
            &vec![1; w],
            &vec![1.0; bias],
            &vec![1.0; bias],
            &vec![1.0; x],
            &mut out,
        );
        let untouched = y - bias.min(w / x).min(y);
        assert!(
            out.iter().rev().take(untouched).all(|&v| v == 7.0),
            "{w} {bias} {x} {y}: {out:?}"
        );
    }
}
