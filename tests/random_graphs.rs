//! Random graphs of every wiring, gate and layer: the blob's own reader and an f64 evaluation agree
//! on them.

use mmoe::{Dynamic, TaskMask};
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::blob::read;
use mmoe_tools::convert::Precision;
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::{Activation, GateKind, Graph, Layer, Node, Op, Output};
use testkit::Rng;
use testkit::graphs as seeded;
use testkit::graphs::{close, gates_read};
use testkit::integer::{self, Wide};

/// Hidden layers from `inputs` to a width of their own choice; the width too.
fn hidden(r: &mut Rng, inputs: usize, most: usize) -> (Vec<Layer>, usize) {
    let (mut layers, mut width) = (vec![], inputs);
    for _ in 0..r.within(0, most) {
        match r.below(12) {
            0 => layers.push(seeded::affine(r, width)),
            1 => layers.push(seeded::prelu(r, width)),
            2 => layers.push(seeded::any_norm(r, width)),
            3 => layers.push(seeded::pointwise(r, width)),
            4 => layers.push(seeded::dice(r, width)),
            5 => layers.push(seeded::row_dice(r, width)),
            _ => {
                let (next, act) = (r.within(1, 21), r.activation());
                layers.push(seeded::dense(r, width, next, act));
                width = next;
            }
        }
    }
    (layers, width)
}

/// A value that a step may read, and the part of it that it reads.
fn source(r: &mut Rng, readable: &[(usize, usize)]) -> (usize, usize, usize) {
    let (value, width) = r.pick(readable);
    if r.one_in(3) {
        let inputs = r.within(1, width);
        (value, r.within(0, width - inputs), inputs)
    } else {
        (value, 0, width)
    }
}

fn expert(r: &mut Rng, readable: &[(usize, usize)], width: usize) -> Node {
    let (src, start, inputs) = source(r, readable);
    if inputs == width && r.one_in(4) {
        return seeded::node(Op::Expert, src, start, inputs, width, vec![]);
    }
    let (mut layers, have) = hidden(r, inputs, 2);
    let act = r.activation();
    layers.push(seeded::dense(r, have, width, act));
    seeded::node(Op::Expert, src, start, inputs, width, layers)
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
    let mut kind = r.pick(&[
        GateKind::Softmax,
        GateKind::Softmax,
        GateKind::Sigmoid,
        GateKind::Hard,
        GateKind::TopK {
            k,
            renormalise: true,
        },
        GateKind::TopK {
            k,
            renormalise: false,
        },
        GateKind::Constant,
        GateKind::DSelectK { k },
    ]);
    if matches!(kind, GateKind::DSelectK { .. }) && sees.len() < 2 {
        kind = GateKind::Softmax;
    }
    let (src, start, inputs) = source(r, readable);
    if kind == GateKind::Constant {
        let mut node = seeded::gate(r, kind, src, inputs, sees, width);
        node.start = start;
        return node;
    }
    let (mut layers, have) = hidden(r, inputs, 1);
    layers.push(seeded::dense(
        r,
        have,
        kind.logits(sees.len()),
        Activation::Linear,
    ));
    seeded::node(
        Op::Gate {
            kind,
            sees,
            temperature: 1.0,
        },
        src,
        start,
        inputs,
        width,
        layers,
    )
}

