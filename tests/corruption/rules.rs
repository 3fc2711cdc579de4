//! Every rule of the records, broken one at a time.

use super::erased;
use mmoe::LoadError;
use mmoe::blob::{LayerKind, NodeOp, PrecisionKind};
use mmoe_tools::blob::message::{Header, Layer};
use mmoe_tools::blob::read;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::graph::{Activation, GateKind, Graph, Op, Output};
use testkit::Rng;
use testkit::graphs::assembled;
use testkit::graphs::{self as seeded, node};

/// Two levels with every kind of gate, layer and output that integers have too.
pub(super) fn rich() -> Graph {
    let r = &mut Rng::new(4);
    let leaky = Activation::LeakyRelu { slope: 0.1 };
    let mut nodes = vec![
        seeded::expert(r, 0, &[6, 5, 4]),
        node(
            Op::Expert,
            0,
            2,
            3,
            4,
            seeded::chain(r, &[3, 7, 4], Activation::Sigmoid, Activation::Tanh),
        ),
        node(Op::Expert, 0, 1, 4, 4, vec![]),
        node(Op::Expert, 0, 0, 6, 4, {
            let mut layers = seeded::chain(r, &[6, 4], leaky, leaky);
            layers.extend([seeded::affine(r, 4), seeded::prelu(r, 4)]);
            layers
        }),
        seeded::gate(r, GateKind::Softmax, 0, 6, vec![1, 2, 3, 4], 4),
        seeded::gate(
            r,
            GateKind::TopK {
                k: 2,
                renormalise: true,
            },
            0,
            6,
            vec![1, 3, 4],
            4,
        ),
        seeded::gate(r, GateKind::DSelectK { k: 2 }, 0, 6, vec![1, 2, 4], 4),
        seeded::expert(r, 5, &[4, 4]),
        seeded::expert(r, 6, &[4, 3, 4]),
        seeded::gate(r, GateKind::Hard, 7, 4, vec![8, 9], 4),
        seeded::gate(r, GateKind::Sigmoid, 0, 6, vec![8, 9], 4),
        seeded::gate(r, GateKind::Constant, 5, 4, vec![9], 4),
        seeded::gate(
            r,
            GateKind::TopK {
                k: 1,
                renormalise: false,
            },
            6,
            4,
            vec![8, 9],
            4,
        ),
    ];
    nodes.extend([
        seeded::tower(r, 10, &[4, 3, 1]),
        seeded::tower(r, 11, &[4, 1]),
        node(Op::Tower, 12, 0, 4, 4, vec![]),
        seeded::tower(r, 13, &[4, 3]),
    ]);
    let outputs = [
        Output::Sigmoid { value: 14 },
        Output::Sigmoid { value: 15 },
        Output::Linear { value: 16 },
        Output::Softmax { value: 17 },
        Output::Product { a: 1, b: 0 },
    ];
    seeded::graph(6, nodes, &outputs)
}

const GATE: usize = 4;
const TOP_K: usize = 5;
const SECOND: usize = 7;
const TOWER: usize = 13;
const EMPTY: usize = 15;

/// A way to break a rule: its number, where the error points, what changes.
pub(super) type Break = (u32, u32, fn(&mut Header));

