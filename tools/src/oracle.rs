//! An independent, slow evaluation of a [`Graph`] in f64: what every other path is measured
//! against.
//!
//! It shares no code with the engine and follows the formulas, not an order of operations.

use crate::graph::{Activation, GateKind, Graph, Layer, Node, Op, Output};

/// What one input row gives.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// One per task, in order.
    pub tasks: Vec<Vec<f64>>,
    /// The weights of each gate node, in the order of what it sees.
    pub gates: Vec<Vec<f64>>,
    /// The value of each expert node.
    pub experts: Vec<Vec<f64>>,
}

/// Evaluates a graph on one row of raw features; inputs with mean and std are standardized first.
///
/// # Panics
///
/// If `x` is not as wide as the input, or the graph breaks the rules of [`Graph::check`].
#[must_use]
pub fn evaluate(graph: &Graph, x: &[f64]) -> Evaluation {
    let mut values = vec![standardize(graph, x)];
    let (mut gates, mut experts) = (Vec::new(), Vec::new());
    for node in &graph.nodes {
        let made = run(
            node,
            &values[node.src][node.start..node.start + node.inputs],
        );
        let value = match &node.op {
            Op::Tower => made,
            Op::Expert => {
                experts.push(made.clone());
                made
            }
            Op::Gate { kind, sees, .. } => {
                let weights = gate_weights(*kind, sees.len(), &made);
                let mixture = mixture(sees, &weights, &values, node.outputs);
                gates.push(weights);
                mixture
            }
        };
        values.push(value);
    }
    let mut tasks: Vec<Vec<f64>> = Vec::new();
    for task in &graph.tasks {
        let y = match task.output {
            Output::Linear { value } => values[value].clone(),
            Output::Sigmoid { value } => values[value].iter().map(|z| sigmoid(*z)).collect(),
            Output::Softmax { value } => softmax(&values[value]),
            Output::Product { a, b } => vec![tasks[a][0] * tasks[b][0]],
        };
        tasks.push(y);
    }
    Evaluation {
        tasks,
        gates,
        experts,
    }
}

/// What every layer makes of one row, node by node and layer by layer.
///
/// # Panics
///
/// As [`evaluate`].
#[must_use]
pub fn layers(graph: &Graph, x: &[f64]) -> Vec<Vec<f64>> {
    let (mut values, mut made) = (vec![standardize(graph, x)], Vec::new());
    for node in &graph.nodes {
        let mut value = values[node.src][node.start..node.start + node.inputs].to_vec();
        for layer in &node.layers {
            value = forward(layer, &value);
            made.push(value.clone());
        }
        if let Op::Gate { kind, sees, .. } = &node.op {
            value = mixture(
                sees,
                &gate_weights(*kind, sees.len(), &value),
                &values,
                node.outputs,
            );
        }
        values.push(value);
    }
    made
}

fn mixture(sees: &[usize], weights: &[f64], values: &[Vec<f64>], wide: usize) -> Vec<f64> {
    (0..wide)
        .map(|h| {
            sees.iter()
                .zip(weights)
                .map(|(v, g)| g * values[*v][h])
                .sum()
        })
        .collect()
}

fn standardize(graph: &Graph, x: &[f64]) -> Vec<f64> {
    assert_eq!(
        x.len(),
        graph.width(0),
        "the row is not as wide as the input"
    );
    graph.standardize(x)
}

fn run(node: &Node, x: &[f64]) -> Vec<f64> {
    node.layers
        .iter()
        .fold(x.to_vec(), |x, layer| forward(layer, &x))
}

fn forward(layer: &Layer, x: &[f64]) -> Vec<f64> {
    let per_unit = |a: &[f32], b: &[f32], f: fn(f64, f64, f64) -> f64| -> Vec<f64> {
        x.iter()
            .zip(a.iter().zip(b))
            .map(|(x, (a, b))| f(*x, f64::from(*a), f64::from(*b)))
            .collect()
    };
    match layer {
        Layer::Dense(d) => (0..d.outputs)
            .map(|o| {
                let row = &d.weight[o * d.inputs..(o + 1) * d.inputs];
                let sum: f64 = row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum();
                activate(d.activation, sum + f64::from(d.bias[o]))
            })
            .collect(),
        Layer::Affine { gain, bias } => per_unit(gain, bias, |x, g, b| g * x + b),
        Layer::PRelu { slope } => {
            per_unit(slope, slope, |x, s, _| if x >= 0.0 { x } else { s * x })
        }
        Layer::LayerNorm {
            gain,
            bias,
            epsilon,
        } => {
            #[expect(clippy::cast_precision_loss, reason = "a width is far below 2^52")]
            let n = x.len() as f64;
            let mean = x.iter().sum::<f64>() / n;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
            let deviation = (variance + f64::from(*epsilon)).sqrt();
            x.iter()
                .zip(gain.iter().zip(bias))
                .map(|(x, (g, b))| (x - mean) / deviation * f64::from(*g) + f64::from(*b))
                .collect()
        }
        Layer::Constant { weights } => weights.iter().map(|w| f64::from(*w)).collect(),
    }
}

