//! DeepCTR (Keras): `MMOE`.

use indexmap::IndexSet;
use serde_json::Value;

use super::Found;
use super::names::Names;
use super::wiring::one_level;
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{ActivationPlan, LayerPlan, Layout, OutputPlan, TaskPlan, TensorRef};

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names {
        weights,
        framework: "DeepCTR MMOE",
    };
    let keys = || weights.tensors.keys();
    (tensor(&names, "expert_0", "kernel0").is_some() && keys().any(|n| n.contains("gate_softmax_")))
        .then(|| mmoe(names))
}

fn mmoe(names: Names<'_>) -> Result<Found, ModelError> {
    if let Some(odd) = names
        .weights
        .tensors
        .keys()
        .find(|n| n.contains("/batch_normalization") || n.contains("/dice"))
    {
        return Err(names.unknown(odd));
    }
    let experts: Vec<_> = (0..)
        .map(|i| dnn(&names, &format!("expert_{i}")))
        .take_while(|layers| !layers.is_empty())
        .collect();
    let mut tasks: Vec<TaskPlan> = Vec::new();
    for task in names.words("gate_softmax_") {
        // A prediction layer of the task's name says how its output is made.
        tasks.push(TaskPlan {
            output: output(names.weights.config.as_ref(), &task),
            name: task,
        });
    }
    let mut gates = Vec::new();
    let mut towers = Vec::new();
    let heads = heads(&names);
    if heads.len() != tasks.len() {
        return Err(names.wrong(
            &format!(
                "{} unnamed heads (`dense`, `dense_1`, …) stand behind {} towers",
                heads.len(),
                tasks.len()
            ),
            "describe the model in a spec",
        ));
    }
    for (task, head) in tasks.iter().zip(heads) {
        let mut gate = dnn(&names, &format!("gate_{}", task.name));
        gate.push(matrix(
            &names,
            &format!("gate_softmax_{}", task.name),
            "kernel",
            None,
        )?);
        gates.push(gate);
        let mut tower = dnn(&names, &format!("tower_{}", task.name));
        let bias = tensor(&names, &task.name, "global_bias");
        tower.push(matrix(&names, &head, "kernel", bias)?);
        towers.push(tower);
    }
    let mut found = Found {
        framework: names.framework,
        plan: one_level(&names, experts, gates, towers, tasks)?,
        tasks_named: true,
        ..Found::default()
    };
    found.assumptions.push(
        "the unnamed heads (`dense`, `dense_1`, …) are the tasks' in the file's order".into(),
    );
    names.embeddings(&["sparse_emb_", "sparse_seq_emb_"], &mut found);
    Ok(found)
}

/// A weight of a layer, however the file spells the path.
fn tensor(names: &Names<'_>, layer: &str, weight: &str) -> Option<String> {
    let spellings = [
        format!("{layer}/{layer}/{weight}:0"),
        format!("{layer}/{weight}:0"),
        format!("{layer}/{layer}/{weight}"),
        format!("{layer}/{weight}"),
    ];
    spellings.into_iter().find(|n| names.has(n))
}

fn matrix(
    names: &Names<'_>,
    layer: &str,
    weight: &str,
    bias: Option<String>,
) -> Result<LayerPlan, ModelError> {
    let weight = tensor(names, layer, weight).ok_or_else(|| {
        names.wrong(
            &format!("layer `{layer}` has no kernel"),
            "save the whole model",
        )
    })?;
    Ok(LayerPlan {
        weight: Some(TensorRef::name(weight)),
        layout: Layout::InOut,
        bias: bias.map(TensorRef::name),
        ..LayerPlan::default()
    })
}

fn dnn(names: &Names<'_>, layer: &str) -> Vec<LayerPlan> {
    (0..)
        .map_while(|j| {
            let weight = TensorRef::name(tensor(names, layer, &format!("kernel{j}"))?);
            let bias = tensor(names, layer, &format!("bias{j}")).map(TensorRef::name);
            Some(LayerPlan {
                weight: Some(weight),
                layout: Layout::InOut,
                bias,
                activation: ActivationPlan::Relu,
                ..LayerPlan::default()
            })
        })
        .collect()
}

/// The layers called `dense`, `dense_1`, … by Keras, in the file's order.
fn heads(names: &Names<'_>) -> IndexSet<String> {
    let numbered = |layer: &&str| {
        *layer == "dense"
            || layer
                .strip_prefix("dense_")
                .is_some_and(|n| n.parse::<usize>().is_ok())
    };
    let layers = names
        .weights
        .tensors
        .keys()
        .map(|n| n.split('/').next().unwrap_or(n));
    layers.filter(numbered).map(str::to_owned).collect()
}

fn output(config: Option<&Value>, task: &str) -> Option<OutputPlan> {
    let config = config?;
    let layers = config
        .get("config")
        .unwrap_or(config)
        .get("layers")?
        .as_array()?;
    let kind = layers.iter().find_map(|l| {
        l.get("config")
            .filter(|c| c.get("name").is_some_and(|n| n == task))?
            .get("task")
    })?;
    match kind.as_str()? {
        "binary" => Some(OutputPlan::Sigmoid),
        "regression" => Some(OutputPlan::Linear),
        _ => None,
    }
}
