//! What each framework's names are taken for: the wiring, what was assumed, what was dropped, and
//! that the spec written from it converts to the same graph.

use mmoe_tools::graph::{Activation, GateKind, Graph, Layer, Op, Output};
use mmoe_tools::import::Weights;
use mmoe_tools::model::{Options, Recognised, build};
use mmoe_tools::plan::open::{Part, Question, Topic};
use mmoe_tools::plan::recognise::recognise;
use mmoe_tools::plan::spec::Spec;
use mmoe_tools::plan::spec::write::{write_plan, write_spec};
use testkit::fixtures::{made, read};

/// A list of tensors in the making.
#[derive(Default)]
struct File(Vec<(String, Vec<usize>)>);

impl File {
    fn add(&mut self, name: impl Into<String>, shape: &[usize]) {
        self.0.push((name.into(), shape.to_vec()));
    }

    fn linear(&mut self, prefix: &str, inputs: usize, outputs: usize) {
        self.add(format!("{prefix}.weight"), &[outputs, inputs]);
        self.add(format!("{prefix}.bias"), &[outputs]);
    }

    fn norm(&mut self, prefix: &str, width: usize) {
        for part in ["weight", "bias", "running_mean", "running_var"] {
            self.add(format!("{prefix}.{part}"), &[width]);
        }
        self.add(format!("{prefix}.num_batches_tracked"), &[]);
    }

    fn weights(&self) -> Weights {
        let shapes: Vec<(&str, &[usize])> = self
            .0
            .iter()
            .map(|(n, s)| (n.as_str(), s.as_slice()))
            .collect();
        made(&shapes)
    }
}

fn tasks(activations: &[&str]) -> String {
    activations
        .iter()
        .enumerate()
        .map(|(t, a)| format!("[[tasks]]\nname = \"t{t}\"\nactivation = \"{a}\"\n"))
        .collect()
}

fn with(weights: &Weights, spec: &str) -> Recognised {
    let made = build(
        weights.clone(),
        Some(&Spec::parse(spec).unwrap()),
        Options::default(),
    )
    .unwrap_or_else(|e| panic!("{e}"));
    let text = write_spec(weights, &made);
    let again = build(
        weights.clone(),
        Some(&Spec::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))),
        Options::default(),
    );
    assert_eq!(
        again.unwrap_or_else(|e| panic!("{e}\n{text}")).graph,
        made.graph,
        "{text}"
    );
    made
}

/// `(source, sees)` of each node; experts and towers see nothing.
fn wiring(graph: &Graph) -> Vec<(usize, Vec<usize>)> {
    graph
        .nodes
        .iter()
        .map(|n| {
            (
                n.src,
                if let Op::Gate { sees, .. } = &n.op {
                    sees.clone()
                } else {
                    Vec::new()
                },
            )
        })
        .collect()
}

fn assert_wiring(graph: &Graph, wanted: &[(usize, &[usize])]) {
    let wanted: Vec<(usize, Vec<usize>)> = wanted
        .iter()
        .map(|(src, sees)| (*src, sees.to_vec()))
        .collect();
    assert_eq!(wiring(graph), wanted);
}

#[test]
fn deepctr_torch_mmoe() {
    let weights = read("deepctr-torch-mmoe/model.safetensors");
    let made = with(
        &weights,
        "[[tasks]]\nname = \"income\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \
         \"marital\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \"weeks\"\nactivation = \
         \"linear\"\n",
    );
    assert_eq!(made.framework, "DeepCTR-Torch MMOE");
    assert!(
        made.embeddings
            .unwrap()
            .starts_with("9 tables make 36 of the 42 inputs")
    );
    assert!(made.dropped.is_empty());
    let open: Vec<String> = made.open.iter().map(Question::text).collect();
    assert_eq!(
        open,
        ["hidden layers: relu, in 16 places (`dnn_activation`, DeepCTR-Torch's default)"]
    );
    // The separate output bias became the head's.
    assert!(
        made.placement
            .iter()
            .any(|(n, to)| n == "out.2.bias" && to == "tower 2, layer 1: bias"),
        "{:?}",
        made.placement
    );
    assert_eq!(made.graph.width(0), 42);
}

