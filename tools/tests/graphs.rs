//! Exported graphs against the outputs of the frameworks that wrote them.

use std::fs;
use std::path::PathBuf;

use indexmap::IndexMap;
use mmoe_tools::import::{self, Tensor};
use mmoe_tools::program::{self, Program};
use serde_json::Value;

/// A graph, its golden rows, and what is known about it.
struct Graph {
    program: Program,
    golden: IndexMap<String, Tensor>,
    /// By output of the file: the task of each column.
    columns: Vec<Vec<String>>,
    tolerance: f64,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/graphs"
    ))
}

fn names(ending: &str) -> Vec<String> {
    let entries = fs::read_dir(folder()).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().path())
        .filter(|p| p.join(format!("model{ending}")).exists())
        .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn load(name: &str, ending: &str) -> Graph {
    let folder = folder().join(name);
    let info: Value = serde_json::from_slice(&fs::read(folder.join("info.json")).unwrap()).unwrap();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    let golden = import::read_data(&fs::read(folder.join("golden.npz")).unwrap()).unwrap();
    // A signature names the outputs in the model's order; TensorFlow Lite has them in another.
    let mut outputs = info["outputs_in_graph_order"].as_array().unwrap().clone();
    outputs.sort_by_key(|o| o["signature_key"].as_str().map(str::to_owned));
    let columns = outputs.iter().map(|o| match o["columns"].as_array() {
        Some(columns) => columns.iter().map(text).collect(),
        None => {
            let task = text(&o["task"]);
            let width = golden[&task].shape.get(1).copied().unwrap_or(1);
            vec![task; width]
        }
    });
    let columns = columns.collect();
    let weights = import::read(&folder.join(format!("model{ending}"))).unwrap();
    Graph {
        program: weights.program.unwrap(),
        golden,
        columns,
        tolerance: info["tolerance"].as_f64().unwrap(),
    }
}

fn rows(x: &Tensor) -> Vec<Vec<f64>> {
    let rows = x.data.chunks_exact(x.shape[1]);
    rows.map(|r| r.iter().map(|v| f64::from(*v)).collect())
        .collect()
}

#[test]
fn the_interpreter_gives_what_the_framework_gave() {
    let mut compared = 0;
    for ending in [".onnx", ".tflite"] {
        for name in names(ending) {
            let graph = load(&name, ending);
            let made = program::evaluate(&graph.program, &rows(&graph.golden["x"])).unwrap();
            assert_eq!(made.len(), graph.columns.len(), "{name}");
            for (array, tasks) in made.iter().zip(&graph.columns) {
                for (row, values) in array.data.chunks_exact(tasks.len()).enumerate() {
                    for (column, (value, task)) in values.iter().zip(tasks).enumerate() {
                        let wanted = &graph.golden[task];
                        let width = wanted.data.len() / 64;
                        let largest = wanted.data.iter().fold(1.0f32, |m, v| m.max(v.abs()));
                        let wanted = f64::from(wanted.data[row * width + column % width]);
                        let off = (value - wanted).abs() / f64::from(largest);
                        assert!(
                            off <= graph.tolerance,
                            "{name}, row {row}, {task}: {value} instead of {wanted}"
                        );
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared >= 11 * 64 * 2, "{compared}");
}

#[test]
fn graphs_become_models_that_give_what_the_framework_gave() {
    let mut failures = Vec::new();
    for ending in [".onnx", ".tflite"] {
        for name in names(ending) {
            let path = folder().join(&name).join(format!("model{ending}"));
            let mut weights = import::read(&path).unwrap();
            if let Err(why) = weights.resolve(&[]) {
                failures.push(format!("{name}: {why}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
