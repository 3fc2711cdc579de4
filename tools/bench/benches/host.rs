//! `cargo bench` in this folder: the engine beside plain loops and beside tract, in one run on one
//! thread. Writes `docs/host.md`.
//!
//! The method stands at the head of that page ([`METHOD`]). `cargo bench -- --only W` runs one
//! model and writes nothing.

use mmoe::parallel::List3;
use mmoe::{Binary, Multiclass, Dense, F32, Gate, Head, I8, Mmoe, Regression, Seq, W8};
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::Rows;
use mmoe_tools::graph::{
    Activation, Dense as Layer, GateKind, Graph, Input, Layer as Any, Node, Op, Output, Task,
};
use mmoe_tools::model::{Options, build};
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::{eval, import, plan::spec::Spec};
use std::fmt::Write as _;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use tract_onnx::prelude::*;

const METHOD: &str = "\
# Speed on a host

This page is for whoever scores rows on a server, and wants to know how the engine compares with other
ways there. `cargo bench` in `tools/bench` writes it; do not edit it. The benchmark runs itself twice:
compiled for the baseline instruction set, and for `x86-64-v3` (AVX2).

Each figure is the fastest of 40 rounds of as many calls as fill 2 ms, in µs per call, on one \
                      thread. The contestants of a model take turns, round by
round, so that all meet the same machine; other work on the machine still shows, so compare \
                      ratios, not times. *Ratio* is the time of the plain loops of the
same run over that of the contestant: above 1 is faster. A call is one row (batch 1) or 256 rows \
                      (batch 256), the same seeded rows for all.

- *B*: the census model trained in Keras, 499 inputs, 8 experts 499→4, 2 gates, towers 4→8→2 \
                      (24,112 multiply-accumulates a row).
- *C*: `pytorch-edge`, 64 inputs, 4 experts 64→64→32, 3 gates, towers 32→16→1 (27,312).
- *W*: seeded weights, 512 inputs, 8 experts 512→256→128, 4 gates, towers 128→64→1 (1,364,224).
- *plain loops*: `y[o] = b[o] + w[o].iter().zip(x).map(|(w, x)| w * x).sum()` for every dense \
                      layer, with buffers made beforehand, over the same wiring.
- *mmoe*: `Model::predict` and `Model::predict_batch`; I8 from quantized features with \
                      `predict_q`. The outputs have the same bits in both columns of a precision.
- *tract*: tract-onnx running the ONNX file that the framework exported of the same weights; its \
                      outputs are held against ours (1e-4) before the race.
";

type Contestant<'a> = (&'static str, Box<dyn FnMut() + 'a>);

/// Fastest µs per call of each, taking turns.
fn race(mut contestants: Vec<Contestant<'_>>) -> Vec<(&'static str, f64)> {
    let counts: Vec<u32> = contestants
        .iter_mut()
        .map(|(_, f)| {
            f();
            let t = Instant::now();
            f();
            (Duration::from_millis(2).as_secs_f64() / t.elapsed().as_secs_f64().max(1e-8))
                .clamp(1.0, 1e5) as u32
        })
        .collect();
    let mut best = vec![f64::INFINITY; contestants.len()];
    for _ in 0..40 {
        for ((best, count), (_, f)) in best.iter_mut().zip(&counts).zip(&mut contestants) {
            let t = Instant::now();
            for _ in 0..*count {
                f();
            }
            *best = best.min(t.elapsed().as_secs_f64() * 1e6 / f64::from(*count));
        }
    }
    contestants
        .iter()
        .map(|(name, _)| *name)
        .zip(best)
        .collect()
}

