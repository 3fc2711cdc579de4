//! The domain of intervals: everything that a value can be while the inputs stay in their ranges.

use super::Domain;
use super::value::Exact;
use crate::graph::{Activation, Dense, GateKind, Normalization};

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

/// Where a function is least between two points, if it falls and then rises there. Where it is
/// level far out, the least value is nearer.
fn valley(f: impl Fn(f64) -> f64, mut low: f64, mut high: f64) -> f64 {
    for _ in 0..200 {
        let third = (high - low) / 3.0;
        let (a, b) = (low + third, high - third);
        if f(a) < f(b) {
            high = b;
        } else {
            low = a;
        }
    }
    low
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
            | Activation::Tanh
            | Activation::Elu { .. }
            | Activation::Softplus { .. }
            | Activation::Softsign
            | Activation::Clip { .. }
            | Activation::Exp => x.through(|v| Exact::activate(activation, v)),
            Activation::Square => {
                let ends = x.through(|v| v * v);
                Span {
                    low: if x.low < 0.0 && x.high > 0.0 {
                        0.0
                    } else {
                        ends.low
                    },
                    ..ends
                }
            }
            Activation::Gelu
            | Activation::GeluTanh
            | Activation::Silu { .. }
            | Activation::Mish
            | Activation::HardSwish => {
                let f = |v| Exact::activate(activation, v);
                let mut span = x.through(f);
                if x.low < 0.0 {
                    span.low = span.low.min(f(valley(f, x.low, x.high.min(0.0))));
                }
                span
            }
        }
    }

    fn affine(gain: f64, bias: f64, x: Span) -> Span {
        Span::between(gain * x.low + bias, gain * x.high + bias)
    }

    /// Whatever the values are, one of `n` is no farther than `√(n − 1)` deviations from their
    /// mean, no larger than `√n` times the root of the mean square, and no larger than the length.
    fn norm(by: Normalization, gain: &[f32], bias: &[f32], _: f64, x: &[Span]) -> Vec<Span> {
        let farthest = match by {
            Normalization::Layer { .. } => (x.len().saturating_sub(1) as f64).sqrt(),
            Normalization::Rms => (x.len() as f64).sqrt(),
            Normalization::Unit => 1.0,
        };
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

    fn dice(alpha: f64, p: Span, x: Span) -> Span {
        let weight = |p: f64| alpha + (1.0 - alpha) * p;
        x.times(Span::between(weight(p.low), weight(p.high)))
    }

    fn gate(kind: GateKind, experts: usize, logits: &[Span]) -> Vec<Span> {
        match kind {
            GateKind::Constant | GateKind::Linear => logits.to_vec(),
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
            | GateKind::Linear
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