fn activate(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Linear => x,
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu { slope } => {
            if x >= 0.0 {
                x
            } else {
                f64::from(slope) * x
            }
        }
        Activation::Sigmoid => sigmoid(x),
        Activation::Tanh => x.tanh(),
    }
}

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

fn softmax(z: &[f64]) -> Vec<f64> {
    let max = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let e: Vec<f64> = z.iter().map(|z| (z - max).exp()).collect();
    let sum: f64 = e.iter().sum();
    e.iter().map(|e| e / sum).collect()
}

/// The weights that a gate of this kind gives `experts` experts for these logits.
#[must_use]
pub fn gate_weights(kind: GateKind, experts: usize, z: &[f64]) -> Vec<f64> {
    match kind {
        GateKind::Softmax => softmax(z),
        GateKind::Sigmoid => z.iter().map(|z| sigmoid(*z)).collect(),
        GateKind::Constant => z.to_vec(),
        GateKind::Hard => top(z, 1)
            .into_iter()
            .map(|chosen| f64::from(u8::from(chosen)))
            .collect(),
        GateKind::TopK { k, renormalise } => {
            let chosen = top(z, k);
            let p = softmax(z);
            let sum: f64 = p
                .iter()
                .zip(&chosen)
                .filter(|(_, c)| **c)
                .map(|(p, _)| p)
                .sum();
            let divisor = if renormalise { sum } else { 1.0 };
            p.iter()
                .zip(&chosen)
                .map(|(p, c)| if *c { p / divisor } else { 0.0 })
                .collect()
        }
        GateKind::DSelectK { k } => {
            let bits = crate::graph::rules::selector_bits(experts);
            let mixing = softmax(&z[k * bits..]);
            (0..experts)
                .map(|e| {
                    (0..k)
                        .map(|s| mixing[s] * selector(&z[s * bits..(s + 1) * bits], e))
                        .sum()
                })
                .collect()
        }
    }
}

/// Which logits are among the `k` largest; of equal ones the first.
fn top(z: &[f64], k: usize) -> Vec<bool> {
    (0..z.len())
        .map(|i| {
            let ahead = (0..z.len())
                .filter(|j| z[*j] > z[i] || (z[*j] == z[i] && *j < i))
                .count();
            ahead < k
        })
        .collect()
}

/// How far one selector's bits, the most significant first, choose expert `e`.
fn selector(z: &[f64], e: usize) -> f64 {
    z.iter()
        .rev()
        .enumerate()
        .map(|(bit, z)| {
            let s = smooth_step(*z);
            if e >> bit & 1 == 1 { s } else { 1.0 - s }
        })
        .product()
}

/// The smooth-step of DSelect-k with γ = 1.
fn smooth_step(x: f64) -> f64 {
    if x <= -0.5 {
        0.0
    } else if x >= 0.5 {
        1.0
    } else {
        -2.0 * x.powi(3) + 1.5 * x + 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::{gate_weights, smooth_step};
    use crate::graph::GateKind;

    fn close(a: &[f64], b: &[f64]) {
        assert_eq!(a.len(), b.len());
        assert!(
            a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-12),
            "{a:?} {b:?}"
        );
    }

    #[test]
    fn gates_follow_their_formulas() {
        let z = [0.0, 2f64.ln(), 0.0];
        close(&gate_weights(GateKind::Softmax, 3, &z), &[0.25, 0.5, 0.25]);
        close(
            &gate_weights(GateKind::Sigmoid, 3, &z),
            &[0.5, 2.0 / 3.0, 0.5],
        );
        close(
            &gate_weights(GateKind::Hard, 3, &[1.0, 3.0, 3.0]),
            &[0.0, 1.0, 0.0],
        );
        close(
            &gate_weights(
                GateKind::TopK {
                    k: 2,
                    renormalise: false,
                },
                3,
                &z,
            ),
            &[0.25, 0.5, 0.0],
        );
        close(
            &gate_weights(
                GateKind::TopK {
                    k: 2,
                    renormalise: true,
                },
                3,
                &z,
            ),
            &[1.0 / 3.0, 2.0 / 3.0, 0.0],
        );
        close(
            &gate_weights(GateKind::Constant, 2, &[0.3, 0.9]),
            &[0.3, 0.9],
        );
    }

    #[test]
    fn dselect_reads_its_bits_most_significant_first_and_ignores_codes_beyond_the_experts() {
        // Selector 0 says binary 10 = expert 2, selector 1 says binary 11 = no expert of three.
        let z = [9.0, -9.0, 9.0, 9.0, 0.0, 3f64.ln()];
        close(
            &gate_weights(GateKind::DSelectK { k: 2 }, 3, &z),
            &[0.0, 0.0, 0.25],
        );
        close(
            &[
                smooth_step(-0.5),
                smooth_step(0.0),
                smooth_step(0.25),
                smooth_step(0.5),
            ],
            &[0.0, 0.5, 0.84375, 1.0],
        );
        // One expert needs no bits.
        close(
            &gate_weights(GateKind::DSelectK { k: 1 }, 1, &[0.7]),
            &[1.0],
        );
    }
}
