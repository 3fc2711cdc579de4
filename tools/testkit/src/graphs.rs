//! Seeded graphs and their blobs.

use crate::Rng;
use mmoe_tools::blob::Blob;
use mmoe_tools::blob::message::Header;
use mmoe_tools::convert::Conversion;
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::{
    Activation, Dense, GateKind, Graph, Input, Layer, Node, Normalization, Op, Output, Task,
};

/// A dense layer whose outputs stay about as large as its inputs.
#[must_use]
pub fn dense(rng: &mut Rng, inputs: usize, outputs: usize, activation: Activation) -> Layer {
    let scale = 1.7 / (inputs as f32).sqrt();
    Layer::Dense(Dense {
        name: String::new(),
        inputs,
        outputs,
        weight: rng
            .reals(inputs * outputs)
            .iter()
            .map(|w| w * scale)
            .collect(),
        bias: rng.reals(outputs).iter().map(|b| b * 0.5).collect(),
        activation,
    })
}

/// An affine layer.
#[must_use]
pub fn affine(rng: &mut Rng, n: usize) -> Layer {
    Layer::Affine {
        gain: rng.reals(n),
        bias: rng.reals(n),
    }
}

/// A PReLU with a slope per unit.
#[must_use]
pub fn prelu(rng: &mut Rng, n: usize) -> Layer {
    Layer::PRelu {
        slope: rng.reals(n),
    }
}

/// A layer norm.
#[must_use]
pub fn layer_norm(rng: &mut Rng, n: usize) -> Layer {
    norm(rng, Normalization::Layer { groups: 1 }, n)
}

/// A norm of this kind.
#[must_use]
pub fn norm(rng: &mut Rng, by: Normalization, n: usize) -> Layer {
    Layer::Norm {
        by,
        gain: rng.reals(n),
        bias: rng.reals(n),
        epsilon: 1e-3,
    }
}

/// A norm of any kind, in as many groups as fit.
#[must_use]
pub fn any_norm(rng: &mut Rng, n: usize) -> Layer {
    let groups = rng.pick(&[1, 2, 3, n]);
    let by = rng.pick(&[
        Normalization::Layer {
            groups: if n.is_multiple_of(groups) { groups } else { 1 },
        },
        Normalization::Rms,
        Normalization::Unit,
    ]);
    norm(rng, by, n)
}

/// Dice per unit.
#[must_use]
pub fn dice(rng: &mut Rng, n: usize) -> Layer {
    Layer::Dice {
        gain: rng.reals(n).iter().map(|v| 2.0 * v).collect(),
        bias: rng.reals(n),
        alpha: rng.reals(n),
    }
}

/// Dice over the row.
#[must_use]
pub fn row_dice(rng: &mut Rng, n: usize) -> Layer {
    Layer::RowDice {
        width: n,
        alpha: rng.real(),
        epsilon: 1e-3 * n as f32,
    }
}

/// An activation of its own.
#[must_use]
pub fn pointwise(rng: &mut Rng, n: usize) -> Layer {
    let activation = rng.pick(&[Activation::Relu, Activation::Sigmoid, Activation::Tanh]);
    let curve = rng.curve();
    Layer::Pointwise {
        activation: rng.pick(&[activation, curve, curve]),
        width: n,
    }
}

/// Dense layers of these widths, each with `activation` but the last, which has `last`.
#[must_use]
pub fn chain(
    rng: &mut Rng,
    widths: &[usize],
    activation: Activation,
    last: Activation,
) -> Vec<Layer> {
    let n = widths.len().saturating_sub(2);
    widths
        .windows(2)
        .enumerate()
        .map(|(i, w)| dense(rng, w[0], w[1], if i < n { activation } else { last }))
        .collect()
}

/// A step that reads `src[start..start + inputs]`.
#[must_use]
pub fn node(
    op: Op,
    src: usize,
    start: usize,
    inputs: usize,
    outputs: usize,
    layers: Vec<Layer>,
) -> Node {
    Node {
        op,
        src,
        start,
        inputs,
        outputs,
        layers,
    }
}

