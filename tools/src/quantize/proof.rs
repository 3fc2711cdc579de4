//! Proofs that no accumulator can overflow: bounds of the integers, layer by layer.
//!
//! The bounds are computed from the finished integers and not from the real model, so they hold for
//! exactly the arithmetic that the device does, whatever the quantizer chose.

use super::{QLayer, curves};
use crate::graph::{Activation, GateKind};
use mmoe::kernel::{AffineRow, CurveTable};
use std::ops::Range;

/// The smallest and the largest integer that one unit can have.
pub type Span = (f64, f64);

/// The span of any int16.
pub const ANY: Span = (-32768.0, 32767.0);

fn sat16(v: Span) -> Span {
    (v.0.clamp(ANY.0, ANY.1), v.1.clamp(ANY.0, ANY.1))
}

/// What a layer's inputs span.
#[derive(Debug, Clone, Copy)]
pub struct Bounds<'a> {
    /// Each column.
    pub each: &'a [Span],
    /// One-hot columns among them, whose spans begin at 0: runs in ascending order, and how many
    /// columns of each may be 1 at a time.
    pub runs: &'a [(Range<usize>, usize)],
}

/// Returns the span of `bias + Σ q·x` for inputs in these bounds. Of a one-hot run only as many
/// columns count as may be 1: no more than the largest product that often, and no less than the
/// smallest.
#[must_use]
pub fn accumulator(q: &[f64], bias: f64, x: Bounds<'_>) -> Span {
    let product = |(q, x): (&f64, &Span)| {
        let (a, b) = (q * x.0, q * x.1);
        (a.min(b), a.max(b))
    };
    let add = |(lo, hi): Span, (a, b): Span| (lo + a, hi + b);
    let products: Vec<Span> = q.iter().zip(x.each).map(product).collect();
    let (mut total, mut rest) = ((bias, bias), products.as_slice());
    for (run, codes) in x.runs {
        let from = run.start - (products.len() - rest.len());
        let (before, behind) = rest.split_at(from);
        let (own, behind) = behind.split_at(run.len());
        total = before.iter().copied().fold(total, add);
        let (lo, hi) = own.iter().fold((0.0f64, 0.0f64), |(lo, hi), (a, b)| {
            (lo.min(*a), hi.max(*b))
        });
        total = add(total, (lo * *codes as f64, hi * *codes as f64));
        rest = behind;
    }
    rest.iter().copied().fold(total, add)
}

/// Returns the larger magnitude of the two ends of a span.
#[must_use]
pub fn reach(s: Span) -> f64 {
    s.0.abs().max(s.1.abs())
}

/// The outputs of a hidden layer whose inputs span `x`. One step of slack on either side stands for
/// every rounding.
#[must_use]
pub fn outputs(layer: &QLayer, bounds: Bounds<'_>) -> Vec<Span> {
    let x = bounds.each;
    match layer {
        QLayer::I8 {
            activation, table, ..
        }
        | QLayer::I16 {
            activation, table, ..
        } => {
            let sums = sums(layer, bounds).into_iter();
            sums.map(|s| activate(*activation, table.as_deref(), s))
                .collect()
        }
        QLayer::Pointwise { activation, table } => x
            .iter()
            .map(|x| activate(*activation, table.as_deref(), *x))
            .collect(),
        QLayer::Affine(units) => x.iter().zip(units).map(|(x, u)| affine(*x, u)).collect(),
        QLayer::PRelu(slopes) => x
            .iter()
            .zip(slopes)
            .map(|(x, s)| leaky(*x, f64::from(*s) / 16384.0))
            .collect(),
        QLayer::Constant(weights) => weights
            .iter()
            .map(|w| (f64::from(*w), f64::from(*w)))
            .collect(),
        // A value over the root of the energy is at most 1.
        QLayer::Norm { units, .. } => units
            .iter()
            .map(|u| {
                let k = 2f64.powi(i32::from(u.shift) + 1);
                let (reach, bias) = (f64::from(u.gain).abs() * 8192.0 / k, f64::from(u.bias) / k);
                sat16((bias - reach - 2.0, bias + reach + 2.0))
            })
            .collect(),
        QLayer::Dice(rows) => x.iter().zip(rows).map(|(x, r)| dice(*x, r.alpha)).collect(),
        QLayer::RowDice { alpha, .. } => x.iter().map(|x| dice(*x, *alpha)).collect(),
    }
}

