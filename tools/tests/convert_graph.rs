//! From weights files to the intermediate model, by spec and by recognition, held against the frameworks' own outputs.

mod common;

use common::{assert_golden, fixture, npz, npz_weights, safetensors};
use mmoe_tools::import::Weights;
use mmoe_tools::model::{Options, Recognised, build};
use mmoe_tools::spec::Spec;

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
    build(weights, Some(&Spec::parse(spec).unwrap()), Options::default()).unwrap()
}

#[test]
fn pytorch_edge_by_the_spec_of_the_design() {
    let spec = std::fs::read_to_string(fixture("pytorch-edge/spec.toml")).unwrap();
    let made = with(safetensors("pytorch-edge/model.safetensors"), &spec);
    assert_golden(&made.graph, &npz("pytorch-edge/golden.npz"));
    assert_eq!(made.graph.name, "edge");
    assert_eq!(made.placement.len(), 34);
    assert!(made.dropped.is_empty(), "{:?}", made.dropped);
}

#[test]
fn pytorch_edge_by_recognition_and_task_names() {
    let made = with(safetensors("pytorch-edge/model.safetensors"), &format!("name = \"edge\"\n{TASKS}"));
    assert_golden(&made.graph, &npz("pytorch-edge/golden.npz"));
    let by_spec = with(safetensors("pytorch-edge/model.safetensors"), &std::fs::read_to_string(fixture("pytorch-edge/spec.toml")).unwrap());
    assert_eq!(made.graph, by_spec.graph);
}

#[test]
fn keras_hub_recsys_by_spec() {
    let spec = std::fs::read_to_string(fixture("keras-hub-recsys/spec.toml")).unwrap();
    let made = with(npz_weights("keras-hub-recsys/weights_by_name.npz"), &spec);
    assert_golden(&made.graph, &npz("keras-hub-recsys/golden.npz"));
    assert!(made.dropped.is_empty(), "{:?}", made.dropped);
}
