//! Exported graphs against the outputs of the frameworks that wrote them.

mod tool;

use std::fs;
use std::path::PathBuf;

use indexmap::IndexMap;
use mmoe_tools::eval::evaluate;
use mmoe_tools::import::{self, Tensor, Weights};
use mmoe_tools::model::{self, Options};
use mmoe_tools::program::{self, Op};
use serde_json::Value;
use tool::{fails, fixture, ok};

const FILES: [&str; 3] = ["model.onnx", "model.tflite", "saved_model"];

/// A graph, its golden rows, and what is known about it.
struct Exported {
    name: String,
    weights: Weights,
    golden: IndexMap<String, Tensor>,
    /// By output, in the model's order: the task of each column.
    columns: Vec<Vec<String>>,
    tolerance: f64,
}

fn graphs() -> Vec<Exported> {
    let folder = PathBuf::from(fixture("graphs"));
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let folder = entry.unwrap().path();
        for file in FILES {
            if folder.join(file).exists() {
                found.push(load(&folder, file));
            }
        }
    }
    assert_eq!(found.len(), 12);
    found
}

fn load(folder: &std::path::Path, file: &str) -> Exported {
    let info: Value = serde_json::from_slice(&fs::read(folder.join("info.json")).unwrap()).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let golden = import::read_data(&fs::read(folder.join("golden.npz")).unwrap()).unwrap();
    // A signature names the outputs in the model's order; TensorFlow Lite has them in another.
    let outputs = info["outputs_in_graph_order"].as_array();
    let outputs = outputs.or(info["outputs_by_signature"].as_array());
    let mut outputs = outputs.unwrap().clone();
    outputs.sort_by_key(|o| o["signature_key"].as_str().map(str::to_owned));
    let columns = outputs.iter().map(|o| match o["columns"].as_array() {
        Some(columns) => columns.iter().map(text).collect(),
        None => {
            let task = text(&o["task"]);
            let width = golden[&task].shape.get(1).copied().unwrap_or(1);
            vec![task; width]
        }
    });
    Exported {
        name: folder.file_name().unwrap().to_string_lossy().into_owned(),
        weights: import::read(&folder.join(file)).unwrap(),
        columns: columns.collect(),
        tolerance: info["tolerance"].as_f64().unwrap(),
        golden,
    }
}

fn rows(x: &Tensor) -> Vec<Vec<f64>> {
    let rows = x.data.chunks_exact(x.shape[1]);
    rows.map(|r| r.iter().map(|v| f64::from(*v)).collect())
        .collect()
}

impl Exported {
    /// Holds the outputs of a row, one behind the other, against the golden ones.
    fn hold(&self, row: usize, values: &[f64]) {
        let tasks: Vec<&String> = self.columns.iter().flatten().collect();
        assert_eq!(values.len(), tasks.len(), "{}", self.name);
        for (at, (value, task)) in values.iter().zip(&tasks).enumerate() {
            let golden = &self.golden[*task];
            let width = golden.data.len() / golden.shape[0];
            let column = tasks[..at].iter().filter(|t| *t == task).count();
            let largest = golden.data.iter().fold(1.0f32, |m, v| m.max(v.abs()));
            let wanted = f64::from(golden.data[row * width + column]);
            let off = (value - wanted).abs() / f64::from(largest);
            assert!(
                off <= self.tolerance,
                "{}, row {row}, {task}: {value} instead of {wanted}",
                self.name
            );
        }
    }
}

#[test]
fn the_interpreter_gives_what_the_framework_gave() {
    for graph in graphs() {
        let program = graph.weights.program.as_ref().unwrap();
        let x = rows(&graph.golden["x"]);
        assert_eq!(x.len(), 64);
        let made = program::evaluate(program, &x).unwrap();
        for row in 0..x.len() {
            let of_row = made.iter().flat_map(|array| {
                let width = array.data.len() / x.len();
                array.data[row * width..(row + 1) * width].to_vec()
            });
            graph.hold(row, &of_row.collect::<Vec<_>>());
        }
    }
}

#[test]
fn graphs_become_models_that_give_what_the_framework_gave() {
    for graph in graphs() {
        let made = model::build(graph.weights.clone(), None, Options::default())
            .unwrap_or_else(|why| panic!("{}: {why}", graph.name));
        assert!(made.open.is_empty(), "{}: {:?}", graph.name, made.open);
        for (row, x) in rows(&graph.golden["x"]).iter().enumerate() {
            graph.hold(row, &evaluate(&made.graph, x).tasks.concat());
        }
    }
}

