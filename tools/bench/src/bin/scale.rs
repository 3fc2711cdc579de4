//! `cargo run --release --bin scale` in this folder: how the cost of a row grows with experts, tasks, width and
//! batch. Writes its part of `docs/host.md`, and `docs/scale.svg`. With `--dry` it prints and writes nothing.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use cpu_time::ThreadTime;
use mmoe::F32;
use mmoe_bench::machine::processor;
use mmoe_bench::models::{C, Random, blobs, edge, rows};
use mmoe_bench::page;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::engine::Runner;
use mmoe_tools::graph::{Activation, Dense, GateKind, Graph, Input, Layer, Node, Op, Output, Task};

const ABOUT: &str = "\
`cargo run --release --bin scale` in `tools/bench` writes this part and the picture; do not edit them. One thread, F32. The model has 64 \
inputs, 8 experts
64→32, 4 tasks with a gate each, and towers 32→16→1; one of its numbers at a time is another. Each figure is \
the fastest of many calls, after as
many as warm the caches. Experts, tasks and width are measured with `Dynamic::predict`, a row a call; batches with \
`Model::predict_batch` on `pytorch-edge`.

A multiply-accumulate is one of a dense layer or of a mixture. A model of `E` experts, `T` tasks and width `H` has `E·T·H` of them in \
its mixtures: that is the
work that the model asks for, and nothing else grows with a product of its numbers. Time per multiply-accumulate is \
highest where layers
are small (each call of a kernel costs something), and rises again where weights leave the caches.

![Time per row against experts, tasks, width and batch](scale.svg)
";

/// One of the four series.
struct Series {
    name: &'static str,
    unit: &'static str,
    points: Vec<Point>,
}

struct Point {
    at: usize,
    /// Multiply-accumulates of a row.
    work: usize,
    /// µs of a row.
    us: f64,
}

/// A dense layer of seeded weights.
fn dense(random: &mut Random, inputs: usize, outputs: usize, activation: Activation) -> Layer {
    let size = (3.0 / inputs as f32).sqrt();
    Layer::Dense(Dense {
        name: String::new(),
        inputs,
        outputs,
        weight: (0..inputs * outputs)
            .map(|_| random.next() * size)
            .collect(),
        bias: (0..outputs).map(|_| random.next() * 0.1).collect(),
        activation,
    })
}

/// A model of this many experts of this width, and tasks; and its multiply-accumulates.
fn made(experts: usize, width: usize, tasks: usize) -> (Graph, usize) {
    const IN: usize = 64;
    let mut random = Random(7);
    let mut nodes = Vec::new();
    let mut node = |op, src, inputs, outputs, layers| {
        nodes.push(Node {
            op,
            src,
            start: 0,
            inputs,
            outputs,
            layers,
        });
    };
    for _ in 0..experts {
        let layers = vec![dense(&mut random, IN, width, Activation::Relu)];
        node(Op::Expert, 0, IN, width, layers);
    }
    for _ in 0..tasks {
        let op = Op::Gate {
            kind: GateKind::Softmax,
            sees: (1..=experts).collect(),
            temperature: 1.0,
        };
        let layers = vec![dense(&mut random, IN, experts, Activation::Linear)];
        node(op, 0, IN, width, layers);
    }
    for t in 0..tasks {
        let layers = vec![
            dense(&mut random, width, 16, Activation::Relu),
            dense(&mut random, 16, 1, Activation::Linear),
        ];
        node(Op::Tower, experts + 1 + t, width, 1, layers);
    }
    let task = |t| Task {
        name: format!("t{t}"),
        output: Output::Linear {
            value: experts + tasks + 1 + t,
        },
    };
    let graph = Graph {
        name: "scale".into(),
        version: 0,
        inputs: vec![Input::new("x", IN)],
        front: None,
        feature_names: vec![],
        nodes,
        tasks: (0..tasks).map(task).collect(),
    };
    let work = experts * IN * width + tasks * (IN * experts + experts * width + width * 16 + 16);
    (graph, work)
}

/// The fastest of as many calls as fit into a fifth of a second, at least three, in µs.
fn fastest(mut f: impl FnMut()) -> f64 {
    f();
    let (begin, mut best, mut calls) = (Instant::now(), f64::INFINITY, 0);
    while calls < 3 || begin.elapsed().as_secs_f64() < 0.2 {
        // Several calls between two looks at the clock, where one takes no longer than a look. The
        // thread's own time, which other work on the machine disturbs less.
        let t = ThreadTime::now();
        (0..8).for_each(|_| f());
        best = best.min(t.elapsed().as_secs_f64() * 1e6 / 8.0);
        calls += 1;
    }
    best
}

fn point(at: usize, (graph, work): (Graph, usize)) -> Point {
    let blob = Conversion::new(Precision::F32)
        .run(&graph)
        .expect("converts")
        .bytes();
    let mut runner = Runner::load(&blob).expect("loads");
    let x = rows::<64>(1)[0];
    let us = fastest(|| _ = black_box(runner.predict(black_box(&x)).expect("64 features")));
    Point { at, work, us }
}

