//! What a spec can say, each form held against a computation written out here.

use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::{Activation, GateKind, Graph, Layer, Node, Op};
use mmoe_tools::import::Weights;
use mmoe_tools::model::{Options, Recognised, build};
use mmoe_tools::plan::spec::Spec;
use testkit::fixtures::made;

/// The tests share files of which each uses a part.
fn with(weights: &Weights, spec: &str) -> Recognised {
    let spec = format!("ignore = [\"*\"]\n{spec}");
    build(
        weights.clone(),
        Some(&Spec::parse(&spec).unwrap()),
        Options::default(),
    )
    .unwrap_or_else(|e| panic!("{e}"))
}

/// A tensor's numbers in f64.
fn t(weights: &Weights, name: &str) -> Vec<f64> {
    weights.tensors[name]
        .data
        .iter()
        .map(|v| f64::from(*v))
        .collect()
}

/// `W x + b`, with `W` as `[out, in]`.
fn dense(weights: &Weights, name: &str, x: &[f64]) -> Vec<f64> {
    let bias = weights
        .tensors
        .get(&format!("{name}.bias"))
        .map(|_| t(weights, &format!("{name}.bias")));
    let rows = t(weights, &format!("{name}.weight"));
    rows.chunks(x.len())
        .enumerate()
        .map(|(o, row)| {
            row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>() + bias.as_ref().map_or(0.0, |b| b[o])
        })
        .collect()
}

fn batch_norm(weights: &Weights, name: &str, epsilon: f64, x: &[f64]) -> Vec<f64> {
    let [gamma, beta, mean, var] = ["weight", "bias", "running_mean", "running_var"]
        .map(|n| t(weights, &format!("{name}.{n}")));
    (0..x.len())
        .map(|i| (x[i] - mean[i]) / (var[i] + epsilon).sqrt() * gamma[i] + beta[i])
        .collect()
}

fn relu(x: &[f64]) -> Vec<f64> {
    x.iter().map(|v| v.max(0.0)).collect()
}

fn softmax(z: &[f64]) -> Vec<f64> {
    let e: Vec<f64> = z.iter().map(|z| z.exp()).collect();
    e.iter().map(|v| v / e.iter().sum::<f64>()).collect()
}

fn mix(weights: &[f64], experts: &[Vec<f64>]) -> Vec<f64> {
    (0..experts[0].len())
        .map(|h| weights.iter().zip(experts).map(|(w, e)| w * e[h]).sum())
        .collect()
}

fn close(got: &[f64], wanted: &[f64]) {
    assert_eq!(got.len(), wanted.len());
    for (a, b) in got.iter().zip(wanted) {
        assert!(
            (a - b).abs() <= 2e-6 * b.abs().max(1.0),
            "{got:?} against {wanted:?}"
        );
    }
}

fn gates(graph: &Graph) -> Vec<(&GateKind, &[usize], &Node)> {
    graph
        .nodes
        .iter()
        .filter_map(|n| {
            if let Op::Gate { kind, sees, .. } = &n.op {
                Some((kind, sees.as_slice(), n))
            } else {
                None
            }
        })
        .collect()
}

const X: [f64; 3] = [0.7, -1.3, 0.4];

fn one_expert() -> Weights {
    made(&[
        ("a.weight", &[4, 3]),
        ("a.bias", &[4]),
        ("n.weight", &[4]),
        ("n.bias", &[4]),
        ("n.running_mean", &[4]),
        ("n.running_var", &[4]),
        ("b.weight", &[2, 4]),
        ("m.weight", &[2]),
        ("m.bias", &[2]),
        ("m.running_mean", &[2]),
        ("m.running_var", &[2]),
        ("s.weight", &[4]),
    ])
}

fn expert_spec(layers: &str) -> String {
    format!(
        "name = \"m\"\nlayout = \"out_in\"\n[experts]\ncount = 1\nlayers = \
         [{layers}]\n[towers]\nlayers = []\n[[tasks]]\nname = \"y\"\nactivation = \"linear\"\n"
    )
}

