//! Models trained with the frameworks' own code: recognised from every file, and held against the
//! frameworks' own outputs.

use indexmap::IndexMap;
use mmoe_tools::blob::encode::Packing;
use mmoe_tools::convert::Precision;
use mmoe_tools::eval::evaluate;
use mmoe_tools::graph::Graph;
use mmoe_tools::import::Tensor;
use mmoe_tools::model::{Options, Recognised, build};
use mmoe_tools::plan::spec::Spec;
use testkit::fixtures::{fixture, float, golden, integer, read};
use testkit::golden::{assert_golden, assert_tasks};

/// `[[tasks]]` tables for names and activations.
fn tasks(tasks: &[(&str, &str)]) -> String {
    tasks
        .iter()
        .map(|(name, activation)| {
            format!("[[tasks]]\nname = \"{name}\"\nactivation = \"{activation}\"\n")
        })
        .collect()
}

fn by(file: &str, spec: &str) -> Recognised {
    build(
        read(file),
        Some(&Spec::parse(spec).unwrap()),
        Options::default(),
    )
    .unwrap()
}

fn by_its_spec(folder: &str, file: &str) -> Recognised {
    by(
        &format!("{folder}/{file}"),
        &std::fs::read_to_string(fixture(&format!("{folder}/spec.toml"))).unwrap(),
    )
}

/// The files of a Keras model: two that say everything, and bare weights that need the tasks.
fn keras(folder: &str, framework: &str, names: &[(&str, &str)]) {
    for file in ["model.keras", "full.h5"] {
        let made = build(read(&format!("{folder}/{file}")), None, Options::default()).unwrap();
        assert_eq!(made.framework, framework);
        assert!(made.dropped.is_empty(), "{file}: {:?}", made.dropped);
        assert!(
            made.assumptions.is_empty(),
            "{file}: {:?}",
            made.assumptions
        );
        assert_eq!(
            made.graph
                .tasks
                .iter()
                .map(|t| t.name.as_str())
                .collect::<Vec<_>>(),
            names.iter().map(|n| n.0).collect::<Vec<_>>()
        );
        assert_golden(&made.graph, &golden(folder));
    }
    let made = by(&format!("{folder}/model.weights.h5"), &tasks(names));
    assert_eq!(made.framework, framework);
    assert!(made.dropped.is_empty(), "{:?}", made.dropped);
    assert_golden(&made.graph, &golden(folder));
}

const THREE_HEADS: &[(&str, &str)] = &[
    ("level", "linear"),
    ("alarm", "sigmoid"),
    ("mode", "softmax"),
];

#[test]
fn the_articles_layer_on_the_papers_data() {
    keras(
        "keras-paper",
        "the TF2 MMoE layer (hub-recsys)",
        &[("y0", "linear"), ("y1", "linear")],
    );
}

#[test]
fn twelve_experts_are_read_in_the_order_of_their_numbers() {
    keras(
        "keras-twelve",
        "the TF2 MMoE layer (hub-recsys)",
        THREE_HEADS,
    );
}

#[test]
fn the_packed_layer() {
    keras("keras-packed", "keras-mmoe", THREE_HEADS);
}

#[test]
fn the_packed_layer_of_the_census() {
    for file in ["model_keras3.keras", "full_keras2.h5"] {
        let made = build(
            read(&format!("keras-mmoe-census/{file}")),
            None,
            Options::default(),
        )
        .unwrap();
        assert_golden(&made.graph, &golden("keras-mmoe-census"));
    }
    for file in [
        "weights_keras3.weights.h5",
        "weights_keras2.h5",
        "weights_by_name.npz",
    ] {
        let made = by(
            &format!("keras-mmoe-census/{file}"),
            &tasks(&[("income", "softmax"), ("marital", "softmax")]),
        );
        assert_golden(&made.graph, &golden("keras-mmoe-census"));
    }
}

#[test]
fn torch_mixed_by_spec_and_by_recognition() {
    for file in ["model.safetensors", "state_dict.pt"] {
        let made = by_its_spec("torch-mixed", file);
        assert_golden(&made.graph, &golden("torch-mixed"));
        assert!(made.dropped.is_empty(), "{:?}", made.dropped);
        let names = tasks(&[("kind", "softmax"), ("rating", "linear")]);
        let recognised = by(
            &format!("torch-mixed/{file}"),
            &format!("name = \"mixed\"\n{names}"),
        );
        assert_eq!(recognised.graph, made.graph);
    }
}

