//! `cargo bench` in this folder: the engine beside plain loops, in one run on one thread.
//!
//! Method: each figure is the fastest of 30 rounds of as many calls as fill 2 ms, in µs per call; the contestants of a model take
//! turns, round by round, so that all meet the same machine. Inputs are seeded and the same for all; models B, C and W have the shapes of
//! the census model, of `pytorch-edge` and of a wide one (512 inputs, 8 experts 512→256→128, 4 gates, towers 128→64→1), with seeded
//! weights. The plain loops are `y[o] = b[o] + Σ w[o][i]·x[i]` as an iterator sum, the way anyone would write them, over the same
//! wiring. Ratios are to those.

use mmoe::{Aligned, Binary, Classes, Dense, F32, Gate, Head, I8, Mmoe, Precision, Scalar, Seq, W8};
use mmoe_tools::blob::{encode::Packing, file};
use mmoe_tools::graph::{Activation, Dense as Layer, GateKind, Graph, Input, Layer as Any, Node, Op, Output, Task};
use mmoe_tools::{pack, quantize};
use std::hint::black_box;
use std::time::{Duration, Instant};

type B<P> = Mmoe<[Dense<499, 4, P>; 8], [Gate<499, 8, P>; 2], [Classes<Seq<Dense<4, 8, P>, Head<8, 2, P>>>; 2]>;
type C<P> = Mmoe<[Seq<Dense<64, 64, P>, Dense<64, 32, P>>; 4], [Gate<64, 4, P>; 3], [Binary<Seq<Dense<32, 16, P>, Head<16, 1, P>>>; 3]>;
type W<P> = Mmoe<[Seq<Dense<512, 256, P>, Dense<256, 128, P>>; 8], [Gate<512, 8, P>; 4], [Scalar<Seq<Dense<128, 64, P>, Head<64, 1, P>>>; 4]>;

struct Random(u64);
impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }
}

/// A model of these widths with seeded weights.
fn graph(inputs: usize, experts: usize, expert: &[usize], tower: &[usize], tasks: usize, output: fn(usize) -> Output) -> Graph {
    let mut random = Random(7);
    let mut layers = |from: usize, widths: &[usize], last: Activation| -> Vec<Any> {
        let mut from = from;
        widths
            .iter()
            .enumerate()
            .map(|(i, to)| {
                let size = (3.0 / from as f32).sqrt();
                let layer = Layer {
                    name: String::new(),
                    inputs: from,
                    outputs: *to,
                    weight: (0..from * to).map(|_| random.next() * size).collect(),
                    bias: (0..*to).map(|_| random.next() * 0.1).collect(),
                    activation: if i + 1 == widths.len() { last } else { Activation::Relu },
                };
                from = *to;
                Any::Dense(layer)
            })
            .collect()
    };
    let wide = expert[expert.len() - 1];
    let mut nodes = Vec::new();
    for _ in 0..experts {
        nodes.push(Node { op: Op::Expert, src: 0, start: 0, inputs, outputs: wide, layers: layers(inputs, expert, Activation::Relu) });
    }
    for _ in 0..tasks {
        let op = Op::Gate { kind: GateKind::Softmax, sees: (1..=experts).collect(), temperature: 1.0 };
        nodes.push(Node { op, src: 0, start: 0, inputs, outputs: wide, layers: layers(inputs, &[experts], Activation::Linear) });
    }
    for t in 0..tasks {
        let outputs = tower[tower.len() - 1];
        nodes.push(Node { op: Op::Tower, src: experts + 1 + t, start: 0, inputs: wide, outputs, layers: layers(wide, tower, Activation::Linear) });
    }
    let tasks = (0..tasks).map(|t| Task { name: format!("t{t}"), output: output(1 + experts + tasks + t) }).collect();
    let inputs = vec![Input { name: "x".into(), count: inputs, min: Some(-1.0), max: Some(1.0), mean: None, std: None }];
    Graph { name: "bench".into(), version: 0, inputs, feature_names: vec![], nodes, tasks }
}

fn plain_layers(layers: &[Any], x: &[f32]) -> Vec<f32> {
    let mut x = x.to_vec();
    for l in layers {
        let Any::Dense(l) = l else { continue };
        x = l
            .weight
            .chunks_exact(l.inputs)
            .zip(&l.bias)
            .map(|(w, b)| b + w.iter().zip(&x).map(|(w, x)| w * x).sum::<f32>())
            .map(|v| if l.activation == Activation::Relu { v.max(0.0) } else { v })
            .collect();
    }
    x
}

