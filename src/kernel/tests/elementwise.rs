//! Activations, affine, LayerNorm, mixture, product and the input stage.

use super::rules::{floor_div, sat16};
use super::values::*;
use crate::kernel::*;
use crate::math::{Libm, Math, Micromath};
use proptest::prelude::*;
use std::vec;
use std::vec::Vec;

#[test]
fn rectifiers_over_every_int16() {
    let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    let mut y = all.clone();
    relu_i16(&mut y);
    assert!(all.iter().zip(&y).all(|(&x, &y)| y == x.max(0)));
    for slope in [i16::MIN, -16384, -1, 0, 1, 163, 8192, 16384, i16::MAX] {
        let mut y = all.clone();
        leaky_relu_i16(&mut y, slope);
        let mut each = all.clone();
        prelu_i16(&mut each, &vec![slope; all.len()]);
        assert_eq!(y, each);
        for (&x, &y) in all.iter().zip(&y) {
            let v = x as i128;
            let rule = if v < 0 {
                floor_div(v * slope as i128 + (1 << 13), 1 << 14)
            } else {
                v
            };
            assert_eq!(y, sat16(rule), "{x} {slope}");
        }
    }
}

fn affine_row() -> impl Strategy<Value = AffineRow> {
    (any::<i32>(), int16(), 1_u8..=30).prop_map(|(bias, gain, shift)| {
        // Small enough that the converter's proof holds.
        AffineRow {
            bias: bias / 4,
            gain: gain / 2,
            shift,
            zero: 0,
        }
    })
}

fn close(a: f32, b: f64, bound: f64) -> bool {
    (a as f64 - b).abs() <= bound
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn float_rectifiers(x in (0..=67_usize).prop_flat_map(|n| list(wild(), n)), slope in wild()) {
        let run = |f: &dyn Fn(&mut [f32])| {
            let mut y = x.clone();
            f(&mut y);
            y
        };
        let relu: Vec<f32> = x.iter().map(|&x| if x < 0.0 { 0.0 } else { x }).collect();
        let leaky: Vec<f32> = x.iter().map(|&x| if x < 0.0 { slope * x } else { x }).collect();
        assert_same(&run(&relu_f32), &relu);
        assert_same(&run(&|y| leaky_relu_f32(y, slope)), &leaky);
        assert_same(&run(&|y| prelu_f32(y, &vec![slope; y.len()])), &leaky);
    }

    #[test]
    fn affine(pairs in (0..=67_usize).prop_flat_map(|n| list((int16(), affine_row(), wild(), wild(), wild()), n))) {
        let mut y: Vec<i16> = pairs.iter().map(|p| p.0).collect();
        let rows: Vec<AffineRow> = pairs.iter().map(|p| p.1).collect();
        affine_i16(&mut y, &rows);
        for (y, (x, row, ..)) in y.iter().zip(&pairs) {
            let sum = *x as i128 * row.gain as i128 + row.bias as i128 + (1 << (row.shift - 1));
            prop_assert_eq!(*y, sat16(floor_div(sum, 1 << row.shift)));
        }
        let mut y: Vec<f32> = pairs.iter().map(|p| p.2).collect();
        let units: Vec<Affine32> = pairs.iter().map(|p| Affine32 { gain: p.3, bias: p.4 }).collect();
        affine_f32(&mut y, &units);
        let rule: Vec<f32> = pairs.iter().map(|&(_, _, x, gain, bias)| { let p = x * gain; p + bias }).collect();
        assert_same(&y, &rule);
    }

    #[test]
    fn sigmoid_and_tanh_near_f64(x in list(-120.0_f32..120.0, 16)) {
        let mut y = x.clone();
        sigmoid_f32::<Libm>(&mut y);
        for (&y, &x) in y.iter().zip(&x) {
            let exact = 1.0 / (1.0 + (-(x as f64)).exp());
            prop_assert!(close(y, exact, exact * 3e-7 + 1e-44), "sigmoid({x}) = {y}");
            let (e, p) = (libm::expf(-x.abs()), y);
            assert_same(&[p], &[if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }]);
        }
        let mut y = x.clone();
        tanh_f32::<Libm>(&mut y);
        for (&y, &x) in y.iter().zip(&x) {
            prop_assert!(close(y, (x as f64).tanh(), 2.5e-7), "tanh({x}) = {y}");
        }
        let mut y = x.clone();
        sigmoid_f32::<Micromath>(&mut y);
        for (&y, &x) in y.iter().zip(&x) {
            prop_assert!(close(y, 1.0 / (1.0 + (-(x as f64)).exp()), 1e-3), "sigmoid({x}) = {y}");
        }
    }

    #[test]
    fn layer_norm_near_f64(rows in (1..=67_usize).prop_flat_map(|n| list((tame(), -2.0_f32..2.0, -2.0_f32..2.0), n))) {
        let x: Vec<f32> = rows.iter().map(|r| r.0).collect();
        let gain: Vec<f32> = rows.iter().map(|r| r.1).collect();
        let bias: Vec<f32> = rows.iter().map(|r| r.2).collect();
        let mut y = vec![f32::NAN; x.len()];
        layer_norm_f32::<Libm>(&x, &gain, &bias, 1e-3, &mut y);
        let n = x.len() as f64;
        let mean = x.iter().map(|&x| x as f64).sum::<f64>() / n;
        let var = x.iter().map(|&x| (x as f64 - mean).powi(2)).sum::<f64>() / n;
        let std = (var + f64::from(1e-3_f32)).sqrt();
        for (i, &y) in y.iter().enumerate() {
            let exact = (x[i] as f64 - mean) / std * gain[i] as f64 + bias[i] as f64;
            // The subtraction of the mean loses bits in proportion to the inputs' size over their spread.
            let bound = 1e-5 * (1.0 + x.iter().fold(0.0_f64, |m, x| m.max(x.abs().into())) / std);
            prop_assert!(close(y, exact, bound), "{y} against {exact}");
        }
        // The strict order, spelt out.
        let (inv, mut sum) = (1.0 / x.len() as f32, 0.0_f32);
        for x in &x { sum += x; }
        let (mean, mut sum) = (sum * inv, 0.0_f32);
        for x in &x { sum += (x - mean) * (x - mean); }
        let scale = 1.0 / libm::sqrtf(sum * inv + 1e-3);
        let rule: Vec<f32> = rows.iter().map(|&(x, g, b)| (x - mean) * scale * g + b).collect();
        assert_same(&y, &rule);
    }

    #[test]
    fn mixture(shares in list((wild(), list(wild(), 13)), 5), int in list((0_u16..=32768, list(int16(), 13)), 5)) {
        let mut m = vec![0.0; 13];
        for (g, h) in &shares {
            mix_f32(&mut m, *g, h);
        }
        let strict: Vec<f32> = (0..13).map(|j| shares.iter().fold(0.0, |m, (g, h)| m + g * h[j])).collect();
        assert_same(&m, &strict);

        let mut m = vec![0; 13];
        for (g, h) in &int {
            mix_i16(&mut m, *g, h);
        }
        let mut y = vec![99; 13];
        round_mixture_i16(&m, &mut y);
        for j in 0..13 {
            let sum = int.iter().map(|(g, h)| *g as i128 * h[j] as i128).sum::<i128>() as i32;
            prop_assert_eq!(m[j], sum);
            prop_assert_eq!(y[j], sat16(floor_div(sum.wrapping_add(1 << 14) as i128, 1 << 15)));
        }
    }

    #[test]
    fn product(a in 0_u32..=1 << 31, b in 0_u32..=1 << 31) {
        prop_assert_eq!(product_q31(a, b) as i128, floor_div(a as i128 * b as i128, 1 << 31));
    }

    #[test]
    fn quantize(features in (0..=67_usize).prop_flat_map(|n| list((wild(), tame(), tame()), n))) {
        let x: Vec<f32> = features.iter().map(|f| f.0).collect();
        let params: Vec<InputScale> = features.iter().map(|&(_, offset, scale)| InputScale { offset, scale }).collect();
        let mut q = vec![99; x.len()];
        let counts = quantize_f32(&x, &params, &mut q);
        let mut rule = InputCounts::default();
        for (&q, &(x, offset, scale)) in q.iter().zip(&features) {
            let v = f64::from((x - offset) * scale);
            rule.nan += u32::from(v.is_nan());
            rule.saturated += u32::from(v.abs() > 32767.0);
            let v = if v.is_nan() { 0.0 } else { v.clamp(-32767.0, 32767.0) };
            prop_assert_eq!(f64::from(q), v.round_ties_even(), "{}", v);
        }
        prop_assert_eq!(counts, rule);
    }
}

