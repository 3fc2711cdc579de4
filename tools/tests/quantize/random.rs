//! Seeded random models of every wiring, gate and layer, with declared inputs, and rows.

use mmoe_tools::blob::encode::Packing;
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::{Activation, Dense, GateKind, Graph, Input, Layer, Node, Op, Output, Task};
use mmoe_tools::pack;
use mmoe_tools::quantize::Quantized;
use testkit::{Rng, graphs};

pub(crate) fn dense(r: &mut Rng, inputs: usize, outputs: usize, activation: Activation) -> Layer {
    // Mostly as training leaves them; now and then far too small or too large, or with rows of
    // zeros.
    let scale = r.pick(&[1.0, 1.0, 1.0, 1.0, 1.0, 1e-3, 30.0]) * 1.7 / (inputs as f32).sqrt();
    let mut weight: Vec<f32> = (0..inputs * outputs).map(|_| r.real() * scale).collect();
    if r.one_in(6) {
        weight[..inputs].fill(0.0);
    }
    if r.one_in(6) {
        weight[inputs * (outputs - 1)..]
            .iter_mut()
            .for_each(|w| *w *= 1e-6);
    }
    let bias = (0..outputs).map(|_| r.real() * 0.5).collect();
    Layer::Dense(Dense {
        name: String::new(),
        inputs,
        outputs,
        weight,
        bias,
        activation,
    })
}

fn per_unit(r: &mut Rng, n: usize) -> Layer {
    let kind = r.below(4);
    let mut v = || (0..n).map(|_| 1.5 * r.real()).collect();
    let (gain, bias) = (v(), v());
    match kind {
        0 => Layer::Affine { gain, bias },
        1 => Layer::PRelu { slope: gain },
        2 => Layer::Dice {
            alpha: v(),
            gain,
            bias,
        },
        _ => graphs::row_dice(r, n),
    }
}

/// What has a scale of its own.
fn scaled(r: &mut Rng, n: usize) -> Layer {
    match r.below(3) {
        0 => Layer::Pointwise {
            activation: r.curve(),
            width: n,
        },
        _ => graphs::any_norm(r, n),
    }
}

fn hidden(r: &mut Rng, inputs: usize, most: usize) -> (Vec<Layer>, usize) {
    let (mut layers, mut width) = (vec![], inputs);
    for _ in 0..r.within(0, most) {
        if r.one_in(4) {
            layers.push(per_unit(r, width));
        } else if r.one_in(4) {
            layers.push(scaled(r, width));
        } else {
            let (next, act) = (r.within(1, 21), r.activation());
            layers.push(dense(r, width, next, act));
            width = next;
        }
    }
    (layers, width)
}

/// A value that a step may read, and the part of it that it reads.
fn source(r: &mut Rng, readable: &[(usize, usize)]) -> (usize, usize, usize) {
    let (value, width) = r.pick(readable);
    let inputs = if r.one_in(3) {
        r.within(1, width)
    } else {
        width
    };
    (value, r.within(0, width - inputs), inputs)
}

/// Sigmoid and tanh have a scale of their own, which experts of other kinds beside them can rarely
/// share.
fn expert(r: &mut Rng, readable: &[(usize, usize)], width: usize, squashes: bool) -> Node {
    let (src, start, inputs) = source(r, readable);
    if inputs == width && !squashes && r.one_in(4) {
        return Node {
            op: Op::Expert,
            src,
            start,
            inputs,
            outputs: width,
            layers: vec![],
        };
    }
    let (mut layers, have) = hidden(r, inputs, 2);
    let mut act = r.activation();
    while matches!(act, Activation::Sigmoid | Activation::Tanh) != squashes {
        act = r.activation();
    }
    layers.push(dense(r, have, width, act));
    if !squashes && r.one_in(4) {
        layers.push(per_unit(r, width));
    }
    Node {
        op: Op::Expert,
        src,
        start,
        inputs,
        outputs: width,
        layers,
    }
}

fn gate(
    r: &mut Rng,
    readable: &[(usize, usize)],
    experts: std::ops::Range<usize>,
    width: usize,
) -> Node {
    let mut sees: Vec<usize> = experts.clone().filter(|_| !r.one_in(3)).collect();
    if sees.is_empty() {
        sees = experts.collect();
    }
    let k = r.within(1, sees.len());
    let mut kinds = vec![
        GateKind::Softmax,
        GateKind::Softmax,
        GateKind::Sigmoid,
        GateKind::Hard,
        GateKind::Constant,
    ];
    kinds.extend([true, false].map(|renormalise| GateKind::TopK { k, renormalise }));
    if sees.len() > 1 {
        kinds.push(GateKind::DSelectK { k });
    }
    let kind = r.pick(&kinds);
    let (src, start, inputs) = source(r, readable);
    let layers = if kind == GateKind::Constant {
        vec![Layer::Constant {
            weights: sees.iter().map(|_| r.real().abs()).collect(),
        }]
    } else {
        let (mut layers, have) = hidden(r, inputs, 1);
        layers.push(dense(r, have, kind.logits(sees.len()), Activation::Linear));
        layers
    };
    Node {
        op: Op::Gate {
            kind,
            sees,
            temperature: 1.0,
        },
        src,
        start,
        inputs,
        outputs: width,
        layers,
    }
}

