//! Packing, the end of a conversion: puts a graph's layers in the order and encoding of a blob.
//!
//! Only [`crate::convert`] calls it, after everything that has to come before; a graph that is packed
//! too early is a blob that is wrong without looking so.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::blob::Blob;
use crate::blob::encode::{Encoder, Packing, Role, Stored};
use crate::blob::message::{Header, Input, Node, Task};
use crate::blob::{features, vocabulary};
use crate::graph::elements::{Elements, Reads};
use crate::graph::{Activation, Dense, GateKind, Graph, Layer, Op, Output};
use crate::quantize::rows::balanced;
use crate::quantize::{LayerReport, QLayer, Quantized, q14};
use mmoe::blob::{InputKind, NodeOp, OutputKind, SectionTag};
use mmoe::kernel::{CurveTable, Dice32, InputScale, NormEnergy, RowDice32, RowDiceQ};

/// Which dense layers of a float model are stored as int8 rows; the others stay f32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Int8Rows {
    /// None: F32.
    None,
    /// All but the towers' last layers: W8.
    Hidden,
    /// All: W8 with narrow heads.
    All,
}

impl Int8Rows {
    /// Whether dense layer `layer` of a node is stored as int8 rows.
    pub(crate) fn narrows(self, node: &crate::graph::Node, layer: usize) -> bool {
        match self {
            Self::None => false,
            Self::Hidden => node.op != Op::Tower || layer + 1 != node.layers.len(),
            Self::All => true,
        }
    }
}

/// Packs a float model. The first layers of the nodes in `whole` stay f32 whatever `int8` says. The
/// graph must pass [`Graph::check`].
pub(crate) fn float(graph: &Graph, int8: Int8Rows, whole: &BTreeSet<usize>) -> Blob {
    let mut to = Encoder::default();
    let stored = if int8 == Int8Rows::None {
        features::Stored::F32
    } else {
        features::Stored::W8
    };
    let records = front(graph, stored, &mut to);
    for (n, node) in graph.nodes.iter().enumerate() {
        let last = node.layers.len().saturating_sub(1);
        let reads = reads(graph, node);
        hot(&mut to, reads.as_ref(), None);
        for (i, layer) in node.layers.iter().enumerate() {
            match layer {
                Layer::Dense(d) => {
                    let d = &in_order(d, reads.as_ref().filter(|_| i == 0));
                    let role = role(node, i == last);
                    if int8.narrows(node, i) && !(i == 0 && whole.contains(&n)) {
                        let (weight, scale) = int8_rows(d, i > 0 || node.src > 0);
                        to.dense_w8(role, d.activation, &weight, &scale, &d.bias);
                    } else {
                        to.dense_f32(role, d.activation, &d.weight, &d.bias);
                    }
                }
                Layer::Affine { gain, bias } => to.affine_f32(gain, bias),
                Layer::PRelu { slope } => to.prelu_f32(slope),
                Layer::Norm {
                    by,
                    gain,
                    bias,
                    epsilon,
                } => to.norm_f32(*by, gain, bias, *epsilon),
                Layer::Pointwise { activation, width } => to.pointwise_f32(*activation, *width),
                Layer::Dice { gain, bias, alpha } => {
                    let units = gain.iter().zip(bias).zip(alpha);
                    let units = units.map(|((gain, bias), alpha)| Dice32 {
                        gain: *gain,
                        bias: *bias,
                        alpha: *alpha,
                    });
                    to.dice_f32(&units.collect::<Vec<_>>());
                }
                Layer::RowDice {
                    width,
                    alpha,
                    epsilon,
                } => to.row_dice_f32(
                    *width,
                    RowDice32 {
                        epsilon: *epsilon,
                        alpha: *alpha,
                    },
                ),
                Layer::Constant { weights } => {
                    let inputs = reads.as_ref().map_or(node.inputs, |r| r.inputs);
                    to.constant_f32(inputs, weights);
                }
            }
        }
    }
    let mut blob = blob(graph, to);
    push_front(graph, records, &mut blob);
    blob
}

/// Puts the front end before the layers, and returns its records; none where there is none.
fn front(graph: &Graph, stored: features::Stored<'_>, to: &mut Encoder) -> Vec<u8> {
    let Some(front) = &graph.front else {
        return Vec::new();
    };
    let (records, bytes) = features::encode(front, stored);
    to.weights.extend(bytes);
    records
}

