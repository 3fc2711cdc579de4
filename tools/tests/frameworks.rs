//! Models trained with the frameworks' own code: recognised from every file, and held against the frameworks' own outputs.

mod common;

use common::{assert_golden, assert_tasks, fixture, golden, read};
use mmoe_tools::model::{Options, Recognised, build};
use mmoe_tools::spec::Spec;

/// `[[tasks]]` tables for names and activations.
fn tasks(tasks: &[(&str, &str)]) -> String {
    tasks.iter().map(|(name, activation)| format!("[[tasks]]\nname = \"{name}\"\nactivation = \"{activation}\"\n")).collect()
}

fn by(file: &str, spec: &str) -> Recognised {
    build(read(file), Some(&Spec::parse(spec).unwrap()), Options::default()).unwrap()
}

fn by_its_spec(folder: &str, file: &str) -> Recognised {
    by(&format!("{folder}/{file}"), &std::fs::read_to_string(fixture(&format!("{folder}/spec.toml"))).unwrap())
}

/// The files of a Keras model: two that say everything, and bare weights that need the tasks.
fn keras(folder: &str, framework: &str, names: &[(&str, &str)]) {
    for file in ["model.keras", "full.h5"] {
        let made = build(read(&format!("{folder}/{file}")), None, Options::default()).unwrap();
        assert_eq!(made.framework, framework);
        assert!(made.dropped.is_empty(), "{file}: {:?}", made.dropped);
        assert!(made.assumptions.is_empty(), "{file}: {:?}", made.assumptions);
        assert_eq!(made.graph.tasks.iter().map(|t| t.name.as_str()).collect::<Vec<_>>(), names.iter().map(|n| n.0).collect::<Vec<_>>());
        assert_golden(&made.graph, &golden(folder));
    }
    let made = by(&format!("{folder}/model.weights.h5"), &tasks(names));
    assert_eq!(made.framework, framework);
    assert!(made.dropped.is_empty(), "{:?}", made.dropped);
    assert_golden(&made.graph, &golden(folder));
}

const THREE_HEADS: &[(&str, &str)] = &[("level", "linear"), ("alarm", "sigmoid"), ("mode", "softmax")];

#[test]
fn the_articles_layer_on_the_papers_data() {
    keras("keras-paper", "the TF2 MMoE layer (hub-recsys)", &[("y0", "linear"), ("y1", "linear")]);
}

#[test]
fn twelve_experts_are_read_in_the_order_of_their_numbers() {
    keras("keras-twelve", "the TF2 MMoE layer (hub-recsys)", THREE_HEADS);
}

#[test]
fn the_packed_layer() {
    keras("keras-packed", "keras-mmoe", THREE_HEADS);
}

#[test]
fn the_packed_layer_of_the_census() {
    for file in ["model_keras3.keras", "full_keras2.h5"] {
        let made = build(read(&format!("keras-mmoe-census/{file}")), None, Options::default()).unwrap();
        assert_golden(&made.graph, &golden("keras-mmoe-census"));
    }
    for file in ["weights_keras3.weights.h5", "weights_keras2.h5", "weights_by_name.npz"] {
        let made = by(&format!("keras-mmoe-census/{file}"), &tasks(&[("income", "softmax"), ("marital", "softmax")]));
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
        let recognised = by(&format!("torch-mixed/{file}"), &format!("name = \"mixed\"\n{names}"));
        assert_eq!(recognised.graph, made.graph);
    }
}

/// Both files of a PyTorch model by recognition; embeddings come before the experts and are all that may be left over.
fn torch(folder: &str, framework: &str, names: &[(&str, &str)]) -> Vec<Recognised> {
    let made = ["model.safetensors", "state_dict.pt"].map(|file| by(&format!("{folder}/{file}"), &tasks(names)));
    for m in &made {
        assert_tasks(&m.graph, &golden(folder));
        assert_eq!(m.framework, framework);
        assert_eq!(m.graph, made[0].graph);
        assert!(m.embeddings.is_some());
        let unexpected: Vec<_> = m.dropped.iter().filter(|d| !d.contains("num_batches_tracked")).collect();
        assert!(unexpected.is_empty(), "{unexpected:?}");
    }
    made.into()
}

const RECOMMENDER: &[(&str, &str)] = &[("click", "sigmoid"), ("like", "sigmoid"), ("dwell", "linear")];

#[test]
fn torch_rechub_with_batch_norm_in_its_gates() {
    for m in torch("torch-rechub-mmoe", "torch-rechub MMOE", RECOMMENDER) {
        assert_golden(&m.graph, &golden("torch-rechub-mmoe"));
    }
}

#[test]
fn torch_rechub_ple_and_shared_bottom() {
    torch("torch-rechub-ple", "torch-rechub PLE", RECOMMENDER);
    torch("torch-rechub-shared-bottom", "torch-rechub SharedBottom", RECOMMENDER);
}

#[test]
fn deepctr_torch_mmoe() {
    for m in torch("deepctr-torch-small", "DeepCTR-Torch MMOE", RECOMMENDER) {
        assert_golden(&m.graph, &golden("deepctr-torch-small"));
    }
    let census = [("income", "sigmoid"), ("marital", "sigmoid"), ("weeks", "linear")];
    for m in torch("deepctr-torch-mmoe", "DeepCTR-Torch MMOE", &census) {
        assert_golden(&m.graph, &golden("deepctr-torch-mmoe"));
    }
}

#[test]
fn deepctr_torch_ple_and_shared_bottom() {
    torch("deepctr-torch-ple", "DeepCTR-Torch PLE", RECOMMENDER);
    torch("deepctr-torch-shared-bottom", "DeepCTR-Torch SharedBottom", RECOMMENDER);
}

#[test]
fn gates_that_choose_and_experts_that_differ() {
    for folder in ["torch-hard", "torch-topk", "torch-dselect", "torch-slices"] {
        for file in ["model.safetensors", "state_dict.pt"] {
            let made = by_its_spec(folder, file);
            assert_golden(&made.graph, &golden(folder));
            assert!(made.dropped.iter().all(|d| d.contains("num_batches_tracked")), "{:?}", made.dropped);
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
