//! Pointwise functions: the f32 formulas against f64, the int16 table over every input.

use super::rules::floor_div;
use super::values::*;
use crate::kernel::*;
use crate::math::{Libm, Micromath};
use std::vec::Vec;

type Function = fn(f64) -> f64;
type Kernel = fn(&mut [f32]);

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
fn gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + libm::erf(x / 2.0_f64.sqrt()))
}
fn gelu_tanh(x: f64) -> f64 {
    let z = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
    0.5 * x * (1.0 + z.tanh())
}
fn silu(x: f64) -> f64 {
    x * sigmoid(x)
}
fn elu(x: f64) -> f64 {
    if x < 0.0 { x.exp_m1() } else { x }
}
fn selu(x: f64) -> f64 {
    1.0507009873554805
        * if x < 0.0 {
            1.6732632423543772 * x.exp_m1()
        } else {
            x
        }
}
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}
fn mish(x: f64) -> f64 {
    x * softplus(x).tanh()
}
fn softsign(x: f64) -> f64 {
    x / (1.0 + x.abs())
}
fn hard_swish(x: f64) -> f64 {
    x * (x + 3.0).clamp(0.0, 6.0) / 6.0
}
fn relu6(x: f64) -> f64 {
    x.clamp(0.0, 6.0)
}

/// Each f32 function, its name in `docs/numerics.md`, and the formula in f64.
fn functions() -> [(&'static str, Kernel, Function); 10] {
    [
        ("gelu, f32", gelu_f32::<Libm>, gelu),
        ("gelu (tanh), f32", gelu_tanh_f32::<Libm>, gelu_tanh),
        ("silu, f32", |x| silu_f32::<Libm>(x, 1.0), silu),
        ("elu, f32", |x| elu_f32::<Libm>(x, 1.0, 1.0, 1.0), elu),
        (
            "selu, f32",
            |x| elu_f32::<Libm>(x, 1.050_701 * 1.673_263_2, 1.0, 1.050_701),
            selu,
        ),
        (
            "softplus, f32",
            |x| softplus_f32::<Libm>(x, 1.0, 1.0),
            softplus,
        ),
        ("mish, f32", mish_f32::<Libm>, mish),
        ("softsign, f32", softsign_f32, softsign),
        ("hard swish, f32", hard_swish_f32, hard_swish),
        ("clip, f32", |x| clip_f32(x, 0.0, 6.0), relu6),
    ]
}

/// Over ±20 and far out: |error| / max(1, |x|), and NaN and infinities pass as the formula has it.
#[test]
fn float_errors() {
    let points = (-200_000..=200_000).map(|i| i as f32 * 1e-4);
    let far = [
        -3e38, -1e30, -1000.0, -89.0, 89.0, 1000.0, 1e30, 3e38, 1e-40, -1e-40,
    ];
    let x: Vec<f32> = points.chain(far).collect();
    for (name, run, exact) in functions() {
        let mut y = x.clone();
        run(&mut y);
        let error = |(x, y): (&f32, &f32)| {
            let x = f64::from(*x);
            (f64::from(*y) - exact(x)).abs() / x.abs().max(1.0)
        };
        let worst = x.iter().zip(&y).map(error).fold(0.0, f64::max);
        assert!(y.iter().all(|y| y.is_finite()), "{name}");
        assert_documented(name, worst);
        let mut y = [f32::NAN];
        run(&mut y);
        assert!(y[0].is_nan(), "{name} of NaN");
    }
}

#[test]
fn exp_error() {
    let x: Vec<f32> = (-80_000..=80_000).map(|i| i as f32 * 1e-3).collect();
    let mut y = x.clone();
    exp_f32::<Libm>(&mut y);
    let error = |(x, y): (&f32, &f32)| {
        let exact = f64::from(*x).exp();
        (f64::from(*y) - exact).abs() / exact
    };
    let worst = x.iter().zip(&y).map(error).fold(0.0, f64::max);
    assert_documented("exp, f32, relative", worst);
}

#[test]
fn other_rates() {
    let x: Vec<f32> = (-300..=300).map(|i| i as f32 * 0.05).collect();
    let mut quick = x.clone();
    silu_f32::<Libm>(&mut quick, 1.702);
    let mut steep = x.clone();
    softplus_f32::<Libm>(&mut steep, 2.5, 1.0 / 2.5);
    let mut celu = x.clone();
    elu_f32::<Libm>(&mut celu, 1.3, 1.0 / 1.3, 1.0);
    let mut rough = x.clone();
    silu_f32::<Micromath>(&mut rough, 1.0);
    for (i, x) in x.iter().map(|x| f64::from(*x)).enumerate() {
        let close = |y: f32, exact: f64, bound: f64| {
            assert!(
                (f64::from(y) - exact).abs() <= bound,
                "{x}: {y} against {exact}"
            );
        };
        close(quick[i], x * sigmoid(1.702 * x), 2e-6);
        close(steep[i], softplus(2.5 * x) / 2.5, 2e-6);
        close(
            celu[i],
            x.max(0.0) + (1.3 * (x / 1.3).exp_m1()).min(0.0),
            2e-6,
        );
        close(rough[i], silu(x), 3e-2);
    }
}

/// The table of `f` for an input step and an output step, as the converter writes it.
fn table(f: Function, x_step: f64, y_step: f64) -> CurveTable {
    let mut values = [0; CURVE_KNOTS];
    for (i, value) in values.iter_mut().take(257).enumerate() {
        let x = (i as f64 * 256.0 - 32768.0) * x_step;
        *value = (f(x) / y_step).round().clamp(-32768.0, 32767.0) as i16;
    }
    CurveTable { values }
}

#[test]
fn the_table_over_every_int16() {
    let all: Vec<i16> = (i16::MIN..=i16::MAX).collect();
    let mut worst = 0.0_f64;
    // Inputs over ±8 in steps of 1/16 between the values: 0, ±3 and 6 are among them.
    let (x_step, y_step) = (8.0 / 32768.0, 8.0 / 32768.0);
    for f in [
        gelu, gelu_tanh, silu, elu, softplus, mish, softsign, hard_swish, relu6,
    ] {
        let table = table(f, x_step, y_step);
        let mut y = all.clone();
        curve_i16(&mut y, &table);
        for (&x, &y) in all.iter().zip(&y) {
            let u = i128::from(x) + 32768;
            let (i, fraction) = (floor_div(u, 256) as usize, u % 256);
            let (a, b) = (i128::from(table.values[i]), i128::from(table.values[i + 1]));
            assert_eq!(
                i128::from(y),
                a + floor_div((b - a) * fraction + 128, 256),
                "{x}"
            );
            let exact = (f(f64::from(x) * x_step) / y_step).min(32767.0);
            worst = worst.max((f64::from(y) - exact).abs());
        }
    }
    assert_documented("curve over ±8, int16, units of 8·2⁻¹⁵", worst);
}

#[test]
fn the_square_in_both() {
    let (x_step, y_step) = (8.0 / 32768.0, 64.0 / 32768.0);
    let table = table(|x| x * x, x_step, y_step);
    let mut worst = 0.0_f64;
    for x in i16::MIN..=i16::MAX {
        let (mut q, real) = ([x], f64::from(x) * x_step);
        curve_i16(&mut q, &table);
        let exact = (real * real / y_step).min(32767.0);
        worst = worst.max((f64::from(q[0]) - exact).abs());
        let mut y = [real as f32];
        square_f32(&mut y);
        assert_eq!(y[0], (real * real) as f32);
    }
    assert_documented("square over ±8, int16, units of 64·2⁻¹⁵", worst);
}
