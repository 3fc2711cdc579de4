//! Blobs against the slow evaluation, bit for bit, and what was proven of sums against what they
//! do.

use crate::random::{self, blob};
use mmoe::Dynamic;
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::engine::BlobBytes;
use mmoe_tools::fixed_point::{Shadow, evaluate, quantize_input};
use mmoe_tools::graph::{Activation, Dense, GateKind, Graph, Input, Layer, Node, Op, Output, Task};
use mmoe_tools::import;
use mmoe_tools::model::{self, build};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::quantize::{Options, QuantizeError, Quantized, calibrate, quantize};
use testkit::Rng;
use testkit::fixtures::fixture;
use testkit::graphs::gates_read;

/// Raw outputs, shown outputs and gate weights of both packings against the slow evaluation.
fn same_bits(what: &str, graph: &Graph, q: &Quantized, rows: &[Vec<i16>]) {
    let blobs: [BlobBytes; 2] = [Packing::Panels, Packing::Quad].map(|p| blob(graph, q, p));
    let read = gates_read(graph);
    for bytes in &blobs {
        let m = Dynamic::load(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
        let mut scratch = vec![0xdead_beef; m.scratch_words()];
        let (mut raw, mut shown) = (vec![0; m.outputs()], vec![0.0; m.outputs()]);
        for x in rows {
            let slow = evaluate(graph, q, x, &mut Shadow::default());
            m.predict_q(x, &mut scratch, &mut raw).unwrap();
            assert_eq!(raw, slow.raw, "{what}: {x:?}");
            m.show(&raw, &mut shown);
            assert_eq!(
                shown.iter().map(|y| y.to_bits()).collect::<Vec<_>>(),
                slow.shown.iter().map(|y| y.to_bits()).collect::<Vec<_>>(),
                "{what}"
            );
            for (g, want) in slow.gates.iter().enumerate().filter(|(g, _)| read[*g]) {
                let mut weights = [0.0; 32];
                let n = m.gate_weights(&scratch, g, &mut weights);
                assert_eq!(
                    weights[..n]
                        .iter()
                        .map(|w| (w * 32768.0) as u16)
                        .collect::<Vec<_>>(),
                    *want,
                    "{what}, gate {g}"
                );
            }
        }
    }
}

/// Random int16, and extremes of every sign.
fn integers(r: &mut Rng, width: usize, n: usize) -> Vec<Vec<i16>> {
    let mut rows = vec![
        vec![32767; width],
        vec![-32767; width],
        vec![i16::MIN; width],
        vec![0; width],
    ];
    rows.extend((0..n).map(|i| {
        (0..width)
            .map(|_| {
                if i % 2 == 0 {
                    r.bits() as i16
                } else {
                    r.pick(&[-32767, 32767])
                }
            })
            .collect()
    }));
    rows
}

/// Random models are refused for one reason only: values that must share a scale (identities,
/// sigmoid and tanh experts) and are too unlike.
fn made(graph: &Graph, rows: Option<(&[f32], usize)>, options: &Options) -> Option<Quantized> {
    match quantize(graph, &calibrate(graph, rows).unwrap(), options) {
        Err(QuantizeError::Mixture(..) | QuantizeError::Scale(..) | QuantizeError::Affine(..)) => {
            None
        }
        other => Some(other.unwrap_or_else(|e| panic!("{e}: {graph:?}"))),
    }
}

#[test]
fn random_models_give_the_bits_of_the_rules() {
    let mut refused = 0;
    for seed in 0..250 {
        let r = &mut Rng::new(seed);
        let graph = random::graph(r);
        let width = graph.width(0);
        let rows = random::rows(r, &graph, 40, 0.8);
        let options = Options {
            narrow_heads: r.one_in(2),
            ..Options::default()
        };
        let Some(q) = made(&graph, r.one_in(2).then_some((&rows[..], width)), &options) else {
            refused += 1;
            continue;
        };
        same_bits(&format!("seed {seed}"), &graph, &q, &integers(r, width, 12));
        // The input stage, too: in range, at and beyond its ends, and halves.
        let bytes = blob(&graph, &q, Packing::Panels);
        let m = Dynamic::load(&bytes).unwrap();
        let mut got = vec![0; width];
        for x in rows.chunks(width).take(8) {
            for k in [1.0f32, 3.0, 1e9, f32::NAN, f32::INFINITY] {
                let x: Vec<f32> = x.iter().map(|x| x * k).collect();
                m.quantize(&x, &mut got).unwrap();
                assert_eq!(got, quantize_input(&q, &x));
            }
        }
    }
    assert!(refused < 50, "{refused} of 250");
}

#[test]
fn no_sum_of_a_random_model_wraps_at_the_extremes_of_its_inputs() {
    let mut refused = 0;
    for seed in 1000..1250 {
        let r = &mut Rng::new(seed);
        let graph = random::graph(r);
        let width = graph.width(0);
        // Rows near the middle say little about the extremes; the proof must hold there all the
        // same.
        let rows = random::rows(r, &graph, 40, 0.05);
        for rows in [None, Some((&rows[..], width))] {
            let options = Options {
                narrow_heads: r.one_in(2),
                ..Options::default()
            };
            let Some(q) = made(&graph, rows, &options) else {
                refused += 1;
                continue;
            };
            let mut shadow = Shadow::default();
            for x in random::corners(r, &graph, 30) {
                evaluate(&graph, &q, &quantize_input(&q, &x), &mut shadow);
            }
            assert!(!shadow.wrapped(), "seed {seed}: {shadow:?}");
            // What is reported is a bound.
            for ((name, report), seen) in q.report.iter().zip(&shadow.layers) {
                let room = if report.weight_bits == 8 { 31.0 } else { 46.0 };
                assert!(
                    (seen.largest.max(1) as f64).log2() <= f64::from(room - report.margin) + 1e-5,
                    "seed {seed}, {name}: {report:?} {seen:?}"
                );
            }
            // And where it says so, of any int16.
            let mut shadow = Shadow::default();
            for x in integers(r, width, 30) {
                evaluate(&graph, &q, &x, &mut shadow);
            }
            for ((name, report), seen) in q.report.iter().zip(&shadow.layers) {
                assert!(
                    seen.accumulators == 0 || report.margin_any < 0.0,
                    "seed {seed}, {name}: {report:?} {seen:?}"
                );
            }
        }
    }
    assert!(refused < 100, "{refused} of 500");
}

/// Many experts that a sigmoid gate lets through, far beyond what the rows showed; and logits
/// beyond Q16.16.
#[test]
fn sums_that_rows_say_nothing_of_do_not_wrap() {
    let layer = |outputs: usize, weight: f32, bias: f32, activation| {
        let (weight, bias) = (vec![weight; 4 * outputs], vec![bias; outputs]);
        vec![Layer::Dense(Dense {
            name: String::new(),
            inputs: 4,
            outputs,
            weight,
            bias,
            activation,
        })]
    };
    let step = |op, src, outputs, layers| Node {
        op,
        src,
        start: 0,
        inputs: 4,
        outputs,
        layers,
    };
    for weight in [0.01, 1e4] {
        let mut nodes: Vec<Node> = (0..8)
            .map(|_| step(Op::Expert, 0, 4, layer(4, 1.0, 0.0, Activation::Relu)))
            .collect();
        let gate = Op::Gate {
            kind: GateKind::Sigmoid,
            sees: (1..9).collect(),
            temperature: 1.0,
        };
        nodes.push(step(gate, 0, 4, layer(8, weight, 9.0, Activation::Linear)));
        nodes.push(step(
            Op::Tower,
            9,
            1,
            layer(1, 1.0, 0.0, Activation::Linear),
        ));
        let x = Input {
            name: "x".into(),
            count: 1,
            min: Some(-10.0),
            max: Some(10.0),
            mean: None,
            std: None,
            folded: false,
            codes: None,
        };
        let graph = Graph {
            name: "wide open".into(),
            version: 1,
            inputs: vec![x; 4],
            front: None,
            feature_names: vec![],
            nodes,
            tasks: vec![Task {
                name: "y".into(),
                output: Output::Linear { value: 10 },
            }],
        };
        graph.check().unwrap();
        let rows = random::rows(&mut Rng::new(1), &graph, 40, 0.05);
        let q = made(
            &graph,
            Some((&rows, 4)),
            &Options {
                narrow_heads: true,
                ..Options::default()
            },
        )
        .unwrap();
        let mut shadow = Shadow::default();
        for x in random::corners(&mut Rng::new(2), &graph, 16) {
            evaluate(&graph, &q, &quantize_input(&q, &x), &mut shadow);
        }
        assert!(!shadow.wrapped(), "{shadow:?}");
    }
}

fn model(weights: &str, spec: &str) -> Graph {
    build(
        import::read(&fixture(weights)).unwrap(),
        Some(&Spec::parse(spec).unwrap()),
        model::Options::default(),
    )
    .unwrap()
    .graph
}

fn tasks(names: &[&str], activation: &str) -> String {
    names
        .iter()
        .map(|n| format!("[[tasks]]\nname = \"{n}\"\nactivation = \"{activation}\"\n"))
        .collect()
}

#[test]
fn trained_models_give_the_bits_of_the_rules() {
    let read = |p| std::fs::read_to_string(fixture(p)).unwrap();
    let linear = "[[tasks]]\nname = \"weeks\"\nactivation = \"linear\"\n";
    for graph in [
        model(
            "pytorch-edge/model.safetensors",
            &read("pytorch-edge/spec.toml"),
        ),
        model(
            "keras-hub-recsys/weights_by_name.npz",
            &read("keras-hub-recsys/spec.toml"),
        ),
        model(
            "keras-mmoe-census/weights_by_name.npz",
            &tasks(&["income", "marital"], "softmax"),
        ),
        model(
            "deepctr-torch-mmoe/model.safetensors",
            &(tasks(&["income", "marital"], "sigmoid") + linear),
        ),
    ] {
        let r = &mut Rng::new(7);
        let width = graph.width(0);
        let rows: Vec<f32> = (0..64 * width).map(|_| r.normal()).collect();
        let q = quantize(
            &graph,
            &calibrate(&graph, Some((&rows, width))).unwrap(),
            &Options::default(),
        )
        .unwrap();
        same_bits(&graph.name, &graph, &q, &integers(r, width, 20));
        let in_range: Vec<Vec<i16>> = rows
            .chunks(width)
            .take(20)
            .map(|x| quantize_input(&q, x))
            .collect();
        same_bits(&graph.name, &graph, &q, &in_range);
    }
}
