//! Functions of single numbers, as their definitions have them.

use super::super::{Binary, Unary};
use super::tensor::{Tensor, common_shape};

pub(super) fn unary(f: Unary, x: &Tensor) -> Result<Tensor, String> {
    Tensor::new(&x.shape, x.data.iter().map(|x| function(f, *x)).collect())
}

pub(super) fn binary(f: Binary, a: &Tensor, b: &Tensor) -> Result<Tensor, String> {
    let shape = common_shape(&[&a.shape, &b.shape])?;
    Tensor::build(&shape, |at| {
        Ok(function_of_two(f, a.spread(at)?, b.spread(at)?))
    })
}

/// `condition ? a : b`.
pub(super) fn choose(condition: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor, String> {
    let shape = common_shape(&[&condition.shape, &a.shape, &b.shape])?;
    Tensor::build(&shape, |at| {
        let holds = condition.spread(at)? != 0.0;
        if holds { a.spread(at) } else { b.spread(at) }
    })
}

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// `ln(1 + e^x)`; above 0 the power is taken out, which would be too large.
fn softplus(x: f64) -> f64 {
    if x > 0.0 {
        x + (-x).exp().ln_1p()
    } else {
        x.exp().ln_1p()
    }
}

/// `1 / (1 + e^−x)`; below 0 multiplied by `e^x / e^x`.
fn sigmoid(x: f64) -> f64 {
    if x < 0.0 {
        let power = x.exp();
        power / (1.0 + power)
    } else {
        1.0 / (1.0 + (-x).exp())
    }
}

/// What is no number stays none.
fn within(x: f64, low: f64, high: f64) -> f64 {
    let raised = if x < low { low } else { x };
    if raised > high { high } else { raised }
}

fn function(f: Unary, x: f64) -> f64 {
    // What is left of x = 0, and what is right of it.
    let sides = |left: f64, right: f64| if x < 0.0 { left } else { right };
    match f {
        Unary::Relu => sides(0.0, x),
        Unary::LeakyRelu(slope) => sides(slope * x, x),
        Unary::Sigmoid => sigmoid(x),
        Unary::Tanh => x.tanh(),
        Unary::Elu(alpha) => sides(alpha * x.exp_m1(), x),
        Unary::Selu { alpha, scale } => sides(scale * alpha * x.exp_m1(), scale * x),
        Unary::Softplus => softplus(x),
        Unary::Softsign => x / (1.0 + x.abs()),
        Unary::Silu => x * sigmoid(x),
        Unary::Gelu => x * (1.0 + libm::erf(x / 2.0f64.sqrt())) / 2.0,
        Unary::GeluTanh => {
            let argument = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            x * (1.0 + argument.tanh()) / 2.0
        }
        Unary::Mish => x * softplus(x).tanh(),
        Unary::Hardswish => x * within(x + 3.0, 0.0, 6.0) / 6.0,
        Unary::HardSigmoid { alpha, beta } => within(alpha * x + beta, 0.0, 1.0),
        Unary::Clip { min, max } => within(x, min, max),
        Unary::Erf => libm::erf(x),
        Unary::Erfc => 1.0 - libm::erf(x),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Abs => sides(-x, x),
        Unary::Sign => truth(x > 0.0) - truth(x < 0.0),
        Unary::Floor => x.floor(),
        Unary::Not => truth(x == 0.0),
        Unary::Power(p) => x.powf(p),
        Unary::SmoothStep => {
            let middle = -2.0 * x * x * x + 1.5 * x + 0.5;
            let below_upper = if x >= 0.5 { 1.0 } else { middle };
            if x <= -0.5 { 0.0 } else { below_upper }
        }
    }
}

fn function_of_two(f: Binary, a: f64, b: f64) -> f64 {
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => a.powf(b),
        Binary::Max if a.is_nan() || a > b => a,
        Binary::Min if a.is_nan() || a < b => a,
        Binary::Max | Binary::Min => b,
        Binary::Less => truth(a < b),
        Binary::LessOrEqual => truth(a <= b),
        Binary::Equal => truth(a == b),
        Binary::And => truth(a != 0.0 && b != 0.0),
        Binary::SquaredDifference => (a - b).powi(2),
        Binary::PRelu if a < 0.0 => b * a,
        Binary::PRelu => a,
    }
}