/// Every tensor left out belongs to one of the parts, and none of the parts is named in vain.
fn assert_dropped(made: &Recognised, parts: &[&str]) {
    let unexpected: Vec<_> = made
        .dropped
        .iter()
        .filter(|d| !parts.iter().any(|part| d.contains(part)))
        .collect();
    assert!(unexpected.is_empty(), "{unexpected:?}");
    assert!(
        parts
            .iter()
            .all(|part| made.dropped.iter().any(|d| d.contains(part))),
        "{:?}",
        made.dropped
    );
}

/// Both files of a PyTorch model by recognition; `dropped` are the parts of names that inference
/// does not need.
fn torch(
    folder: &str,
    framework: &str,
    names: &[(&str, &str)],
    dropped: &[&str],
) -> Vec<Recognised> {
    let made = ["model.safetensors", "state_dict.pt"]
        .map(|file| by(&format!("{folder}/{file}"), &tasks(names)));
    for m in &made {
        assert_tasks(&m.graph, &golden(folder));
        assert_eq!(m.framework, framework);
        assert_eq!(m.graph, made[0].graph);
        assert!(m.embeddings.is_some());
        assert_dropped(m, dropped);
    }
    made.into()
}

const RECOMMENDER: &[(&str, &str)] = &[
    ("click", "sigmoid"),
    ("like", "sigmoid"),
    ("dwell", "linear"),
];

#[test]
fn torch_rechub_with_batch_norm_in_its_gates() {
    for m in torch(
        "torch-rechub-mmoe",
        "torch-rechub MMOE",
        RECOMMENDER,
        &["num_batches_tracked"],
    ) {
        assert_golden(&m.graph, &golden("torch-rechub-mmoe"));
    }
}

#[test]
fn torch_rechub_ple_and_shared_bottom() {
    torch(
        "torch-rechub-ple",
        "torch-rechub PLE",
        RECOMMENDER,
        &["num_batches_tracked"],
    );
    torch(
        "torch-rechub-shared-bottom",
        "torch-rechub SharedBottom",
        RECOMMENDER,
        &["num_batches_tracked"],
    );
}

#[test]
fn deepctr_torch_mmoe() {
    for m in torch(
        "deepctr-torch-small",
        "DeepCTR-Torch MMOE",
        RECOMMENDER,
        &[],
    ) {
        assert_golden(&m.graph, &golden("deepctr-torch-small"));
    }
    let census = [
        ("income", "sigmoid"),
        ("marital", "sigmoid"),
        ("weeks", "linear"),
    ];
    for m in torch("deepctr-torch-mmoe", "DeepCTR-Torch MMOE", &census, &[]) {
        assert_golden(&m.graph, &golden("deepctr-torch-mmoe"));
    }
}

#[test]
fn deepctr_torch_ple_and_shared_bottom() {
    torch(
        "deepctr-torch-ple",
        "DeepCTR-Torch PLE",
        RECOMMENDER,
        &[
            "shared_experts.0.0.1.",
            "shared_experts.1.0.1.",
            "shared_gate_dnn.1.",
            "shared_gate_dnn_final_layer.1.",
        ],
    );
    torch(
        "deepctr-torch-shared-bottom",
        "DeepCTR-Torch SharedBottom",
        RECOMMENDER,
        &[],
    );
}

#[test]
fn gates_that_choose_and_experts_that_differ() {
    for folder in [
        "torch-hard",
        "torch-topk",
        "torch-dselect",
        "torch-slices",
        "torch-constant",
    ] {
        for file in ["model.safetensors", "state_dict.pt"] {
            let made = by_its_spec(folder, file);
            assert_golden(&made.graph, &golden(folder));
            assert_dropped(
                &made,
                if folder == "torch-slices" {
                    &["num_batches_tracked"]
                } else {
                    &[]
                },
            );
        }
    }
}

#[test]
fn one_mmoe_layer_on_another() {
    for file in ["model.safetensors", "state_dict.pt"] {
        let made = by_its_spec("torch-stacked", file);
        assert_tasks(&made.graph, &golden("torch-stacked"));
        assert!(made.dropped.is_empty(), "{:?}", made.dropped);
    }
}

/// The last expert is hidden: the graph leaves it out, the framework gives it the weight 0.
#[test]
fn a_temperature_and_priors_as_they_were_trained() {
    for file in ["model.safetensors", "state_dict.pt"] {
        let made = by_its_spec("torch-priors", file);
        let golden = golden("torch-priors");
        assert_tasks(&made.graph, &golden);
        assert_eq!(made.graph.unseen(), [3]);
        for (row, x) in golden["x"].data.chunks_exact(16).enumerate() {
            let y = evaluate(
                &made.graph,
                &x.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(),
            );
            for (gate, task) in y.gates.iter().zip(["gate_level", "gate_alarm"]) {
                let trained = &golden[task].data[4 * row..4 * row + 4];
                assert_eq!((gate.len(), trained[3]), (3, 0.0));
                assert!(
                    gate.iter()
                        .zip(trained)
                        .all(|(a, b)| (a - f64::from(*b)).abs() < 1e-6),
                    "{task}, row {row}"
                );
            }
        }
    }
}

