//! Seeded graphs, their blobs, and buffers that lie where blobs must.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "a module of several tests, each of which uses its part"
)]

pub mod integer;

use mmoe_tools::blob::Blob;
use mmoe_tools::blob::message::Header;
use mmoe_tools::convert::Conversion;
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::{Activation, Dense, GateKind, Graph, Input, Layer, Node, Op, Output, Task};

/// A 64-bit xorshift generator with a multiplication at the end (Vigna's xorshift64*).
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }
    /// 0 to `n` − 1.
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n as u64) as usize
    }
    /// `low` to `high`, both included.
    pub fn within(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high - low + 1)
    }
    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
    /// −1 to 1.
    pub fn real(&mut self) -> f32 {
        (self.bits() & 0xff_ffff) as f32 / (1 << 23) as f32 - 1.0
    }
    /// Roughly normal.
    pub fn normal(&mut self) -> f32 {
        (0..6).map(|_| self.real()).sum::<f32>() * 0.707
    }
    pub fn activation(&mut self) -> Activation {
        let slope = 0.5 * self.real();
        self.pick(&[
            Activation::Linear,
            Activation::Relu,
            Activation::Relu,
            Activation::LeakyRelu { slope },
            Activation::Sigmoid,
            Activation::Tanh,
        ])
    }
    pub fn reals(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.real()).collect()
    }
    /// Features of −2 to 2.
    pub fn row(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| 2.0 * self.real()).collect()
    }
}

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

pub fn affine(rng: &mut Rng, n: usize) -> Layer {
    Layer::Affine {
        gain: rng.reals(n),
        bias: rng.reals(n),
    }
}

pub fn prelu(rng: &mut Rng, n: usize) -> Layer {
    Layer::PRelu {
        slope: rng.reals(n),
    }
}

pub fn layer_norm(rng: &mut Rng, n: usize) -> Layer {
    Layer::LayerNorm {
        gain: rng.reals(n),
        bias: rng.reals(n),
        epsilon: 1e-3,
    }
}

/// Dense layers of these widths, each with `activation` but the last, which has `last`.
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
        feature_names: Vec::new(),
        nodes,
        tasks,
    };
    graph.check().unwrap();
    graph
}

/// A small MMoE: 5 inputs, 2 experts 5→6→3, 2 gates, a probability and a real number.
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
pub fn blob(graph: &Graph, conversion: impl Into<Conversion>) -> BlobBytes {
    conversion.into().run(graph).unwrap().bytes()
}

/// The blob of a header and of weights that need not belong together.
pub fn assembled(header: &Header, weights: &[u8]) -> BlobBytes {
    Blob {
        header: header.clone(),
        weights: weights.to_vec(),
    }
    .bytes()
}

/// Of each gate, whether an output depends on it: the engine leaves out the others.
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