/// Says in the header that the model takes records.
fn push_front(graph: &Graph, records: Vec<u8>, blob: &mut Blob) {
    let Some(front) = &graph.front else { return };
    for input in &mut blob.header.inputs {
        input.kind = InputKind::Record.code();
    }
    blob.push_section(SectionTag::Features, records);
    let texts = postcard::to_stdvec(&vocabulary::of(front)).unwrap_or_default();
    blob.push_section(SectionTag::Vocabulary, texts);
}

/// A blob of these layers.
fn blob(graph: &Graph, to: Encoder) -> Blob {
    let mut blob = Blob {
        header: header(graph, to.layers),
        weights: to.weights,
    };
    if let Some(elements) = graph.elements().filter(|_| graph.front.is_none()) {
        blob.push_section(SectionTag::Vector, elements.section());
    }
    blob
}

/// What a node reads of numbers and codes; [`Graph::check`] has seen that it can.
fn reads(graph: &Graph, node: &crate::graph::Node) -> Option<Reads> {
    graph.element_reads(node).ok().flatten()
}

/// The record in front of a node's first layer, where codes feed it.
fn hot(to: &mut Encoder, reads: Option<&Reads>, one: Option<u32>) {
    if let Some(reads) = reads
        && let Some(numbers) = reads.numbers
    {
        to.hot(reads.inputs, numbers, one);
    }
}

/// Rows with their columns in the blob's order.
fn columns<T: Copy>(weight: &[T], inputs: usize, reads: Option<&Reads>) -> Vec<T> {
    match reads {
        None => weight.to_vec(),
        Some(reads) => weight
            .chunks(inputs)
            .flat_map(|row| reads.columns.iter().map(|c| row[*c]))
            .collect(),
    }
}

/// A layer with its columns in the blob's order.
fn in_order<'d>(d: &'d Dense, reads: Option<&Reads>) -> Cow<'d, Dense> {
    match reads {
        None => Cow::Borrowed(d),
        Some(_) => Cow::Owned(Dense {
            weight: columns(&d.weight, d.inputs, reads),
            ..d.clone()
        }),
    }
}

/// Packs an integer model. `graph` must be the one that `quantized` was made of.
#[must_use]
pub fn integer(graph: &Graph, quantized: &Quantized, packing: Packing) -> Blob {
    let mut to = Encoder::default();
    let records = front(
        graph,
        features::Stored::Integer {
            tables: &quantized.tables,
            input: &quantized.input,
            ints: &quantized.ints,
        },
        &mut to,
    );
    match graph.elements() {
        // A front end has its scales where it has its numbers.
        _ if graph.front.is_some() => {}
        None => to.input_scales(&quantized.input),
        Some(elements) => {
            let numbers = elements.numbers.iter().map(|c| quantized.input[*c]);
            // The activation of a code is one more than the code, so that NaN is none.
            let code = InputScale {
                offset: -1.0,
                scale: 1.0,
            };
            let codes = elements.len() - elements.numbers.len();
            let scales = numbers.chain(std::iter::repeat_n(code, codes));
            to.input_scales(&scales.collect::<Vec<_>>());
        }
    }
    for (node, q) in graph.nodes.iter().zip(&quantized.nodes) {
        let last = node.layers.len().saturating_sub(1);
        let reads = reads(graph, node);
        hot(&mut to, reads.as_ref(), Some(quantized.one));
        for (i, layer) in q.layers.iter().enumerate() {
            let role = role(node, i == last);
            let reads = reads.as_ref().filter(|_| i == 0);
            let width = node.layers[..=i]
                .iter()
                .fold(node.inputs, |n, layer| layer.outputs(n));
            match layer {
                QLayer::I8 {
                    weight,
                    rows,
                    activation,
                    table,
                } => {
                    let stored = stored(*activation, table.as_deref());
                    let weight = columns(weight, node.inputs, reads);
                    to.dense_i8(role, *activation, stored, &weight, rows, packing);
                }
                QLayer::I16 {
                    weight,
                    rows,
                    activation,
                    table,
                } => {
                    let stored = stored(*activation, table.as_deref());
                    let weight = columns(weight, node.inputs, reads);
                    to.dense_i16(role, *activation, stored, &weight, rows);
                }
                QLayer::Pointwise { activation, table } => {
                    let stored = stored(*activation, table.as_deref());
                    to.pointwise_i16(*activation, stored, width);
                }
                QLayer::Norm { by, energy, units } => to.norm_i16(*by, *energy, units),
                QLayer::Dice(units) => to.dice_i16(units),
                QLayer::RowDice { energy, alpha } => to.row_dice_i16(
                    width,
                    RowDiceQ {
                        energy: NormEnergy::new(*energy),
                        alpha: i32::from(*alpha),
                    },
                ),
                QLayer::Affine(units) => to.affine_i16(units),
                QLayer::PRelu(slope) => to.prelu_i16(slope),
                QLayer::Constant(weights) => {
                    let inputs = reads.map_or(node.inputs, |r| r.inputs);
                    to.constant_q15(inputs, weights);
                }
            }
        }
        if let Some(unit) = q.unit {
            to.unit(unit);
        }
    }
    let report: Vec<&LayerReport> = quantized.report.iter().map(|(_, r)| r).collect();
    let mut blob = blob(graph, to);
    push_front(graph, records, &mut blob);
    blob.push_section(
        SectionTag::Quantization,
        postcard::to_stdvec(&report).unwrap_or_default(),
    );
    blob
}