const BREAKS: &[Break] = &[
    (1, 0, |h| h.inputs.clear()),
    (1, 0, |h| h.inputs[0].count = 0x1_0000),
    (2, 0, |h| h.nodes.clear()),
    (2, 255, |h| h.nodes = vec![h.nodes[0].clone(); 255]),
    (3, 0, |h| h.nodes[0].op = 2),
    (3, 4, |h| h.nodes[GATE].op = 15),
    (4, 3, |h| h.nodes[2].op = NodeOp::Tower.code()),
    (4, 16, |h| h.nodes[EMPTY + 1].op = NodeOp::Expert.code()),
    (5, 0, |h| h.nodes[0].src = 1),
    (5, 4, |h| h.nodes[GATE].src = 1),
    (5, 7, |h| h.nodes[SECOND].src = 1),
    (5, 7, |h| h.nodes[SECOND].src = 8),
    (5, 13, |h| h.nodes[TOWER].src = 14),
    (5, 13, |h| h.nodes[TOWER].src = 5),
    (6, 1, |h| h.nodes[1].start = 4),
    (6, 1, |h| h.nodes[1].start = 0xffff),
    (6, 1, |h| h.nodes[1].inputs = 0),
    (7, 16, |h| h.layers.truncate(h.layers.len() - 1)),
    (7, 17, |h| h.layers.push(h.layers[0])),
    (8, 0, |h| h.layers[0].kind = LayerKind::Logits.code()),
    (8, 0, |h| h.layers[1].kind = LayerKind::Logits.code()),
    (8, 0, |h| h.layers[1].kind = LayerKind::Constant.code()),
    (8, 4, |h| gate_layer(h).kind = LayerKind::Dense.code()),
    (8, 0, |h| h.layers[1].inputs = 6),
    (8, 0, |h| h.layers[1].precision = PrecisionKind::I8.code()),
    (9, 0, |h| h.layers[0].outputs = 0),
    (9, 0, |h| h.layers[0].packing = 1),
    (9, 0, |h| h.layers[0].packing = 2),
    (9, 0, |h| h.layers[0].packing = 3),
    (9, 0, |h| h.layers[0].activation = 0xff),
    (9, 4, |h| gate_layer(h).activation = 1),
    (9, 0, |h| h.layers[0].kind = 13),
    (9, 0, |h| h.layers[0].kind = LayerKind::Hot.code()),
    (9, 0, |h| {
        (h.layers[0].kind, h.layers[0].activation) = (LayerKind::Pointwise.code(), 2)
    }),
    (9, 0, |h| {
        (h.layers[0].kind, h.layers[0].activation) = (LayerKind::GroupNorm.code(), 6)
    }),
    (9, 0, |h| h.layers[0].kind = LayerKind::USER),
    (9, 0, |h| h.layers[0].kind = LayerKind::Affine.code()),
    (10, 4, |h| h.nodes[GATE].sees = 0),
    (10, 4, |h| h.nodes[GATE].sees = 0x1f),
    (10, 4, |h| h.nodes[GATE].first = 0),
    (10, 4, |h| h.nodes[GATE].form = 2),
    // Runs that are empty, too long, begin too late, and of which the second lies too far.
    (10, 4, |h| runs(h, [0, 0, 0, 0])),
    (10, 4, |h| runs(h, [0, 5, 0, 0])),
    (10, 4, |h| runs(h, [1, 4, 0, 0])),
    (10, 4, |h| runs(h, [0, 2, 1, 2])),
    (10, 4, |h| runs(h, [255, 255, 255, 255])),
    (10, 4, |h| runs(h, [0, 129, 0, 0])),
    (11, 4, |h| runs(h, [0, 2, 1, 1])),
    (10, 9, |h| h.nodes[9].first = 1),
    (10, 4, |h| h.nodes[GATE].outputs = 5),
    (11, 4, |h| h.nodes[GATE].k = 1),
    (11, 4, |h| h.nodes[GATE].sees = 7),
    (11, 5, |h| h.nodes[TOP_K].k = 0),
    (11, 5, |h| h.nodes[TOP_K].k = 4),
    (11, 6, |h| h.nodes[6].k = 1),
    (12, 0, |h| h.nodes[0].k = 1),
    (12, 0, |h| h.nodes[0].first = 1),
    (12, 0, |h| h.nodes[0].form = 1),
    (12, 0, |h| h.nodes[0].sees = 1),
    (12, 0, |h| h.nodes[0].outputs = 5),
    (12, 15, |h| h.nodes[EMPTY].outputs = 3),
    (13, 1, |h| *h = two_widths()),
    (14, 3, |h| shorten(h, 3)),
    (14, 65, |h| lengthen(h, 65)),
    (14, 5, no_towers),
    (15, 0, |h| h.tasks[0].output = 4),
    (15, 0, |h| h.tasks[0].a = 15),
    (15, 0, |h| h.tasks[0].b = 1),
    (15, 0, |h| h.tasks[0].reserved = 1),
    (15, 0, |h| h.tasks[0].reserved2 = 1),
    (15, 0, |h| h.tasks[0].width = 2),
    (15, 0, |h| h.tasks.swap(0, 1)),
    (15, 2, |h| h.tasks[2].output = 2),
    (15, 3, |h| h.tasks[3].output = 1),
    (15, 4, |h| h.tasks[4].a = 2),
    (15, 4, |h| h.tasks[4].b = 4),
    (15, 4, |h| h.tasks[4].width = 2),
    (15, 4, |h| h.tasks[4].output = 1),
    // As many columns behind the codes as there are numbers.
    (17, 0, |h| hot(&mut h.layers[0])),
    (17, 0, |h| hot(&mut h.layers[1])),
    (17, 3, |h| hot(&mut h.layers[4])),
    (17, 4, |h| hot(gate_layer(h))),
    (21, 0, |h| {
        let gate = h.nodes[GATE].clone();
        h.nodes.splice(GATE..GATE, vec![gate; 62]);
    }),
];

/// The first gate names what it sees by runs.
fn runs(h: &mut Header, bytes: [u8; 4]) {
    (h.nodes[GATE].form, h.nodes[GATE].sees) = (1, u32::from_le_bytes(bytes));
}

/// Codes in place of a layer.
fn hot(layer: &mut Layer) {
    (layer.kind, layer.activation) = (LayerKind::Hot.code(), 0);
}

/// The one layer of the first gate.
fn gate_layer(h: &mut Header) -> &mut Layer {
    let before: usize = h.nodes[..GATE].iter().map(|n| n.layers as usize).sum();
    &mut h.layers[before]
}

