//! How much of the float models' quality integers keep.

use crate::random::blob;
use mmoe::Dynamic;
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::eval::evaluate;
use mmoe_tools::fixed_point::{self, Shadow, quantize_input};
use mmoe_tools::graph::{Graph, Input, Layer, Op, Output};
use mmoe_tools::import::Tensor;
use mmoe_tools::metrics::{auc, mse};
use mmoe_tools::model::{self, build};
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::quantize::{Options, Quantized, calibrate, fit, quantize};
use testkit::Rng;
use testkit::fixtures::{fixture, read};

pub(crate) fn model(folder: &str, weights: &str) -> Graph {
    let spec =
        Spec::parse(&std::fs::read_to_string(fixture(&format!("{folder}/spec.toml"))).unwrap())
            .unwrap();
    build(
        read(&format!("{folder}/{weights}")),
        Some(&spec),
        model::Options::default(),
    )
    .unwrap()
    .graph
}

pub(crate) fn edge() -> Graph {
    model("pytorch-edge", "model.safetensors")
}

/// The graph with every feature's smallest and largest value of some rows as its declared range.
pub(crate) fn declared(graph: &Graph, rows: &Tensor) -> Graph {
    let width = graph.width(0);
    let input = |j: usize| {
        let column = || {
            rows.data
                .iter()
                .skip(j)
                .step_by(width)
                .map(|v| f64::from(*v))
        };
        Input {
            name: format!("x{j}"),
            count: 1,
            min: Some(column().fold(f64::INFINITY, f64::min)),
            max: Some(column().fold(f64::NEG_INFINITY, f64::max)),
            mean: None,
            std: None,
            folded: false,
            codes: None,
        }
    };
    Graph {
        inputs: (0..width).map(input).collect(),
        ..graph.clone()
    }
}

/// Integers from rows, as `convert` makes them.
fn fitted(graph: &Graph, rows: &[f32]) -> Quantized {
    fit(graph, Some((rows, graph.width(0))), &Options::default()).unwrap()
}