/// What an integer layer stores for its activation.
fn stored(activation: Activation, table: Option<&CurveTable>) -> Stored<'_> {
    match (activation, table) {
        (Activation::LeakyRelu { slope }, _) => Stored::Slope(q14(slope)),
        (_, Some(table)) => Stored::Table(table),
        (_, None) => Stored::Nothing,
    }
}

/// What the outputs of a node's dense layer are.
#[must_use]
pub fn role(node: &crate::graph::Node, last: bool) -> Role {
    if last && node.ends_in_logits() {
        Role::Logits
    } else {
        Role::Dense
    }
}

/// Rows as int8 with a scale each, `max |w| / 127`; rounded to nearest, or [`balanced`]. A row of
/// zeros has scale 0.
#[must_use]
pub fn int8_rows(d: &Dense, balance: bool) -> (Vec<i8>, Vec<f32>) {
    let scale: Vec<f32> = d
        .weight
        .chunks(d.inputs)
        .map(|row| row.iter().fold(0.0f32, |m, w| m.max(w.abs())) / 127.0)
        .collect();
    let round = |row: &[f32], s: f64| -> Vec<i8> {
        let row: Vec<f64> = row.iter().map(|w| f64::from(*w)).collect();
        let q = if balance {
            balanced(&row, s, 127.0)
        } else {
            row.iter()
                .map(|w| (w / s).round().clamp(-127.0, 127.0))
                .collect()
        };
        q.into_iter().map(|q| q as i8).collect()
    };
    let weight = d
        .weight
        .chunks(d.inputs)
        .zip(&scale)
        .flat_map(|(row, s)| {
            if *s > 0.0 {
                round(row, f64::from(*s))
            } else {
                vec![0; row.len()]
            }
        })
        .collect();
    (weight, scale)
}

/// The form and the `sees` of a gate that mixes these values, in ascending order: a mask of those from
/// `first` on, or two runs where a mask of 32 is too short.
fn seen(values: &[usize], first: usize) -> (u8, u32) {
    let steps = values.iter().map(|v| v - first);
    if steps.clone().all(|step| step < 32) {
        return (0, steps.fold(0, |mask, step| mask | 1 << step));
    }
    let mut bytes = [0u8; 4];
    let mut end = 0;
    for (run, at) in values.chunk_by(|a, b| *b == a + 1).zip([0, 2]) {
        let start = run[0] - first;
        bytes[at] = (start - end) as u8;
        bytes[at + 1] = run.len() as u8;
        end = start + run.len();
    }
    (1, u32::from_le_bytes(bytes))
}