/// What a value times a weight between alpha and 1 spans.
fn dice(x: Span, alpha: i16) -> Span {
    let alpha = f64::from(alpha) / 4096.0;
    let ends = [x.0, x.1, x.0 * alpha, x.1 * alpha];
    let low = ends.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ends.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // The weight is rounded to 15 bits after the point, alpha to 12, and then the product.
    sat16((low - 10.0, high + 10.0))
}

/// The saturated results of a dense layer's rows, before its activation; of another layer, none.
#[must_use]
pub fn sums(layer: &QLayer, bounds: Bounds<'_>) -> Vec<Span> {
    let x = bounds.each;
    let dense = |w: Vec<f64>, bias: f64, factor: f64| {
        let acc = accumulator(&w, bias, bounds);
        sat16((acc.0 * factor - 1.0, acc.1 * factor + 1.0))
    };
    let factor = |mult: u16, s: u32| f64::from(mult) / 2f64.powi(s as i32);
    match layer {
        QLayer::I8 { weight, rows, .. } => {
            let rows = rows.iter().zip(weight.chunks(x.len()));
            rows.map(|(r, w)| {
                dense(
                    w.iter().map(|w| f64::from(*w)).collect(),
                    f64::from(r.bias),
                    factor(r.mult, 17 + u32::from(r.shift)),
                )
            })
            .collect()
        }
        QLayer::I16 { weight, rows, .. } => {
            let rows = rows.iter().zip(weight.chunks(x.len()));
            rows.map(|(r, w)| {
                dense(
                    w.iter().map(|w| f64::from(*w)).collect(),
                    r.bias() as f64,
                    factor(r.mult, u32::from(r.shift)),
                )
            })
            .collect()
        }
        QLayer::Affine(_)
        | QLayer::PRelu(_)
        | QLayer::Constant(_)
        | QLayer::Pointwise { .. }
        | QLayer::Norm { .. }
        | QLayer::Dice(_)
        | QLayer::RowDice { .. } => Vec::new(),
    }
}

fn affine(x: Span, u: &AffineRow) -> Span {
    let at = |v: f64| (v * f64::from(u.gain) + f64::from(u.bias)) / 2f64.powi(i32::from(u.shift));
    let (a, b) = (at(x.0), at(x.1));
    sat16((a.min(b) - 1.0, a.max(b) + 1.0))
}

fn leaky(x: Span, slope: f64) -> Span {
    let at = |v: f64| if v < 0.0 { v * slope } else { v };
    let (a, b) = (at(x.0), at(x.1));
    let zero = if x.0 < 0.0 && x.1 > 0.0 { 0.0 } else { a };
    sat16((a.min(b).min(zero) - 1.0, a.max(b).max(zero) + 1.0))
}

fn activate(activation: Activation, table: Option<&CurveTable>, x: Span) -> Span {
    match activation {
        curve if curve.is_curve() => table.map_or(ANY, |table| curves::outputs(table, x)),
        Activation::Linear => x,
        Activation::Relu => (x.0.max(0.0), x.1.max(0.0)),
        Activation::LeakyRelu { slope } => leaky(x, f64::from(super::q14(slope)) / 16384.0),
        Activation::Sigmoid => (0.0, 32767.0),
        _ => ANY,
    }
}

/// The 32-bit sum of one unit of a mixture, and the unit that it becomes. `logits` are the
/// constants of a constant gate.
#[must_use]
pub fn mixture(kind: GateKind, constants: &[Span], seen: &[Span]) -> (f64, Span) {
    let (lo, hi) = match kind {
        GateKind::Constant => seen
            .iter()
            .zip(constants)
            .fold((0.0, 0.0), |(lo, hi), (s, g)| {
                (lo + s.0 * g.0, hi + s.1 * g.0)
            }),
        GateKind::Sigmoid => seen.iter().fold((0.0, 0.0), |(lo, hi), s| {
            (lo + 32768.0 * s.0.min(0.0), hi + 32768.0 * s.1.max(0.0))
        }),
        // Each weight lies between −1 and 1.
        GateKind::Linear => {
            let most = 32768.0 * seen.iter().map(|s| reach(*s)).sum::<f64>();
            (-most, most)
        }
        // The weights add up to 32768, to less, or (rounding of up to 32 weights) to 16 more.
        _ => {
            let hull = seen
                .iter()
                .fold((0.0f64, 0.0f64), |(lo, hi), s| (lo.min(s.0), hi.max(s.1)));
            (hull.0 * 32784.0, hull.1 * 32784.0)
        }
    };
    (
        reach((lo, hi)),
        sat16((lo / 32768.0 - 1.0, hi / 32768.0 + 1.0)),
    )
}
