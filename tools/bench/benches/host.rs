//! `cargo bench --bench host` in this folder: the engine beside plain loops and beside tract, in one run on
//! one thread. Writes its part of `docs/host.md`.
//!
//! The method stands at the head of that part ([`METHOD`]). `cargo bench -- --only W` runs one
//! model and writes nothing.

use mmoe::{F32, I8, W8};
use mmoe_bench::machine::Machine;
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
`cargo bench --bench host` in `tools/bench` writes this part; do not edit it. It runs itself twice: with
the kernels that the processor allows, which are chosen when the program runs, and with the portable
kernels alone (`MMOE_PORTABLE=1`), compiled for the baseline instruction set.

Each figure is the fastest of up to 40 rounds of as many calls as fill 2 ms, in µs per row, on one thread.
The contestants of a model take turns, round by round, so that all meet the same machine; other work on
the machine still shows, so compare ratios, not times. *Ratio* is the time of the plain loops of the same
race over that of the contestant: above 1 is faster. *Gop/s* counts a product and a sum for each
weight; *of the peak* is that over the fused multiply-adds that the widest registers can do. A call
is one batch, the same seeded rows for all; the plain loops take one row after the other, at most 16 a call.

- *B*: the census model trained in Keras, 499 inputs, 8 experts 499→4, 2 gates, towers 4→8→2
  (24,112 multiply-accumulates a row).
- *C*: `pytorch-edge`, 64 inputs, 4 experts 64→64→32, 3 gates, towers 32→16→1 (27,312).
- *W*: seeded weights, 512 inputs, 8 experts 512→256→128, 4 gates, towers 128→64→1 (1,364,224).
- *plain loops*: `y[o] = b[o] + w[o].iter().zip(x).map(|(w, x)| w * x).sum()` for every dense
  layer, with buffers made beforehand, over the same wiring.
- *mmoe*: `Model::predict` for one row, `Model::predict_batch` for more; I8 from f32 features too, but for
  one row from quantized ones, with `predict_q`. The outputs have the same bits in both runs.
- *tract*: tract-onnx running the ONNX file that the framework exported of the same weights; its outputs
  are held against ours (1e-4) before the race. Batches of 1 and 256.
";

