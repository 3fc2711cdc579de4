//! Bad and odd input: what is refused, in which words, and what is converted all the same.

use crate::quality::{declared, edge};
use crate::random::blob;
use mmoe::Dynamic;
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::{Dense, Graph, Layer, Normalization};
use mmoe_tools::quantize::{Options, QLayer, Quantized, calibrate, fit, quantize};
use testkit::Rng;
use testkit::fixtures::read;

fn rows() -> Vec<f32> {
    read("pytorch-edge/calibration.npz").tensors["x"]
        .data
        .clone()
}

fn refusal(graph: &Graph, rows: Option<(&[f32], usize)>, options: &Options) -> String {
    match calibrate(graph, rows).and_then(|c| quantize(graph, &c, options)) {
        Ok(_) => panic!("not refused"),
        Err(e) => e.to_string(),
    }
}

fn converted(graph: &Graph, rows: &[f32]) -> Quantized {
    quantize(
        graph,
        &calibrate(graph, Some((rows, graph.width(0)))).unwrap(),
        &Options::default(),
    )
    .unwrap()
}

/// Root mean square difference from f64 over all outputs, relative to 1 or the value.
fn apart(graph: &Graph, q: &Quantized, rows: &[f32]) -> f64 {
    let bytes = blob(graph, q, Packing::Quad);
    let m = Dynamic::load(&bytes).unwrap();
    let (mut scratch, mut y) = (vec![0; m.scratch_words()], vec![0.0; m.outputs()]);
    let (mut sum, mut n) = (0.0, 0.0f64);
    for x in rows.chunks(m.inputs()) {
        m.predict(x, &mut scratch, &mut y).unwrap();
        let wanted = evaluate(graph, &x.iter().map(|x| f64::from(*x)).collect::<Vec<_>>())
            .tasks
            .concat();
        for (y, w) in y.iter().zip(wanted) {
            assert!(y.is_finite());
            sum += ((f64::from(*y) - w) / w.abs().max(1.0)).powi(2);
            n += 1.0;
        }
    }
    (sum / n).sqrt()
}

fn dense(graph: &mut Graph, node: usize, layer: usize) -> &mut Dense {
    let Layer::Dense(d) = &mut graph.nodes[node].layers[layer] else {
        panic!("no dense layer")
    };
    d
}

#[test]
fn calibration_rows_must_fit_and_be_numbers() {
    let graph = edge();
    let none = Options::default();
    let says = |rows: Option<(&[f32], usize)>| refusal(&graph, rows, &none);
    assert_eq!(
        says(Some((&[0.0; 63], 63))),
        "the calibration rows have 63 features, the model takes 64"
    );
    assert_eq!(says(Some((&[], 64))), "the calibration file has no rows");
    let mut bad = rows();
    bad[64 * 3 + 5] = f32::NAN;
    assert_eq!(
        says(Some((&bad, 64))),
        "calibration row 3, feature 5 is NaN: leave such rows out"
    );
    bad[64 * 3 + 5] = f32::INFINITY;
    assert_eq!(
        says(Some((&bad, 64))),
        "calibration row 3, feature 5 is inf: leave such rows out"
    );
    assert!(says(None).contains("give `--calibration ROWS.npz`, or `min` and `max`"));
}

#[test]
fn one_row_converts_with_a_warning() {
    let graph = edge();
    let q = converted(&graph, &rows()[..64]);
    assert_eq!(
        q.notes
            .iter()
            .filter(|n| n.contains("only 1 calibration rows"))
            .count(),
        1,
        "{:?}",
        q.notes
    );
    assert!(apart(&graph, &q, &rows()) < 0.5);
}

#[test]
fn constant_features_are_counted_and_harmless() {
    let graph = edge();
    let mut rows = rows();
    rows.iter_mut().skip(7).step_by(64).for_each(|v| *v = 0.25);
    rows.iter_mut().skip(9).step_by(64).for_each(|v| *v = 0.0);
    let q = converted(&graph, &rows);
    assert!(
        q.notes
            .iter()
            .any(|n| n == "2 of 64 features have one value in all calibration rows"),
        "{:?}",
        q.notes
    );
    let apart = apart(&graph, &q, &rows);
    assert!(apart < 0.02, "{apart}");
}

#[test]
fn ranges_that_contradict_the_rows_are_counted() {
    let rows = read("pytorch-edge/calibration.npz").tensors["x"].clone();
    let mut graph = declared(&edge(), &rows);
    (graph.inputs[0].min, graph.inputs[0].max) = (Some(-0.5), Some(0.5));
    let outside = rows
        .data
        .iter()
        .step_by(64)
        .filter(|v| v.abs() > 0.5)
        .count();
    assert!(outside > 10);
    let q = converted(&graph, &rows.data);
    assert!(
        q.notes
            .iter()
            .any(|n| n.starts_with(&format!("{outside} calibration values lie outside"))),
        "{:?}",
        q.notes
    );
}

