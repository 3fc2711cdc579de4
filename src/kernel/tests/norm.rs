//! Normalizations: the f32 formulas against f64, the integer rule bit for bit and its worst error.

use super::rules::{floor_div, sat16};
use super::values::*;
use crate::kernel::*;
use crate::math::Libm;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

/// The reciprocal square root by the rule of `docs/numerics.md`, in i128.
fn rule_rsqrt(m: u32) -> i128 {
    let m = i128::from(m);
    let mulhi = |a: i128, b: i128| floor_div(a * b, 1 << 32);
    let mut r = 0x8C28_F5C2 - mulhi(m, 0x5000_0000);
    for _ in 0..4 {
        let square = mulhi(m, mulhi(r, r));
        let w = 0xC000_0000 - square * 4;
        assert!((0..1 << 32).contains(&w));
        r = mulhi(r, w) * 2;
    }
    r.min(0x7fff_ffff)
}

#[test]
fn rsqrt_error() {
    let mut worst = 0.0_f64;
    let ends = (0..1000).flat_map(|i| [(1 << 30) + i, u32::MAX - i]);
    for m in ((1 << 30)..=u32::MAX).step_by(4999).chain(ends) {
        let r = rsqrt(m);
        assert_eq!(i128::from(r), rule_rsqrt(m), "{m}");
        let exact = (1_u64 << 30) as f64 / (f64::from(m) / (1_u64 << 32) as f64).sqrt();
        worst = worst.max((f64::from(r) - exact).abs() / exact);
    }
    assert_documented("rsqrt, relative", worst);
}

/// One group by the rule, in i128.
fn rule(kind: NormKind, energy: u64, rows: &[AffineRow], x: &[i16]) -> Vec<i16> {
    let n = x.len() as i128;
    let sum: i128 = x.iter().map(|x| i128::from(*x)).sum();
    let log = (0_i128..).find(|k| 1_i128 << k >= n).unwrap();
    let (deviation, down): (Vec<i128>, i128) = if kind == NormKind::Layer {
        let deviation = x.iter().map(|x| i128::from(*x) * n - sum);
        (deviation.collect(), (log - 7).max(0))
    } else {
        (x.iter().map(|x| i128::from(*x)).collect(), 0)
    };
    let square = |d: &i128| floor_div(d * d + floor_div(1 << (2 * down), 2), 1 << (2 * down));
    let squares: i128 = deviation.iter().map(square).sum();
    let total = if kind == NormKind::Unit {
        squares.max(i128::from(energy))
    } else {
        squares + i128::from(energy)
    };
    let bits = (0_i128..).find(|k| total < 1_i128 << k).unwrap();
    let up = (64 - bits).clamp(2, 62) / 2 * 2;
    let r = rule_rsqrt(floor_div(total << up, 1 << 32) as u32);
    let net = up / 2 - 1 - down;
    let unit = |d: &i128| {
        let d = if net < 0 {
            floor_div(*d, 1 << -net)
        } else {
            d << net
        };
        floor_div(d * r, 1 << 32)
    };
    deviation
        .iter()
        .zip(rows)
        .map(|(d, row)| {
            let v = floor_div(unit(d) * i128::from(row.gain), 1 << 16) + i128::from(row.bias);
            sat16(floor_div(floor_div(v, 1 << row.shift) + 1, 2))
        })
        .collect()
}

fn kind() -> impl Strategy<Value = NormKind> {
    prop_oneof![
        Just(NormKind::Layer),
        Just(NormKind::Rms),
        Just(NormKind::Unit)
    ]
}