#[test]
fn deepctr_torch_ple_runs_what_is_wired_and_drops_the_rest() {
    let mut f = File::default();
    for l in 0..2 {
        let inputs = if l == 0 { 6 } else { 4 };
        for t in 0..2 {
            for j in 0..2 {
                f.linear(
                    &format!("specific_experts.{l}.{t}.{j}.linears.0"),
                    inputs,
                    4,
                );
            }
            f.add(
                format!("specific_gate_dnn_final_layer.{l}.{t}.weight"),
                &[3, inputs],
            );
        }
        for k in 0..2 {
            f.linear(&format!("shared_experts.{l}.0.{k}.linears.0"), inputs, 4);
        }
        f.add(
            format!("shared_gate_dnn_final_layer.{l}.weight"),
            &[5, inputs],
        );
    }
    for t in 0..2 {
        f.add(format!("tower_dnn_final_layer.{t}.weight"), &[1, 4]);
        f.add(format!("out.{t}.bias"), &[1]);
    }
    let made = with(&f.weights(), &tasks(&["sigmoid", "sigmoid"]));
    assert_wiring(
        &made.graph,
        &[
            (0, &[]),
            (0, &[]),
            (0, &[]),
            (0, &[]),
            (0, &[]),
            (0, &[1, 2, 5]),
            (0, &[3, 4, 5]),
            (0, &[1, 2, 3, 4, 5]),
            (6, &[]),
            (6, &[]),
            (7, &[]),
            (7, &[]),
            (8, &[]),
            (6, &[9, 10, 13]),
            (7, &[11, 12, 13]),
            (14, &[]),
            (15, &[]),
        ],
    );
    assert_eq!(made.dropped.len(), 5, "{:?}", made.dropped);
    assert!(made.dropped[0].contains(
        "`shared_experts.0.0.1.linears.0.weight` [4, 6]: this shared expert is built and never run"
    ));
    assert!(made.dropped[4].contains("the last level's shared gate feeds nothing"));
}

#[test]
fn torch_rechub_folds_its_norms_even_in_gates() {
    let mut f = File::default();
    f.add("embedding.embed_dict.a.weight", &[10, 4]);
    for i in 0..3 {
        f.linear(&format!("experts.{i}.mlp.0"), 6, 5);
        f.norm(&format!("experts.{i}.mlp.1"), 5);
        // A PReLU's slope.
        f.add(format!("experts.{i}.mlp.2.weight"), &[1]);
    }
    for t in 0..2 {
        f.linear(&format!("gates.{t}.mlp.0"), 6, 3);
        f.norm(&format!("gates.{t}.mlp.1"), 3);
        f.linear(&format!("towers.{t}.mlp.0"), 5, 4);
        f.norm(&format!("towers.{t}.mlp.1"), 4);
        f.linear(&format!("towers.{t}.mlp.4"), 4, 1);
    }
    let made = with(&f.weights(), &tasks(&["sigmoid", "linear"]));
    assert_eq!(made.framework, "torch-rechub MMOE");
    assert_eq!(made.folded.len(), 7);
    assert_eq!(made.dropped.len(), 7);
    assert!(
        made.dropped
            .iter()
            .all(|d| d.ends_with("counts training steps"))
    );
    assert_eq!(
        made.embeddings.unwrap(),
        "1 table makes 4 of the 6 inputs: the blob starts at the vector that enters the experts \
         (`embedding.embed_dict.a.weight` [10, 4])"
    );
    // A PReLU is trained, the class fixes the norms' place and epsilon: the towers' relu is open.
    let open: Vec<String> = made.open.iter().map(Question::text).collect();
    assert_eq!(
        open,
        ["hidden layers: relu, in 2 places (`activation`, torch-rechub's default)"]
    );
    assert!(made.graph.nodes.iter().all(|n| {
        n.layers.len()
            == n.layers
                .iter()
                .filter(|l| matches!(l, mmoe_tools::graph::Layer::Dense(_)))
                .count()
    }));
}