/// Up to 3 levels and 5 towers, declared input ranges of unlike sizes.
pub(crate) fn graph(r: &mut Rng) -> Graph {
    let inputs = r.within(1, 24);
    let mut readable = vec![(0, inputs)];
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..r.within(0, 3) {
        let width = r.within(1, 18);
        let first = nodes.len() + 1;
        let squashes = r.one_in(3);
        for _ in 0..r.within(1, 6) {
            nodes.push(expert(r, &readable, width, squashes));
        }
        let experts = first..nodes.len() + 1;
        // Without gates the next run of experts would belong to this level.
        if r.one_in(5) {
            readable = experts.map(|v| (v, width)).chain([(0, inputs)]).collect();
            break;
        }
        for _ in 0..r.within(1, 4) {
            nodes.push(gate(r, &readable, experts.clone(), width));
        }
        readable = (experts.end..nodes.len() + 1)
            .map(|v| (v, width))
            .chain([(0, inputs)])
            .collect();
    }
    let mut outputs = Vec::new();
    for _ in 0..r.within(1, 5) {
        let (src, start, inputs) = source(r, &readable);
        let value = nodes.len() + 1;
        // At least one layer in all: a model without any counts as a float model.
        if r.one_in(5) && !nodes.iter().all(|n| n.layers.is_empty()) {
            nodes.push(Node {
                op: Op::Tower,
                src,
                start,
                inputs,
                outputs: inputs,
                layers: vec![],
            });
            outputs.push(Output::Linear { value });
            continue;
        }
        let (mut layers, have) = hidden(r, inputs, 2);
        let (width, output) = r.pick(&[
            (1, Output::Sigmoid { value }),
            (1, Output::Linear { value }),
            (3, Output::Linear { value }),
            (4, Output::Softmax { value }),
        ]);
        // A linear task's tower may end in activations.
        let ends = matches!(output, Output::Linear { .. }) && r.one_in(2);
        let last = if ends {
            r.activation()
        } else {
            Activation::Linear
        };
        layers.push(dense(r, have, width, last));
        nodes.push(Node {
            op: Op::Tower,
            src,
            start,
            inputs,
            outputs: width,
            layers,
        });
        outputs.push(output);
    }
    let probabilities: Vec<usize> = (0..outputs.len())
        .filter(|k| matches!(outputs[*k], Output::Sigmoid { .. }))
        .collect();
    if !probabilities.is_empty() && r.one_in(2) {
        outputs.push(Output::Product {
            a: r.pick(&probabilities),
            b: r.pick(&probabilities),
        });
    }
    let input = |i| {
        let size = f64::from(r.pick(&[1.0f32, 1.0, 0.1, 7.0]));
        let mean = r.one_in(3).then(|| f64::from(r.real()) * size);
        let std = r.one_in(3).then_some(size);
        let low = f64::from(r.real()).mul_add(size, -size)
            + f64::from(u8::from(r.one_in(4))) * 3.0 * size;
        Input {
            name: format!("x{i}"),
            count: 1,
            min: Some(low),
            max: Some(low + 3.0 * size),
            mean,
            std,
            folded: false,
            codes: None,
        }
    };
    let graph = Graph {
        name: "random".into(),
        version: 1,
        inputs: (0..inputs).map(input).collect(),
        front: None,
        feature_names: vec![],
        nodes,
        tasks: outputs
            .iter()
            .enumerate()
            .map(|(k, output)| Task {
                name: format!("y{k}"),
                output: *output,
            })
            .collect(),
    };
    graph.check().unwrap();
    graph
}

/// Rows within part of the declared ranges.
pub(crate) fn rows(r: &mut Rng, graph: &Graph, n: usize, part: f32) -> Vec<f32> {
    let middle = |i: &Input, t: f32| {
        let (a, b) = (i.min.unwrap() as f32, i.max.unwrap() as f32);
        (a + b) / 2.0 + (b - a) / 2.0 * part * t
    };
    (0..n)
        .flat_map(|_| {
            graph
                .inputs
                .iter()
                .map(|i| middle(i, r.real()))
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Rows at the corners of the declared ranges: random ones, and for every row of the first layers
/// the two that move it furthest.
pub(crate) fn corners(r: &mut Rng, graph: &Graph, random: usize) -> Vec<Vec<f32>> {
    let corner = |high: &mut dyn FnMut(usize) -> bool| -> Vec<f32> {
        graph
            .inputs
            .iter()
            .enumerate()
            .map(|(j, i)| {
                if high(j) {
                    i.max.unwrap() as f32
                } else {
                    i.min.unwrap() as f32
                }
            })
            .collect()
    };
    let mut all: Vec<Vec<f32>> = (0..random).map(|_| corner(&mut |_| r.one_in(2))).collect();
    for n in graph.nodes.iter().filter(|n| n.src == 0) {
        if let Some(Layer::Dense(d)) = n.layers.first() {
            for row in d.weight.chunks(d.inputs) {
                let up = |j: usize| {
                    j.checked_sub(n.start)
                        .and_then(|j| row.get(j))
                        .is_some_and(|w| *w > 0.0)
                };
                all.push(corner(&mut |j| up(j)));
                all.push(corner(&mut |j| !up(j)));
            }
        }
    }
    all
}

pub(crate) fn blob(graph: &Graph, quantized: &Quantized, packing: Packing) -> BlobBytes {
    pack::integer(graph, quantized, packing).bytes()
}