#[test]
fn batch_norm_before_the_activation_goes_into_its_layer() {
    let w = one_expert();
    let made = with(
        &w,
        &expert_spec(
            r#"{ weight = "a.weight", bias = "a.bias", batch_norm = { prefix = "n", epsilon = 1e-3 }, activation = "relu" }, { weight = "b.weight" }"#,
        ),
    );
    let hidden = relu(&batch_norm(&w, "n", 1e-3, &dense(&w, "a", &X)));
    close(
        &evaluate(&made.graph, &X).tasks[0],
        &dense(&w, "b", &hidden),
    );
    assert_eq!(made.graph.nodes[0].layers.len(), 2);
    assert_eq!(
        made.folded,
        ["expert 0: batch norm `n` → `a.weight`, the dense layer before it"]
    );
    // Towers may be empty: the one expert is the output, without a gate.
    assert!(made.graph.nodes[1].layers.is_empty() && matches!(made.graph.nodes[1].op, Op::Tower));
}

#[test]
fn batch_norm_behind_the_activation_goes_into_the_next_layer_or_stays() {
    let w = one_expert();
    let made = with(
        &w,
        &expert_spec(
            r#"{ weight = "a.weight", bias = "a.bias", activation = "relu", batch_norm = { gamma = "n.weight", beta = "n.bias", mean = "n.running_mean", variance = "n.running_var", epsilon = 1e-5, after_activation = true } },
               { weight = "b.weight", activation = "tanh", batch_norm = { prefix = "m", epsilon = 1e-5, after_activation = true } }"#,
        ),
    );
    let hidden = batch_norm(&w, "n", 1e-5, &relu(&dense(&w, "a", &X)));
    let last: Vec<f64> = dense(&w, "b", &hidden).iter().map(|v| v.tanh()).collect();
    close(
        &evaluate(&made.graph, &X).tasks[0],
        &batch_norm(&w, "m", 1e-5, &last),
    );
    assert!(matches!(
        made.graph.nodes[0].layers.as_slice(),
        [Layer::Dense(_), Layer::Dense(_), Layer::Affine { .. }]
    ));
}

