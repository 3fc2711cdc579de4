//! The domain of intervals: everything that a value can be while the inputs stay in their ranges.

use super::Domain;
use super::value::Exact;
use crate::graph::{Activation, Dense, GateKind};

/// All numbers from `low` to `high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// The smallest.
    pub low: f64,
    /// The largest.
    pub high: f64,
}

impl Span {
    /// From the smaller of two numbers to the larger.
    #[must_use]
    pub fn between(a: f64, b: f64) -> Self {
        Self {
            low: a.min(b),
            high: a.max(b),
        }
    }

    /// From the smallest of four numbers to the largest: what a product of two spans reaches.
    fn times(self, other: Self) -> Self {
        let (a, b) = (self.low * other.low, self.low * other.high);
        let (c, d) = (self.high * other.low, self.high * other.high);
        Self {
            low: a.min(b).min(c.min(d)),
            high: a.max(b).max(c.max(d)),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            low: self.low + other.low,
            high: self.high + other.high,
        }
    }

    /// The image under a function that is monotone on each side of 0.
    fn through(self, f: impl Fn(f64) -> f64) -> Self {
        let (a, b) = (f(self.low), f(self.high));
        let middle = if self.low < 0.0 && self.high > 0.0 {
            f(0.0)
        } else {
            a
        };
        Self {
            low: a.min(b).min(middle),
            high: a.max(b).max(middle),
        }
    }
}

/// Intervals of values.
#[derive(Debug, Clone, Copy)]
pub struct Interval;

/// A gate weight, of which nothing else is known.
const WEIGHT: Span = Span {
    low: 0.0,
    high: 1.0,
};

impl Domain for Interval {
    type Number = Span;

    fn exact(v: f64) -> Span {
        Span { low: v, high: v }
    }

    fn dense(layer: &Dense, x: &[Span]) -> Vec<Span> {
        let rows = layer.weight.chunks(layer.inputs.max(1)).zip(&layer.bias);
        rows.map(|(row, bias)| {
            row.iter()
                .zip(x)
                .fold(Self::exact(f64::from(*bias)), |sum, (w, x)| {
                    let w = f64::from(*w);
                    sum.plus(Span::between(w * x.low, w * x.high))
                })
        })
        .collect()
    }

    fn activate(activation: Activation, x: Span) -> Span {
        match activation {
            Activation::Linear => x,
            Activation::Relu
            | Activation::LeakyRelu { .. }
            | Activation::Sigmoid
            | Activation::Tanh => x.through(|v| Exact::activate(activation, v)),
        }
    }

    fn affine(gain: f64, bias: f64, x: Span) -> Span {
        Span::between(gain * x.low + bias, gain * x.high + bias)
    }

    /// Whatever the values are, one of `n` is no farther than `√(n − 1)` deviations from their
    /// mean.
    fn layer_norm(gain: &[f32], bias: &[f32], _: f64, x: &[Span]) -> Vec<Span> {
        let farthest = (x.len().saturating_sub(1) as f64).sqrt();
        gain.iter()
            .zip(bias)
            .map(|(gain, bias)| {
                let (reach, bias) = (f64::from(gain.abs()) * farthest, f64::from(*bias));
                Span {
                    low: bias - reach,
                    high: bias + reach,
                }
            })
            .collect()
    }

    fn gate(kind: GateKind, experts: usize, logits: &[Span]) -> Vec<Span> {
        match kind {
            GateKind::Constant => logits.to_vec(),
            GateKind::Softmax
            | GateKind::Sigmoid
            | GateKind::Hard
            | GateKind::TopK { .. }
            | GateKind::DSelectK { .. } => vec![WEIGHT; experts],
        }
    }

    fn mix(kind: GateKind, weights: &[Span], seen: &[Span]) -> Span {
        match kind {
            // The weights add up to one, so the mixture lies between its experts.
            GateKind::Softmax
            | GateKind::Hard
            | GateKind::TopK {
                renormalise: true, ..
            } => seen
                .iter()
                .copied()
                .reduce(|a, b| Span {
                    low: a.low.min(b.low),
                    high: a.high.max(b.high),
                })
                .unwrap_or(Self::exact(0.0)),
            GateKind::Sigmoid
            | GateKind::Constant
            | GateKind::TopK {
                renormalise: false, ..
            }
            | GateKind::DSelectK { .. } => weights
                .iter()
                .zip(seen)
                .fold(Self::exact(0.0), |sum, (w, v)| sum.plus(w.times(*v))),
        }
    }

    fn product(a: Span, b: Span) -> Span {
        a.times(b)
    }
}
