//! From weights files to the intermediate model, by spec and by recognition, held against the
//! frameworks' own outputs.

use mmoe_tools::import::Weights;
use mmoe_tools::model::{Options, Recognised, build};
use mmoe_tools::plan::spec::Spec;
use testkit::fixtures::{fixture, golden, read};
use testkit::golden::assert_golden;

const TASKS: &str = "
[[tasks]]
name = \"y0\"
activation = \"sigmoid\"
[[tasks]]
name = \"y1\"
activation = \"sigmoid\"
[[tasks]]
name = \"y2\"
activation = \"linear\"
";

fn with(weights: Weights, spec: &str) -> Recognised {
    build(
        weights,
        Some(&Spec::parse(spec).unwrap()),
        Options::default(),
    )
    .unwrap()
}

#[test]
fn pytorch_edge_by_the_spec_of_the_design() {
    let spec = std::fs::read_to_string(fixture("pytorch-edge/spec.toml")).unwrap();
    let made = with(read("pytorch-edge/model.safetensors"), &spec);
    assert_golden(&made.graph, &golden("pytorch-edge"));
    assert_eq!(made.graph.name, "edge");
    assert_eq!(made.placement.len(), 34);
    assert!(made.dropped.is_empty(), "{:?}", made.dropped);
}

#[test]
fn pytorch_edge_by_recognition_and_task_names() {
    let made = with(
        read("pytorch-edge/model.safetensors"),
        &format!("name = \"edge\"\n{TASKS}"),
    );
    assert_golden(&made.graph, &golden("pytorch-edge"));
    let by_spec = with(
        read("pytorch-edge/model.safetensors"),
        &std::fs::read_to_string(fixture("pytorch-edge/spec.toml")).unwrap(),
    );
    assert_eq!(made.graph, by_spec.graph);
}

#[test]
fn keras_hub_recsys_by_spec() {
    let spec = std::fs::read_to_string(fixture("keras-hub-recsys/spec.toml")).unwrap();
    let made = with(read("keras-hub-recsys/weights_by_name.npz"), &spec);
    assert_golden(&made.graph, &golden("keras-hub-recsys"));
    assert!(made.dropped.is_empty(), "{:?}", made.dropped);
}

/// All files of one Keras model; those with a configuration need no spec.
fn keras(folder: &str, tasks: &str) -> Vec<Recognised> {
    let read = |file: &str| read(&format!("{folder}/{file}"));
    let mut made: Vec<Recognised> = ["model_keras3.keras", "full_keras2.h5"]
        .map(|f| build(read(f), None, Options::default()).unwrap())
        .into();
    made.extend(
        [
            "weights_keras3.weights.h5",
            "weights_keras2.h5",
            "weights_by_name.npz",
        ]
        .map(|f| with(read(f), tasks)),
    );
    made
}

/// The same model but for the names of tensors and of the model.
fn nameless(graph: &mmoe_tools::graph::Graph) -> mmoe_tools::graph::Graph {
    let mut graph = graph.clone();
    graph.name.clear();
    for layer in graph.nodes.iter_mut().flat_map(|n| &mut n.layers) {
        if let mmoe_tools::graph::Layer::Dense(d) = layer {
            d.name.clear();
        }
    }
    graph
}

#[test]
fn keras_hub_recsys_by_recognition_from_every_file() {
    let tasks = "[[tasks]]\nname = \"y0\"\nactivation = \"linear\"\n[[tasks]]\nname = \
                 \"y1\"\nactivation = \"linear\"\n";
    let made = keras("keras-hub-recsys", tasks);
    for m in &made {
        assert_eq!(m.framework, "the TF2 MMoE layer (hub-recsys)");
        assert_golden(&m.graph, &golden("keras-hub-recsys"));
        assert_eq!(nameless(&m.graph), nameless(&made[0].graph));
        assert!(m.dropped.is_empty(), "{:?}", m.dropped);
    }
    assert!(made[0].assumptions.is_empty(), "{:?}", made[0].assumptions);
}

#[test]
fn keras_mmoe_by_recognition_from_every_file() {
    let tasks = "[[tasks]]\nname = \"income\"\nactivation = \"softmax\"\n[[tasks]]\nname = \
                 \"marital\"\nactivation = \"softmax\"\n";
    let made = keras("keras-mmoe-census", tasks);
    for m in &made {
        assert_eq!(m.framework, "keras-mmoe");
        assert_eq!(nameless(&m.graph), nameless(&made[0].graph));
        assert!(m.dropped.is_empty(), "{:?}", m.dropped);
    }
    assert_eq!(made[0].graph.tasks[0].name, "income");
}