/// A model's name, its multiply-accumulates a row, and the machine's peak in GFLOP/s.
type Subject = (&'static str, f64, f64);

/// `calls` is how many rows a call of each takes.
fn rows_of_table(
    text: &mut String,
    (model, macs, peak): Subject,
    batch: usize,
    calls: &[usize],
    raced: &[(&'static str, f64)],
) {
    let us = |i: usize| raced[i].1 / calls[i] as f64;
    for (i, (name, _)) in raced.iter().enumerate() {
        let rate = 2.0 * macs / us(i) / 1e3;
        let share = match name.strip_prefix("mmoe ") {
            Some("F32" | "W8") => format!("{:.0} %", 100.0 * rate / peak),
            _ => String::new(),
        };
        writeln!(
            text,
            "| {model} | {batch} | {name} | {:.2} | {:.1} | {rate:.0} | {share} |",
            us(i),
            us(0) / us(i)
        )
        .expect("a string takes all");
    }
}

/// Races one model; `$Of` is its type in a precision.
macro_rules! model {
    ($text:ident, $subject:expr, $Of:ident, $inputs:literal, $graph:expr, $onnx:expr) => {{
        let graph = $graph;
        let x: Vec<[f32; $inputs]> = rows::<$inputs>(4096);
        let blobs = blobs(&graph, &x[..256].concat());
        let (f, w, i) = (
            $Of::<F32>::load(blobs[0].as_slice()).expect("F32"),
            $Of::<W8>::load(blobs[1].as_slice()).expect("W8"),
            $Of::<I8>::load(blobs[2].as_slice()).expect("I8"),
        );
        let mut q = [0; $inputs];
        let _ = i.quantize(&x[0], &mut q);
        for batch in [1, 16, 256, 4096] {
            let (x, few) = (&x[..batch], &x[..batch.min(16)]);
            let mut plain = Plain::new(&graph);
            let mut y = vec![f.predict(&x[0]); batch];
            let (mut z, mut v) = (y.clone(), y.clone());
            let mut contestants: Vec<Contestant<'_>> = vec![(
                "plain loops",
                Box::new(|| few.iter().for_each(|x| plain.run(black_box(x)))),
            )];
            if batch == 1 {
                let run = || y[0] = f.predict(black_box(&x[0]));
                contestants.push(("mmoe F32", Box::new(run)));
                let run = || z[0] = w.predict(black_box(&x[0]));
                contestants.push(("mmoe W8", Box::new(run)));
                let run = || _ = black_box(i.predict_q(black_box(&q)));
                contestants.push(("mmoe I8", Box::new(run)));
            } else {
                let run = || f.predict_batch(black_box(x), black_box(&mut y));
                contestants.push(("mmoe F32", Box::new(run)));
                let run = || w.predict_batch(black_box(x), black_box(&mut z));
                contestants.push(("mmoe W8", Box::new(run)));
                let run = || i.predict_batch(black_box(x), black_box(&mut v));
                contestants.push(("mmoe I8", Box::new(run)));
            }
            let onnx: Option<&str> = $onnx;
            if let Some(file) = onnx.filter(|_| [1, 256].contains(&batch)) {
                let mut tract = Tract::new(file, batch, $inputs);
                agree(&graph, &mut tract, &x.concat(), $inputs);
                let flat = x.concat();
                contestants.push(("tract", Box::new(move || tract.run(black_box(&flat)))));
            }
            let calls = [few.len(), batch, batch, batch, batch];
            rows_of_table(&mut $text, $subject, batch, &calls, &race(contestants));
        }
    }};
}

/// The races with the kernels of this executable, as a table.
fn races(only: Option<&str>) -> String {
    let fma = Machine::measure().fma;
    let peak = fma.last().map_or(f64::NAN, |(_, peak)| *peak);
    let mut text = "| model | batch | what | µs a row | ratio | Gop/s | of the peak |\n\
                    |---|---|---|---|---|---|---|\n"
        .to_owned();
    let wanted = |name: &str| only.is_none_or(|o| o == name);
    if wanted("B") {
        let onnx = Some("keras-mmoe-census/model.onnx");
        model!(text, ("B", 24_112.0, peak), B, 499, census(), onnx);
    }
    if wanted("C") {
        let onnx = Some("pytorch-edge/model.onnx");
        model!(text, ("C", 27_312.0, peak), C, 64, edge(), onnx);
    }
    if wanted("W") {
        model!(text, ("W", 1_364_224.0, peak), W, 512, wide(), None);
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
    let machine = Machine::measure();
    let mut page = METHOD.to_owned();
    let mut say = |what: &str| page += what;
    say(&format!(
        "\nMachine: {}, {}. Measured first:",
        machine.processor,
        first_line("rustc", "--version")
    ));
    for (vectors, rate) in &machine.fma {
        say(&format!(
            " {rate:.0} GFLOP/s of fused multiply-adds ({vectors}),"
        ));
    }
    for (memory, rate) in &machine.read {
        let end = if *memory == "memory" { ".\n" } else { "," };
        say(&format!(" {rate:.0} GB/s from {memory}{end}"));
    }
    for (title, portable) in [
        ("The kernels that the processor allows", ""),
        ("The portable kernels, baseline instruction set", "1"),
    ] {
        eprintln!("{title} …");
        let target = if portable.is_empty() {
            "target"
        } else {
            "target/portable"
        };
        let out = Command::new("cargo")
            .args(["bench", "--bench", "host", "--quiet"])
            .args(["--target-dir", target, "--", "--table"])
            .env("MMOE_PORTABLE", portable)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(std::process::Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(out.status.success(), "the benchmark failed");
        let table = String::from_utf8_lossy(&out.stdout);
        writeln!(page, "\n### {title}\n\n{}", table.trim()).expect("a string takes all");
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
