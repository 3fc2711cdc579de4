//! Writes a model for the Python peers: `model.json` says the wiring, `weights.f32` holds every dense
//! layer's weights `[out][in]` and biases in its order, `rows.f32` rows and `outputs.f32` our outputs.

use std::fs;
use std::io;
use std::path::Path;

use mmoe_bench::models::{blobs, rows};
use mmoe_tools::graph::{Graph, Layer, Op, Output};
use serde_json::{Value, json};

use crate::ours::outputs;

fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|v| v.to_le_bytes()).collect()
}

pub(crate) fn write(model: &str, graph: &Graph, folder: &Path, count: usize) -> io::Result<()> {
    let mut weights = Vec::new();
    let mut nodes: Vec<Value> = Vec::new();
    for node in &graph.nodes {
        let mut layers = Vec::new();
        for layer in &node.layers {
            let Layer::Dense(d) = layer else {
                unreachable!("these models have dense layers only")
            };
            weights.extend_from_slice(&d.weight);
            weights.extend_from_slice(&d.bias);
            layers.push(json!({
                "inputs": d.inputs, "outputs": d.outputs, "activation": d.activation.name()
            }));
        }
        let sees = match &node.op {
            Op::Gate { sees, .. } => sees.clone(),
            Op::Expert | Op::Tower => Vec::new(),
        };
        nodes.push(json!({ "src": node.src, "sees": sees, "layers": layers }));
    }
    let task = |t: &mmoe_tools::graph::Task| match t.output {
        Output::Linear { value } => json!({ "value": value, "output": "linear" }),
        Output::Sigmoid { value } => json!({ "value": value, "output": "sigmoid" }),
        Output::Softmax { value } => json!({ "value": value, "output": "softmax" }),
        Output::Product { .. } => unreachable!("no product of tasks in these models"),
    };
    let tasks: Vec<Value> = graph.tasks.iter().map(task).collect();
    let inputs = graph.width(0);
    let x: Vec<f32> = match model {
        "B" => rows::<499>(count).concat(),
        "C" => rows::<64>(count).concat(),
        _ => rows::<512>(count).concat(),
    };
    let [f32_blob, ..] = blobs(graph, &x[..256.min(count) * inputs]);
    fs::create_dir_all(folder)?;
    fs::write(
        folder.join("model.json"),
        json!({ "inputs": inputs, "nodes": nodes, "tasks": tasks }).to_string(),
    )?;
    fs::write(folder.join("weights.f32"), bytes(&weights))?;
    fs::write(folder.join("rows.f32"), bytes(&x))?;
    fs::write(
        folder.join("outputs.f32"),
        bytes(&outputs(&f32_blob, &x, inputs)),
    )
}
