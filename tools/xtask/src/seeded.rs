//! Models of well-known shapes with seeded weights, for measuring: work and size do not depend on
//! the values.

use firmware_models::Rng;
use mmoe_tools::graph::{
    Activation, Dense, GateKind, Graph, Input, Layer, Node, Normalization, Op, Output, Task,
};

/// A dense layer whose outputs stay about as large as its inputs.
fn dense(rng: &mut Rng, inputs: usize, outputs: usize, activation: Activation) -> Layer {
    let bound = (1.5 / inputs as f32).sqrt();
    let mut draw =
        |n: usize, bound: f32| (0..n).map(|_| rng.feature() * bound).collect::<Vec<f32>>();
    let (weight, bias) = (draw(inputs * outputs, bound), draw(outputs, 0.1));
    Layer::Dense(Dense {
        name: String::new(),
        inputs,
        outputs,
        weight,
        bias,
        activation,
    })
}

/// Layers of these widths: relu, and then `last`.
fn chain(rng: &mut Rng, widths: &[usize], last: Activation) -> Vec<Layer> {
    let n = widths.len().saturating_sub(1);
    let pairs = widths.windows(2).enumerate();
    pairs
        .map(|(i, w)| {
            dense(
                rng,
                w[0],
                w[1],
                if i + 1 == n { last } else { Activation::Relu },
            )
        })
        .collect()
}

fn node(op: Op, src: usize, inputs: usize, outputs: usize, layers: Vec<Layer>) -> Node {
    Node {
        op,
        src,
        start: 0,
        inputs,
        outputs,
        layers,
    }
}

fn graph(name: &str, inputs: usize, nodes: Vec<Node>, tasks: Vec<Task>) -> Graph {
    // The range of the seeded rows.
    let input = Input {
        min: Some(-2.0),
        max: Some(2.0),
        ..Input::new("x", inputs)
    };
    Graph {
        name: name.into(),
        version: 0,
        inputs: vec![input],
        front: None,
        feature_names: Vec::new(),
        nodes,
        tasks,
    }
}

/// An MMoE of equal experts and gates of one layer.
pub(crate) struct Mmoe {
    pub(crate) name: &'static str,
    pub(crate) inputs: usize,
    pub(crate) experts: usize,
    /// Widths of an expert's layers.
    pub(crate) expert: &'static [usize],
    pub(crate) gate: GateKind,
    /// Widths of a tower's layers.
    pub(crate) tower: &'static [usize],
    /// Two tasks.
    pub(crate) output: fn(usize) -> Output,
}

impl Mmoe {
    /// With weights seeded by the number of inputs.
    pub(crate) fn graph(&self) -> Graph {
        let rng = &mut Rng::new(self.inputs as u32);
        let widths = |from: usize, then: &[usize]| [&[from], then].concat();
        let wide = *self.expert.last().unwrap_or(&self.inputs);
        let mut nodes: Vec<Node> = (0..self.experts)
            .map(|_| {
                node(
                    Op::Expert,
                    0,
                    self.inputs,
                    wide,
                    chain(rng, &widths(self.inputs, self.expert), Activation::Relu),
                )
            })
            .collect();
        for _ in 0..2 {
            let op = Op::Gate {
                kind: self.gate,
                sees: (1..=self.experts).collect(),
                temperature: 1.0,
            };
            nodes.push(node(
                op,
                0,
                self.inputs,
                wide,
                chain(
                    rng,
                    &[self.inputs, self.gate.logits(self.experts)],
                    Activation::Linear,
                ),
            ));
        }
        for k in 0..2 {
            let outputs = *self.tower.last().unwrap_or(&wide);
            nodes.push(node(
                Op::Tower,
                self.experts + 1 + k,
                wide,
                outputs,
                chain(rng, &widths(wide, self.tower), Activation::Linear),
            ));
        }
        let task = |name: &str, k| Task {
            name: name.into(),
            output: (self.output)(self.experts + 3 + k),
        };
        graph(
            self.name,
            self.inputs,
            nodes,
            vec![task("a", 0), task("b", 1)],
        )
    }
}

fn linear(value: usize) -> Output {
    Output::Linear { value }
}

/// 499 inputs, 8 experts 499→4, 2 gates, towers 4→8→2.
pub(crate) fn census() -> Graph {
    let output = |value| Output::Softmax { value };
    Mmoe {
        name: "census",
        inputs: 499,
        experts: 8,
        expert: &[4],
        gate: GateKind::Softmax,
        tower: &[8, 2],
        output,
    }
    .graph()
}

/// The same on 11 numbers and 29 one-hot fields, of which each becomes a code.
pub(crate) fn census_codes() -> Graph {
    let mut graph = census();
    graph.name = "census-codes".into();
    let numbers = Input {
        count: 11,
        ..graph.inputs[0].clone()
    };
    let fields = (0..29).map(|n| Input::one_hot("field", if n < 24 { 17 } else { 16 }));
    graph.inputs = std::iter::once(numbers).chain(fields).collect();
    graph
}

