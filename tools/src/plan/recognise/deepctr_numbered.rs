//! DeepCTR's `MMOE` in weights that number the layers of each class and name none (`.weights.h5`):
//! `layers/dnn_2/vars/0`. Widths and the order in which Keras lists layers tell them apart: gates'
//! stacks, experts', towers'.

use super::Found;
use super::names::{Names, unknown_tasks};
use super::wiring::one_level;
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{ActivationPlan, LayerPlan, Layout, Norm, TensorRef};

/// Keras's default epsilon of a batch norm, which `DNN` keeps.
const EPSILON: f64 = 1e-3;

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names {
        weights,
        framework: "DeepCTR MMOE, its layers numbered",
    };
    (names.any("layers/dnn") && names.any("layers/prediction_layer/")).then(|| mmoe(names))
}

/// Paths of a class's layers that have tensors, by number.
fn paths(names: &Names<'_>, class: &str) -> Vec<String> {
    let first = format!("layers/{class}");
    let first = names.any(&format!("{first}/")).then_some(first);
    let rest = names.numbers(&format!("layers/{class}_"));
    let rest = rest.into_iter().map(|n| format!("layers/{class}_{n}"));
    first.into_iter().chain(rest).collect()
}

fn mmoe(names: Names<'_>) -> Result<Found, ModelError> {
    let stacks: Vec<Vec<LayerPlan>> = paths(&names, "dnn")
        .iter()
        .map(|p| dnn(&names, p))
        .collect();
    let dense = paths(&names, "dense");
    let biases = paths(&names, "prediction_layer");
    let unfit = || {
        names.wrong(
            &format!(
                "{} stacks, {} dense layers and {} outputs do not share out as experts, gates and \
                 towers",
                stacks.len(),
                dense.len(),
                biases.len()
            ),
            "convert the `.keras` or full `.h5` file, which says how they connect, or describe the \
             model in a spec",
        )
    };
    let kernel = |path: &str| format!("{path}/vars/0");
    let tasks = biases.len();
    if tasks == 0 || dense.len() != 2 * tasks {
        return Err(unfit());
    }
    let (gates, heads) = dense.split_at(tasks);
    let &[gate_inputs, experts] = names.shape(&kernel(&gates[0])) else {
        return Err(unfit());
    };
    let width = |stack: Option<&Vec<LayerPlan>>, last: bool| {
        let layers = stack?;
        let layer = if last { layers.last() } else { layers.first() };
        let part = layer?.weight.as_ref()?.parts().first()?;
        names.shape(&part.name).get(usize::from(last)).copied()
    };
    let hidden_gates = width(stacks.first(), false) != Some(gate_inputs);
    let first = if hidden_gates { tasks } else { 0 };
    let end = first + experts;
    let rest = stacks.len().checked_sub(end).ok_or_else(unfit)?;
    let reads_experts =
        |s: &Vec<LayerPlan>| width(Some(s), false) == width(stacks.get(first), true);
    if !(rest == 0 || rest == tasks) || !stacks[end..].iter().all(reads_experts) {
        return Err(unfit());
    }
    let behind = |stack: Option<&Vec<LayerPlan>>, path: &str, bias: Option<String>| {
        let mut layers = stack.cloned().unwrap_or_default();
        layers.push(LayerPlan {
            weight: Some(TensorRef::name(kernel(path))),
            layout: Layout::InOut,
            bias: bias.map(TensorRef::name),
            ..LayerPlan::default()
        });
        layers
    };
    let own_gates = (0..tasks).map(|t| {
        let stack = stacks.get(t).filter(|_| hidden_gates);
        behind(stack, &gates[t], None)
    });
    let towers = (0..tasks).map(|t| {
        let bias = Some(kernel(&biases[t])).filter(|n| names.has(n));
        behind(stacks.get(end + t), &heads[t], bias)
    });
    let plan = one_level(
        &names,
        stacks[first..end].to_vec(),
        own_gates.collect(),
        towers.collect(),
        unknown_tasks(tasks),
    )?;
    let mut found = Found {
        framework: names.framework,
        plan,
        ..Found::default()
    };
    found.habits.one_activation = true;
    found.habits.source = "`dnn_activation`, DeepCTR's default";
    found.assumptions.push(
        "gates, experts and towers are told by their widths and the file's order: weights alone \
         do not say how layers connect"
            .into(),
    );
    names.embeddings(&["layers/embedding"], &mut found);
    Ok(found)
}

/// The layers of a `DNN`: its variables are all kernels, then all biases.
fn dnn(names: &Names<'_>, path: &str) -> Vec<LayerPlan> {
    let variable = |n: usize| format!("{path}/vars/{n}");
    let depth = (0..)
        .take_while(|n| names.shape(&variable(*n)).len() == 2)
        .count();
    let exists = |n: &str| names.has(n);
    (0..depth)
        .map(|j| {
            let class = if j == 0 {
                "batch_normalization".to_owned()
            } else {
                format!("batch_normalization_{j}")
            };
            let mut layer = LayerPlan {
                weight: Some(TensorRef::name(variable(j))),
                layout: Layout::InOut,
                bias: Some(variable(depth + j))
                    .filter(|n| names.has(n))
                    .map(TensorRef::name),
                before: Norm::at(&format!("{path}/bn_layers/{class}"), EPSILON, &exists),
                activation: ActivationPlan::Relu,
                ..LayerPlan::default()
            };
            layer.open.activation = true;
            layer
        })
        .collect()
}