#[test]
fn zeros_and_denormal_weights_convert() {
    let rows = rows();
    let edit = |change: &dyn Fn(&mut Graph)| {
        let mut graph = edge();
        change(&mut graph);
        let q = converted(&graph, &rows);
        let apart = apart(&graph, &q, &rows);
        assert!(apart < 0.02, "{apart}: {:?}", q.notes);
    };
    // A row of zeros with a bias, a layer of zeros with and without, a gate of zeros.
    edit(&|g| dense(g, 0, 0).weight[..64].fill(0.0));
    edit(&|g| dense(g, 0, 0).weight.fill(0.0));
    edit(&|g| {
        dense(g, 1, 1).weight.fill(0.0);
        dense(g, 1, 1).bias.fill(0.0);
    });
    edit(&|g| dense(g, 4, 0).weight.fill(0.0));
    edit(&|g| dense(g, 8, 1).weight.fill(0.0));
    // The same with weights that are next to nothing.
    edit(&|g| dense(g, 0, 0).weight[..64].fill(1e-40));
    edit(&|g| dense(g, 0, 0).weight.fill(1e-40));
    edit(&|g| {
        dense(g, 1, 1).weight.fill(1e-40);
        dense(g, 1, 1).bias.fill(1e-40);
    });
    edit(&|g| dense(g, 4, 0).weight.fill(1e-40));
    edit(&|g| dense(g, 8, 1).weight.fill(-1e-40));
}

#[test]
fn weights_of_very_unlike_sizes_convert() {
    let rows = rows();
    let mut r = Rng::new(1);
    let mut graph = edge();
    // The experts' hidden units scaled by powers of ten, and back in the next layer: the same
    // function.
    for e in 0..4 {
        for h in 0..64 {
            let k = 10f32.powf(2.0 * r.real());
            let first = dense(&mut graph, e, 0);
            first.weight[h * 64..(h + 1) * 64]
                .iter_mut()
                .for_each(|w| *w *= k);
            first.bias[h] *= k;
            dense(&mut graph, e, 1)
                .weight
                .iter_mut()
                .skip(h)
                .step_by(64)
                .for_each(|w| *w /= k);
        }
    }
    let q = fit(&graph, Some((&rows, 64)), &Options::default()).unwrap();
    let apart = apart(&graph, &q, &rows);
    assert!(apart < 0.04, "{apart}: {:?}", q.notes);
}

#[test]
fn a_norm_whose_numbers_do_not_fit_is_refused_by_name() {
    let mut graph = edge();
    graph.nodes[2].layers.push(Layer::Norm {
        by: Normalization::Layer { groups: 1 },
        gain: vec![1.0; 32],
        bias: vec![0.0; 32],
        epsilon: 1e30,
    });
    graph.check().unwrap();
    let says = refusal(&graph, Some((&rows(), 64)), &Options::default());
    assert!(
        says.starts_with("`expert2.2`: the norm has an epsilon that outweighs all values"),
        "{says}"
    );
}

#[test]
fn slopes_and_constants_out_of_range_are_refused() {
    let mut graph = edge();
    graph.nodes[2].layers.push(Layer::PRelu {
        slope: vec![3.0; 32],
    });
    let says = refusal(&graph, Some((&rows(), 64)), &Options::default());
    assert!(
        says.starts_with("`expert2.2`: i8 models can hold slopes from −2 to 2, and this one is 3:"),
        "{says}"
    );
}

#[test]
fn max_loss_refuses_by_layer_figure_and_remedy() {
    let graph = edge();
    let rows = rows();
    let with = |max_loss| Options {
        max_loss: Some(max_loss),
        ..Options::default()
    };
    let says = refusal(&graph, Some((&rows, 64)), &with(1e-4));
    let layer = says.split('`').nth(1).unwrap();
    let figure: f64 = says
        .split_whitespace()
        .find_map(|w| w.parse().ok())
        .unwrap();
    assert!(
        says.contains("int8 weights cost")
            && says.contains(&format!("`--keep-wide {layer}`"))
            && figure > 1e-4,
        "{says}"
    );
    quantize(
        &graph,
        &calibrate(&graph, Some((&rows, 64))).unwrap(),
        &with(0.5),
    )
    .unwrap();
}

#[test]
fn any_layer_can_be_wide_by_name() {
    let graph = edge();
    let rows = rows();
    let wide = |names: &[&str], narrow_heads| {
        let keep_wide = names.iter().map(|n| (*n).to_owned()).collect();
        let q = quantize(
            &graph,
            &calibrate(&graph, Some((&rows, 64))).unwrap(),
            &Options {
                keep_wide,
                narrow_heads,
                ..Options::default()
            },
        )
        .unwrap();
        // Report and layers say the same.
        let bits = q.nodes.iter().flat_map(|n| &n.layers).map(|l| {
            if matches!(l, QLayer::I16 { .. }) {
                16
            } else {
                8
            }
        });
        assert!(bits.eq(q.report.iter().map(|(_, r)| r.weight_bits)));
        q.report
            .iter()
            .filter(|(_, r)| r.weight_bits == 16)
            .map(|(n, _)| n.clone())
            .collect::<Vec<_>>()
    };
    // Two gates' weights suffer from 8 bits and get 16 by themselves.
    assert_eq!(
        wide(&[], false),
        ["gate1.0", "gate2.0", "tower0.1", "tower1.1", "tower2.1"]
    );
    assert_eq!(wide(&[], true), ["gate1.0", "gate2.0"]);
    assert_eq!(
        wide(&["expert1.0", "gate0"], true),
        ["expert1.0", "gate0.0", "gate1.0", "gate2.0"]
    );
    let keep_wide = vec!["expert9.0".to_owned()];
    let says = refusal(
        &graph,
        Some((&rows, 64)),
        &Options {
            keep_wide,
            ..Options::default()
        },
    );
    assert!(
        says.starts_with(
            "`--keep-wide expert9.0`: there is no such layer; there are expert0.0, expert0.1, "
        ),
        "{says}"
    );
}