/// 16 inputs, 3 experts 16→8, 2 gates, towers 8→4→1.
pub(crate) fn small() -> Graph {
    Mmoe {
        name: "small",
        inputs: 16,
        experts: 3,
        expert: &[8],
        gate: GateKind::Softmax,
        tower: &[4, 1],
        output: linear,
    }
    .graph()
}

/// The shape of `keras-hub-recsys`: 100 inputs, 8 experts 100→16, 2 gates, towers 16→8→1.
pub(crate) fn recsys(name: &'static str, gate: GateKind) -> Graph {
    Mmoe {
        name,
        inputs: 100,
        experts: 8,
        expert: &[16],
        gate,
        tower: &[8, 1],
        output: linear,
    }
    .graph()
}

/// A deeper one: 8 experts 100→64→32, towers 32→16→1.
pub(crate) fn deep(name: &'static str, gate: GateKind) -> Graph {
    Mmoe {
        name,
        inputs: 100,
        experts: 8,
        expert: &[64, 32],
        gate,
        tower: &[16, 1],
        output: linear,
    }
    .graph()
}

/// Every activation, every norm and both kinds of Dice once: 16 inputs, 2 experts, 2 gates; two
/// numbers and a probability.
pub(crate) fn curved() -> Graph {
    let rng = &mut Rng::new(77);
    let mut draw = |n: usize, around: f32| -> Vec<f32> {
        (0..n).map(|_| around + 0.25 * rng.feature()).collect()
    };
    let mut norm = |by, n: usize| Layer::Norm {
        by,
        gain: draw(n, 1.0),
        bias: draw(n, 0.0),
        epsilon: 1e-3,
    };
    let groups = [(); 2].map(|()| norm(Normalization::Layer { groups: 2 }, 8));
    let rms = [(); 2].map(|()| norm(Normalization::Rms, 6));
    let unit = norm(Normalization::Unit, 4);
    let dice = [(); 2].map(|()| Layer::Dice {
        gain: draw(6, 1.5),
        bias: draw(6, 0.0),
        alpha: draw(6, 0.25),
    });
    let rng = &mut Rng::new(78);
    let elu = Activation::Elu {
        depth: 1.7,
        rate: 1.0,
        slope: 1.05,
    };
    let mut nodes = Vec::new();
    for ((group, rms), dice) in groups.into_iter().zip(rms).zip(dice) {
        let silu = Activation::Silu { rate: 1.2 };
        let layers = vec![
            dense(rng, 16, 8, Activation::Gelu),
            group,
            Layer::Pointwise {
                activation: silu,
                width: 8,
            },
            dense(rng, 8, 6, Activation::Softsign),
            rms,
            dice,
            dense(rng, 6, 4, elu),
        ];
        nodes.push(node(Op::Expert, 0, 16, 4, layers));
    }
    for _ in 0..2 {
        let op = Op::Gate {
            kind: GateKind::Softmax,
            sees: vec![1, 2],
            temperature: 1.0,
        };
        let layers = vec![
            dense(rng, 16, 3, Activation::Mish),
            dense(rng, 3, 2, Activation::Linear),
        ];
        nodes.push(node(op, 0, 16, 4, layers));
    }
    let row_dice = Layer::RowDice {
        width: 5,
        alpha: 0.25,
        epsilon: 5e-3,
    };
    let first = vec![
        unit,
        dense(rng, 4, 5, Activation::HardSwish),
        row_dice,
        dense(rng, 5, 2, Activation::Exp),
    ];
    let clip = Activation::Clip {
        low: -0.5,
        high: 1.0,
    };
    let second = vec![
        dense(rng, 4, 3, clip),
        dense(rng, 3, 3, Activation::Softplus { rate: 2.0 }),
        dense(rng, 3, 3, Activation::GeluTanh),
        dense(rng, 3, 1, Activation::Linear),
    ];
    nodes.push(node(Op::Tower, 3, 4, 2, first));
    nodes.push(node(Op::Tower, 4, 4, 1, second));
    let task = |name: &str, output| Task {
        name: name.into(),
        output,
    };
    let tasks = vec![
        task("numbers", Output::Linear { value: 5 }),
        task("chance", Output::Sigmoid { value: 6 }),
    ];
    graph("curved", 16, nodes, tasks)
}

/// MLPerf Tiny's anomaly autoencoder: one expert 640→128×4→8→128×4→640 and no layers after it.
pub(crate) fn autoencoder() -> Graph {
    let rng = &mut Rng::new(640);
    let layers = chain(
        rng,
        &[640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640],
        Activation::Linear,
    );
    let nodes = vec![
        node(Op::Expert, 0, 640, 640, layers),
        node(Op::Tower, 1, 640, 640, Vec::new()),
    ];
    graph(
        "autoencoder",
        640,
        nodes,
        vec![Task {
            name: "y".into(),
            output: Output::Linear { value: 2 },
        }],
    )
}
