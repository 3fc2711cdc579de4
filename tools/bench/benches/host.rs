//! `cargo bench --bench host` in this folder: the engine beside plain loops and beside tract, in one run on
//! one thread. Writes its part of `docs/host.md`.
//!
//! The method stands at the head of that part ([`METHOD`]). `cargo bench -- --only W` runs one
//! model and writes nothing.

use mmoe::{F32, I8, W8};
use mmoe_bench::machine::processor;
use mmoe_bench::models::{B, C, W, blobs, census, edge, fixture, rows, wide};
use mmoe_bench::page;
use mmoe_bench::plain::Plain;
use mmoe_bench::race::{Contestant, race};
use mmoe_tools::eval;
use mmoe_tools::graph::Graph;
use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;
use tract_onnx::prelude::*;

const METHOD: &str = "\
`cargo bench --bench host` in `tools/bench` writes this part; do not edit it. It runs itself twice:
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
            .args([
                "bench",
                "--bench",
                "host",
                "--quiet",
                "--target-dir",
                target,
                "--",
                "--table",
            ])
            .env("RUSTFLAGS", flags)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(std::process::Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(out.status.success(), "the benchmark failed");
        writeln!(
            page,
            "\n### {title}\n\n{}",
            String::from_utf8_lossy(&out.stdout).trim()
        )
        .expect("a string takes all");
    }
    page::put("races", &page);
    println!("{page}");
}

// What the engine is held against.

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
