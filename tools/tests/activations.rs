//! Activations, norms and the ends of towers: the frameworks' own outputs, and what integers keep of
//! each function.

use indexmap::IndexMap;
use mmoe::Dynamic;
use mmoe_tools::convert::{Conversion, Precision};
use mmoe_tools::data::Rows;
use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::{Activation, GateKind, Graph, Input, Layer, Normalization, Op, Output};
use mmoe_tools::import::Tensor;
use mmoe_tools::rust_type::typed;
use testkit::fixtures::{fixture, graph, read};
use testkit::golden::assert_tasks;
use testkit::{Rng, graphs};

/// Files of `tests/fixtures/activations`, and the share of an output's range that integers may be
/// off on the golden rows.
const FILES: &[&str] = &[
    "norm-group.pt",
    "norm-rms.pt",
    "norm-lnnoaffine.pt",
    "norm-lnnobias.pt",
    "rechub-dice.pt",
    "tz-dice-nobn.pt",
    "keras-relu6.keras",
    "keras-selu.keras",
    "keras-exp-output.keras",
    "keras-softplus-output.keras",
];

/// The conversion calibrated on these rows.
fn conversion(precision: Precision, graph: &Graph, rows: &[f32]) -> Conversion {
    Conversion {
        calibration: (precision == Precision::I8).then(|| {
            Rows {
                data: rows.to_vec(),
                width: graph.width(0),
            }
            .into()
        }),
        ..Conversion::new(precision)
    }
}

/// The outputs of a blob, row by row.
fn run(graph: &Graph, conversion: &Conversion, rows: &[f32]) -> Vec<Vec<f32>> {
    let made = conversion.run(graph).unwrap();
    // Every part has a type that a device can name.
    let bytes = made.bytes();
    typed(&mmoe::blob::Blob::open(&bytes).unwrap()).unwrap();
    let model = Dynamic::load(&bytes).unwrap();
    let mut scratch = vec![0; model.scratch_words()];
    rows.chunks(model.inputs())
        .map(|x| {
            let mut y = vec![0.0; model.outputs()];
            model.predict(x, &mut scratch, &mut y).unwrap();
            y
        })
        .collect()
}

/// The largest difference of any output, as a share of what that output ranges over.
fn apart(found: &[Vec<f32>], wanted: &[Vec<f32>]) -> f32 {
    let mut worst = 0.0f32;
    for (k, _) in wanted[0].iter().enumerate() {
        let ends = wanted.iter().map(|y| y[k]);
        let (low, high) = ends.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), y| {
            (low.min(y), high.max(y))
        });
        assert!(high > low, "output {k} does not depend on its row");
        for (a, b) in found.iter().zip(wanted) {
            worst = worst.max((a[k] - b[k]).abs() / (high - low));
        }
    }
    worst
}

/// A framework's outputs, task after task in each row.
fn concat(graph: &Graph, golden: &IndexMap<String, Tensor>, rows: usize) -> Vec<Vec<f32>> {
    let row = |r: usize| {
        let of = |name: &str| {
            let data = &golden[name].data;
            let width = data.len() / rows;
            data[r * width..(r + 1) * width].to_vec()
        };
        graph.tasks.iter().flat_map(|t| of(&t.name)).collect()
    };
    (0..rows).map(row).collect()
}

#[test]
fn frameworks_functions_in_all_precisions() {
    for file in FILES {
        let stem = format!("activations/{}", file.rsplit_once('.').unwrap().0);
        let graph = graph(&format!("activations/{file}"), &format!("{stem}.spec.toml"));
        assert!(fixture(&format!("{stem}.golden.npz")).exists());
        let golden = read(&format!("{stem}.golden.npz")).tensors;
        assert_tasks(&graph, &golden);
        let x = &golden["x"].data;
        let wanted = concat(&graph, &golden, x.len() / graph.width(0));
        for (precision, most) in [
            (Precision::F32, 1e-5),
            (Precision::W8, 0.1),
            (Precision::I8, 0.1),
        ] {
            let found = run(&graph, &conversion(precision, &graph, x), x);
            let apart = apart(&found, &wanted);
            assert!(apart <= most, "{file} in {precision:?}: {apart}");
        }
    }
}

/// Two experts of `layers` behind a matrix, one softmax gate, and a tower that ends in `last`.
fn model(r: &mut Rng, layers: impl Fn(&mut Rng) -> Vec<Layer>, last: Activation) -> Graph {
    let mut nodes: Vec<_> = (0..2)
        .map(|_| {
            let mut own = layers(r);
            own.push(graphs::dense(r, 16, 12, Activation::Relu));
            graphs::node(Op::Expert, 0, 0, 10, 12, own)
        })
        .collect();
    nodes.push(graphs::gate(r, GateKind::Softmax, 0, 10, vec![1, 2], 12));
    let tower = graphs::chain(r, &[12, 8, 2], Activation::Relu, last);
    nodes.push(graphs::node(Op::Tower, 3, 0, 12, 2, tower));
    let mut graph = graphs::graph(10, nodes, &[Output::Linear { value: 4 }]);
    graph.inputs = vec![Input {
        min: Some(-2.0),
        max: Some(2.0),
        ..Input::new("x", 10)
    }];
    graph
}