/// An expert on value `src` with dense relu layers of these widths.
#[must_use]
pub fn expert(rng: &mut Rng, src: usize, widths: &[usize]) -> Node {
    let layers = chain(rng, widths, Activation::Relu, Activation::Relu);
    node(
        Op::Expert,
        src,
        0,
        widths[0],
        widths[widths.len() - 1],
        layers,
    )
}

/// A gate of one layer on value `src` of width `inputs`, mixing values of width `outputs`.
#[must_use]
pub fn gate(
    rng: &mut Rng,
    kind: GateKind,
    src: usize,
    inputs: usize,
    sees: Vec<usize>,
    outputs: usize,
) -> Node {
    let layer = match kind {
        GateKind::Constant => Layer::Constant {
            weights: rng.reals(sees.len()),
        },
        _ => dense(rng, inputs, kind.logits(sees.len()), Activation::Linear),
    };
    node(
        Op::Gate {
            kind,
            sees,
            temperature: 1.0,
        },
        src,
        0,
        inputs,
        outputs,
        vec![layer],
    )
}

/// A tower on value `src`: dense relu layers of these widths, the last one linear.
#[must_use]
pub fn tower(rng: &mut Rng, src: usize, widths: &[usize]) -> Node {
    let layers = chain(rng, widths, Activation::Relu, Activation::Linear);
    node(
        Op::Tower,
        src,
        0,
        widths[0],
        widths[widths.len() - 1],
        layers,
    )
}

/// A graph of these steps that keeps the rules.
#[must_use]
pub fn graph(inputs: usize, nodes: Vec<Node>, outputs: &[Output]) -> Graph {
    let tasks = outputs
        .iter()
        .enumerate()
        .map(|(k, output)| Task {
            name: format!("y{k}"),
            output: *output,
        })
        .collect();
    let graph = Graph {
        name: "test".into(),
        version: 7,
        inputs: vec![Input::new("x", inputs)],
        front: None,
        feature_names: Vec::new(),
        nodes,
        tasks,
    };
    graph.check().unwrap();
    graph
}

/// A small MMoE: 5 inputs, 2 experts 5→6→3, 2 gates, a probability and a real number.
#[must_use]
pub fn small(rng: &mut Rng) -> Graph {
    let mut nodes: Vec<Node> = (0..2).map(|_| expert(rng, 0, &[5, 6, 3])).collect();
    nodes.extend((0..2).map(|_| gate(rng, GateKind::Softmax, 0, 5, vec![1, 2], 3)));
    nodes.extend((0..2).map(|k| tower(rng, 3 + k, &[3, 4, 1])));
    graph(
        5,
        nodes,
        &[Output::Sigmoid { value: 5 }, Output::Linear { value: 6 }],
    )
}

/// The blob of a graph.
#[must_use]
pub fn blob(graph: &Graph, conversion: impl Into<Conversion>) -> BlobBytes {
    conversion.into().run(graph).unwrap().bytes()
}

/// The blob of a header and of weights that need not belong together.
#[must_use]
pub fn assembled(header: &Header, weights: &[u8]) -> BlobBytes {
    Blob {
        header: header.clone(),
        weights: weights.to_vec(),
    }
    .bytes()
}

/// Of each gate, whether an output depends on it: the engine leaves out the others.
#[must_use]
pub fn gates_read(graph: &Graph) -> Vec<bool> {
    let mut values = vec![false; graph.nodes.len() + 1];
    let mut gates = Vec::new();
    for (at, node) in graph.nodes.iter().enumerate().rev() {
        if node.op == Op::Tower || values[at + 1] {
            values[node.src] = true;
            if let Op::Gate { sees, .. } = &node.op {
                sees.iter().for_each(|v| values[*v] = true);
            }
        }
        if let Op::Gate { .. } = node.op {
            gates.push(values[at + 1]);
        }
    }
    gates.reverse();
    gates
}

/// Whether a number is what an f64 evaluation says, within 1e-5 of the larger of 1 and itself.
#[track_caller]
pub fn close(what: &str, found: f32, wanted: f64) {
    let bound = 1e-5 * wanted.abs().max(1.0);
    assert!(
        (f64::from(found) - wanted).abs() <= bound,
        "{what}: {found} instead of {wanted}"
    );
}
