//! `cargo bench` in this folder: the engine beside plain loops and beside tract, in one run on one thread. Writes `docs/host.md`.
//!
//! The method stands at the head of that page ([`METHOD`]). `cargo bench -- --only W` runs one model and writes nothing.

mod models;
mod others;

use mmoe::{F32, I8, W8};
use std::fmt::Write as _;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

const METHOD: &str = "\
# Speed on a host

Written by `cargo bench` in `tools/bench`, which runs itself twice: compiled for the baseline instruction set and for `x86-64-v3` (AVX2). Do not edit.

Each figure is the fastest of 40 rounds of as many calls as fill 2 ms, in µs per call, on one thread. The contestants of a model take turns, round by
round, so that all meet the same machine; other work on the machine still shows, so compare ratios, not times. *Ratio* is the time of the plain loops of the
same run over that of the contestant: above 1 is faster. A call is one row (batch 1) or 256 rows (batch 256), the same seeded rows for all.

- *B*: the census model trained in Keras, 499 inputs, 8 experts 499→4, 2 gates, towers 4→8→2 (24,112 multiply-accumulates a row).
- *C*: `pytorch-edge`, 64 inputs, 4 experts 64→64→32, 3 gates, towers 32→16→1 (27,312).
- *W*: seeded weights, 512 inputs, 8 experts 512→256→128, 4 gates, towers 128→64→1 (1,363,200).
- *plain loops*: `y[o] = b[o] + w[o].iter().zip(x).map(|(w, x)| w * x).sum()` for every dense layer, with buffers made beforehand, over the same wiring.
- *mmoe*: `Model::predict` and `Model::predict_batch`; I8 from quantized features with `predict_q`. The outputs have the same bits in both columns of a precision.
- *tract*: tract-onnx running the ONNX file that the framework exported of the same weights; its outputs are held against ours (1e-4) before the race.
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
            (Duration::from_millis(2).as_secs_f64() / t.elapsed().as_secs_f64().max(1e-8)).clamp(1.0, 1e5) as u32
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
    contestants.iter().map(|(name, _)| *name).zip(best).collect()
}

fn rows_of_table(text: &mut String, model: &str, batch: usize, raced: &[(&'static str, f64)]) {
    let plain = raced[0].1;
    for (name, us) in raced {
        writeln!(text, "| {model} | {batch} | {name} | {us:.2} | {:.1} |", plain / us).expect("a string takes all");
    }
}

/// Races one model; `$Of` is its type in a precision.
macro_rules! model {
    ($text:ident, $name:literal, $Of:ident, $inputs:literal, $graph:expr, $onnx:expr) => {{
        let graph = $graph;
        let x: Vec<[f32; $inputs]> = models::rows::<$inputs>(256);
        let blobs = models::blobs(&graph, &x.concat());
        let (f, w, i) = (
            models::$Of::<F32>::load(blobs[0].as_slice()).expect("F32"),
            models::$Of::<W8>::load(blobs[1].as_slice()).expect("W8"),
            models::$Of::<I8>::load(blobs[2].as_slice()).expect("I8"),
        );
        let q: Vec<[i16; $inputs]> = x.iter().map(|x| {
            let mut q = [0; $inputs];
            let _ = i.input.quantize(x, &mut q);
            q
        }).collect();
        for batch in [1, 256] {
            let (x, q) = (&x[..batch], &q[..batch]);
            let mut plain = others::Plain::new(&graph);
            let mut y = vec![f.predict(&x[0]); batch];
            let mut z = y.clone();
            let mut contestants: Vec<Contestant<'_>> = vec![
                ("plain loops", Box::new(|| x.iter().for_each(|x| plain.run(black_box(x))))),
                ("mmoe F32", Box::new(|| f.predict_batch(black_box(x), black_box(&mut y)))),
                ("mmoe W8", Box::new(|| w.predict_batch(black_box(x), black_box(&mut z)))),
                ("mmoe I8", Box::new(|| q.iter().for_each(|q| _ = black_box(i.predict_q(black_box(q)))))),
            ];
            let onnx: Option<&str> = $onnx;
            if let Some(file) = onnx {
                let mut tract = others::Tract::new(file, batch, $inputs);
                others::agree(&graph, &mut tract, &x.concat(), $inputs);
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
        model!(text, "B", B, 499, models::census(), Some("keras-mmoe-census/model.onnx"));
    }
    if wanted("C") {
        model!(text, "C", C, 64, models::edge(), Some("pytorch-edge/model.onnx"));
    }
    if wanted("W") {
        model!(text, "W", W, 512, models::wide(), None);
    }
    text
}

/// What a command prints first.
fn first_line(command: &str, argument: &str) -> String {
    let out = Command::new(command).arg(argument).output().map(|o| String::from_utf8_lossy(&o.stdout).into_owned());
    out.ok().and_then(|o| o.lines().next().map(str::to_owned)).unwrap_or_else(|| "unknown".into())
}

fn processor() -> String {
    let about = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    about.lines().find_map(|l| l.strip_prefix("model name")).and_then(|l| l.split_once(':')).map_or("unknown".into(), |(_, n)| n.trim().to_owned())
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
    writeln!(page, "\nMachine: {}, {}.", processor(), first_line("rustc", "--version")).expect("a string takes all");
    for (title, flags) in [("The baseline instruction set (SSE2)", ""), ("AVX2 (`RUSTFLAGS=\"-C target-cpu=x86-64-v3\"`)", "-C target-cpu=x86-64-v3")] {
        eprintln!("{title} …");
        let target = if flags.is_empty() { "target" } else { "target/avx2" };
        let out = Command::new("cargo")
            .args(["bench", "--quiet", "--target-dir", target, "--", "--table"])
            .env("RUSTFLAGS", flags)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(std::process::Stdio::inherit())
            .output()
            .expect("cargo runs");
        assert!(out.status.success(), "the benchmark failed");
        writeln!(page, "\n## {title}\n\n{}", String::from_utf8_lossy(&out.stdout).trim()).expect("a string takes all");
    }
    page += others::PEERS;
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/host.md");
    std::fs::write(path, &page).expect("docs/host.md is written");
    println!("{page}");
}