#[test]
fn torch_rechub_ple_and_shared_bottom() {
    let mut f = File::default();
    for l in 0..2 {
        let inputs = if l == 0 { 6 } else { 4 };
        for i in 0..2 {
            f.linear(
                &format!("cgc_layers.{l}.experts_specific.{i}.mlp.0"),
                inputs,
                4,
            );
            f.norm(&format!("cgc_layers.{l}.experts_specific.{i}.mlp.1"), 4);
            f.linear(
                &format!("cgc_layers.{l}.gates_specific.{i}.mlp.0"),
                inputs,
                2,
            );
            f.norm(&format!("cgc_layers.{l}.gates_specific.{i}.mlp.1"), 2);
        }
        f.linear(&format!("cgc_layers.{l}.experts_shared.0.mlp.0"), inputs, 4);
        f.norm(&format!("cgc_layers.{l}.experts_shared.0.mlp.1"), 4);
    }
    f.linear("cgc_layers.0.gate_shared.mlp.0", 6, 3);
    for t in 0..2 {
        f.linear(&format!("towers.{t}.mlp.0"), 4, 1);
    }
    let made = with(&f.weights(), &tasks(&["sigmoid", "sigmoid"]));
    assert_eq!(made.framework, "torch-rechub PLE");
    assert_wiring(
        &made.graph,
        &[
            (0, &[]),
            (0, &[]),
            (0, &[]),
            (0, &[1, 3]),
            (0, &[2, 3]),
            (0, &[1, 2, 3]),
            (4, &[]),
            (5, &[]),
            (6, &[]),
            (4, &[7, 9]),
            (5, &[8, 9]),
            (10, &[]),
            (11, &[]),
        ],
    );

    let mut f = File::default();
    f.linear("bottom_mlp.mlp.0", 6, 4);
    f.norm("bottom_mlp.mlp.1", 4);
    f.linear("towers.0.mlp.0", 4, 1);
    f.linear("towers.1.mlp.0", 4, 1);
    let made = with(&f.weights(), &tasks(&["sigmoid", "linear"]));
    assert_eq!(made.framework, "torch-rechub SharedBottom");
    assert_wiring(&made.graph, &[(0, &[]), (1, &[]), (1, &[])]);
}

#[test]
fn fuxictr_ple_mixes_shared_experts_only_in_its_shared_gate() {
    let mut f = File::default();
    for l in 0..2 {
        let inputs = if l == 0 { 6 } else { 4 };
        f.linear(&format!("cgc_layers.{l}.shared_experts.0.mlp.0"), inputs, 4);
        for t in 0..2 {
            f.linear(
                &format!("cgc_layers.{l}.specific_experts.{t}.0.mlp.0"),
                inputs,
                4,
            );
            f.linear(&format!("cgc_layers.{l}.gate.{t}.mlp.0"), inputs, 2);
        }
        f.linear(&format!("cgc_layers.{l}.gate.2.mlp.0"), inputs, 1);
    }
    f.linear("tower.0.mlp.0", 4, 1);
    f.linear("tower.1.mlp.0", 4, 1);
    let made = with(&f.weights(), &tasks(&["sigmoid", "sigmoid"]));
    assert_eq!(made.framework, "FuxiCTR PLE");
    assert_eq!(wiring(&made.graph)[5], (0, vec![3]));
    assert_eq!(made.dropped.len(), 2);

    let mut f = File::default();
    for i in 0..2 {
        f.norm(&format!("mmoe_layer.experts.{i}.mlp.0"), 6);
        f.linear(&format!("mmoe_layer.experts.{i}.mlp.1"), 6, 4);
        f.add(format!("mmoe_layer.experts.{i}.mlp.2.weight"), &[4]);
        f.linear(&format!("mmoe_layer.gate.{i}.mlp.0"), 6, 3);
        f.linear(&format!("mmoe_layer.gate.{i}.mlp.2"), 3, 2);
        f.linear(&format!("tower.{i}.mlp.0"), 4, 1);
    }
    let made = with(&f.weights(), &tasks(&["sigmoid", "linear"]));
    assert_eq!(made.framework, "FuxiCTR MMoE");
    // A norm of the input goes into the layer behind it.
    assert!(
        made.folded[0].ends_with("the dense layer after it"),
        "{:?}",
        made.folded
    );
}