fn batch() -> Series {
    let graph = edge();
    let x = rows::<64>(65_536);
    let [blob, ..] = blobs(&graph, &x[..256].concat());
    let model = C::<F32>::load(blob.as_slice()).expect("the blob is of this type");
    let mut y = vec![model.predict(&x[0]); x.len()];
    let points = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536].map(|at| {
        let (x, y) = (&x[..at], &mut y[..at]);
        let us = fastest(|| model.predict_batch(black_box(x), black_box(y))) / at as f64;
        Point {
            at,
            work: 27_312,
            us,
        }
    });
    Series {
        name: "batch",
        unit: "rows in a call",
        points: points.into(),
    }
}

fn measure() -> [Series; 4] {
    let series = |name, unit, of: fn(usize) -> (Graph, usize), at: &[usize]| Series {
        name,
        unit,
        points: at.iter().map(|at| point(*at, of(*at))).collect(),
    };
    [
        series(
            "experts",
            "experts",
            |e| made(e, 32, 4),
            &[1, 2, 4, 8, 16, 32, 64, 128],
        ),
        series("tasks", "tasks", |t| made(8, 32, t), &[1, 2, 4, 8, 16, 32, 64]),
        series(
            "width",
            "numbers that an expert makes",
            |h| made(8, h, 4),
            &[8, 32, 128, 512, 1024, 2048, 4096],
        ),
        batch(),
    ]
}

fn table(series: &[Series]) -> String {
    let mut text = String::new();
    for s in series {
        let head = "multiply-accumulates a row | µs a row | ps a multiply-accumulate";
        let _ = writeln!(text, "\n| {} | {head} |\n|---|---|---|---|", s.name);
        for p in &s.points {
            let each = p.us * 1e6 / p.work as f64;
            let _ = writeln!(text, "| {} | {} | {:.2} | {each:.0} |", p.at, p.work, p.us);
        }
    }
    text
}

// The picture: four panels with both axes logarithmic.

const SIDE: f64 = 300.0;
const EDGE: f64 = 56.0;

fn picture(series: &[Series]) -> String {
    // The last label of an axis stands beyond its panel by half.
    let whole = SIDE * 2.0 + EDGE / 4.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {whole} {whole}\" width=\"{whole}\" \
         height=\"{whole}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (i, s) in series.iter().enumerate() {
        let (left, top) = (SIDE * (i % 2) as f64, SIDE * (i / 2) as f64);
        let _ = write!(
            svg,
            "<g transform=\"translate({left} {top})\">\n{}</g>\n",
            panel(s)
        );
    }
    svg + "</svg>\n"
}

/// Powers of ten around these numbers.
fn decades(of: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let low = of.clone().fold(f64::INFINITY, f64::min).log10().floor();
    let high = of.fold(0.0, f64::max).log10().ceil();
    (low, high.max(low + 1.0))
}

fn panel(s: &Series) -> String {
    // What time would be if every multiply-accumulate took as long as where that is least.
    let least = s
        .points
        .iter()
        .map(|p| p.us / p.work as f64)
        .fold(f64::INFINITY, f64::min);
    let proportional: Vec<f64> = s.points.iter().map(|p| least * p.work as f64).collect();
    let times = s
        .points
        .iter()
        .map(|p| p.us)
        .chain(proportional.iter().copied());
    let ((x0, x1), (y0, y1)) = (
        decades(s.points.iter().map(|p| p.at as f64)),
        decades(times),
    );
    let across = |v: f64| EDGE + (v.log10() - x0) / (x1 - x0) * (SIDE - EDGE - 14.0);
    let down = |v: f64| SIDE - EDGE + 10.0 - (v.log10() - y0) / (y1 - y0) * (SIDE - EDGE - 24.0);
    let line = |ys: &[f64]| -> String {
        let at = |(p, y): (&Point, &f64)| format!("{:.1},{:.1} ", across(p.at as f64), down(*y));
        s.points.iter().zip(ys).map(at).collect()
    };
    let times: Vec<f64> = s.points.iter().map(|p| p.us).collect();
    let mut svg = String::new();
    for decade in y0 as i32..=y1 as i32 {
        let (value, y) = (10f64.powi(decade), down(10f64.powi(decade)));
        let _ = writeln!(
            svg,
            "<line x1=\"{EDGE}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{value}</text>",
            SIDE - 14.0,
            EDGE - 5.0,
            y + 4.0
        );
    }
    for decade in x0 as i32..=x1 as i32 {
        let (value, x) = (10f64.powi(decade), across(10f64.powi(decade)));
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value}</text>",
            down(10f64.powf(y0)),
            down(10f64.powf(y1)),
            SIDE - EDGE + 25.0
        );
    }
    let _ = writeln!(
        svg,
        "<polyline points=\"{}\" fill=\"none\" stroke=\"#999\" stroke-dasharray=\"4 3\"/>\n\
         <polyline points=\"{}\" fill=\"none\" stroke=\"#1565c0\" stroke-width=\"2\"/>\n\
         <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n\
         <text x=\"8\" y=\"11\">µs a row; dashed: in proportion to the work</text>",
        line(&proportional),
        line(&times),
        (EDGE + SIDE) / 2.0,
        SIDE - 12.0,
        s.unit
    );
    svg
}

fn main() {
    let series = measure();
    let text = format!("{ABOUT}\nMachine: {}.\n{}", processor(), table(&series));
    if std::env::args().any(|a| a == "--dry") {
        return println!("{text}");
    }
    page::put("scale", &text);
    std::fs::write(page::document("scale.svg"), picture(&series))
        .expect("docs/scale.svg is written");
}