#[test]
fn a_model_per_task_and_a_layer_below_all() {
    for folder in ["torch-soft", "torch-stem"] {
        for file in ["model.safetensors", "state_dict.pt"] {
            let made = by_its_spec(folder, file);
            assert_tasks(&made.graph, &golden(folder));
            assert!(
                made.dropped.is_empty() && made.graph.unseen().is_empty(),
                "{:?}",
                made.dropped
            );
        }
    }
}

#[test]
fn more_experts_and_tasks_than_a_mask_of_32_bits_names() {
    for folder in ["torch-128-experts", "torch-64-tasks"] {
        let made = by_its_spec(folder, "model.safetensors");
        let golden = golden(folder);
        assert_tasks(&made.graph, &golden);
        for (precision, mean, worst) in [(Precision::F32, 1e-6, 1e-5), (Precision::W8, 5e-3, 5e-2)]
        {
            let bytes = float(&made.graph, precision);
            assert_close(&made.graph, &bytes, &golden, mean, worst);
        }
        let bytes = integer(&made.graph, &golden["x"].data, Packing::Panels);
        assert_close(&made.graph, &bytes, &golden, 5e-3, 5e-2);
    }
}

/// What the engine makes of a blob against the framework's outputs: how far they are apart on average
/// and at most.
fn assert_close(
    graph: &Graph,
    bytes: &[u8],
    golden: &IndexMap<String, Tensor>,
    mean: f32,
    worst: f32,
) {
    let model = mmoe::Dynamic::load(bytes).unwrap();
    let (mut scratch, mut y) = (vec![0; model.scratch_words()], vec![0.0; model.outputs()]);
    let mut off = Vec::new();
    for (row, x) in golden["x"].data.chunks_exact(model.inputs()).enumerate() {
        model.predict(x, &mut scratch, &mut y).unwrap();
        let wanted = graph.tasks.iter().map(|t| golden[&t.name].data[row]);
        off.extend(wanted.zip(&y).map(|(wanted, y)| (y - wanted).abs()));
    }
    let found = (
        off.iter().sum::<f32>() / off.len() as f32,
        off.iter().copied().fold(0.0, f32::max),
    );
    assert!(found.0 <= mean && found.1 <= worst, "{found:?} off");
}

#[test]
fn raw_features_of_unlike_ranges() {
    for file in ["model.safetensors", "state_dict.pt"] {
        let made = by_its_spec("torch-unscaled", file);
        assert_golden(&made.graph, &golden("torch-unscaled"));
        assert!(made.dropped.is_empty(), "{:?}", made.dropped);
    }
}

/// Shared bottom, OMoE and MMoE on the paper's data: the error of the 27 models on the test rows is
/// that which PyTorch measured.
#[test]
fn the_papers_experiment() {
    let table = std::fs::read_to_string(fixture("paper/mse.csv")).unwrap();
    let mut lines = table.lines();
    assert_eq!(lines.next(), Some("model,cosine,seed,y0,y1"));
    let mut compared = 0;
    for line in lines {
        let [kind, cosine, seed, errors @ ..] = &line.split(',').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let spec = std::fs::read_to_string(fixture(&format!("paper/{kind}.toml"))).unwrap();
        let made = by(&format!("paper/{kind}-{cosine}-{seed}.safetensors"), &spec);
        assert!(made.dropped.is_empty(), "{:?}", made.dropped);
        let test = read(&format!("paper/test_set-{cosine}.npz")).tensors;
        let rows = test["x"].data.chunks_exact(100);
        assert_eq!(rows.len(), 500);
        let mut sums = [0.0; 2];
        for (row, features) in rows.enumerate() {
            let y = evaluate(
                &made.graph,
                &features.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(),
            );
            for (t, task) in ["y0", "y1"].into_iter().enumerate() {
                sums[t] += (y.tasks[t][0] - f64::from(test[task].data[row])).powi(2) / 500.0;
            }
        }
        for (got, golden) in sums.iter().zip(errors) {
            let golden: f64 = golden.parse().unwrap();
            assert!((got - golden).abs() < 1e-5, "{line}: {got}");
        }
        compared += 1;
    }
    assert_eq!(compared, 27);
}
