//! exp, reciprocal, sigmoid and tanh in integers: the rule bit for bit, and the worst errors.

use super::rules;
use super::values::*;
use crate::kernel::*;
use std::vec::Vec;

/// All 2²¹ arguments that are not 0 by definition, and the ends of the others.
#[test]
fn exp_neg_error() {
    let (mut relative, mut units) = (0.0_f64, 0.0_f64);
    for d in 0..1 << 21 {
        let e = exp_neg(d);
        let exact = (-(d as f64) / 65536.0).exp() * (1_u64 << 31) as f64;
        let error = (e as f64 - exact).abs();
        assert!(
            error <= exact / (1 << 25) as f64 + 1.0,
            "exp_neg({d}) = {e}, not {exact}"
        );
        units = units.max(error);
        if e >= 1 << 24 {
            relative = relative.max(error / exact);
        }
        if d % 37 == 0 || d < 1000 {
            assert_eq!(e as i128, rules::exp_neg(d), "{d}");
        }
    }
    for d in [
        1 << 21,
        (1 << 21) + 1,
        1 << 22,
        1 << 31,
        u32::MAX - 1,
        u32::MAX,
    ] {
        assert_eq!(exp_neg(d), 0);
    }
    assert_eq!(exp_neg(0), (1 << 31) - 1);
    assert_documented("E, units of 2⁻³¹", units);
}

#[test]
fn exp_neg_falls() {
    let worst = (1..1 << 21)
        .map(|d| exp_neg(d) as i64 - exp_neg(d - 1) as i64)
        .max()
        .unwrap();
    assert!(worst <= 0, "rises by {worst}");
}

#[test]
fn recip_error() {
    let mut worst = 0.0_f64;
    let ends = (0..1000).flat_map(|i| [(1 << 31) + i, u32::MAX - i]);
    for d in ((1 << 31)..=u32::MAX).step_by(1999).chain(ends) {
        let x = recip(d);
        let exact = (1_u64 << 63) as f64 / d as f64;
        worst = worst.max((x as f64 - exact).abs() / exact);
        assert_eq!(x as i128, rules::recip(d), "{d}");
    }
    assert_documented("r, relative", worst);
}

#[test]
fn sigmoid_q31_error() {
    let mut worst = 0.0_f64;
    let ends = [i32::MIN, i32::MIN + 1, i32::MAX, 0, 1, -1];
    for z in (-(1 << 21) - 10..=(1 << 21) + 10).step_by(3).chain(ends) {
        let p = sigmoid_q31(z);
        let exact = 1.0 / (1.0 + (-(z as f64) / 65536.0).exp());
        worst = worst.max((p as f64 / (1_u64 << 31) as f64 - exact).abs());
        if z % 17 == 0 || ends.contains(&z) {
            assert_eq!(p as i128, rules::sigmoid(z), "{z}");
        }
        let sum = p + sigmoid_q31(z.saturating_neg());
        assert!(sum == 1 << 31 || z == 0, "not symmetric at {z}");
    }
    assert_documented("P, absolute", worst);
}

fn all() -> Vec<i16> {
    (i16::MIN..=i16::MAX).collect()
}

/// Worst |output − exact| in units of 2⁻¹⁵, over all inputs that do not give 32767, which stands
/// for 1 too.
fn worst(y: &[i16], exact: impl Fn(f64) -> f64) -> f64 {
    let error = |(x, y): (i16, &i16)| (*y as f64 - (exact(x as f64 / 2048.0) * 32768.0)).abs();
    let inner = all().into_iter().zip(y).filter(|(_, y)| **y < i16::MAX);
    inner.map(error).fold(0.0, f64::max)
}

#[test]
fn sigmoid_i16_error() {
    let mut y = all();
    sigmoid_i16(&mut y);
    for (x, &y) in all().into_iter().zip(&y) {
        let p = rules::sigmoid(x as i32 * 32);
        assert_eq!(
            y as i128,
            rules::floor_div(p + (1 << 15), 1 << 16).min(32767),
            "{x}"
        );
    }
    assert!(y.is_sorted());
    assert_documented(
        "sigmoid, int16, units of 2⁻¹⁵",
        worst(&y, |x| 1.0 / (1.0 + (-x).exp())),
    );
}

#[test]
fn tanh_i16_error() {
    let mut y = all();
    tanh_i16(&mut y);
    for (x, &y) in all().into_iter().zip(&y) {
        let p = rules::sigmoid(x as i32 * 64);
        let t = rules::floor_div(2 * p - (1 << 31) + (1 << 15), 1 << 16);
        assert_eq!(y, rules::sat16(t), "{x}");
    }
    assert!(y.is_sorted());
    assert_documented("tanh, int16, units of 2⁻¹⁵", worst(&y, f64::tanh));
}