/// The header of a graph whose layers have these records.
#[must_use]
pub fn header(graph: &Graph, layers: Vec<crate::blob::message::Layer>) -> Header {
    let elements = graph.elements();
    let inputs = (elements.as_ref()).map_or_else(|| graph.width(0), Elements::len);
    let nodes = graph
        .nodes
        .iter()
        .map(|n| {
            let (code, k, first, (form, sees)) = match &n.op {
                Op::Expert => (NodeOp::Expert, 0, 0, (0, 0)),
                Op::Tower => (NodeOp::Tower, 0, 0, (0, 0)),
                Op::Gate { kind, sees, .. } => {
                    // `first` is the level's first expert, whether this gate sees it or not: one
                    // rule for typed models and blobs.
                    let first = level_first(graph, sees[0]);
                    let (code, k) = gate(*kind);
                    (code, k, first, seen(sees, first))
                }
            };
            let reads = reads(graph, n);
            let hot = reads.as_ref().is_some_and(|r| r.numbers.is_some());
            let (start, inputs) = reads.map_or((n.start, n.inputs), |r| (r.start, r.inputs));
            Node {
                op: code.code(),
                k,
                layers: (n.layers.len() + usize::from(hot)) as u8,
                src: n.src as u8,
                first: first as u8,
                form,
                start: start as u16,
                inputs: inputs as u16,
                outputs: n.outputs as u16,
                sees,
            }
        })
        .collect();
    let tasks = graph
        .tasks
        .iter()
        .map(|t| {
            let (output, a, b, width) = match t.output {
                Output::Linear { value } => (OutputKind::Linear, value, 0, graph.width(value)),
                Output::Sigmoid { value } => (OutputKind::Sigmoid, value, 0, graph.width(value)),
                Output::Softmax { value } => (OutputKind::Softmax, value, 0, graph.width(value)),
                Output::Product { a, b } => (OutputKind::Product, a, b, 1),
            };
            Task {
                output: output.code(),
                a: a as u8,
                b: b as u8,
                reserved: 0,
                width: width as u16,
                reserved2: 0,
            }
        })
        .collect();
    let mut sections = vec![
        (
            SectionTag::Identity.code(),
            postcard::to_stdvec(&(&graph.name, graph.version)).unwrap_or_default(),
        ),
        (
            SectionTag::Producer.code(),
            postcard::to_stdvec(concat!("mmoe ", env!("CARGO_PKG_VERSION"))).unwrap_or_default(),
        ),
    ];
    let temperatures: Vec<f32> = graph
        .nodes
        .iter()
        .filter_map(|n| {
            if let Op::Gate { temperature, .. } = n.op {
                Some(temperature)
            } else {
                None
            }
        })
        .collect();
    if temperatures.iter().any(|t| *t != 1.0) {
        sections.push((
            SectionTag::Temperature.code(),
            postcard::to_stdvec(&temperatures).unwrap_or_default(),
        ));
    }
    Header {
        inputs: vec![Input {
            kind: InputKind::Raw.code(),
            flags: 0,
            reserved: 0,
            count: inputs as u32,
        }],
        nodes,
        layers,
        tasks,
        task_names: graph.tasks.iter().map(|t| t.name.clone()).collect(),
        feature_names: match &elements {
            Some(elements) if graph.front.is_none() => elements.names(&graph.feature_names),
            _ => graph.feature_names.clone(),
        },
        sections,
    }
}

/// The value of the first expert in the run of experts that makes value `v`.
fn level_first(graph: &Graph, v: usize) -> usize {
    let mut first = v;
    while first > 1 && graph.nodes[first - 2].op == Op::Expert {
        first -= 1;
    }
    first
}

/// Code and k of a gate.
#[must_use]
pub fn gate(kind: GateKind) -> (NodeOp, u8) {
    match kind {
        GateKind::Softmax => (NodeOp::Softmax, 0),
        GateKind::Sigmoid => (NodeOp::Sigmoid, 0),
        GateKind::Linear => (NodeOp::Linear, 0),
        GateKind::Hard => (NodeOp::Hard, 0),
        GateKind::TopK {
            k,
            renormalise: true,
        } => (NodeOp::TopK, k as u8),
        GateKind::TopK {
            k,
            renormalise: false,
        } => (NodeOp::TopKRaw, k as u8),
        GateKind::Constant => (NodeOp::Constant, 0),
        GateKind::DSelectK { k } => (NodeOp::DSelectK, k as u8),
    }
}