/// Experts and gates alone.
fn no_towers(h: &mut Header) {
    h.nodes.truncate(TOWER);
    h.layers
        .truncate(h.nodes.iter().map(|n| n.layers as usize).sum());
}

/// Fewer tasks than towers.
fn shorten(h: &mut Header, tasks: usize) {
    h.tasks.truncate(tasks);
    h.task_names.truncate(tasks);
}

/// More tasks than a mask has bits.
fn lengthen(h: &mut Header, tasks: usize) {
    h.tasks.resize(tasks, h.tasks[4].clone());
    h.task_names.resize(tasks, "more".into());
}

/// A level without gates whose experts, the streams, differ in width.
fn two_widths() -> Header {
    let r = &mut Rng::new(5);
    let nodes = vec![
        seeded::expert(r, 0, &[6, 4]),
        seeded::expert(r, 0, &[6, 4]),
        seeded::tower(r, 1, &[4, 1]),
    ];
    let graph = seeded::graph(6, nodes, &[Output::Sigmoid { value: 3 }]);
    let mut header = Conversion::default().run(&graph).unwrap().header;
    header.nodes[1].outputs = 3;
    header.layers[1].outputs = 3;
    header
}

#[test]
fn the_rich_blob_keeps_every_rule() {
    let blob = seeded::blob(&rich(), Precision::F32);
    assert_eq!(erased(&blob).unwrap().len(), 1 + 1 + 4 + 3 + 1);
}

#[test]
fn each_broken_rule_is_named() {
    let blob = seeded::blob(&rich(), Precision::F32);
    let (header, weights) = read::split(&blob).unwrap();
    for (i, (rule, at, change)) in BREAKS.iter().enumerate() {
        let mut broken = header.clone();
        change(&mut broken);
        broken.task_names.resize(broken.tasks.len(), "?".into());
        let bytes = assembled(&broken, weights);
        assert_eq!(
            erased(&bytes),
            Err(LoadError::Record {
                at: *at,
                rule: *rule
            }),
            "change {i}, of rule {rule}"
        );
    }
}

/// The numbers of all rules that are broken here and in [`super::front`].
pub(super) fn numbers() -> Vec<u32> {
    let breaks = BREAKS.iter().chain(super::front::BREAKS);
    let mut numbers: Vec<u32> = breaks.map(|(rule, ..)| *rule).collect();
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}

/// Limits of the records, each with the largest that is accepted.
#[test]
fn the_limits_themselves_are_allowed() {
    let r = &mut Rng::new(6);
    // 128 experts seen by one gate, 64 tasks.
    let most = |r: &mut Rng, experts: usize| {
        let mut nodes: Vec<_> = (0..experts)
            .map(|_| seeded::expert(r, 0, &[3, 2]))
            .collect();
        let sees = (1..=128).collect();
        nodes.push(seeded::gate(r, GateKind::Softmax, 0, 3, sees, 2));
        nodes.extend((0..64).map(|_| seeded::tower(r, experts + 1, &[2, 1])));
        let tasks: Vec<_> = (experts + 2..experts + 66)
            .map(|value| Output::Linear { value })
            .collect();
        seeded::blob(&seeded::graph(3, nodes, &tasks), Precision::F32)
    };
    assert_eq!(erased(&most(r, 128)).unwrap().len(), 64);
    // One more, which the gate sees too.
    let bytes = most(r, 129);
    let (mut header, weights) = read::split(&bytes).unwrap();
    header.nodes[129].sees = u32::from_le_bytes([0, 129, 0, 0]);
    assert_eq!(
        erased(&assembled(&header, weights)),
        Err(LoadError::Record { at: 129, rule: 10 })
    );
    // 254 steps: 126 levels of an expert and a gate, an expert that reads the last one's mixture, a
    // tower.
    let mut nodes: Vec<_> = (0..126)
        .flat_map(|l| {
            [
                seeded::expert(r, 2 * l, &[2, 2]),
                seeded::gate(r, GateKind::Softmax, 2 * l, 2, vec![2 * l + 1], 2),
            ]
        })
        .collect();
    nodes.extend([
        seeded::expert(r, 252, &[2, 2]),
        seeded::tower(r, 253, &[2, 1]),
    ]);
    let graph = seeded::graph(2, nodes, &[Output::Linear { value: 254 }]);
    assert_eq!(
        erased(&seeded::blob(&graph, Precision::F32)).unwrap().len(),
        1
    );
    // 65,535 features, read in slices.
    let nodes = vec![
        node(Op::Expert, 0, 65_530, 5, 5, vec![]),
        seeded::tower(r, 1, &[5, 1]),
    ];
    let graph = seeded::graph(65_535, nodes, &[Output::Linear { value: 2 }]);
    assert_eq!(
        erased(&seeded::blob(&graph, Precision::F32)).unwrap().len(),
        1
    );
}