/// Up to 3 levels and 5 towers.
fn random(r: &mut Rng) -> Graph {
    let inputs = r.within(1, 24);
    let mut readable = vec![(0, inputs)];
    let mut nodes: Vec<Node> = Vec::new();
    for _ in 0..r.within(0, 3) {
        let width = r.within(1, 18);
        let first = nodes.len() + 1;
        for _ in 0..r.within(1, 6) {
            nodes.push(expert(r, &readable, width));
        }
        let experts = first..nodes.len() + 1;
        let from = if r.one_in(5) {
            first
        } else {
            for _ in 0..r.within(1, 4) {
                nodes.push(gate(r, &readable, experts.clone(), width));
            }
            experts.end
        };
        readable = (from..nodes.len() + 1)
            .map(|v| (v, width))
            .chain([(0, inputs)])
            .collect();
        // Without gates the next run of experts would belong to this level.
        if from == first {
            break;
        }
    }
    let mut outputs = Vec::new();
    for _ in 0..r.within(1, 5) {
        let (src, start, inputs) = source(r, &readable);
        let value = nodes.len() + 1;
        if r.one_in(5) {
            nodes.push(seeded::node(Op::Tower, src, start, inputs, inputs, vec![]));
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
        layers.push(seeded::dense(r, have, width, last));
        nodes.push(seeded::node(Op::Tower, src, start, inputs, width, layers));
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
    seeded::graph(inputs, nodes, &outputs)
}

/// Runs a blob by its records on some rows.
fn each_row(r: &mut Rng, bytes: &BlobBytes, mut check: impl FnMut(&[f32], &[f32], Vec<Vec<f32>>)) {
    let model = Dynamic::load(bytes).unwrap_or_else(|e| panic!("{e}"));
    let mut scratch = vec![0x7fc0_dead; model.scratch_words()];
    let mut y = vec![0.0; model.outputs()];
    for _ in 0..5 {
        let x = r.row(model.inputs());
        model.predict(&x, &mut scratch, &mut y).unwrap();
        let gates = model.gates().enumerate().map(|(g, _)| {
            let mut weights = [0.0; 128];
            let n = model.gate_weights(&scratch, g, &mut weights);
            weights[..n].to_vec()
        });
        check(&x, &y, gates.collect());
        // Task by task, into what is there already: the same bits.
        let mut again = vec![f32::NAN; y.len()];
        for (k, task) in model.tasks().enumerate() {
            model
                .predict_tasks(&x, TaskMask::only(k), &mut scratch, &mut again)
                .unwrap();
            assert!(
                again[task.start + task.width..].iter().all(|y| y.is_nan()),
                "a task that was not asked for changed"
            );
        }
        assert_eq!(
            again.iter().map(|y| y.to_bits()).collect::<Vec<_>>(),
            y.iter().map(|y| y.to_bits()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn a_thousand_float_graphs_are_what_f64_says() {
    let mut r = Rng::new(50);
    for number in 0..1000 {
        let graph = random(&mut r);
        let read = gates_read(&graph);
        for precision in [Precision::F32, Precision::W8] {
            let bytes = seeded::blob(&graph, precision);
            let stored = read::graph(&bytes).unwrap();
            if precision == Precision::F32 {
                assert_eq!(stored.nodes.len(), graph.nodes.len());
            }
            // F32 weights are the graph's own; what int8 ones mean is read back from the bytes.
            let meant = if precision == Precision::F32 {
                &graph
            } else {
                &stored
            };
            each_row(&mut r, &bytes, |x, y, gates| {
                let wanted = evaluate(meant, &x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
                for (i, (y, w)) in y.iter().zip(wanted.tasks.concat()).enumerate() {
                    close(&format!("graph {number}, {precision:?}, output {i}"), *y, w);
                }
                for (g, (gate, w)) in gates.iter().zip(&wanted.gates).enumerate() {
                    assert_eq!(gate.len(), w.len());
                    // A gate whose mixture nobody reads is not computed.
                    for (weight, w) in gate.iter().zip(w) {
                        close(
                            &format!("graph {number}, {precision:?}, gate {g}"),
                            *weight,
                            if read[g] { *w } else { 0.0 },
                        );
                    }
                }
            });
        }
    }
}

/// What integers should give nobody else says yet; they run, the packing does not change a bit, and
/// probabilities are probabilities.
#[test]
fn integer_graphs_give_the_same_in_every_packing() {
    for seed in 0..300 {
        let graph = random(&mut Rng::new(1000 + seed));
        // A model without layers counts as a float model.
        if graph.nodes.iter().all(|n| n.layers.is_empty()) {
            continue;
        }
        let run = |packing| {
            let bytes = integer::blob(&graph, Wide::Heads, packing, &mut Rng::new(seed));
            let mut rows: Vec<Vec<u32>> = Vec::new();
            each_row(&mut Rng::new(seed), &bytes, |_, y, _| {
                for (task, from) in graph.tasks.iter().zip(starts(&graph)) {
                    if matches!(task.output, Output::Sigmoid { .. } | Output::Product { .. }) {
                        assert!((0.0..=1.0).contains(&y[from]));
                    }
                }
                rows.push(y.iter().map(|y| y.to_bits()).collect());
            });
            rows
        };
        let panels = run(Packing::Panels);
        assert_eq!(panels, run(Packing::Quad), "graph {seed}");
        assert_eq!(panels, run(Packing::Pairs), "graph {seed}");
    }
}

/// Where each task's numbers start.
fn starts(graph: &Graph) -> Vec<usize> {
    let mut at = 0;
    let width = |output| match output {
        Output::Linear { value } | Output::Sigmoid { value } | Output::Softmax { value } => {
            graph.width(value)
        }
        Output::Product { .. } => 1,
    };
    graph
        .tasks
        .iter()
        .map(|t| (at, at += width(t.output)).0)
        .collect()
}