#[test]
fn mtreclib_needs_no_tasks_and_shares_one_gate_in_omoe() {
    let mut f = File::default();
    f.add("embedding.embedding.weight", &[30, 2]);
    for i in 0..3 {
        f.linear(&format!("expert.{i}.mlp.0"), 6, 4);
        f.norm(&format!("expert.{i}.mlp.1"), 4);
    }
    f.linear("gate.0", 6, 3);
    for t in 0..2 {
        f.linear(&format!("tower.{t}.mlp.0"), 4, 1);
    }
    let weights = f.weights();
    let made = build(weights, None, Options::default()).unwrap();
    assert_eq!(made.framework, "MTReclib OMoE");
    assert_wiring(
        &made.graph,
        &[
            (0, &[]),
            (0, &[]),
            (0, &[]),
            (0, &[1, 2, 3]),
            (4, &[]),
            (4, &[]),
        ],
    );
    assert!(
        made.graph
            .tasks
            .iter()
            .all(|t| matches!(t.output, Output::Sigmoid { .. }))
    );
    assert!(made.assumptions.iter().any(|a| a.contains("task0")));

    f.0.retain(|(n, _)| !n.starts_with("gate."));
    f.linear("gate.0.0", 6, 3);
    f.linear("gate.1.0", 6, 3);
    assert_eq!(with(&f.weights(), "name = \"m\"").graph.nodes[4].src, 0);

    let mut f = File::default();
    for l in 0..2 {
        let inputs = if l == 0 { 6 } else { 4 };
        for t in 0..2 {
            f.linear(&format!("task_experts.{l}.{t}.0.mlp.0"), inputs, 4);
            f.linear(&format!("task_gates.{l}.{t}.0"), inputs, 2);
        }
        f.linear(&format!("share_experts.{l}.0.mlp.0"), inputs, 4);
        f.linear(&format!("share_gates.{l}.0"), inputs, 3);
    }
    f.linear("tower.0.mlp.0", 4, 1);
    f.linear("tower.1.mlp.0", 4, 1);
    let made = with(&f.weights(), "name = \"m\"");
    assert_eq!(
        (
            made.framework.as_str(),
            wiring(&made.graph)[5].1.len(),
            made.dropped.len()
        ),
        ("MTReclib PLE", 3, 2)
    );
}

#[test]
fn torcheasyrec_tells_layer_norm_from_batch_norm() {
    let mut f = File::default();
    for i in 0..2 {
        f.add(
            format!("mmoe.expert_mlps.{i}.mlp.0.perceptron.0.weight"),
            &[4, 6],
        );
        if i == 0 {
            f.norm(&format!("mmoe.expert_mlps.{i}.mlp.0.perceptron.1"), 4);
        } else {
            f.add(
                format!("mmoe.expert_mlps.{i}.mlp.0.perceptron.1.weight"),
                &[4],
            );
            f.add(
                format!("mmoe.expert_mlps.{i}.mlp.0.perceptron.1.bias"),
                &[4],
            );
        }
        f.linear(&format!("mmoe.gate_finals.{i}"), 6, 2);
        f.linear(
            &format!("_task_tower.{i}.tower_mlp.mlp.0.perceptron.0"),
            4,
            3,
        );
        f.linear(&format!("_task_tower.{i}.linear"), 3, 2);
    }
    let made = with(&f.weights(), &tasks(&["softmax", "linear"]));
    assert_eq!(made.framework, "TorchEasyRec MMoE");
    assert_eq!(
        (
            made.graph.nodes[0].layers.len(),
            made.graph.nodes[1].layers.len()
        ),
        (1, 3)
    );
}