/// With 16-bit weights throughout, what is left is the functions' own error.
fn integers(graph: &Graph, r: &mut Rng) -> f32 {
    let rows: Vec<f32> = (0..200).flat_map(|_| r.row(10)).collect();
    let wanted: Vec<Vec<f32>> = rows
        .chunks(10)
        .map(|x| {
            let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
            let y = evaluate(graph, &x).tasks.concat();
            y.into_iter().map(|y| y as f32).collect()
        })
        .collect();
    let wide = ["expert0", "expert1", "gate0", "tower0"].map(str::to_owned);
    let conversion = Conversion {
        keep_wide: wide.into(),
        ..conversion(Precision::I8, graph, &rows)
    };
    apart(&run(graph, &conversion, &rows), &wanted)
}

#[test]
fn integers_keep_every_activation() {
    let elu = Activation::Elu {
        depth: 1.76,
        rate: 1.0,
        slope: 1.05,
    };
    let clip = |low, high| Activation::Clip { low, high };
    for activation in [
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu { rate: 1.0 },
        elu,
        Activation::Softplus { rate: 1.0 },
        Activation::Mish,
        Activation::Softsign,
        Activation::HardSwish,
        clip(0.0, 6.0),
        clip(-1.0, 1.0),
        Activation::Square,
    ] {
        let r = &mut Rng::new(7);
        // In a layer, on its own behind a norm, and at the end of a tower.
        let fused = |r: &mut Rng| vec![graphs::dense(r, 10, 16, activation)];
        let alone = |r: &mut Rng| {
            vec![
                graphs::dense(r, 10, 16, Activation::Linear),
                graphs::norm(r, Normalization::Rms, 16),
                Layer::Pointwise {
                    activation,
                    width: 16,
                },
            ]
        };
        // Relu6 would be 0 on most of these rows, and what is left says nothing of the function.
        let end = if activation == clip(0.0, 6.0) {
            clip(-1.0, 6.0)
        } else {
            activation
        };
        let ends = [Activation::Linear, Activation::Linear, end];
        let graphs = [
            model(r, fused, ends[0]),
            model(r, alone, ends[1]),
            model(r, fused, ends[2]),
        ];
        for (graph, last) in graphs.iter().zip(ends) {
            let off = integers(graph, r);
            assert!(off < 5e-4, "{last:?}: {off}");
        }
    }
    let r = &mut Rng::new(8);
    let plain = |r: &mut Rng| vec![graphs::dense(r, 10, 16, Activation::Relu)];
    let off = integers(&model(r, plain, Activation::Exp), r);
    assert!(off < 2e-3, "exp: {off}");
    // Slopes beyond what is stored, of all units and of some.
    for slope in [3.0, -2.5] {
        let one = |r: &mut Rng| vec![graphs::dense(r, 10, 16, Activation::LeakyRelu { slope })];
        let each = |r: &mut Rng| {
            let slopes = (0..16).map(|i| if i % 3 == 0 { slope } else { 0.25 });
            vec![
                graphs::dense(r, 10, 16, Activation::Linear),
                Layer::PRelu {
                    slope: slopes.collect(),
                },
            ]
        };
        for off in [
            integers(&model(r, one, Activation::Linear), r),
            integers(&model(r, each, Activation::Linear), r),
        ] {
            assert!(off < 1e-3, "slope {slope}: {off}");
        }
    }
}

#[test]
fn integers_keep_every_norm_and_dice() {
    for by in [
        Normalization::Layer { groups: 1 },
        Normalization::Layer { groups: 4 },
        Normalization::Rms,
        Normalization::Unit,
    ] {
        let r = &mut Rng::new(9);
        // Behind a matrix, and on the features themselves.
        let behind = |r: &mut Rng| {
            let dense = graphs::dense(r, 10, 16, Activation::Linear);
            vec![dense, graphs::norm(r, by, 16)]
        };
        let first = |r: &mut Rng| {
            let by = match by {
                Normalization::Layer { groups: 4 } => Normalization::Layer { groups: 5 },
                other => other,
            };
            let norm = graphs::norm(r, by, 10);
            vec![norm, graphs::dense(r, 10, 16, Activation::Relu)]
        };
        for graph in [
            model(r, behind, Activation::Linear),
            model(r, first, Activation::Linear),
        ] {
            let off = integers(&graph, r);
            assert!(off < 2e-3, "{by:?}: {off}");
        }
    }
    let r = &mut Rng::new(10);
    for dice in [graphs::dice, graphs::row_dice] {
        let layers = |r: &mut Rng| vec![graphs::dense(r, 10, 16, Activation::Linear), dice(r, 16)];
        let off = integers(&model(r, layers, Activation::Linear), r);
        assert!(off < 2e-3, "dice: {off}");
    }
}
