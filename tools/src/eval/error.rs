//! The domain of values with an error: how far f32 rounding alone can take an engine's outputs from
//! the exact ones, as a running bound beside an f64 evaluation.
//!
//! The readback needs it to tell a fault from bad conditioning. Some models amplify rounding so much
//! that a correct f32 result is far from the f64 one; such rows are compared with this bound instead
//! of a fixed tolerance.
//!
//! Each value carries the largest error that it can have. Where a gate must choose between experts
//! whose logits lie closer than their errors, its weights may be anything from 0 to 1.

use super::{Domain, Pass, gate_weights};
use crate::graph::{Activation, Dense, GateKind, Graph, Normalization};

/// Half the distance from 1 to the next f32: the largest relative error of one rounding.
const U: f64 = 1.0 / (1u64 << 24) as f64;
/// The relative error that an elementary function of f32 may add. `libm` stays within one unit in the
/// last place; the rest is for the operations around the call.
const FUNCTION: f64 = 4.0 * U;

/// A value and the bound of its error.
#[derive(Debug, Clone, Copy)]
pub struct Value {
    /// The value that f64 computes.
    pub v: f64,
    /// How far f32 may be off; infinite where f32 has no such number.
    pub e: f64,
}

impl Value {
    fn new(v: f64, e: f64) -> Self {
        let broken = e.is_nan() || v.is_nan() || v.abs() + e > f64::from(f32::MAX);
        Self {
            v,
            e: if broken { f64::INFINITY } else { e },
        }
    }
}

/// The bound of each task's outputs for one row of features.
///
/// # Panics
///
/// As [`evaluate`](super::evaluate).
#[must_use]
pub fn bounds(graph: &Graph, x: &[f64]) -> Vec<Vec<f64>> {
    let input = graph.standardized(x).into_iter().map(Rounded::exact);
    let pass = Pass::<Rounded>::new(graph, input.collect(), &mut ());
    let tasks = pass.tasks(graph).into_iter();
    tasks.map(|t| t.iter().map(|y| y.e).collect()).collect()
}

/// Values as f32 arithmetic may round them.
#[derive(Debug, Clone, Copy)]
pub struct Rounded;

impl Domain for Rounded {
    type Number = Value;

    fn exact(v: f64) -> Value {
        Value::new(v, 0.0)
    }

    fn dense(layer: &Dense, x: &[Value]) -> Vec<Value> {
        let rows = layer.weight.chunks(layer.inputs.max(1)).zip(&layer.bias);
        rows.map(|(w, b)| row(w, f64::from(*b), x)).collect()
    }

    fn activate(activation: Activation, x: Value) -> Value {
        match activation {
            Activation::Linear => x,
            Activation::Relu => Value::new(x.v.max(0.0), x.e),
            Activation::LeakyRelu { slope } => leaky(x, f64::from(slope)),
            Activation::Sigmoid => sigmoid(x),
            Activation::Tanh => Value::new(x.v.tanh(), x.e.min(2.0) + FUNCTION),
            Activation::Gelu
            | Activation::GeluTanh
            | Activation::Silu { .. }
            | Activation::Elu { .. }
            | Activation::Softplus { .. }
            | Activation::Mish
            | Activation::Softsign
            | Activation::HardSwish
            | Activation::Clip { .. }
            | Activation::Exp
            | Activation::Square => curve(activation, x),
        }
    }

    fn affine(gain: f64, bias: f64, x: Value) -> Value {
        Value::new(
            gain * x.v + bias,
            gain.abs() * x.e + 3.0 * U * ((gain * x.v).abs() + bias.abs()),
        )
    }

    fn norm(
        by: Normalization,
        gain: &[f32],
        bias: &[f32],
        epsilon: f64,
        x: &[Value],
    ) -> Vec<Value> {
        norm(by, x, gain, bias, epsilon)
    }

    fn dice(alpha: f64, p: Value, x: Value) -> Value {
        let weight = alpha + (1.0 - alpha) * p.v;
        let size = alpha.abs() + (1.0 + alpha.abs()) * p.v;
        let e = (1.0 - alpha).abs() * p.e + 4.0 * U * size;
        Value::new(
            weight * x.v,
            weight.abs() * x.e + e * (x.v.abs() + x.e) + U * (weight * x.v).abs(),
        )
    }

    fn gate(kind: GateKind, experts: usize, logits: &[Value]) -> Vec<Value> {
        gate(kind, experts, logits)
    }

    fn mix(_: GateKind, weights: &[Value], seen: &[Value]) -> Value {
        mix(seen.iter().copied().zip(weights))
    }

    fn product(a: Value, b: Value) -> Value {
        Value::new(a.v * b.v, a.v * b.e + b.v * a.e + a.e * b.e + U)
    }
}

