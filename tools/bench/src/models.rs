//! The models that are raced: their types, graphs, blobs and rows.

use std::path::PathBuf;

use mmoe::parallel::List3;
use mmoe::{Binary, Dense, Gate, Head, Mmoe, Multiclass, Regression, Seq};
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::Rows;
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::graph::{
    Activation, Dense as Layer, GateKind, Graph, Input, Layer as Any, Node, Op, Output, Task,
};
use mmoe_tools::model::{Options, build};
use mmoe_tools::{import, plan::spec::Spec};

pub type Tower<P> = Seq<Dense<32, 16, P>, Head<16, 1, P>>;
pub type B<P> = Mmoe<
    [Dense<499, 4, P>; 8],
    [Gate<499, 8, P>; 2],
    [Multiclass<Seq<Dense<4, 8, P>, Head<8, 2, P>>>; 2],
>;
pub type C<P> = Mmoe<
    [Seq<Dense<64, 64, P>, Dense<64, 32, P>>; 4],
    [Gate<64, 4, P>; 3],
    List3<Binary<Tower<P>>, Binary<Tower<P>>, Regression<Tower<P>>>,
>;
pub type W<P> = Mmoe<
    [Seq<Dense<512, 256, P>, Dense<256, 128, P>>; 8],
    [Gate<512, 8, P>; 4],
    [Regression<Seq<Dense<128, 64, P>, Head<64, 1, P>>>; 4],
>;

pub fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(path)
}

/// A linear congruential generator (Knuth's MMIX constants).
pub struct Random(pub u64);

impl Random {
    /// −1 to 1.
    pub fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

pub fn rows<const N: usize>(count: usize) -> Vec<[f32; N]> {
    let mut random = Random(99);
    (0..count)
        .map(|_| std::array::from_fn(|_| random.next()))
        .collect()
}

pub fn census() -> Graph {
    build(
        import::read(&fixture("keras-mmoe-census/model_keras3.keras")).expect("reads"),
        None,
        Options::default(),
    )
    .expect("builds")
    .graph
}

pub fn edge() -> Graph {
    let spec =
        Spec::parse(&std::fs::read_to_string(fixture("pytorch-edge/spec.toml")).expect("reads"))
            .expect("parses");
    build(
        import::read(&fixture("pytorch-edge/model.safetensors")).expect("reads"),
        Some(&spec),
        Options::default(),
    )
    .expect("builds")
    .graph
}

/// Seeded weights of about the size that training leaves.
pub fn wide() -> Graph {
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
                activation: if i + 2 == widths.len() {
                    last
                } else {
                    Activation::Relu
                },
            })
        };
        widths.windows(2).enumerate().map(layer).collect()
    };
    let mut nodes = Vec::new();
    for _ in 0..8 {
        nodes.push(Node {
            op: Op::Expert,
            src: 0,
            start: 0,
            inputs: 512,
            outputs: 128,
            layers: layers(&[512, 256, 128], Activation::Relu),
        });
    }
    for _ in 0..4 {
        let op = Op::Gate {
            kind: GateKind::Softmax,
            sees: (1..=8).collect(),
            temperature: 1.0,
        };
        nodes.push(Node {
            op,
            src: 0,
            start: 0,
            inputs: 512,
            outputs: 128,
            layers: layers(&[512, 8], Activation::Linear),
        });
    }
    for t in 0..4 {
        nodes.push(Node {
            op: Op::Tower,
            src: 9 + t,
            start: 0,
            inputs: 128,
            outputs: 1,
            layers: layers(&[128, 64, 1], Activation::Linear),
        });
    }
    let tasks = (0..4)
        .map(|t| Task {
            name: format!("t{t}"),
            output: Output::Linear { value: 13 + t },
        })
        .collect();
    let inputs = vec![Input {
        min: Some(-1.0),
        max: Some(1.0),
        ..Input::new("x", 512)
    }];
    Graph {
        name: "wide".into(),
        version: 0,
        inputs,
        front: None,
        feature_names: vec![],
        nodes,
        tasks,
    }
}

/// The model in F32, W8 and I8, calibrated on `rows`.
pub fn blobs(graph: &Graph, rows: &[f32]) -> [BlobBytes; 3] {
    let calibration = Rows {
        data: rows.to_vec(),
        width: graph.width(0),
    };
    [Precision::F32, Precision::W8, Precision::I8].map(|precision| {
        let conversion = Conversion {
            calibration: Some(calibration.clone().into()),
            ..Conversion::new(precision)
        };
        conversion.run(graph).expect("converts").bytes()
    })
}