#[test]
fn layer_norm_and_slopes() {
    let w = one_expert();
    let made = with(
        &w,
        &expert_spec(
            r#"{ weight = "a.weight", bias = "a.bias", layer_norm = { gamma = "n.weight", beta = "n.bias", epsilon = 1e-5 }, activation = "relu" },
               { weight = "b.weight", activation = "leaky_relu", slope = 0.25 }"#,
        ),
    );
    let a = dense(&w, "a", &X);
    let mean = a.iter().sum::<f64>() / 4.0;
    let deviation = (a.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 4.0 + 1e-5).sqrt();
    let (gain, bias) = (t(&w, "n.weight"), t(&w, "n.bias"));
    let normed: Vec<f64> = (0..4)
        .map(|i| (a[i] - mean) / deviation * gain[i] + bias[i])
        .collect();
    let leaky: Vec<f64> = dense(&w, "b", &relu(&normed))
        .iter()
        .map(|v| if *v < 0.0 { v * 0.25 } else { *v })
        .collect();
    close(&evaluate(&made.graph, &X).tasks[0], &leaky);

    let made = with(
        &w,
        &expert_spec(r#"{ weight = "a.weight", activation = "prelu", slope = "s.weight" }"#),
    );
    let slope = t(&w, "s.weight");
    let rows = t(&w, "a.weight");
    let raw: Vec<f64> = rows
        .chunks(3)
        .map(|r| r.iter().zip(&X).map(|(w, x)| w * x).sum())
        .collect();
    let wanted: Vec<f64> = raw
        .iter()
        .zip(&slope)
        .map(|(v, s)| if *v < 0.0 { v * s } else { *v })
        .collect();
    close(&evaluate(&made.graph, &X).tasks[0], &wanted);
}

#[test]
fn standardization_is_folded_on_request_and_kept_otherwise() {
    let w = one_expert();
    let inputs = "[[inputs]]\nname = \"speed\"\ncount = 2\nmin = 0\nmax = 9.5\nmean = 0.5\nstd = \
                  2.0\n[[inputs]]\nname = \"heat\"\ncount = 1\nstd = 0.25\n";
    let spec = format!(
        "ignore = [\"*\"]\n{}{inputs}",
        expert_spec(r#"{ weight = "a.weight", bias = "a.bias", activation = "relu" }"#)
    );
    let wanted = relu(&dense(
        &w,
        "a",
        &[(X[0] - 0.5) / 2.0, (X[1] - 0.5) / 2.0, X[2] / 0.25],
    ));
    let kept = with(&w, spec.trim_start_matches("ignore = [\"*\"]\n")).graph;
    close(&evaluate(&kept, &X).tasks[0], &wanted);
    assert_eq!(
        (kept.inputs[0].mean, kept.inputs[0].max, kept.inputs[1].std),
        (Some(0.5), Some(9.5), Some(0.25))
    );
    assert_eq!(kept.feature_names, ["speed_0", "speed_1", "heat"]);
    let folded = build(
        w,
        Some(&Spec::parse(&spec).unwrap()),
        Options {
            fold_standardization: true,
        },
    )
    .unwrap()
    .graph;
    close(&evaluate(&folded, &X).tasks[0], &wanted);
    // Nothing is left to apply; what was declared is still known, for the ranges.
    assert!(folded.inputs.iter().all(|i| i.scaling() == (0.0, 1.0)));
    assert_eq!(folded.inputs[1].range(2.0), Some((-0.5, 0.5)));
    assert!(folded.inputs.iter().all(|i| i.folded));
    assert_eq!(folded.nodes[0].layers.len(), 1);
}

/// Three experts of width 2 on three inputs, two gates, two towers.
fn three() -> Weights {
    made(&[
        ("e.0.weight", &[2, 3]),
        ("e.1.weight", &[2, 3]),
        ("e.1.bias", &[2]),
        ("deep.0.weight", &[5, 2]),
        ("deep.0.bias", &[5]),
        ("deep.2.weight", &[2, 5]),
        ("g.0.weight", &[3, 3]),
        ("g.0.bias", &[3]),
        ("g.1.weight", &[2, 3]),
        ("t.0.weight", &[1, 2]),
        ("t.1.weight", &[3, 2]),
        ("t.1.bias", &[3]),
        ("out.bias", &[3]),
    ])
}

const THREE: &str = r#"
name = "three"
layout = "out_in"
[[experts.list]]
layers = [ { weight = "e.{expert}.weight", activation = "relu" } ]
[[experts.list]]
names = ["biased"]
layers = [ { weight = "e.{expert}.weight", bias = "e.{expert}.bias", activation = "relu" } ]
[[experts.list]]
names = ["deep"]
slice = { start = 1, count = 2 }
layers = [ { weight = "deep.0.weight", bias = "deep.0.bias", activation = "relu" }, { weight = "deep.2.weight" } ]
"#;

const TOWERS: &str = r#"
[[towers.list]]
layers = [ { weight = "t.0.weight" } ]
[[towers.list]]
layers = [ { weight = "t.1.weight", bias = { sum = ["t.1.bias", "out.bias"] } } ]
[[tasks]]
name = "p"
activation = "sigmoid"
[[tasks]]
name = "q"
activation = "softmax"
"#;

fn experts(w: &Weights) -> Vec<Vec<f64>> {
    let deep = dense(w, "deep.2", &relu(&dense(w, "deep.0", &X[1..])));
    vec![relu(&dense(w, "e.0", &X)), relu(&dense(w, "e.1", &X)), deep]
}

#[test]
fn unlike_experts_and_towers_visibility_temperature_and_priors() {
    let w = three();
    let gates_text = r#"
[[gates.list]]
kind = "softmax"
temperature = 0.5
priors = [0.25, 0.0, -0.5]
layers = [ { weight = "g.0.weight", bias = "g.0.bias" } ]
[[gates.list]]
kind = "sigmoid"
sees = ["deep", 0]
layers = [ { weight = "g.1.weight", activation = "sigmoid" } ]
"#;
    let made = with(&w, &format!("{THREE}{gates_text}{TOWERS}"));
    let y = evaluate(&made.graph, &X);
    let e = experts(&w);
    let z = dense(&w, "g.0", &X);
    let g0 = softmax(&[z[0] / 0.5 + 0.25, z[1] / 0.5, z[2] / 0.5 - 0.5]);
    let g1: Vec<f64> = dense(&w, "g.1", &X)
        .iter()
        .map(|z| 1.0 / (1.0 + (-z).exp()))
        .collect();
    close(&y.gates[0], &g0);
    // What a gate sees stands in ascending order in the graph, whatever the order of its logits.
    close(&y.gates[1], &[g1[1], g1[0]]);
    close(
        &y.tasks[0],
        &[1.0 / (1.0 + (-dense(&w, "t.0", &mix(&g0, &e))[0]).exp())],
    );
    let q = dense(
        &w,
        "t.1",
        &mix(&[g1[1], g1[0]], &[e[0].clone(), e[2].clone()]),
    );
    let out = t(&w, "out.bias");
    close(
        &y.tasks[1],
        &softmax(&[q[0] + out[0], q[1] + out[1], q[2] + out[2]]),
    );
    assert_eq!(gates(&made.graph)[1].1, [1, 3]);
    assert!(matches!(
        made.graph.nodes[3].op,
        Op::Gate {
            temperature: 0.5,
            ..
        }
    ));
    assert_eq!(
        (made.graph.nodes[2].start, made.graph.nodes[2].inputs),
        (1, 2)
    );
}

#[test]
fn a_prior_of_minus_infinity_hides_an_expert() {
    let w = three();
    let text = "[gates]\nshared = true\nkind = \"softmax\"\npriors = [0.0, -inf, 1.0]\nlayers = [ \
                { weight = \"g.0.weight\", bias = \"g.0.bias\" } ]\n";
    let made = with(&w, &format!("{THREE}{text}{TOWERS}"));
    let z = dense(&w, "g.0", &X);
    close(
        &evaluate(&made.graph, &X).gates[0],
        &softmax(&[z[0], z[2] + 1.0]),
    );
    assert_eq!(gates(&made.graph)[0].1, [1, 3]);
    // One gate for all tasks is one node that both towers read.
    assert_eq!(gates(&made.graph).len(), 1);
    assert_eq!((made.graph.nodes[4].src, made.graph.nodes[5].src), (4, 4));
    assert!(made.folded.iter().any(|f| f.contains("hidden by a prior")));
}

#[test]
fn hard_top_k_and_constant_gates() {
    let w = three();
    let z = dense(&w, "g.0", &X);
    let of = |keys: &str| {
        with(
            &w,
            &format!("{THREE}[gates]\nshared = true\n{keys}\n{TOWERS}"),
        )
        .graph
    };
    let layers = "layers = [ { weight = \"g.0.weight\", bias = \"g.0.bias\" } ]";
    let best = (0..3).max_by(|a, b| z[*a].total_cmp(&z[*b])).unwrap();
    let worst = (0..3).min_by(|a, b| z[*a].total_cmp(&z[*b])).unwrap();
    let hard = of(&format!("kind = \"hard\"\n{layers}"));
    close(
        &evaluate(&hard, &X).gates[0],
        &[0, 1, 2].map(|i| f64::from(u8::from(i == best))),
    );
    let top = of(&format!(
        "kind = \"top_k\"\nk = 2\nrenormalise = true\n{layers}"
    ));
    let kept: Vec<f64> = (0..3)
        .map(|i| if i == worst { 0.0 } else { z[i].exp() })
        .collect();
    close(
        &evaluate(&top, &X).gates[0],
        &[0, 1, 2].map(|i| kept[i] / kept.iter().sum::<f64>()),
    );
    let full = of(&format!(
        "kind = \"top_k\"\nk = 2\nrenormalise = false\n{layers}"
    ));
    close(
        &evaluate(&full, &X).gates[0],
        &[0, 1, 2].map(|i| if i == worst { 0.0 } else { softmax(&z)[i] }),
    );
    let constant = of("kind = \"constant\"\nweights = [0.25, 0.5, 1.5]");
    close(&evaluate(&constant, &X).gates[0], &[0.25, 0.5, 1.5]);
    // A bias without a matrix makes logits that do not depend on the input.
    let bias = of("kind = \"softmax\"\nlayers = [ { bias = \"g.0.bias\" } ]");
    close(&evaluate(&bias, &X).gates[0], &softmax(&t(&w, "g.0.bias")));
    assert_eq!(gates(&bias)[0].0, &GateKind::Constant);
}

#[test]
fn a_zero_kernel_makes_a_constant_gate() {
    let mut w = three();
    w.tensors["g.0.weight"].data.fill(0.0);
    let made = with(
        &w,
        &format!(
            "{THREE}[gates]\nshared = true\nkind = \"softmax\"\ntemperature = 2\nlayers = [ {{ \
             weight = \"g.0.weight\", bias = \"g.0.bias\" }} ]\n{TOWERS}"
        ),
    );
    let halved: Vec<f64> = t(&w, "g.0.bias").iter().map(|b| b / 2.0).collect();
    close(&evaluate(&made.graph, &X).gates[0], &softmax(&halved));
    let (kind, _, node) = gates(&made.graph)[0];
    assert!(
        *kind == GateKind::Constant && matches!(node.layers.as_slice(), [Layer::Constant { .. }])
    );
    assert!(
        made.folded
            .iter()
            .any(|f| f.contains("`g.0.weight` is zero")),
        "{:?}",
        made.folded
    );
}

#[test]
fn dselect_k_per_example_and_static() {
    let mut w = three();
    let extra = made(&[
        ("z.weight", &[4, 3]),
        ("z.bias", &[4]),
        ("w.weight", &[2, 3]),
        ("w.bias", &[2]),
        ("static_z", &[2, 1, 2]),
        ("static_w", &[2, 1]),
    ]);
    w.tensors.extend(extra.tensors);
    let of = |layers: &str| {
        with(
            &w,
            &format!(
                "{THREE}[gates]\nshared = true\nkind = \"dselect_k\"\nk = 2\nlayers = [ {{ \
                 {layers} }} ]\n{TOWERS}"
            ),
        )
        .graph
    };
    let smooth = |x: f64| {
        if x <= -0.5 {
            0.0
        } else if x >= 0.5 {
            1.0
        } else {
            -2.0 * x * x * x + 1.5 * x + 0.5
        }
    };
    let weights = |z: &[f64], mixing: &[f64]| -> Vec<f64> {
        let m = softmax(mixing);
        // Expert 0 is code 00, 1 is 01, 2 is 10; code 11 is nobody.
        let one = |e: usize, s: &[f64]| {
            let (high, low) = (smooth(s[0]), smooth(s[1]));
            [
                (1.0 - high) * (1.0 - low),
                (1.0 - high) * low,
                high * (1.0 - low),
            ][e]
        };
        (0..3)
            .map(|e| m[0] * one(e, &z[..2]) + m[1] * one(e, &z[2..]))
            .collect()
    };
    let dynamic = of(
        r#"weight = { rows = ["z.weight", "w.weight"] }, bias = { rows = ["z.bias", "w.bias"] }"#,
    );
    close(
        &evaluate(&dynamic, &X).gates[0],
        &weights(&dense(&w, "z", &X), &dense(&w, "w", &X)),
    );
    assert_eq!(gates(&dynamic)[0].0, &GateKind::DSelectK { k: 2 });
    let fixed = of(r#"bias = { rows = ["static_z", "static_w"] }"#);
    close(
        &evaluate(&fixed, &X).gates[0],
        &weights(&t(&w, "static_z"), &t(&w, "static_w")),
    );
    assert_eq!(gates(&fixed)[0].0, &GateKind::Constant);
}

#[test]
fn packed_tensors_and_lists_of_names() {
    let w = made(&[
        ("k", &[3, 2, 4]),
        ("b", &[2, 4]),
        ("g", &[2, 4, 3]),
        ("first", &[1, 2]),
        ("second", &[1, 2]),
    ]);
    let made = with(
        &w,
        r#"
name = "packed"
layout = "in_out"
[experts]
count = 4
layers = [ { weight = { name = "k", axis = 2 }, bias = { name = "b", axis = 1 } } ]
[gates]
layers = [ { weight = { name = "g", axis = 0 }, layout = "out_in", activation = "softmax" } ]
[towers]
layers = [ { weight = ["first", "second"], layout = "out_in" } ]
[[tasks]]
name = "a"
activation = "linear"
[[tasks]]
name = "b"
activation = "linear"
"#,
    );
    let (k, b, g) = (t(&w, "k"), t(&w, "b"), t(&w, "g"));
    let experts: Vec<Vec<f64>> = (0..4)
        .map(|e| {
            (0..2)
                .map(|u| (0..3).map(|i| X[i] * k[(i * 2 + u) * 4 + e]).sum::<f64>() + b[u * 4 + e])
                .collect()
        })
        .collect();
    for (task, tower) in ["first", "second"].iter().enumerate() {
        let z: Vec<f64> = (0..4)
            .map(|e| (0..3).map(|i| X[i] * g[(task * 4 + e) * 3 + i]).sum())
            .collect();
        let m = mix(&softmax(&z), &experts);
        let wanted: f64 = t(&w, tower).iter().zip(&m).map(|(w, m)| w * m).sum();
        close(&evaluate(&made.graph, &X).tasks[task], &[wanted]);
    }
}

#[test]
fn levels_streams_and_products() {
    let w = made(&[
        ("l0.0.weight", &[4, 3]),
        ("l0.1.weight", &[4, 3]),
        ("l0.2.weight", &[4, 3]),
        ("l0g.0.weight", &[2, 3]),
        ("l0g.1.weight", &[2, 3]),
        ("l0g.2.weight", &[3, 3]),
        ("l1.0.weight", &[2, 4]),
        ("l1.1.weight", &[2, 4]),
        ("l1.2.weight", &[2, 4]),
        ("l1g.0.weight", &[2, 4]),
        ("l1g.1.weight", &[2, 4]),
        ("t.0.weight", &[1, 2]),
        ("t.1.weight", &[1, 2]),
    ]);
    let spec = r#"
name = "ple"
layout = "out_in"
[[levels]]
[levels.experts]
count = 3
layers = [ { weight = "l0.{expert}.weight", activation = "relu" } ]
[[levels.gates.list]]
kind = "softmax"
sees = [0, 2]
layers = [ { weight = "l0g.{gate}.weight" } ]
[[levels.gates.list]]
kind = "softmax"
sees = [1, 2]
layers = [ { weight = "l0g.{gate}.weight" } ]
[[levels.gates.list]]
kind = "softmax"
layers = [ { weight = "l0g.{gate}.weight" } ]
[[levels]]
[levels.experts]
count = 3
reads = "{expert}"
layers = [ { weight = "l1.{expert}.weight", activation = "relu" } ]
[[levels.gates.list]]
kind = "softmax"
sees = [0, 2]
reads = 0
layers = [ { weight = "l1g.{task}.weight" } ]
[[levels.gates.list]]
kind = "softmax"
sees = [1, 2]
reads = 1
layers = [ { weight = "l1g.{task}.weight" } ]
[towers]
layers = [ { weight = "t.{task}.weight" } ]
[[tasks]]
name = "ctr"
activation = "sigmoid"
[[tasks]]
name = "cvr"
activation = "sigmoid"
[[tasks]]
name = "ctcvr"
activation = "product"
of = ["ctr", "cvr"]
"#;
    let graph = with(&w, spec).graph;
    let at = |level: usize, i: usize, x: &[f64]| relu(&dense(&w, &format!("l{level}.{i}"), x));
    let gate =
        |level: usize, i: usize, x: &[f64]| softmax(&dense(&w, &format!("l{level}g.{i}"), x));
    let e: Vec<Vec<f64>> = (0..3).map(|i| at(0, i, &X)).collect();
    let streams = [
        mix(&gate(0, 0, &X), &[e[0].clone(), e[2].clone()]),
        mix(&gate(0, 1, &X), &e[1..]),
        mix(&gate(0, 2, &X), &e),
    ];
    let f: Vec<Vec<f64>> = (0..3).map(|i| at(1, i, &streams[i])).collect();
    let m = [
        mix(&gate(1, 0, &streams[0]), &[f[0].clone(), f[2].clone()]),
        mix(&gate(1, 1, &streams[1]), &f[1..]),
    ];
    let p: Vec<f64> = (0..2)
        .map(|i| 1.0 / (1.0 + (-dense(&w, &format!("t.{i}"), &m[i])[0]).exp()))
        .collect();
    let y = evaluate(&graph, &X);
    close(&y.tasks.concat(), &[p[0], p[1], p[0] * p[1]]);
    assert_eq!(
        graph.nodes.iter().map(|n| n.src).collect::<Vec<_>>(),
        [0, 0, 0, 0, 0, 0, 4, 5, 6, 4, 5, 10, 11]
    );
}

#[test]
fn independent_towers_need_neither_experts_nor_gates() {
    let w = made(&[("t.0.weight", &[1, 3]), ("t.1.weight", &[1, 2])]);
    let spec = "name = \"two\"\nlayout = \"out_in\"\n[[inputs]]\nname = \"x\"\ncount = \
                3\n[[towers.list]]\nlayers = [ { weight = \"t.0.weight\" } \
                ]\n[[towers.list]]\nslice = { start = 1, count = 2 }\nlayers = [ { weight = \
                \"t.1.weight\" } ]\n[[tasks]]\nname = \"a\"\nactivation = \
                \"linear\"\n[[tasks]]\nname = \"b\"\nactivation = \"linear\"\n";
    let y = evaluate(&with(&w, spec).graph, &X);
    close(
        &y.tasks.concat(),
        &[dense(&w, "t.0", &X)[0], dense(&w, "t.1", &X[1..])[0]],
    );
}

#[test]
fn scalar_prelu_is_a_leaky_relu() {
    let mut w = one_expert();
    w.tensors.extend(made(&[("one.weight", &[1])]).tensors);
    let graph = with(
        &w,
        &expert_spec(r#"{ weight = "a.weight", activation = "prelu", slope = "one.weight" }"#),
    )
    .graph;
    assert!(
        matches!(graph.nodes[0].layers.as_slice(), [Layer::Dense(d)] if matches!(d.activation, Activation::LeakyRelu { .. }))
    );
}