/// One row of a dense layer. W8 takes two more operations than F32; the bound has room for both.
fn row(weights: &[f32], bias: f64, x: &[Value]) -> Value {
    let (mut sum, mut size, mut e) = (bias, bias.abs(), 0.0);
    for (w, x) in weights.iter().zip(x) {
        let w = f64::from(*w);
        sum += w * x.v;
        size += (w * x.v).abs();
        e += w.abs() * x.e;
    }
    // The classic bound of a sum of products in one order: n roundings, each of at most `U` of what is
    // added up in size. The factor 1.01 stands for the terms of higher order.
    Value::new(
        sum,
        e + (weights.len() as f64 + 4.0) * U * 1.01 * (size + e),
    )
}

fn leaky(x: Value, slope: f64) -> Value {
    let v = if x.v >= 0.0 { x.v } else { slope * x.v };
    Value::new(v, slope.abs().max(1.0) * x.e + U * v.abs())
}

fn sigmoid(z: Value) -> Value {
    // The slope of a sigmoid is at most 1/4.
    Value::new(1.0 / (1.0 + (-z.v).exp()), (z.e / 4.0).min(1.0) + FUNCTION)
}

/// How far the function's slope passes the error on, and what its own arithmetic adds.
fn curve(activation: Activation, x: Value) -> Value {
    let size = x.v.abs() + x.e;
    let (slope, own) = match activation {
        // The steepest slopes: 1.13 (gelu), 1.1 (silu), 1.09 (mish), 1.5 (hard swish).
        Activation::Gelu | Activation::GeluTanh | Activation::Silu { .. } | Activation::Mish => {
            (1.2, size.max(1.0))
        }
        Activation::HardSwish => (1.5, size.max(1.0)),
        Activation::Elu { depth, rate, slope } => {
            let (depth, rate) = (f64::from(depth), f64::from(rate));
            let slope = f64::from(slope);
            ((depth * rate).max(slope), depth.max(slope * size))
        }
        Activation::Softplus { rate } => {
            let rate = f64::from(rate);
            (1.0, (rate * size).max(1.0) / rate)
        }
        Activation::Exp => {
            let top = (x.v + x.e).exp();
            (top, top * size.max(1.0))
        }
        Activation::Square => (2.0 * size, size * size),
        _ => (1.0, size.min(1.0)),
    };
    Value::new(
        super::Exact::activate(activation, x.v),
        slope * x.e + FUNCTION * own,
    )
}

fn norm(by: Normalization, x: &[Value], gain: &[f32], bias: &[f32], epsilon: f64) -> Vec<Value> {
    let n = x.len() as f64;
    let exact: Vec<f64> = x.iter().map(|x| x.v).collect();
    let (mean, deviation) = super::value::scale(by, epsilon, &exact);
    let largest = x.iter().map(|x| x.v.abs()).fold(0.0, f64::max);
    // Mean and deviation change by no more than the largest change of an element.
    let e = x.iter().map(|x| x.e).fold(0.0, f64::max) + (n + 4.0) * U * largest;
    // A length, by no more than √n times that.
    let e = match by {
        Normalization::Layer { .. } | Normalization::Rms => 2.0 * e,
        Normalization::Unit => 2.0 * n.sqrt() * e,
    };
    let e = e + (n + 4.0) * U * deviation;
    let rest = if deviation > e { deviation - e } else { 0.0 };
    x.iter()
        .zip(gain.iter().zip(bias))
        .map(|(x, (g, b))| {
            let (g, b) = (f64::from(*g), f64::from(*b));
            let y = (x.v - mean) / deviation;
            let v = y * g + b;
            Value::new(
                v,
                g.abs() * (e + y.abs() * e) / rest + 6.0 * U * ((y * g).abs() + b.abs()),
            )
        })
        .collect()
}

fn mix<'a>(seen: impl Iterator<Item = (Value, &'a Value)>) -> Value {
    let (mut sum, mut size, mut e, mut n) = (0.0, 0.0, 0.0, 2.0);
    for (h, g) in seen {
        sum += g.v * h.v;
        size += (g.v * h.v).abs();
        e += g.v * h.e + g.e * (h.v.abs() + h.e);
        n += 1.0;
    }
    Value::new(sum, e + n * U * 1.01 * (size + e))
}

