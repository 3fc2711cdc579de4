//! Numbers as what a program runs on: the interpreter.

use super::run::{Chosen, Domain};
use super::{Binary, Unary};

/// Runs a program in f64.
#[derive(Debug)]
pub(super) struct Exact;

impl Domain for Exact {
    type Number = f64;

    fn constant(v: f64) -> f64 {
        v
    }

    fn known(x: f64) -> Option<f64> {
        Some(x)
    }

    fn lookup(
        &mut self,
        _: usize,
        rows: &[f64],
        width: usize,
        index: f64,
    ) -> Result<Vec<f64>, String> {
        let start = (index as usize).saturating_mul(width);
        let row = rows.get(start..start.saturating_add(width));
        let row = row.filter(|_| index >= 0.0);
        row.map(<[f64]>::to_vec)
            .ok_or_else(|| format!("takes row {index} of a table that has fewer"))
    }

    fn truncate(&mut self, x: f64) -> Option<f64> {
        Some(x.trunc())
    }

    fn unary(&mut self, f: Unary, x: f64) -> Result<f64, String> {
        Ok(unary(f, x))
    }

    fn binary(&mut self, f: Binary, a: f64, b: f64) -> Result<f64, String> {
        Ok(binary(f, a, b))
    }

    fn choose(&mut self, condition: f64, a: f64, b: f64) -> Result<f64, String> {
        Ok(if condition == 0.0 { b } else { a })
    }

    fn dot(&mut self, pairs: &[(f64, f64)]) -> Result<f64, String> {
        Ok(pairs.iter().map(|(a, b)| a * b).sum())
    }

    fn softmax(&mut self, x: &[f64]) -> Result<Vec<f64>, String> {
        let largest = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = x.iter().map(|x| (x - largest).exp()).collect();
        let sum: f64 = powers.iter().sum();
        Ok(powers.iter().map(|p| p / sum).collect())
    }

    fn norm(&mut self, rms: bool, epsilon: f64, x: &[f64]) -> Result<Vec<f64>, String> {
        let count = x.len() as f64;
        let mean = if rms {
            0.0
        } else {
            x.iter().sum::<f64>() / count
        };
        let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
        Ok(x.iter()
            .map(|x| (x - mean) / (variance + epsilon).sqrt())
            .collect())
    }

    fn top_k(&mut self, x: &[f64], k: usize) -> Result<Chosen<f64>, String> {
        let mut order: Vec<usize> = (0..x.len()).collect();
        order.sort_by(|a, b| x[*b].total_cmp(&x[*a]));
        order.truncate(k);
        Ok(Chosen {
            values: order.iter().map(|i| x[*i]).collect(),
            indices: order.iter().map(|i| *i as f64).collect(),
        })
    }

    fn scatter(&mut self, x: &[f64], at: &[f64], new: &[f64]) -> Result<Vec<f64>, String> {
        let mut y = x.to_vec();
        for (at, new) in at.iter().zip(new) {
            let index = if *at < 0.0 { at + x.len() as f64 } else { *at };
            *y.get_mut(index as usize)
                .ok_or("puts an element outside its input")? = *new;
        }
        Ok(y)
    }
}

/// The functions themselves.
pub(super) fn unary(f: Unary, x: f64) -> f64 {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    // ln(1 + e^x) without an overflow.
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    match f {
        Unary::Relu => x.max(0.0),
        Unary::LeakyRelu(slope) => {
            if x < 0.0 {
                slope * x
            } else {
                x
            }
        }
        Unary::Sigmoid => sigmoid(x),
        Unary::Tanh => x.tanh(),
        Unary::Elu(alpha) => {
            if x < 0.0 {
                alpha * x.exp_m1()
            } else {
                x
            }
        }
        Unary::Selu { alpha, scale } => scale * if x < 0.0 { alpha * x.exp_m1() } else { x },
        Unary::Softplus => softplus(x),
        Unary::Softsign => x / (1.0 + x.abs()),
        Unary::Silu => x * sigmoid(x),
        Unary::Gelu => 0.5 * x * libm::erfc(-x * std::f64::consts::FRAC_1_SQRT_2),
        Unary::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        Unary::Mish => x * softplus(x).tanh(),
        Unary::Hardswish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Unary::HardSigmoid { alpha, beta } => (alpha * x + beta).clamp(0.0, 1.0),
        Unary::Clip { min, max } => x.max(min).min(max),
        Unary::Erf => libm::erf(x),
        Unary::Erfc => libm::erfc(x),
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Abs => x.abs(),
        Unary::Sign if x == 0.0 => 0.0,
        Unary::Sign => x.signum(),
        Unary::Floor => x.floor(),
        Unary::Not => f64::from(x == 0.0),
        Unary::Power(p) => x.powf(p),
        Unary::SmoothStep if x <= -0.5 => 0.0,
        Unary::SmoothStep if x >= 0.5 => 1.0,
        Unary::SmoothStep => -2.0 * x.powi(3) + 1.5 * x + 0.5,
    }
}

pub(super) fn binary(f: Binary, a: f64, b: f64) -> f64 {
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => a.powf(b),
        Binary::Max => a.max(b),
        Binary::Min => a.min(b),
        Binary::Less => f64::from(a < b),
        Binary::LessOrEqual => f64::from(a <= b),
        Binary::Equal => f64::from(a == b),
        Binary::And => f64::from(a != 0.0 && b != 0.0),
        Binary::SquaredDifference => (a - b) * (a - b),
        Binary::PRelu => unary(Unary::LeakyRelu(b), a),
    }
}
