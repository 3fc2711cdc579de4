//! What `convert` says of files that it cannot take as they are: a user can go on from it.

mod tool;

use mmoe_tools::import;
use std::path::Path;
use tool::{Place, fails, npz, ok, safetensors};

const SPEC: &str = "[[tasks]]\nname = \"click\"\nactivation = \"sigmoid\"\n[[tasks]]\nname = \
                    \"dwell\"\nactivation = \"linear\"\n";
const FUNCTIONS: &str = "[experts]\nlast_activation = \"relu\"\n[gates]\nkind = \"softmax\"\n";

type Named = (String, Vec<usize>);

/// A plain model of two experts, its names behind a prefix.
fn model(prefix: &str) -> Vec<Named> {
    let mut tensors = Vec::new();
    let mut layer = |name: String, outputs: usize, inputs: usize| {
        tensors.push((format!("{prefix}{name}.weight"), vec![outputs, inputs]));
        tensors.push((format!("{prefix}{name}.bias"), vec![outputs]));
    };
    for i in 0..2 {
        layer(format!("experts.{i}.0"), 4, 3);
    }
    for i in 0..2 {
        layer(format!("gates.{i}"), 2, 3);
        layer(format!("towers.{i}.0"), 1, 4);
    }
    tensors
}

fn file(
    place: &Place,
    tensors: &[Named],
    dtype: &str,
    change: impl Fn(&str, f32) -> f32,
) -> String {
    let named: Vec<(&str, &[usize])> = tensors.iter().map(|(n, s)| (n.as_str(), &s[..])).collect();
    let bytes = safetensors(&named, dtype, |name, _, v| change(name, v));
    place.write("w.safetensors", bytes)
}

/// Outputs of a blob on some rows, as golden rows.
fn golden(place: &Place, blob: &str) -> String {
    let x: Vec<f32> = (0..96u8).map(|i| f32::from(i % 13) * 0.3 - 1.5).collect();
    let rows = place.write("x.npz", npz(&[("x", &[32, 3], x.clone())]));
    let outputs = place.at("y.npz");
    ok(&format!("run {blob} --input {rows} -o {outputs}"));
    let made = import::read(Path::new(&outputs)).unwrap().tensors;
    let y = |task: &str| made[task].data.clone();
    let all = [
        ("x", &[32, 3][..], x),
        ("click", &[32, 1], y("click")),
        ("dwell", &[32, 1], y("dwell")),
    ];
    place.write("golden.npz", npz(&all))
}

/// Any attribute may hold the whole model.
#[test]
fn a_common_attribute_is_taken_off_and_said() {
    let place = Place::new();
    let spec = place.write("s.toml", format!("{SPEC}{FUNCTIONS}"));
    let blob = place.at("m.mmoe");
    let mut bytes = Vec::new();
    for prefix in ["", "mmoe.", "module.my_model.", "ranker.", "model.net."] {
        let weights = file(&place, &model(prefix), "F32", |_, v| v);
        let said = ok(&format!("convert {weights} --spec {spec} -o {blob}"));
        assert_eq!(
            said.contains("took the common prefix"),
            !prefix.is_empty(),
            "{said}"
        );
        bytes.push(std::fs::read(&blob).unwrap());
    }
    assert!(bytes.iter().all(|b| *b == bytes[0]));
}

/// A number that is no number matters where it is used. A mask that no layer uses is named as such,
/// and not as a sign of training gone wrong.
#[test]
fn a_buffer_that_nothing_uses_is_named_as_unused_whatever_it_holds() {
    let place = Place::new();
    let spec = place.write("s.toml", format!("{SPEC}{FUNCTIONS}"));
    let blob = place.at("m.mmoe");
    let mut tensors = model("");
    tensors.push(("gate_mask".into(), vec![2]));
    let holds = |name: &str, v: f32| {
        if name == "gate_mask" {
            f32::NEG_INFINITY
        } else {
            v
        }
    };
    let weights = file(&place, &tensors, "F32", holds);
    let line = format!("convert {weights} --spec {spec} -o {blob}");
    fails(
        &line,
        2,
        &[
            "take part in no computation: `gate_mask` [2]",
            "`ignore = [",
        ],
    );
    assert!(!Path::new(&blob).exists());
    let ignoring = format!("ignore = [\"gate_mask\"]\n{SPEC}{FUNCTIONS}");
    let spec = place.write("s.toml", ignoring);
    ok(&format!("convert {weights} --spec {spec} -o {blob}"));
    // Where it is used, it is an error that names tensor and element.
    let holds = |name: &str, v: f32| {
        if name == "towers.1.0.bias" {
            f32::NEG_INFINITY
        } else {
            v
        }
    };
    let weights = file(&place, &model(""), "F32", holds);
    let line = format!("convert {weights} --spec {spec} -o {blob}");
    fails(&line, 2, &["`towers.1.0.bias` has -inf at element 0"]);
}

/// Golden rows of the model before its weights were rounded differ by the rounding: it is said, and
/// a tolerance takes them.
#[test]
fn rounded_weights_with_outputs_of_the_unrounded_model_are_explained() {
    let place = Place::new();
    let full = place.write("full.toml", format!("{SPEC}{FUNCTIONS}"));
    let blob = place.at("m.mmoe");
    let exact = file(&place, &model(""), "F32", |_, v| v);
    ok(&format!("convert {exact} --spec {full} -o {blob}"));
    let golden = golden(&place, &blob);
    let rounded = file(&place, &model(""), "BF16", |_, v| v);
    let spec = place.write("s.toml", SPEC);
    let line = format!("convert {rounded} --spec {spec} --golden {golden} -o {blob}");
    fails(
        &line,
        1,
        &["weights are rounded to 16 bits", "--tolerance 5e-3"],
    );
    ok(&format!(
        "convert {rounded} --spec {full} --golden {golden} --tolerance 5e-2 -o {blob}"
    ));
}

/// Models that share nothing are several models: it is said how to make a blob of each.
#[test]
fn one_model_for_each_task_is_refused_with_the_way_out() {
    let place = Place::new();
    let mut tensors: Vec<Named> = Vec::new();
    for i in 0..2 {
        tensors.push((format!("embedding.{i}.embedding.weight"), vec![5, 4]));
        for (name, outputs, inputs) in [("bottom", 4, 8), ("tower", 1, 4)] {
            tensors.push((format!("{name}.{i}.mlp.0.weight"), vec![outputs, inputs]));
            tensors.push((format!("{name}.{i}.mlp.0.bias"), vec![outputs]));
        }
    }
    let weights = file(&place, &tensors, "F32", |_, v| v);
    let spec = place.write("s.toml", SPEC);
    let line = format!("convert {weights} --spec {spec} -o {}", place.at("m.mmoe"));
    let way = [
        "one model per task",
        "make one blob per task",
        "--write-spec",
        "`ignore`",
    ];
    fails(&line, 2, &way);
}