/// A model recognised in one graph is no model of another that differs in one operation.
#[test]
fn a_model_is_held_against_its_graph() {
    for mut graph in graphs() {
        let made = model::build(graph.weights.clone(), None, Options::default()).unwrap();
        let program = graph.weights.program.as_mut().unwrap();
        let found = program::recognise(program).unwrap();
        let verified = program::verify(program, &made.graph, &found).unwrap();
        assert!(verified.rows >= 64, "{}", graph.name);
        let changes = |op: &Op| matches!(op, Op::Unary(_) | Op::Softmax { .. });
        let node = program.nodes.iter_mut().find(|n| changes(&n.op)).unwrap();
        node.op = Op::Identity;
        let why = program::verify(program, &made.graph, &found).unwrap_err();
        let why = why.to_string();
        assert!(
            why.contains("where the graph itself gives"),
            "{}: {why}",
            graph.name
        );
    }
}

/// What was recognised, for a person: experts, gates and towers are those that the model has.
#[test]
fn the_parts_are_those_of_the_model() {
    for (file, parts) in [
        ("ex01-loop-tanh/model.onnx", "3 experts, 2 gates, 2 towers"),
        (
            "ex02-bmm-gelu-v11/model.onnx",
            "4 experts, 3 gates, 3 towers",
        ),
        (
            "ex04-topkrenorm-dyn/model.onnx",
            "4 experts, 2 gates, 2 towers",
        ),
        (
            "ex05-wide-concat/model.onnx",
            "4 experts, 3 gates, 3 towers",
        ),
        (
            "ex06-rechub-ple1/model.onnx",
            "6 experts, 2 gates, 2 towers",
        ),
        (
            "ex07-deepctr-shared-dyn/model.onnx",
            "1 expert, 0 gates, 2 towers",
        ),
        // A stem of one layer stands below the experts.
        (
            "ex08-fixed1-bn-stem/model.onnx",
            "4 experts, 2 gates, 2 towers",
        ),
        (
            "ex09-tflite-float/model.tflite",
            "3 experts, 2 gates, 2 towers",
        ),
        ("ex12-sm-packed/saved_model", "3 experts, 2 gates, 2 towers"),
    ] {
        let out = ok(&format!("inspect {}", fixture(&format!("graphs/{file}"))));
        assert!(out.contains(parts), "{file}: {out}");
        assert!(out.contains("missing      nothing"), "{file}: {out}");
    }
}

#[test]
fn a_graph_converts_without_a_spec() {
    let place = tempfile::tempdir().unwrap();
    let blob = place.path().join("m.mmoe");
    for (folder, file, tasks) in [
        ("ex01-loop-tanh", "model.onnx", ""),
        ("ex04-topkrenorm-dyn", "model.onnx", ""),
        // One output of three columns, whose names the file lost.
        ("ex05-wide-concat", "model.onnx", "--tasks a,b,c"),
        ("ex06-rechub-ple1", "model.onnx", "--tasks t0,t1"),
        ("ex11-keras-onnx", "model.onnx", "--tasks click,dwell"),
        ("ex09-tflite-float", "model.tflite", "--tasks click,dwell"),
        ("ex12-sm-packed", "saved_model", "--tasks click,dwell"),
    ] {
        let folder = fixture(&format!("graphs/{folder}"));
        let out = ok(&format!(
            "convert {folder}/{file} {tasks} --golden {folder}/golden.npz -o {}",
            blob.display()
        ));
        assert!(out.contains("on 64 made rows"), "{out}");
        assert!(out.contains("golden"), "{out}");
    }
    let out = ok(&format!(
        "convert {} -o {}",
        fixture("graphs/ex05-wide-concat/model.onnx"),
        blob.display()
    ));
    assert!(
        out.contains("y_0 (sigmoid), y_1 (sigmoid), y_2 (linear)"),
        "{out}"
    );
    fails(
        &format!(
            "convert {} --tasks a,b -o {}",
            fixture("graphs/ex05-wide-concat/model.onnx"),
            blob.display()
        ),
        2,
        &["2 task names", "3 outputs", "y_0, y_1, y_2"],
    );
}