fn rows_of_table(text: &mut String, model: &str, batch: usize, raced: &[(&'static str, f64)]) {
    let plain = raced[0].1;
    for (name, us) in raced {
        writeln!(
            text,
            "| {model} | {batch} | {name} | {us:.2} | {:.1} |",
            plain / us
        )
        .expect("a string takes all");
    }
}

/// Races one model; `$Of` is its type in a precision.
macro_rules! model {
    ($text:ident, $name:literal, $Of:ident, $inputs:literal, $graph:expr, $onnx:expr) => {{
        let graph = $graph;
        let x: Vec<[f32; $inputs]> = rows::<$inputs>(256);
        let blobs = blobs(&graph, &x.concat());
        let (f, w, i) = (
            $Of::<F32>::load(blobs[0].as_slice()).expect("F32"),
            $Of::<W8>::load(blobs[1].as_slice()).expect("W8"),
            $Of::<I8>::load(blobs[2].as_slice()).expect("I8"),
        );
        let q: Vec<[i16; $inputs]> = x
            .iter()
            .map(|x| {
                let mut q = [0; $inputs];
                let _ = i.input.quantize(x, &mut q);
                q
            })
            .collect();
        for batch in [1, 256] {
            let (x, q) = (&x[..batch], &q[..batch]);
            let mut plain = Plain::new(&graph);
            let mut y = vec![f.predict(&x[0]); batch];
            let mut z = y.clone();
            let mut contestants: Vec<Contestant<'_>> = vec![
                (
                    "plain loops",
                    Box::new(|| x.iter().for_each(|x| plain.run(black_box(x)))),
                ),
                (
                    "mmoe F32",
                    Box::new(|| f.predict_batch(black_box(x), black_box(&mut y))),
                ),
                (
                    "mmoe W8",
                    Box::new(|| w.predict_batch(black_box(x), black_box(&mut z))),
                ),
                (
                    "mmoe I8",
                    Box::new(|| {
                        q.iter()
                            .for_each(|q| _ = black_box(i.predict_q(black_box(q))))
                    }),
                ),
            ];
            let onnx: Option<&str> = $onnx;
            if let Some(file) = onnx {
                let mut tract = Tract::new(file, batch, $inputs);
                agree(&graph, &mut tract, &x.concat(), $inputs);
                let flat = x.concat();
                contestants.push(("tract", Box::new(move || tract.run(black_box(&flat)))));
            }
            rows_of_table(&mut $text, $name, batch, &race(contestants));
        }
    }};
}

/// The races of this executable's instruction set, as a table.
fn races(only: Option<&str>) -> String {
    let mut text = "| model | batch | what | µs | ratio |\n|---|---|---|---|---|\n".to_owned();
    let wanted = |name: &str| only.is_none_or(|o| o == name);
    if wanted("B") {
        model!(
            text,
            "B",
            B,
            499,
            census(),
            Some("keras-mmoe-census/model.onnx")
        );
    }
    if wanted("C") {
        model!(text, "C", C, 64, edge(), Some("pytorch-edge/model.onnx"));
    }
    if wanted("W") {
        model!(text, "W", W, 512, wide(), None);
    }
    text
}

/// What a command prints first.
fn first_line(command: &str, argument: &str) -> String {
    let out = Command::new(command)
        .arg(argument)
        .output()
        .map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    out.ok()
        .and_then(|o| o.lines().next().map(str::to_owned))
        .unwrap_or_else(|| "unknown".into())
}

fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    about
        .lines()
        .find_map(|l| l.strip_prefix("model name"))
        .and_then(|l| l.split_once(':'))
        .map_or("unknown".into(), |(_, n)| n.trim().to_owned())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|a| a == "--only") {
        return print!("{}", races(arguments.get(at + 1).map(String::as_str)));
    }
    if arguments.iter().any(|a| a == "--table") {
        return print!("{}", races(None));
    }
    let mut page = METHOD.to_owned();
    writeln!(
        page,
        "\nMachine: {}, {}.",
        processor(),
        first_line("rustc", "--version")
    )
    .expect("a string takes all");
    for (title, flags) in [
        ("The baseline instruction set (SSE2)", ""),
        (
            "AVX2 (`RUSTFLAGS=\"-C target-cpu=x86-64-v3\"`)",
            "-C target-cpu=x86-64-v3",
        ),
    ] {
        eprintln!("{title} …");
        let target = if flags.is_empty() {
            "target"
        } else {
            "target/avx2"
        };
        let out = Command::new("cargo")
            .args(["bench", "--quiet", "--target-dir", target, "--", "--table"])
            .env("RUSTFLAGS", flags)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(std::process::Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(out.status.success(), "the benchmark failed");
        writeln!(
            page,
            "\n## {title}\n\n{}",
            String::from_utf8_lossy(&out.stdout).trim()
        )
        .expect("a string takes all");
    }
    page += PEERS;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/host.md");
    std::fs::write(path, &page).expect("docs/host.md is written");
    println!("{page}");
}

