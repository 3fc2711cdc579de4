//! Dice: the f32 formulas against f64, the integer rule bit for bit and its worst error.

use super::rules::{floor_div, sat16, sigmoid};
use super::values::*;
use crate::kernel::*;
use crate::math::Libm;
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

fn exact(x: f64, z: f64, alpha: f64) -> f64 {
    let p = 1.0 / (1.0 + (-z).exp());
    p * x + (1.0 - p) * alpha * x
}

#[test]
fn float_error() {
    let mut worst = 0.0_f64;
    let points: Vec<f32> = (-20_000..=20_000).map(|i| i as f32 * 1e-3).collect();
    for (gain, bias, alpha) in [(1.0, 0.0, 0.0), (0.7, -0.3, 0.25), (-1.9, 2.5, -0.8)] {
        let unit = Dice32 { gain, bias, alpha };
        let mut y = points.clone();
        dice_f32::<Libm>(&mut y, &vec![unit; points.len()]);
        for (x, y) in points.iter().zip(&y) {
            let x = f64::from(*x);
            let z = x * f64::from(gain) + f64::from(bias);
            let error = (f64::from(*y) - exact(x, z, f64::from(alpha))).abs();
            worst = worst.max(error / x.abs().max(1.0));
        }
    }
    assert_documented("dice, f32", worst);
    let mut y = [f32::NAN];
    dice_f32::<Libm>(&mut y, &[Dice32::default()]);
    assert!(y[0].is_nan());
}

#[test]
fn the_float_row() {
    let x: Vec<f32> = (0..17).map(|i| (i * i % 13) as f32 * 0.7 - 2.0).collect();
    let wide = || x.iter().map(|x| f64::from(*x));
    let mean = wide().sum::<f64>() / 17.0;
    let length = (wide().map(|x| (x - mean).powi(2)).sum::<f64>() + 0.017).sqrt();
    let mut y = x.clone();
    row_dice_f32::<Libm>(&mut y, 0.017, -0.4);
    for (x, y) in wide().zip(&y) {
        let wanted = exact(x, (x - mean) / length, f64::from(-0.4_f32));
        assert!((f64::from(*y) - wanted).abs() < 2e-6, "{x}: {y} {wanted}");
    }
}

/// The blend by the rule, in i128.
fn rule(v: i16, alpha: i16, z: i128) -> i16 {
    let p = floor_div(sigmoid(z as i32) + (1 << 15), 1 << 16);
    let weight = i128::from(alpha) * ((1 << 15) - p) + (p << 12);
    let weight = floor_div(weight + (1 << 11), 1 << 12);
    sat16(floor_div(i128::from(v) * weight + (1 << 14), 1 << 15))
}

proptest! {
    #![proptest_config(cases(500))]

    #[test]
    fn the_integer_rule(
        v in int16(),
        gain in int16(),
        bias in -(1_i32 << 29)..1 << 29,
        shift in 0_u8..=30,
        alpha in int16(),
    ) {
        let row = DiceRow { bias, gain, shift, zero: 0, alpha, zero2: 0 };
        let mut y = [v];
        dice_i16(&mut y, &[row]);
        let z = floor_div(i128::from(v) * i128::from(gain) + i128::from(bias), 1 << shift);
        prop_assert_eq!(y[0], rule(v, alpha, z));
    }

    /// Against f64: the norm's own rule is held bit by bit where norms are tested.
    #[test]
    fn the_integer_row(
        x in (1..=90_usize).prop_flat_map(|n| list(int16(), n)),
        energy in 0..1_u64 << 40,
        alpha in int16(),
    ) {
        let n = x.len() as f64;
        let mean = x.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
        let squares: f64 = x.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum();
        let root = (squares + energy as f64 / (n * n)).sqrt();
        let mut y = x.clone();
        row_dice_i16(&mut y, NormEnergy::new(energy), alpha);
        for (x, y) in x.iter().zip(&y) {
            let z = if root == 0.0 { 0.0 } else { (f64::from(*x) - mean) / root };
            let wanted = exact(f64::from(*x), z, f64::from(alpha) / 4096.0);
            let wanted = wanted.clamp(-32768.0, 32767.0);
            prop_assert!((f64::from(*y) - wanted).abs() <= 10.0, "{x}: {y} {wanted}");
        }
    }
}

#[test]
fn integer_error() {
    let mut worst = 0.0_f64;
    for (gain, bias, shift, alpha) in [
        (20_000_i16, 0, 6, 1024_i16),
        (-31_000, 1_000_000, 8, -4096),
        (9_000, -40_000_000, 10, 0),
    ] {
        let row = DiceRow {
            bias,
            gain,
            shift,
            zero: 0,
            alpha,
            zero2: 0,
        };
        for v in (i16::MIN..=i16::MAX).step_by(7) {
            let mut y = [v];
            dice_i16(&mut y, &[row]);
            let sum = f64::from(v) * f64::from(gain) + f64::from(bias);
            let z = sum / f64::from(1_u32 << shift) / 65536.0;
            let wanted = exact(f64::from(v), z, f64::from(alpha) / 4096.0);
            worst = worst.max((f64::from(y[0]) - wanted.clamp(-32768.0, 32767.0)).abs());
        }
    }
    assert_documented("dice, int16", worst);
}

/// Numbers that no converter writes: any result, no panic.
#[test]
fn hostile_dice() {
    let row = |shift| DiceRow {
        bias: i32::MIN,
        gain: i16::MIN,
        shift,
        zero: 255,
        alpha: i16::MIN,
        zero2: -1,
    };
    let rows: Vec<DiceRow> = (0..=255).map(row).collect();
    let mut x = vec![i16::MIN; 256];
    dice_i16(&mut x, &rows);
    for energy in [0, 1, u64::MAX] {
        let mut x = vec![i16::MIN; 40_000];
        row_dice_i16(&mut x, NormEnergy::new(energy), i16::MIN);
    }
    row_dice_i16(&mut [], NormEnergy::new(0), 0);
    row_dice_f32::<Libm>(&mut [], 0.0, 0.0);
}