/// The model in plain loops: logits of every task.
fn plain(g: &Graph, x: &[f32]) -> Vec<Vec<f32>> {
    let mut values = vec![x.to_vec()];
    for n in &g.nodes {
        let mut y = plain_layers(&n.layers, &values[n.src]);
        if let Op::Gate { sees, .. } = &n.op {
            let e: Vec<f32> = y.iter().map(|z| z.exp()).collect();
            let sum: f32 = e.iter().sum();
            let mut m = vec![0.0; n.outputs];
            for (v, e) in sees.iter().zip(&e) {
                for (m, h) in m.iter_mut().zip(&values[*v]) {
                    *m += e / sum * h;
                }
            }
            y = m;
        }
        values.push(y);
    }
    values.split_off(values.len() - g.tasks.len())
}

fn blob(header: mmoe_tools::blob::message::Header, weights: Vec<u8>) -> Box<Aligned<[u8; 1 << 23]>> {
    let bytes = file::write(&header, &weights);
    let mut blob: Box<Aligned<[u8; 1 << 23]>> = <Aligned<[u8; 1 << 23]> as mmoe::zerocopy::FromZeros>::new_box_zeroed().expect("8 MB");
    blob[..bytes.len()].copy_from_slice(&bytes);
    blob
}

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
    for _ in 0..30 {
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

fn table(model: &str, batch: usize, rows: &[(&'static str, f64)]) {
    let plain = rows[0].1;
    for (name, us) in rows {
        println!("| {model} | {batch} | {name} | {us:.2} | {:.1} |", plain / us);
    }
}

macro_rules! model {
    ($name:literal, $type:ident, $inputs:literal, $graph:expr) => {{
        let g = $graph;
        let mut random = Random(99);
        let x: Vec<[f32; $inputs]> = (0..256).map(|_| std::array::from_fn(|_| random.next())).collect();
        let (h, w) = pack::float(&g, pack::Float::F32);
        let full = blob(h, w);
        let (h, w) = pack::float(&g, pack::Float::W8 { narrow_heads: false });
        let small = blob(h, w);
        let rows: Vec<f32> = x.concat();
        let q = quantize::quantize(&g, &quantize::source(&g, Some((&rows, $inputs))).expect("rows"), &quantize::Options { max_loss: Some(1.0), ..Default::default() }).expect("quantizes");
        let (h, w) = pack::integer(&g, &q, Packing::Panels);
        let integer = blob(h, w);
        let (f32m, w8, i8m) = ($type::<F32>::load(&full[..]).expect("F32"), $type::<W8>::load(&small[..]).expect("W8"), $type::<I8>::load(&integer[..]).expect("I8"));
        let ints: Vec<[i16; $inputs]> = x.iter().map(|x| { let mut q = [0; $inputs]; i8m.input.quantize(x, &mut q); q }).collect();
        fn outputs<P: Precision>(m: &$type<P>, x: &[f32; $inputs]) {
            black_box(m.predict(black_box(x)));
        }
        for batch in [1usize, 256] {
            let rows = &x[..batch];
            let contestants: Vec<Contestant<'_>> = vec![
                ("plain loops", Box::new(|| rows.iter().for_each(|x| { black_box(plain(&g, black_box(x))); }))),
                ("mmoe F32", Box::new(|| rows.iter().for_each(|x| outputs::<F32>(f32m, x)))),
                ("mmoe W8", Box::new(|| rows.iter().for_each(|x| outputs::<W8>(w8, x)))),
                ("mmoe I8, from integers", Box::new(|| ints[..batch].iter().for_each(|x| { black_box(i8m.predict_q(black_box(x))); }))),
            ];
            table($name, batch, &race(contestants));
        }
    }};
}

fn main() {
    let vectors = if cfg!(target_feature = "avx2") { "AVX2" } else { "the baseline instruction set" };
    println!("Compiled for {vectors}; one thread; µs per call, fastest of 30 rounds; ratio to the plain loops of the same run.\n");
    println!("| model | batch | what | µs | ratio |\n|---|---|---|---|---|");
    model!("B", B, 499, graph(499, 8, &[4], &[8, 2], 2, |value| Output::Softmax { value }));
    model!("C", C, 64, graph(64, 4, &[64, 32], &[16, 1], 3, |value| Output::Sigmoid { value }));
    model!("W", W, 512, graph(512, 8, &[256, 128], &[64, 1], 4, |value| Output::Linear { value }));
}
