//! Models of well-known shapes with seeded weights, for measuring: work and size do not depend on the values.

use firmware_models::Rng;
use mmoe_tools::graph::{Activation, Dense, GateKind, Graph, Input, Layer, Node, Op, Output, Task};

/// A dense layer whose outputs stay about as large as its inputs.
fn dense(rng: &mut Rng, inputs: usize, outputs: usize, activation: Activation) -> Layer {
    let bound = (1.5 / inputs as f32).sqrt();
    let mut draw = |n: usize, bound: f32| (0..n).map(|_| rng.feature() * bound).collect::<Vec<f32>>();
    let (weight, bias) = (draw(inputs * outputs, bound), draw(outputs, 0.1));
    Layer::Dense(Dense { name: String::new(), inputs, outputs, weight, bias, activation })
}

/// Layers of these widths: relu, and then `last`.
fn chain(rng: &mut Rng, widths: &[usize], last: Activation) -> Vec<Layer> {
    let n = widths.len().saturating_sub(1);
    let pairs = widths.windows(2).enumerate();
    pairs.map(|(i, w)| dense(rng, w[0], w[1], if i + 1 == n { last } else { Activation::Relu })).collect()
}

fn node(op: Op, src: usize, inputs: usize, outputs: usize, layers: Vec<Layer>) -> Node {
    Node { op, src, start: 0, inputs, outputs, layers }
}

fn graph(name: &str, inputs: usize, nodes: Vec<Node>, tasks: Vec<Task>) -> Graph {
    // The range of the seeded rows.
    let input = Input { name: "x".into(), count: inputs, min: Some(-2.0), max: Some(2.0), mean: None, std: None };
    Graph { name: name.into(), version: 0, inputs: vec![input], feature_names: Vec::new(), nodes, tasks }
}

/// 499 inputs, 8 experts 499→4, 2 gates, towers 4→8→2.
pub(crate) fn census() -> Graph {
    let rng = &mut Rng::new(499);
    let mut nodes: Vec<Node> = (0..8).map(|_| node(Op::Expert, 0, 499, 4, chain(rng, &[499, 4], Activation::Relu))).collect();
    let gate = || Op::Gate { kind: GateKind::Softmax, sees: (1..=8).collect(), temperature: 1.0 };
    nodes.extend((0..2).map(|_| node(gate(), 0, 499, 4, chain(rng, &[499, 8], Activation::Linear))));
    nodes.extend((0..2).map(|k| node(Op::Tower, 9 + k, 4, 2, chain(rng, &[4, 8, 2], Activation::Linear))));
    let task = |name: &str, value| Task { name: name.into(), output: Output::Softmax { value } };
    graph("census", 499, nodes, vec![task("income", 11), task("marital", 12)])
}

/// 16 inputs, 3 experts 16→8, 2 gates, towers 8→4→1.
pub(crate) fn small() -> Graph {
    let rng = &mut Rng::new(16);
    let mut nodes: Vec<Node> = (0..3).map(|_| node(Op::Expert, 0, 16, 8, chain(rng, &[16, 8], Activation::Relu))).collect();
    let gate = || Op::Gate { kind: GateKind::Softmax, sees: (1..=3).collect(), temperature: 1.0 };
    nodes.extend((0..2).map(|_| node(gate(), 0, 16, 8, chain(rng, &[16, 3], Activation::Linear))));
    nodes.extend((0..2).map(|k| node(Op::Tower, 4 + k, 8, 1, chain(rng, &[8, 4, 1], Activation::Linear))));
    let task = |name: &str, value| Task { name: name.into(), output: Output::Linear { value } };
    graph("small", 16, nodes, vec![task("a", 6), task("b", 7)])
}

/// MLPerf Tiny's anomaly autoencoder: one expert 640→128×4→8→128×4→640 and no layers after it.
pub(crate) fn autoencoder() -> Graph {
    let rng = &mut Rng::new(640);
    let layers = chain(rng, &[640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640], Activation::Linear);
    let nodes = vec![node(Op::Expert, 0, 640, 640, layers), node(Op::Tower, 1, 640, 640, Vec::new())];
    graph("autoencoder", 640, nodes, vec![Task { name: "y".into(), output: Output::Linear { value: 2 } }])
}