#[test]
fn libmtl_sees_shared_experts_first_and_dselect_k() {
    let mut f = File::default();
    f.linear("experts_shared.0.net.0", 6, 4);
    for task in ["b", "a"] {
        f.linear(&format!("experts_specific.{task}.0.net.0"), 6, 4);
        f.linear(&format!("gate_specific.{task}.0"), 6, 2);
        f.linear(&format!("decoders.{task}"), 4, 1);
    }
    let weights = f.weights();
    let made = with(
        &weights,
        "[[tasks]]\nname = \"a\"\nactivation = \"linear\"\n[[tasks]]\nname = \"b\"\nactivation = \
         \"sigmoid\"\n",
    );
    assert_eq!(made.framework, "LibMTL CGC");
    // The spec has the file's names in another order: outputs and gates follow it.
    assert_wiring(
        &made.graph,
        &[
            (0, &[]),
            (0, &[]),
            (0, &[]),
            (0, &[1, 3]),
            (0, &[1, 2]),
            (4, &[]),
            (5, &[]),
        ],
    );
    assert!(
        made.placement
            .iter()
            .any(|(n, to)| n == "decoders.a.weight" && to == "tower of `a`, layer 0: weight")
    );

    let mut f = File::default();
    for i in 0..3 {
        f.linear(&format!("experts_shared.{i}.0"), 6, 4);
    }
    f.linear("_z_logits.a", 6, 4);
    f.linear("_w_logits.a", 6, 2);
    f.linear("decoders.a.0", 4, 1);
    let made = with(
        &f.weights(),
        "[[tasks]]\nname = \"a\"\nactivation = \"linear\"\n",
    );
    assert_eq!(made.framework, "LibMTL DSelect_k");
    assert!(matches!(
        made.graph.nodes[3].op,
        Op::Gate {
            kind: GateKind::DSelectK { k: 2 },
            ..
        }
    ));
}

#[test]
fn pytorch_mmoe_packs_experts_without_activation() {
    let mut f = File::default();
    f.add("mmoe.expert_kernels", &[6, 4, 3]);
    f.add("mmoe.expert_kernels_bias", &[4, 3]);
    for t in 0..2 {
        f.add(format!("mmoe.gate_kernels.{t}"), &[6, 3]);
        f.add(format!("mmoe.gate_kernels_bias.{t}"), &[3]);
        f.linear(&format!("towers.{t}.0"), 4, 1);
    }
    let made = with(&f.weights(), &tasks(&["linear", "linear"]));
    assert_eq!(made.framework, "pytorch-mmoe");
    assert!(
        made.open.iter().any(|q| q
            .text()
            .starts_with("the last layer of the experts: linear")),
        "{:?}",
        made.open
    );
    assert_eq!(made.graph.nodes.len(), 7);
}

#[test]
fn deepctr_takes_task_names_from_its_layers() {
    let mut f = File::default();
    for i in 0..2 {
        f.add(format!("expert_{i}/expert_{i}/kernel0:0"), &[6, 4]);
        f.add(format!("expert_{i}/expert_{i}/bias0:0"), &[4]);
    }
    for task in ["ctr", "cvr"] {
        f.add(
            format!("gate_softmax_{task}/gate_softmax_{task}/kernel:0"),
            &[6, 2],
        );
        f.add(format!("tower_{task}/tower_{task}/kernel0:0"), &[4, 3]);
        f.add(format!("tower_{task}/tower_{task}/bias0:0"), &[3]);
    }
    f.add("dense_2/dense_2/kernel:0", &[3, 1]);
    f.add("dense_3/dense_3/kernel:0", &[3, 1]);
    f.add("ctr/ctr/global_bias:0", &[1]);
    f.add("cvr/cvr/global_bias:0", &[1]);
    let made = with(
        &f.weights(),
        "[[tasks]]\nname = \"cvr\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \
         \"ctr\"\nactivation = \"sigmoid\"\n",
    );
    assert_eq!(made.framework, "DeepCTR MMOE");
    let at = |tensor: &str| {
        made.placement
            .iter()
            .find(|(n, _)| n == tensor)
            .unwrap()
            .1
            .clone()
    };
    assert_eq!(at("dense_3/dense_3/kernel:0"), "tower 1, layer 1: weight");
    assert_eq!(made.graph.tasks[0].output, Output::Sigmoid { value: 5 });
}

