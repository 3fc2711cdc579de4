//! Every rule of the wiring, broken once.

use mmoe_tools::graph::{
    Activation, Dense, GateKind, Graph, Input, Layer, Node, Normalization, Op, Output, Task,
};

fn dense(inputs: usize, outputs: usize) -> Layer {
    let weight = vec![0.5; inputs * outputs];
    Layer::Dense(Dense {
        name: format!("w{inputs}x{outputs}"),
        inputs,
        outputs,
        weight,
        bias: vec![0.0; outputs],
        activation: Activation::Linear,
    })
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

fn gate(sees: &[usize], kind: GateKind) -> Op {
    Op::Gate {
        kind,
        sees: sees.to_vec(),
        temperature: 1.0,
    }
}

/// Two experts, two gates, two towers and the product of their probabilities.
fn valid() -> Graph {
    let softmax = || gate(&[1, 2], GateKind::Softmax);
    Graph {
        name: "m".into(),
        version: 0,
        inputs: vec![Input::new("x", 3)],
        front: None,
        feature_names: Vec::new(),
        nodes: vec![
            node(Op::Expert, 0, 3, 4, vec![dense(3, 4)]),
            node(Op::Expert, 0, 3, 4, vec![dense(3, 5), dense(5, 4)]),
            node(softmax(), 0, 3, 4, vec![dense(3, 2)]),
            node(softmax(), 0, 3, 4, vec![dense(3, 2)]),
            node(Op::Tower, 3, 4, 1, vec![dense(4, 1)]),
            node(Op::Tower, 4, 4, 1, vec![dense(4, 1)]),
        ],
        tasks: vec![
            Task {
                name: "a".into(),
                output: Output::Sigmoid { value: 5 },
            },
            Task {
                name: "b".into(),
                output: Output::Sigmoid { value: 6 },
            },
            Task {
                name: "ab".into(),
                output: Output::Product { a: 0, b: 1 },
            },
        ],
    }
}

fn sees(g: &mut Graph, values: &[usize], kind: GateKind) {
    g.nodes[2].op = gate(values, kind);
}

/// Gates of one level over experts of unlike widths.
fn narrow_second_level(g: &mut Graph) {
    (g.nodes[1].outputs, g.nodes[1].layers[1]) = (3, dense(5, 3));
    (g.nodes[2].op, g.nodes[2].layers) = (gate(&[1], GateKind::Softmax), vec![dense(3, 1)]);
    (g.nodes[3].op, g.nodes[3].layers, g.nodes[3].outputs) =
        (gate(&[2], GateKind::Softmax), vec![dense(3, 1)], 3);
}

fn one_expert(g: &mut Graph) {
    (g.nodes[2].op, g.nodes[2].layers) =
        (gate(&[1], GateKind::DSelectK { k: 1 }), vec![dense(3, 1)]);
}

/// The product of `a` with itself, before `b`.
fn product_first(g: &mut Graph) {
    g.tasks[2].output = Output::Product { a: 0, b: 0 };
    g.tasks.swap(1, 2);
}

fn first_dense(g: &mut Graph, n: usize) -> &mut Dense {
    match &mut g.nodes[n].layers[0] {
        Layer::Dense(d) => d,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_valid_graph_passes() {
    valid().check().unwrap();
}

#[test]
fn every_rule_has_its_error() {
    type Break = fn(&mut Graph);
    let cases: &[(Break, &str)] = &[
        (|g| g.tasks[1].name = "a".into(), "two tasks are called `a`"),
        (|g| g.tasks[1].name.clear(), "a task has an empty name"),
        (|g| g.tasks.clear(), "the model has 0 tasks"),
        (
            |g| {
                g.tasks = (0..65)
                    .map(|t| Task {
                        name: format!("t{t}"),
                        output: Output::Linear { value: 5 },
                    })
                    .collect()
            },
            "the model has 65 tasks",
        ),
        (
            |g| g.nodes = vec![g.nodes[0].clone(); 255],
            "the model has 256 values",
        ),
        (|g| g.inputs.clear(), "the input: its width is 0"),
        (
            |g| g.inputs[0].count = 70_000,
            "the input: its width is 70000",
        ),
        (
            |g| g.inputs[0].mean = Some(f64::NAN),
            "input `x`: min, max, mean and std must be finite",
        ),
        (
            |g| g.inputs[0].std = Some(0.0),
            "input `x`: std must be above 0",
        ),
        (
            |g| (g.inputs[0].min, g.inputs[0].max) = (Some(2.0), Some(1.0)),
            "input `x`: min is above max",
        ),
        (
            |g| g.feature_names = vec!["one".into()],
            "there are 1 feature names for 3 features",
        ),
        (|g| g.nodes[0].outputs = 0, "expert 0: its width is 0"),
        (
            |g| g.nodes[0].outputs = 5,
            "expert 0: its layers make 4 values, its width is 5",
        ),
        (
            |g| g.nodes[2].src = 6,
            "gate 0 reads value 6, which is made later",
        ),
        (
            |g| (g.nodes[4].src, g.nodes[4].inputs) = (1, 4),
            "tower 0 reads value 1, which it may not",
        ),
        (
            |g| (g.nodes[2].src, g.nodes[2].inputs) = (1, 4),
            "gate 0 reads value 1, which it may not",
        ),
        (|g| g.nodes.swap(0, 3), "gate 0 stands in the wrong place"),
        (
            |g| g.nodes.insert(5, g.nodes[0].clone()),
            "expert 2 stands in the wrong place",
        ),
        (
            |g| g.nodes[1].start = 1,
            "expert 1 reads elements 1 to 4 of value 0, which has 3",
        ),
        (|g| g.nodes[1].inputs = 0, "expert 1 reads elements 0 to 0"),
        (
            |g| g.nodes[1].layers[1] = dense(6, 4),
            "expert 1, layer 1 (`w6x4`): it takes 6 values, the step before it makes 5",
        ),
        (
            |g| first_dense(g, 0).weight.truncate(11),
            "expert 0, layer 0 (`w3x4`): 11 numbers where 3 inputs and 4 outputs need 12",
        ),
        (
            |g| first_dense(g, 0).weight[3] = f32::NAN,
            "expert 0, layer 0 (`w3x4`): it holds NaN or an infinity",
        ),
        (
            |g| first_dense(g, 4).bias[0] = f32::INFINITY,
            "tower 0, layer 0 (`w4x1`): it holds NaN or an infinity",
        ),
        (
            |g| {
                g.nodes[0].layers.push(Layer::Affine {
                    gain: vec![1.0; 4],
                    bias: vec![0.0; 3],
                })
            },
            "expert 0, layer 1: 3 numbers",
        ),
        (
            |g| {
                g.nodes[0].layers.push(Layer::Norm {
                    by: Normalization::Rms,
                    gain: vec![1.0; 4],
                    bias: vec![0.0; 4],
                    epsilon: f32::NAN,
                })
            },
            "expert 0, layer 1: a number of its activation or norm is outside",
        ),
        (
            |g| {
                g.nodes[0].layers.push(Layer::Norm {
                    by: Normalization::Layer { groups: 3 },
                    gain: vec![1.0; 4],
                    bias: vec![0.0; 4],
                    epsilon: 1e-3,
                })
            },
            "expert 0, layer 1: 3 groups of 4 units",
        ),
        (
            |g| first_dense(g, 0).activation = Activation::Silu { rate: 0.0 },
            "expert 0, layer 0: a number of its activation or norm is outside",
        ),
        (
            |g| {
                first_dense(g, 0).activation = Activation::Clip {
                    low: 1.0,
                    high: 0.0,
                }
            },
            "expert 0, layer 0: a number of its activation or norm is outside",
        ),
        (
            |g| first_dense(g, 2).activation = Activation::Relu,
            "gate 0 does not end in a dense layer without activation",
        ),
        (
            |g| first_dense(g, 5).activation = Activation::Tanh,
            "tower 1 does not end in a dense layer without activation",
        ),
        (
            |g| g.nodes[5].layers.push(Layer::PRelu { slope: vec![0.5] }),
            "tower 1 does not end in a dense layer",
        ),
        (
            |g| (g.nodes[2].layers, g.nodes[2].inputs) = (vec![], 2),
            "gate 0 does not end in a dense layer",
        ),
        (
            |g| narrow_second_level(g),
            "gate 1 makes 3 values and gate 0 of its level makes 4: what one level hands on is \
             equally wide",
        ),
        (
            |g| one_expert(g),
            "gate 0: DSelect-k over one expert has nothing to select",
        ),
        (|g| sees(g, &[], GateKind::Softmax), "gate 0 sees no expert"),
        (
            |g| sees(g, &[2, 1], GateKind::Softmax),
            "gate 0 sees value 1, which is no expert of its level (in ascending order",
        ),
        (
            |g| sees(g, &[1, 3], GateKind::Softmax),
            "gate 0 sees value 3, which is no expert of its level",
        ),
        (
            |g| sees(g, &(1..140).collect::<Vec<_>>(), GateKind::Softmax),
            "gate 0 sees 139 experts, possible are 128",
        ),
        (
            |g| sees(g, &[1], GateKind::Softmax),
            "gate 0: its layers make 2 logits, its experts and kind need 1",
        ),
        (
            |g| sees(g, &[1, 2], GateKind::DSelectK { k: 2 }),
            "gate 0: its layers make 2 logits, its experts and kind need 4",
        ),
        (
            |g| {
                sees(
                    g,
                    &[1, 2],
                    GateKind::TopK {
                        k: 0,
                        renormalise: true,
                    },
                )
            },
            "gate 0: k = 0 with 2 experts",
        ),
        (
            |g| sees(g, &[1, 2], GateKind::DSelectK { k: 3 }),
            "gate 0: k = 3 with 2 experts",
        ),
        (
            |g| sees(g, &[1, 2], GateKind::Constant),
            "gate 0: a constant gate has one layer",
        ),
        (
            |g| {
                g.nodes[2].layers = vec![Layer::Constant {
                    weights: vec![0.5; 2],
                }]
            },
            "gate 0: a constant gate has one layer",
        ),
        (
            |g| (g.nodes[1].outputs, g.nodes[1].layers[1]) = (3, dense(5, 3)),
            "gate 0 mixes experts of different widths (4 and 3)",
        ),
        (
            |g| g.nodes[2].outputs = 3,
            "gate 0: its layers make 4 values, its width is 3",
        ),
        (
            |g| g.tasks[0].output = Output::Sigmoid { value: 3 },
            "task `a` reads value 3, which is not a tower",
        ),
        (|g| g.tasks.swap(0, 1), "task `b` does not read tower 0"),
        (
            |g| g.tasks.truncate(1),
            "there are 2 towers and 1 tasks that need one",
        ),
        (
            |g| g.tasks[0].output = Output::Softmax { value: 5 },
            "task `a`: a softmax needs width 2 or more, its tower makes 1",
        ),
        (
            |g| (g.nodes[4].outputs, g.nodes[4].layers[0]) = (2, dense(4, 2)),
            "task `a`: a sigmoid needs width 1, its tower makes 2",
        ),
        (
            |g| g.tasks[2].output = Output::Product { a: 0, b: 2 },
            "task `ab` multiplies task 2, which must be a sigmoid task that stands before it",
        ),
        (
            |g| g.tasks[1].output = Output::Linear { value: 6 },
            "task `ab` multiplies task 1",
        ),
        (
            |g| {
                g.tasks.push(Task {
                    name: "abb".into(),
                    output: Output::Product { a: 2, b: 1 },
                })
            },
            "task `abb` multiplies task 2, which must be a sigmoid task",
        ),
        (
            |g| product_first(g),
            "task `b` stands behind a product: list the tasks with towers first",
        ),
        (
            |g| {
                (g.nodes[4].layers, g.nodes[4].outputs, g.tasks[0].output) =
                    (vec![], 4, Output::Softmax { value: 5 })
            },
            "task `a`: a softmax of a tower without layers",
        ),
    ];
    for (i, (break_it, says)) in cases.iter().enumerate() {
        let mut graph = valid();
        break_it(&mut graph);
        let error = graph
            .check()
            .err()
            .map_or_else(|| "no error".into(), |e| e.to_string());
        assert!(error.contains(says), "case {i}: no `{says}` in: {error}");
    }
}

#[test]
fn only_towers_read_a_level_without_gates() {
    let mut g = valid();
    g.nodes = vec![
        node(Op::Expert, 0, 3, 4, vec![dense(3, 4)]),
        node(Op::Expert, 0, 3, 4, vec![dense(3, 4)]),
        node(Op::Tower, 2, 4, 1, vec![dense(4, 1)]),
        node(Op::Tower, 0, 3, 1, vec![dense(3, 1)]),
    ];
    g.tasks[0].output = Output::Sigmoid { value: 3 };
    g.tasks[1].output = Output::Sigmoid { value: 4 };
    g.check().unwrap();
    (g.nodes[1].src, g.nodes[1].inputs, g.nodes[1].layers[0]) = (1, 4, dense(4, 4));
    assert!(
        g.check()
            .unwrap_err()
            .to_string()
            .contains("expert 1 reads value 1, which it may not")
    );
    (
        g.nodes[1].src,
        g.nodes[1].inputs,
        g.nodes[1].outputs,
        g.nodes[1].layers[0],
    ) = (0, 3, 3, dense(3, 3));
    (g.nodes[2].inputs, g.nodes[2].layers[0]) = (3, dense(3, 1));
    assert!(
        g.check()
            .unwrap_err()
            .to_string()
            .contains("expert 1 makes 3 values and expert 0 of its level makes 4")
    );
}

/// 64 experts and a gate: what it may see beyond the 32nd.
#[test]
fn a_gate_of_many_experts_sees_two_runs_of_them() {
    let of = |seen: &[usize], gates: usize| {
        let mut g = valid();
        let mut nodes = vec![node(Op::Expert, 0, 3, 4, vec![dense(3, 4)]); 64];
        let mixing = node(
            gate(seen, GateKind::Softmax),
            0,
            3,
            4,
            vec![dense(3, seen.len())],
        );
        nodes.extend(vec![mixing; gates]);
        nodes.push(node(Op::Tower, 65, 4, 1, vec![dense(4, 1)]));
        g.tasks.truncate(1);
        g.tasks[0].output = Output::Sigmoid { value: nodes.len() };
        g.nodes = nodes;
        g.check().map_err(|e| e.to_string())
    };
    // Within the first 32 any of them, beyond only neighbours.
    assert_eq!(of(&[1, 3, 5, 32], 1), Ok(()));
    assert_eq!(of(&[1, 2, 33], 1), Ok(()));
    assert_eq!(of(&(1..=64).collect::<Vec<_>>(), 64), Ok(()));
    let error = of(&[1, 3, 5, 33], 1).unwrap_err();
    assert!(error.contains("2 runs of neighbours, not 4"), "{error}");
    let error = of(&[1], 65).unwrap_err();
    assert!(error.contains("gate 64 is one more than the 64"), "{error}");
}