/// Integers from rows, or from their ranges alone.
fn both(graph: &Graph, rows: &Tensor) -> [(&'static str, Graph, Quantized); 2] {
    let with = fitted(graph, &rows.data);
    let ranges = declared(graph, rows);
    let without = quantize(
        &ranges,
        &calibrate(&ranges, None).unwrap(),
        &Options::default(),
    )
    .unwrap();
    [
        ("calibrated", graph.clone(), with),
        ("declared", ranges, without),
    ]
}

/// Outputs of the integer model, task by task (of one number each).
fn integers(graph: &Graph, q: &Quantized, x: &[f32]) -> Vec<Vec<f64>> {
    let bytes = blob(graph, q, Packing::Panels);
    let m = Dynamic::load(&bytes).unwrap();
    let (mut scratch, mut y) = (vec![0; m.scratch_words()], vec![0.0; m.outputs()]);
    let mut all = vec![Vec::new(); y.len()];
    for x in x.chunks(m.inputs()) {
        m.predict(x, &mut scratch, &mut y).unwrap();
        for (all, y) in all.iter_mut().zip(&y) {
            all.push(f64::from(*y));
        }
    }
    all
}

fn floats(graph: &Graph, x: &[f32]) -> Vec<Vec<f64>> {
    let mut all = vec![Vec::new(); graph.tasks.len()];
    for x in x.chunks(graph.width(0)) {
        let y = evaluate(graph, &x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>());
        for (all, y) in all.iter_mut().zip(y.tasks) {
            all.push(y[0]);
        }
    }
    all
}

fn labels(t: &Tensor) -> Vec<bool> {
    t.data.iter().map(|v| *v > 0.5).collect()
}

fn reals(t: &Tensor) -> Vec<f64> {
    t.data.iter().map(|v| f64::from(*v)).collect()
}

#[test]
fn pytorch_edge_keeps_its_quality() {
    let test = read("pytorch-edge/test_set.npz").tensors;
    let rows = read("pytorch-edge/calibration.npz").tensors;
    for (how, graph, q) in both(&edge(), &rows["x"]) {
        let y = integers(&graph, &q, &test["x"].data);
        let figures = [
            auc(&y[0], &labels(&test["y0"])).unwrap(),
            auc(&y[1], &labels(&test["y1"])).unwrap(),
            mse(&y[2], &reals(&test["y2"])),
        ];
        println!("pytorch-edge, {how}: {figures:?}");
        assert!(
            figures[0] >= 0.9972 && figures[1] >= 0.9965 && figures[2] <= 0.0505,
            "{how}: {figures:?}"
        );
    }
}

#[test]
fn hub_recsys_keeps_its_quality() {
    let test = read("keras-hub-recsys/test_subset.npz").tensors;
    let rows = read("keras-hub-recsys/calibration.npz").tensors;
    let graph = model("keras-hub-recsys", "weights_by_name.npz");
    let float = floats(&graph, &test["x"].data);
    for (how, graph, q) in both(&graph, &rows["x"]) {
        let y = integers(&graph, &q, &test["x"].data);
        for (k, name) in ["y0", "y1"].into_iter().enumerate() {
            let wanted = reals(&test[name]);
            let (f, i) = (mse(&float[k], &wanted), mse(&y[k], &wanted));
            println!("hub-recsys, {how}, {name}: {f} {i}");
            assert!(i <= 1.01 * f, "{how}, {name}: {i} instead of {f}");
        }
    }
}

/// A model on features that nobody scaled: ranges of 1 to 100,000, weights as small as that makes
/// them.
#[test]
fn unscaled_features_convert_by_default() {
    let mut graph = edge();
    let mut test = read("pytorch-edge/test_set.npz").tensors;
    let mut rows = read("pytorch-edge/calibration.npz").tensors;
    let mut r = Rng::new(3);
    let factors: Vec<f32> = (0..64)
        .map(|j| {
            if j == 0 {
                1e5
            } else {
                10f32.powf(2.5 + 2.5 * r.real())
            }
        })
        .collect();
    for name in ["x"] {
        for t in [&mut test[name], &mut rows[name]] {
            t.data
                .iter_mut()
                .enumerate()
                .for_each(|(i, v)| *v *= factors[i % 64]);
        }
    }
    for n in graph.nodes.iter_mut().filter(|n| n.src == 0) {
        if let Some(Layer::Dense(d)) = n.layers.first_mut() {
            d.weight
                .iter_mut()
                .enumerate()
                .for_each(|(i, w)| *w /= factors[i % 64]);
        }
    }
    let float = floats(&graph, &test["x"].data);
    for (how, graph, q) in both(&graph, &rows["x"]) {
        let y = integers(&graph, &q, &test["x"].data);
        for (k, name) in ["y0", "y1"].into_iter().enumerate() {
            let wanted = labels(&test[name]);
            let (f, i) = (
                auc(&float[k], &wanted).unwrap(),
                auc(&y[k], &wanted).unwrap(),
            );
            println!("unscaled, {how}, {name}: {f} {i}");
            assert!(i >= f - 0.005, "{how}, {name}: {i} instead of {f}");
        }
    }
}

/// Small probabilities keep their order: odds that differ by 1 % do not tie, in the logit or the
/// probability.
#[test]
fn odds_one_percent_apart_near_one_in_5000_do_not_tie() {
    let rows = &read("pytorch-edge/calibration.npz").tensors["x"];
    let plain = edge();
    let logit = |graph: &Graph, x: &[f64]| evaluate(graph, x).tasks[0][0];
    for (i, x) in rows.data.chunks(64).take(6).enumerate() {
        let x: Vec<f64> = x.iter().map(|v| f64::from(*v)).collect();
        let mut graph = plain.clone();
        let Output::Sigmoid { value } = graph.tasks[0].output else {
            panic!("y0 is a probability")
        };
        graph.tasks[0].output = Output::Linear { value };
        // The tower's last bias puts this row at 1/5000.
        let z = logit(&graph, &x);
        let Some(Layer::Dense(d)) = graph.nodes[value - 1].layers.last_mut() else {
            panic!("a tower ends in a dense layer")
        };
        d.bias[0] += ((1.0f64 / 4999.0).ln() - z) as f32;
        // Another row with odds 1 % higher, along all features by the gradient's signs: bisection.
        let z = logit(&graph, &x);
        let signs: Vec<f64> = (0..64)
            .map(|j| {
                let mut near = x.clone();
                near[j] += 1e-4;
                (logit(&graph, &near) - z).signum()
            })
            .collect();
        let along = |t: f64| -> Vec<f64> { x.iter().zip(&signs).map(|(x, s)| x + t * s).collect() };
        let (mut low, mut high) = (0.0, 0.1);
        for _ in 0..60 {
            let t = (low + high) / 2.0;
            if logit(&graph, &along(t)) - z < 1.01f64.ln() {
                low = t
            } else {
                high = t
            }
        }
        let other = along(low);
        let (a, b): (Vec<f32>, Vec<f32>) = x
            .iter()
            .zip(&other)
            .map(|(a, b)| (*a as f32, *b as f32))
            .unzip();
        let q = quantize(
            &graph,
            &calibrate(&graph, Some((&rows.data, 64))).unwrap(),
            &Options::default(),
        )
        .unwrap();
        let logits = integers(&graph, &q, &[a.clone(), b.clone()].concat());
        assert!(logits[0][1] > logits[0][0], "row {i}: {:?}", logits[0]);
        graph.tasks[0].output = Output::Sigmoid { value };
        let q = quantize(
            &graph,
            &calibrate(&graph, Some((&rows.data, 64))).unwrap(),
            &Options::default(),
        )
        .unwrap();
        let p = integers(&graph, &q, &[a, b].concat());
        assert!(
            p[0][1] > p[0][0] && p[0][0] > 1.0 / 10000.0 && p[0][1] < 1.0 / 2500.0,
            "row {i}: {:?}",
            p[0]
        );
    }
    assert!(plain.nodes.iter().any(|n| n.op == Op::Tower));
}

/// The worst difference of each task.
fn worst(a: &[Vec<f64>], b: &[Vec<f64>]) -> Vec<f64> {
    let one = |(a, b): (&Vec<f64>, &Vec<f64>)| {
        (a.iter().zip(b)).fold(0.0, |w: f64, (a, b)| w.max((a - b).abs()))
    };
    a.iter().zip(b).map(one).collect()
}

/// A few rows show little of what hidden values can be, and what goes beyond them must stay exact.
/// With a quarter more room than the rows need, some would saturate here.
#[test]
fn hidden_values_beyond_a_few_calibration_rows_do_not_saturate() {
    let graph = edge();
    let rows = &read("pytorch-edge/calibration.npz").tensors["x"];
    let test = &read("pytorch-edge/test_set.npz").tensors["x"];
    let count = |q: &Quantized| {
        let mut shadow = Shadow::default();
        for x in test.data.chunks(64) {
            fixed_point::evaluate(&graph, q, &quantize_input(q, x), &mut shadow);
        }
        assert!(!shadow.wrapped());
        shadow.saturated()
    };
    let few = &rows.data[..16 * 64];
    let least = calibrate(&graph, Some((few, 64))).unwrap();
    let least = quantize(&graph, &least, &Options::default()).unwrap();
    assert!(count(&least) > 0);
    assert_eq!(count(&fitted(&graph, few)), 0);
}

/// One absurd row, or a sentinel among the rows, costs what leaving it out costs: next to nothing;
/// and a person is told which.
#[test]
fn absurd_calibration_values_do_not_ruin_a_model() {
    let mut graph = edge();
    graph.feature_names = (0..64).map(|j| format!("f{j}")).collect();
    let rows = &read("pytorch-edge/calibration.npz").tensors["x"];
    let test = &read("pytorch-edge/test_set.npz").tensors["x"].data[..300 * 64];
    let float = floats(&graph, test);
    let clean = fitted(&graph, &rows.data);
    assert!(!clean.notes.iter().any(|n| n.contains("times the rest")));
    let clean = integers(&graph, &clean, test);
    let ordinary = worst(&float, &clean);
    let sentinel = [
        (5, 7, -9999.0),
        (80, 7, -9999.0),
        (300, 7, -9999.0),
        (80, 12, 3e5),
    ];
    for absurd in [&[(17, 3, 1e6)][..], &sentinel, &[(0, 63, f32::MAX)]] {
        let mut with = rows.data.clone();
        for (row, feature, value) in absurd {
            with[row * 64 + feature] = *value;
        }
        let believed = calibrate(&graph, Some((&with, 64))).unwrap();
        let believed = quantize(&graph, &believed, &Options::default()).unwrap();
        let ruined = worst(&integers(&graph, &believed, test), &float);
        assert!(ruined.iter().any(|w| *w > 0.2), "{ruined:?}");

        let q = fitted(&graph, &with);
        let found = integers(&graph, &q, test);
        let apart = worst(&float, &found);
        for (w, o) in apart.iter().zip(&ordinary) {
            assert!(*w < o + 0.005, "{absurd:?}: {apart:?} {ordinary:?}");
        }
        let note = q.notes.iter().find(|n| n.contains("times the rest"));
        let note = note.expect("a warning");
        let (row, feature, _) = absurd[0];
        let named = note.contains(&format!("feature `f{feature}`, row"));
        assert!(named && note.contains(&format!(" {row}")), "{note}");
    }
}

/// Values far out that the model was trained on are data: cutting them off would cost more than it
/// gains, so they keep their range.
#[test]
fn values_far_out_that_the_model_needs_are_kept() {
    let rows = &read("pytorch-edge/calibration.npz").tensors["x"];
    // In one row of ten the feature is as it was, elsewhere next to nothing.
    let mut with = rows.data.clone();
    for (i, row) in with.chunks_mut(64).enumerate() {
        row[5] *= if i % 10 == 0 { 1.0 } else { 0.001 };
    }
    let graph = edge();
    let q = fitted(&graph, &with);
    let told: Vec<_> = q
        .notes
        .iter()
        .filter(|n| n.contains("times the rest"))
        .collect();
    assert!(
        told.len() == 1 && told[0].contains("the range keeps that"),
        "{told:?}"
    );
    let plain = fitted(&graph, &rows.data);
    let ordinary = worst(&floats(&graph, &with), &integers(&graph, &plain, &with));
    let apart = worst(&floats(&graph, &with), &integers(&graph, &q, &with));
    for (w, o) in apart.iter().zip(&ordinary) {
        assert!(*w < o + 0.005, "{apart:?} {ordinary:?}");
    }
}

/// Levels of layers amplify: a row whose features are each as usual can reach far beyond the others
/// inside the model. Calibration that lacks such rows must cost them next to nothing beside
/// calibration that has them; with the least room they would be cut off at what it showed.
#[test]
fn rows_that_reach_farther_inside_than_calibration_showed_stay_near() {
    let names = ["click", "like", "dwell"];
    let spec: String = names
        .iter()
        .map(|n| format!("[[tasks]]\nname = \"{n}\"\nactivation = \"linear\"\n"))
        .collect();
    for (folder, task) in [
        ("deepctr-torch-ple", 2),
        ("deepctr-torch-ple", 1),
        ("torch-rechub-ple", 2),
        ("torch-rechub-ple", 1),
    ] {
        let graph = build(
            read(&format!("{folder}/model.safetensors")),
            Some(&Spec::parse(&spec).unwrap()),
            model::Options::default(),
        )
        .unwrap()
        .graph;
        let rows = &read(&format!("{folder}/golden.npz")).tensors["x"];
        let width = graph.width(0);
        // Logits, which reach farther than probabilities and show what saturates.
        let all = floats(&graph, &rows.data);
        let mut order: Vec<usize> = (0..all[task].len()).collect();
        order.sort_by(|a, b| all[task][*a].abs().total_cmp(&all[task][*b].abs()));
        let (usual, far) = order.split_at(order.len() * 3 / 4);
        let rows_of = |of: &[usize]| -> Vec<f32> {
            let one = |r: &usize| rows.data[r * width..][..width].iter().copied();
            of.iter().flat_map(one).collect()
        };
        let (usual, far) = (rows_of(usual), rows_of(far));
        let clean = integers(&graph, &fitted(&graph, &rows.data), &far);
        let found = integers(&graph, &fitted(&graph, &usual), &far);
        let least = calibrate(&graph, Some((&usual, width))).unwrap();
        let least = quantize(&graph, &least, &Options::default()).unwrap();
        let least = integers(&graph, &least, &far);
        let spans: Vec<f64> = all
            .iter()
            .map(|y| {
                let largest = y.iter().fold(f64::NEG_INFINITY, |m, v| m.max(*v));
                largest - y.iter().fold(f64::INFINITY, |m, v| m.min(*v))
            })
            .collect();
        for ((name, apart), span) in names.iter().zip(worst(&clean, &found)).zip(&spans) {
            assert!(apart < 0.005 * span, "{folder} {name}: {apart} of {span}");
        }
        let cut = worst(&clean, &least)[task] / spans[task];
        assert!(
            cut > 0.02,
            "{folder}: {cut} of the range with the least room"
        );
    }
}