#[test]
fn fixtures_survive_a_written_spec() {
    let weights = read("pytorch-edge/model.safetensors");
    with(&weights, &tasks(&["sigmoid", "sigmoid", "linear"]));
    for file in [
        "keras-hub-recsys/model_keras3.keras",
        "keras-hub-recsys/full_keras2.h5",
        "keras-mmoe-census/model_keras3.keras",
    ] {
        with(&read(file), "name = \"m\"");
    }
    // Before anybody says what the outputs are, a draft asks for it, and for what else is open.
    let found = recognise(&weights).unwrap();
    assert_eq!(
        found.missing()[2],
        "how output `task2` is made: [[tasks]] with name and activation (sigmoid, softmax, linear)"
    );
    let text = write_plan(&weights, found.framework, &found.assumptions, &found.plan);
    let draft = |text: &str| {
        build(
            weights.clone(),
            Some(&Spec::parse(text).unwrap()),
            Options::default(),
        )
    };
    let unanswered = draft(&text).unwrap_err().to_string();
    assert!(unanswered.contains("task0, task1, task2"), "{unanswered}");
    assert!(
        unanswered.contains("the last layer of the experts: relu"),
        "{unanswered}"
    );
    let answered = text.replace("activation = \"?\"", "activation = \"linear\"");
    let topics = |open: &[Question]| open.iter().map(|q| (q.topic, q.part)).collect::<Vec<_>>();
    let made = draft(&answered).unwrap();
    assert_eq!(topics(&made.open), topics(&found.open()[1..]));
    // One table answers all layers at once.
    let words = "[defaults]\nactivation = \"tanh\"\nlast_activation = \"tanh\"\nresidual = false\n";
    let at = answered.find("[[").unwrap();
    let made = draft(&format!("{}{words}{}", &answered[..at], &answered[at..])).unwrap();
    assert_eq!(topics(&made.open), [(Topic::GateKind, Part::Gates)]);
    let tanh = |l: &Layer| matches!(l, Layer::Dense(d) if d.activation == Activation::Tanh);
    assert!(made.graph.nodes[0].layers.iter().all(tanh));
}

