//! The models of the benchmark: their types, graphs, blobs and rows.

use mmoe::{Binary, Classes, Dense, Gate, Head, List3, Mmoe, Scalar, Seq};
use mmoe_tools::blob::{encode::Packing, file};
use mmoe_tools::graph::{Activation, Dense as Layer, GateKind, Graph, Input, Layer as Any, Node, Op, Output, Task};
use mmoe_tools::model::{Options, build};
use mmoe_tools::runner::BlobBytes;
use mmoe_tools::{import, pack, quantize, spec::Spec};
use std::path::PathBuf;

type Tower<P> = Seq<Dense<32, 16, P>, Head<16, 1, P>>;
pub(crate) type B<P> = Mmoe<[Dense<499, 4, P>; 8], [Gate<499, 8, P>; 2], [Classes<Seq<Dense<4, 8, P>, Head<8, 2, P>>>; 2]>;
pub(crate) type C<P> =
    Mmoe<[Seq<Dense<64, 64, P>, Dense<64, 32, P>>; 4], [Gate<64, 4, P>; 3], List3<Binary<Tower<P>>, Binary<Tower<P>>, Scalar<Tower<P>>>>;
pub(crate) type W<P> =
    Mmoe<[Seq<Dense<512, 256, P>, Dense<256, 128, P>>; 8], [Gate<512, 8, P>; 4], [Scalar<Seq<Dense<128, 64, P>, Head<64, 1, P>>>; 4]>;

pub(crate) fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(path)
}

/// A linear congruential generator (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    /// −1 to 1.
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

pub(crate) fn rows<const N: usize>(count: usize) -> Vec<[f32; N]> {
    let mut random = Random(99);
    (0..count).map(|_| std::array::from_fn(|_| random.next())).collect()
}

pub(crate) fn census() -> Graph {
    build(import::read(&fixture("keras-mmoe-census/model_keras3.keras")).expect("reads"), None, Options::default()).expect("builds").graph
}

pub(crate) fn edge() -> Graph {
    let spec = Spec::parse(&std::fs::read_to_string(fixture("pytorch-edge/spec.toml")).expect("reads")).expect("parses");
    build(import::read(&fixture("pytorch-edge/model.safetensors")).expect("reads"), Some(&spec), Options::default()).expect("builds").graph
}

/// Seeded weights of about the size that training leaves.
pub(crate) fn wide() -> Graph {
    let mut random = Random(7);
    let mut layers = |widths: &[usize], last: Activation| -> Vec<Any> {
        let layer = |(i, w): (usize, &[usize])| {
            let size = (3.0 / w[0] as f32).sqrt();
            Any::Dense(Layer {
                name: String::new(),
                inputs: w[0],
                outputs: w[1],
                weight: (0..w[0] * w[1]).map(|_| random.next() * size).collect(),
                bias: (0..w[1]).map(|_| random.next() * 0.1).collect(),
                activation: if i + 2 == widths.len() { last } else { Activation::Relu },
            })
        };
        widths.windows(2).enumerate().map(layer).collect()
    };
    let mut nodes = Vec::new();
    for _ in 0..8 {
        nodes.push(Node { op: Op::Expert, src: 0, start: 0, inputs: 512, outputs: 128, layers: layers(&[512, 256, 128], Activation::Relu) });
    }
    for _ in 0..4 {
        let op = Op::Gate { kind: GateKind::Softmax, sees: (1..=8).collect(), temperature: 1.0 };
        nodes.push(Node { op, src: 0, start: 0, inputs: 512, outputs: 128, layers: layers(&[512, 8], Activation::Linear) });
    }
    for t in 0..4 {
        nodes.push(Node { op: Op::Tower, src: 9 + t, start: 0, inputs: 128, outputs: 1, layers: layers(&[128, 64, 1], Activation::Linear) });
    }
    let tasks = (0..4).map(|t| Task { name: format!("t{t}"), output: Output::Linear { value: 13 + t } }).collect();
    let inputs = vec![Input { name: "x".into(), count: 512, min: Some(-1.0), max: Some(1.0), mean: None, std: None }];
    Graph { name: "wide".into(), version: 0, inputs, feature_names: vec![], nodes, tasks }
}

/// The model in F32, W8 and I8, calibrated on `rows`.
pub(crate) fn blobs(graph: &Graph, rows: &[f32]) -> [BlobBytes; 3] {
    let (full, small) = (pack::float(graph, pack::Float::F32), pack::float(graph, pack::Float::W8 { narrow_heads: false }));
    let calibration = quantize::source(graph, Some((rows, graph.width(0)))).expect("rows");
    let quantized = quantize::quantize(graph, &calibration, &quantize::Options::default()).expect("quantizes");
    [full, small, pack::integer(graph, &quantized, Packing::Panels)].map(|(header, weights)| BlobBytes::from(file::write(&header, &weights).as_slice()))
}