/// The weights of a gate.
fn gate(kind: GateKind, experts: usize, z: &[Value]) -> Vec<Value> {
    let logits: Vec<f64> = z.iter().map(|z| z.v).collect();
    let e = z.iter().map(|z| z.e).fold(0.0, f64::max);
    let weights = gate_weights(kind, experts, &logits);
    // A softmax of logits that are off by e is off by this share.
    let share = (2.0 * e).exp_m1() + (logits.len() as f64 + 10.0) * U;
    let soft = |w: f64| Value::new(w, (w * share).min(1.0) + U * U);
    // The k-th and the next logit are told apart.
    let decided = |k: usize| {
        let mut sorted = logits.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        sorted
            .get(k)
            .is_none_or(|next| sorted[k - 1] - next > 2.0 * e)
    };
    let anything = |w: f64| Value { v: w, e: 1.0 };
    match kind {
        GateKind::Constant => weights.into_iter().map(|w| Value::new(w, 0.0)).collect(),
        GateKind::Linear => z.to_vec(),
        GateKind::Sigmoid => z.iter().map(|z| sigmoid(*z)).collect(),
        GateKind::Softmax => weights.into_iter().map(soft).collect(),
        GateKind::Hard if e == 0.0 || decided(1) => {
            weights.into_iter().map(|w| Value::new(w, 0.0)).collect()
        }
        GateKind::TopK { k, .. } if e == 0.0 || decided(k) => {
            weights.into_iter().map(soft).collect()
        }
        GateKind::Hard | GateKind::TopK { .. } => weights.into_iter().map(anything).collect(),
        GateKind::DSelectK { k } => {
            let bits = crate::graph::rules::selector_bits(experts) as f64;
            // The slope of each bit's smooth step is at most 3/2. In a product of numbers from 0 to 1
            // the errors at most add up.
            let step = bits * (1.5 * e + FUNCTION) + share + (k as f64 + 4.0) * U;
            weights
                .into_iter()
                .map(|w| Value::new(w, step.min(1.0)))
                .collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Normalization, U, Value, bounds, gate, norm};
    use crate::graph::{Activation, Dense, GateKind, Graph, Input, Layer, Node, Op, Output, Task};

    /// What f32 makes of a sum that cancels stays within the bound, and the bound is not idle.
    #[test]
    fn a_sum_that_cancels_is_bounded() {
        let weight: Vec<f32> = (0..100)
            .map(|i| if i % 2 == 0 { 1000.1 } else { -1000.1 })
            .collect();
        let dense = Dense {
            name: String::new(),
            inputs: 100,
            outputs: 1,
            weight: weight.clone(),
            bias: vec![0.1],
            activation: Activation::Linear,
        };
        let node = Node {
            op: Op::Tower,
            src: 0,
            start: 0,
            inputs: 100,
            outputs: 1,
            layers: vec![Layer::Dense(dense)],
        };
        let input = Input::new("x", 100);
        let graph = Graph {
            name: String::new(),
            version: 0,
            inputs: vec![input],
            front: None,
            feature_names: Vec::new(),
            nodes: vec![node],
            tasks: vec![Task {
                name: "y".into(),
                output: Output::Linear { value: 1 },
            }],
        };
        let x: Vec<f32> = (0..100).map(|i| 3.3 + i as f32 * 0.01).collect();
        let wide: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
        let bound = bounds(&graph, &wide)[0][0];
        let exact: f64 = weight
            .iter()
            .zip(&wide)
            .map(|(w, x)| f64::from(*w) * x)
            .sum::<f64>()
            + f64::from(0.1f32);
        let rounded: f32 = weight.iter().zip(&x).fold(0.1, |s, (w, x)| s + w * x);
        let error = (f64::from(rounded) - exact).abs();
        assert!(
            error > 0.0 && error <= bound && bound < 10.0,
            "{error} {bound}"
        );
    }

    #[test]
    fn gates_that_cannot_tell_experts_apart_may_weigh_them_anyhow() {
        let z = |e: f64| {
            [
                Value { v: 1.0, e },
                Value { v: 1.001, e },
                Value { v: -3.0, e },
            ]
        };
        let worst = |kind, e| gate(kind, 3, &z(e)).iter().map(|w| w.e).fold(0.0, f64::max);
        assert_eq!(worst(GateKind::Hard, 1e-4), 0.0);
        assert_eq!(worst(GateKind::Hard, 1e-3), 1.0);
        assert_eq!(
            worst(
                GateKind::TopK {
                    k: 1,
                    renormalise: true
                },
                1e-3
            ),
            1.0
        );
        assert!(
            worst(
                GateKind::TopK {
                    k: 2,
                    renormalise: true
                },
                1e-3
            ) < 2e-3
        );
        assert!(worst(GateKind::Softmax, 0.0) < 20.0 * U);
    }

    #[test]
    fn a_layer_norm_of_equal_values_is_not_decided() {
        let x = [Value { v: 5.0, e: 1e-3 }; 4];
        assert!(
            norm(
                Normalization::Layer { groups: 1 },
                &x,
                &[1.0; 4],
                &[0.0; 4],
                1e-12
            )
            .iter()
            .all(|y| y.e == f64::INFINITY)
        );
    }
}