// The models: types, graphs, blobs and rows.

type Tower<P> = Seq<Dense<32, 16, P>, Head<16, 1, P>>;
type B<P> = Mmoe<
    [Dense<499, 4, P>; 8],
    [Gate<499, 8, P>; 2],
    [Multiclass<Seq<Dense<4, 8, P>, Head<8, 2, P>>>; 2],
>;
type C<P> = Mmoe<
    [Seq<Dense<64, 64, P>, Dense<64, 32, P>>; 4],
    [Gate<64, 4, P>; 3],
    List3<Binary<Tower<P>>, Binary<Tower<P>>, Regression<Tower<P>>>,
>;
type W<P> = Mmoe<
    [Seq<Dense<512, 256, P>, Dense<256, 128, P>>; 8],
    [Gate<512, 8, P>; 4],
    [Regression<Seq<Dense<128, 64, P>, Head<64, 1, P>>>; 4],
>;

fn fixture(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures")
        .join(path)
}

/// A linear congruential generator (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    /// −1 to 1.
    fn next(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

fn rows<const N: usize>(count: usize) -> Vec<[f32; N]> {
    let mut random = Random(99);
    (0..count)
        .map(|_| std::array::from_fn(|_| random.next()))
        .collect()
}

fn census() -> Graph {
    build(
        import::read(&fixture("keras-mmoe-census/model_keras3.keras")).expect("reads"),
        None,
        Options::default(),
    )
    .expect("builds")
    .graph
}

fn edge() -> Graph {
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
fn wide() -> Graph {
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
fn blobs(graph: &Graph, rows: &[f32]) -> [BlobBytes; 3] {
    let calibration = Rows {
        data: rows.to_vec(),
        width: graph.width(0),
    };
    [Precision::F32, Precision::W8, Precision::I8].map(|precision| {
        let conversion = Conversion {
            calibration: Some(calibration.clone()),
            ..Conversion::new(precision)
        };
        conversion.run(graph).expect("converts").bytes()
    })
}

// What the engine is held against.

/// Where peers stood on another machine, by the same plain loops.
const PEERS: &str = "
## Beside TFLite

Not in this run. On another x86-64 machine (AVX2, FMA; ai-edge-litert from PyPI, one thread, \
                     XNNPACK) the same plain loops in Rust took 18.4, 13.8 and 998 µs
for B, C and W at batch 1, 4,744, 3,571 and 259,638 µs at batch 256; as ratios to those:

| | B, 1 | C, 1 | W, 1 | B, 256 | C, 256 | W, 256 |
|---|---|---|---|---|---|---|
| TFLite f32 | 5.8 | 4.7 | 15.5 | 20.9 | 16.6 | 37.3 |
| TFLite full int8 | 9.8 | 6.0 | 39.1 | 57.9 | 25.5 | 117.5 |

TFLite uses fused multiply-adds and hand-written kernels, and sums in whatever order is fast; here \
                     every result has the same bits on every machine.
";

/// Plain loops over a graph, with all buffers made beforehand.
struct Plain<'g> {
    graph: &'g Graph,
    /// Every dense layer as `w[out][in]`, node by node.
    weights: Vec<Vec<Vec<Vec<f32>>>>,
    /// The output of every layer of every node.
    made: Vec<Vec<Vec<f32>>>,
    /// The input, and what every node makes.
    values: Vec<Vec<f32>>,
}

impl<'g> Plain<'g> {
    fn new(graph: &'g Graph) -> Self {
        let dense = |l: &'g Any| {
            if let Any::Dense(d) = l {
                d
            } else {
                unreachable!("these models have dense layers only")
            }
        };
        let weights = graph.nodes.iter().map(|n| {
            n.layers
                .iter()
                .map(dense)
                .map(|d| d.weight.chunks(d.inputs).map(<[f32]>::to_vec).collect())
                .collect()
        });
        let made = graph.nodes.iter().map(|n| {
            n.layers
                .iter()
                .map(dense)
                .map(|d| vec![0.0; d.outputs])
                .collect()
        });
        let values = (0..=graph.nodes.len()).map(|v| vec![0.0; graph.width(v)]);
        Self {
            graph,
            weights: weights.collect(),
            made: made.collect(),
            values: values.collect(),
        }
    }

    fn run(&mut self, x: &[f32]) {
        self.values[0].copy_from_slice(x);
        for (n, node) in self.graph.nodes.iter().enumerate() {
            for (l, layer) in node.layers.iter().enumerate() {
                let Any::Dense(d) = layer else { continue };
                let (before, here) = self.made[n].split_at_mut(l);
                let x = before.last().unwrap_or(&self.values[node.src]);
                let (y, w, b) = (&mut here[0], &self.weights[n][l], &d.bias);
                for o in 0..y.len() {
                    y[o] = b[o] + w[o].iter().zip(x).map(|(w, x)| w * x).sum::<f32>();
                }
                if d.activation == Activation::Relu {
                    y.iter_mut().for_each(|y| *y = y.max(0.0));
                }
            }
            let (before, here) = self.values.split_at_mut(n + 1);
            let (made, y) = (self.made[n].last_mut().expect("a layer"), &mut here[0]);
            if let Op::Gate { sees, .. } = &node.op {
                made.iter_mut().for_each(|z| *z = z.exp());
                let sum: f32 = made.iter().sum();
                y.fill(0.0);
                for (e, v) in made.iter().zip(sees) {
                    y.iter_mut()
                        .zip(&before[*v])
                        .for_each(|(y, h)| *y += e / sum * h);
                }
            } else {
                y.copy_from_slice(made);
            }
        }
        black_box(&self.values);
    }
}

type Runnable = std::sync::Arc<TypedRunnableModel>;

/// An ONNX file in tract.
struct Tract {
    model: Runnable,
    batch: usize,
    inputs: usize,
}

impl Tract {
    fn new(file: &str, batch: usize, inputs: usize) -> Self {
        let model = tract_onnx::onnx()
            .model_for_path(fixture(file))
            .and_then(|m| m.with_input_fact(0, f32::fact([batch, inputs]).into()))
            .and_then(InferenceModelExt::into_optimized)
            .and_then(|m| m.into_runnable())
            .unwrap_or_else(|e| panic!("{file}: {e:?}"));
        Self {
            model,
            batch,
            inputs,
        }
    }

    fn outputs(&self, x: &[f32]) -> TVec<TValue> {
        let x = Tensor::from_shape(&[self.batch, self.inputs], x).expect("rows");
        self.model.run(tvec!(x.into())).expect("runs")
    }

    fn run(&mut self, x: &[f32]) {
        black_box(self.outputs(x));
    }
}

/// Holds tract's tasks against an f64 evaluation of the graph: the race is about the same work.
fn agree(graph: &Graph, tract: &mut Tract, x: &[f32], inputs: usize) {
    let outputs: Vec<Vec<f32>> = tract
        .outputs(x)
        .iter()
        .map(|t| {
            t.to_plain_array_view::<f32>()
                .expect("f32")
                .iter()
                .copied()
                .collect()
        })
        .collect();
    for (row, x) in x.chunks(inputs).enumerate() {
        let wanted =
            eval::evaluate(graph, &x.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()).tasks;
        for (task, y) in wanted.iter().zip(&outputs) {
            for (a, b) in task.iter().zip(&y[row * task.len()..]) {
                assert!(
                    (a - f64::from(*b)).abs() < 1e-4 * a.abs().max(1.0),
                    "row {row}: tract gives {b}, the model {a}"
                );
            }
        }
    }
}