#[test]
fn quantize_rounds_half_to_even() {
    let params = [InputScale {
        offset: 0.0,
        scale: 1.0,
    }; 8];
    let mut q = [0; 8];
    let x = [0.5, 1.5, -0.5, -1.5, 32766.5, 32767.0, -32767.2, f32::NAN];
    let counts = quantize_f32(&x, &params, &mut q);
    assert_eq!(q, [0, 2, 0, -2, 32766, 32767, -32767, 0]);
    assert_eq!(
        counts,
        InputCounts {
            nan: 1,
            saturated: 1
        }
    );
}

#[test]
fn special_values_pass_through() {
    fn check<M: Math>() {
        let mut y = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0];
        sigmoid_f32::<M>(&mut y);
        assert_same(&y, &[f32::NAN, 1.0, 0.0, 0.5]);
        let mut y = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, -0.0];
        tanh_f32::<M>(&mut y);
        assert_same(&y, &[f32::NAN, 1.0, -1.0, -0.0]);
    }
    check::<Libm>();
    check::<Micromath>();
}

#[test]
fn micromath_errors_are_the_documented_ones() {
    let (mut exp, mut sqrt) = (0.0_f64, 0.0_f64);
    for i in 0..=870_000 {
        let x = -i as f32 * 1e-4;
        let exact = f64::from(x).exp();
        exp = exp.max((f64::from(Micromath::exp(x)) - exact).abs() / exact);
        let x = (i as f32 * 1e-4 - 43.0).exp();
        let exact = f64::from(x).sqrt();
        sqrt = sqrt.max((f64::from(Micromath::sqrt(x)) - exact).abs() / exact);
    }
    assert_documented("Micromath::exp, relative", exp);
    assert_documented("Micromath::sqrt, relative", sqrt);
    assert!(Micromath::exp(f32::NEG_INFINITY) == 0.0 && Micromath::exp(0.0) == 1.0);
}