fn fails(weights: &Weights, spec: Option<&str>, says: &[&str]) {
    let spec = spec.map(|s| Spec::parse(s).unwrap());
    let text = build(weights.clone(), spec.as_ref(), Options::default())
        .unwrap_err()
        .to_string();
    for part in says {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}

#[test]
fn what_recognition_cannot_know_or_use_is_an_error_with_a_remedy() {
    let edge = read("pytorch-edge/model.safetensors");
    fails(
        &edge,
        None,
        &[
            "nothing says how these outputs are made: task0, task1, task2",
            "[[tasks]]\nname = \"task0\"\nactivation = \"sigmoid\"",
        ],
    );
    fails(
        &edge,
        Some(&tasks(&["sigmoid", "sigmoid"])),
        &[
            "lists 2 tasks that need a tower, the file has 3 towers",
            "one [[tasks]] per tower",
        ],
    );
    fails(
        &edge,
        Some(&tasks(&["sigmoid", "softmax", "linear"])),
        &["task `t1`: a softmax needs width 2 or more, its tower makes 1"],
    );
    let mut few = edge.clone();
    few.tensors.retain(|n, _| !n.starts_with("experts.3."));
    fails(
        &few,
        Some(&tasks(&["sigmoid", "sigmoid", "linear"])),
        &["gate 0", "4 logits, 3 experts seen need 3"],
    );
    few.tensors.retain(|n, _| !n.starts_with("experts.1."));
    fails(
        &few,
        Some(&tasks(&["sigmoid", "sigmoid", "linear"])),
        &["`experts.1` is missing between its neighbours"],
    );
    let mut transposed = edge.clone();
    transposed.tensors["towers.0.0.weight"].shape = vec![32, 16];
    fails(
        &transposed,
        Some(&tasks(&["sigmoid", "sigmoid", "linear"])),
        &[
            "`towers.0.0.weight` has shape [32, 16], needed is [outputs, 32]",
            "check `layout`",
        ],
    );
    fails(
        &made(&[
            ("lstm.weight_ih_l0", &[16, 4]),
            ("lstm.weight_hh_l0", &[16, 4]),
        ]),
        None,
        &[
            "no known layout of names",
            "`lstm.weight_ih_l0` [16, 4]",
            "--spec",
        ],
    );
    fails(
        &made(&[
            ("experts.0.0.weight", &[4, 3, 3, 3]),
            ("gates.0.weight", &[1, 3]),
            ("towers.0.0.weight", &[1, 4]),
        ]),
        Some(&tasks(&["linear"])),
        &[
            "`experts.0.0` is no layer that is known here",
            "[4, 3, 3, 3]",
        ],
    );
    let mut normed = edge.clone();
    normed
        .tensors
        .extend(made(&[("input_norm.weight", &[64])]).tensors);
    fails(
        &normed,
        Some(&tasks(&["sigmoid", "sigmoid", "linear"])),
        &[
            "tensors that take part in no computation: `input_norm.weight` [64]",
            "ignore",
        ],
    );
    let norm: [(&str, &[usize]); 4] = [
        ("n.weight", &[4]),
        ("n.bias", &[4]),
        ("n.running_mean", &[4]),
        ("n.num_batches_tracked", &[]),
    ];
    let mut cut = made(&[
        ("experts.0.mlp.0.weight", &[4, 3]),
        ("gates.0.mlp.0.weight", &[1, 3]),
        ("towers.0.mlp.0.weight", &[1, 4]),
    ]);
    cut.tensors.extend(
        made(&norm)
            .tensors
            .into_iter()
            .map(|(n, t)| (n.replacen('n', "experts.0.mlp.1", 1), t)),
    );
    fails(
        &cut,
        Some(&tasks(&["linear"])),
        &[
            "`experts.0.mlp.1` is no layer that is known here",
            "running_mean",
        ],
    );
    cut.tensors.shift_remove("experts.0.mlp.1.running_mean");
    fails(
        &cut,
        Some(&tasks(&["linear"])),
        &["`experts.0.mlp.1` is no layer that is known here"],
    );
    let keras = read("keras-hub-recsys/weights_keras2.h5");
    let mut normed = keras.clone();
    normed
        .tensors
        .extend(made(&[("bn/bn/gamma:0", &[8])]).tensors);
    fails(
        &normed,
        None,
        &["tensors that take part in no computation: `bn/bn/gamma:0` [8]"],
    );
    fails(&keras, None, &["y0, y1", "name = \"y0\""]);
    // Of two towers the one that is left is the other.
    let one_left = build(
        keras.clone(),
        Some(
            &Spec::parse(
                "[[tasks]]\nname = \"z\"\nactivation = \"linear\"\n[[tasks]]\nname = \
             \"y0\"\nactivation = \"linear\"\n",
            )
            .unwrap(),
        ),
        Options::default(),
    );
    let towers = one_left.unwrap().plan.towers;
    assert_eq!(towers[1].name, "tower 0");
    let mut odd = read("keras-hub-recsys/full_keras2.h5");
    let text = odd.config.as_ref().unwrap().to_string();
    odd.config = Some(
        serde_json::from_str(&text.replacen(
            "\"class_name\":\"Dense\"",
            "\"class_name\":\"LSTM\"",
            1,
        ))
        .unwrap(),
    );
    fails(
        &odd,
        None,
        &["layer `dense_10`: the Keras layer `LSTM` behind a mixture is not supported"],
    );
    odd.config = Some(
        serde_json::from_str(&text.replacen(
            "\"activation\":\"relu\"",
            "\"activation\":\"maxout\"",
            1,
        ))
        .unwrap(),
    );
    fails(&odd, None, &["maxout", "leaky_relu"]);
}