fn groups() -> impl Strategy<Value = (usize, Vec<i16>)> {
    (1..=300_usize, 1..=3_usize).prop_flat_map(|(width, count)| {
        let size = prop_oneof![Just(1_i32), Just(200), Just(32767)];
        size.prop_flat_map(move |size| list((-size..=size).prop_map(|v| v as i16), width * count))
            .prop_map(move |x| (width, x))
    })
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn the_integer_rule(
        (width, x) in groups(),
        kind in kind(),
        energy in prop_oneof![Just(0_u64), 0..1_u64 << 20, 0..1_u64 << 50],
        gain in int16(),
        bias in -(1_i32 << 29)..1 << 29,
        shift in 0_u8..=15,
    ) {
        let row = |i: usize| AffineRow { bias: bias / (i as i32 + 1), gain, shift, zero: 0 };
        let rows: Vec<AffineRow> = (0..x.len()).map(row).collect();
        let mut y = vec![0; x.len()];
        norm_i16(kind, width, NormEnergy::new(energy), &rows, &x, &mut y);
        for ((x, y), rows) in x.chunks(width).zip(y.chunks(width)).zip(rows.chunks(width)) {
            prop_assert_eq!(&rule(kind, energy, rows, x), y);
        }
    }

    #[test]
    fn float_norms(x in (1..=67_usize).prop_flat_map(|n| list(-100.0_f32..100.0, n))) {
        let gain: Vec<f32> = (0..x.len()).map(|i| 0.5 + i as f32 / 40.0).collect();
        let bias: Vec<f32> = (0..x.len()).map(|i| i as f32 / 30.0 - 1.0).collect();
        let squares: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
        let rms = (squares / x.len() as f64 + 1e-5).sqrt();
        let length = squares.max(1e-12).sqrt();
        let mut y = vec![0.0; x.len()];
        for (by, unit) in [(rms, false), (length, true)] {
            if unit {
                unit_norm_f32::<Libm>(&x, &gain, &bias, 1e-12, &mut y);
            } else {
                rms_norm_f32::<Libm>(&x, &gain, &bias, 1e-5, &mut y);
            }
            for i in 0..x.len() {
                let exact = f64::from(x[i]) / by * f64::from(gain[i]) + f64::from(bias[i]);
                let bound = 4e-6 * exact.abs().max(1.0);
                prop_assert!((f64::from(y[i]) - exact).abs() <= bound, "{} {exact}", y[i]);
            }
        }
    }
}

/// Against f64, with gains as the converter writes them: 15 bits, the output filling int16.
#[test]
fn norm_error() {
    let mut worst = 0.0_f64;
    let mut state = 0x9E37_79B9_u32;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        f64::from(state >> 8) / f64::from(1_u32 << 24) * 2.0 - 1.0
    };
    for width in [1_usize, 2, 3, 8, 31, 64, 200, 1024] {
        for size in [3.0, 300.0, 32767.0] {
            let x: Vec<i16> = (0..width).map(|_| (next() * size) as i16).collect();
            let n = width as f64;
            for kind in [NormKind::Layer, NormKind::Rms, NormKind::Unit] {
                let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
                let mean = if kind == NormKind::Layer { mean } else { 0.0 };
                let squares: f64 = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum();
                // What the energy stands for in squares of the input's unit.
                let epsilon = 0.37 * n;
                let factor = if kind == NormKind::Layer {
                    let down = (usize::BITS - (width - 1).leading_zeros()).saturating_sub(7);
                    n / f64::from(1_u32 << down)
                } else {
                    1.0
                };
                let energy = (epsilon * factor * factor).round();
                let total = if kind == NormKind::Unit {
                    squares.max(energy / factor / factor)
                } else {
                    squares + energy / factor / factor
                };
                // u = x/√total as Q29; y = u·gain/2^(16 + shift + 1) = u·2²⁹·gain/2^(17 + shift).
                let rows: Vec<AffineRow> = (0..width)
                    .map(|_| AffineRow {
                        bias: (next() * 1e6) as i32,
                        gain: (next() * 32767.0) as i16,
                        shift: 12,
                        zero: 0,
                    })
                    .collect();
                let mut y = vec![0; width];
                norm_i16(
                    kind,
                    width,
                    NormEnergy::new(energy as u64),
                    &rows,
                    &x,
                    &mut y,
                );
                for i in 0..width {
                    let unit = if total == 0.0 {
                        0.0
                    } else {
                        (f64::from(x[i]) - mean) / total.sqrt()
                    };
                    let (gain, bias) = (f64::from(rows[i].gain), f64::from(rows[i].bias));
                    let exact = unit * gain + bias / f64::from(1 << 13);
                    let exact = exact.clamp(-32768.0, 32767.0);
                    worst = worst.max((f64::from(y[i]) - exact).abs());
                }
            }
        }
    }
    assert_documented("norm, int16, units of its output", worst);
}

/// Numbers that no converter writes: any result, no panic.
#[test]
fn hostile_norms() {
    let row = |i: usize| AffineRow {
        bias: i32::MIN.wrapping_add(i as i32 * 12345),
        gain: if i.is_multiple_of(2) {
            i16::MIN
        } else {
            i16::MAX
        },
        shift: i as u8,
        zero: 255,
    };
    let rows: Vec<AffineRow> = (0..40_000).map(row).collect();
    let x = vec![i16::MIN; 40_000];
    let mut y = vec![0; 40_000];
    for width in [0, 1, 7, 40_000, 50_000] {
        for energy in [0, 1, u64::MAX, 1 << 62] {
            for kind in [NormKind::Layer, NormKind::Rms, NormKind::Unit] {
                norm_i16(kind, width, NormEnergy::new(energy), &rows, &x, &mut y);
            }
        }
    }
}
