//! DeepCTR-Torch: `MMOE`, `PLE` and `SharedBottom`.

use super::Found;
use super::names::{Names, unknown_tasks};
use super::wiring::{Extraction, Habits, extraction, one_level};
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{ActivationPlan, LayerPlan, Plan, TensorRef};

/// PyTorch's default epsilon of a batch norm, which `DNN` keeps.
const EPSILON: f64 = 1e-5;

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = |framework| Names { weights, framework };
    if weights
        .tensors
        .contains_key("expert_dnn.0.linears.0.weight")
    {
        return Some(mmoe(names("DeepCTR-Torch MMOE")));
    }
    if weights
        .tensors
        .keys()
        .any(|n| n.starts_with("specific_experts.0."))
    {
        return Some(ple(names("DeepCTR-Torch PLE")));
    }
    if weights.tensors.contains_key("bottom_dnn.linears.0.weight") {
        return Some(shared_bottom(names("DeepCTR-Torch SharedBottom")));
    }
    None
}

fn mmoe(names: Names<'_>) -> Result<Found, ModelError> {
    let experts = (0..names.count("expert_dnn.")?)
        .map(|i| expert(&names, &format!("expert_dnn.{i}")))
        .collect::<Result<_, _>>()?;
    let gates = (0..names.count("gate_dnn_final_layer.")?)
        .map(|t| {
            with_final(
                &names,
                &format!("gate_dnn.{t}"),
                &format!("gate_dnn_final_layer.{t}"),
            )
        })
        .collect::<Result<_, _>>()?;
    let towers = towers(&names)?;
    let tasks = unknown_tasks(towers.len());
    found(names, one_level(&names, experts, gates, towers, tasks)?)
}

fn shared_bottom(names: Names<'_>) -> Result<Found, ModelError> {
    let towers = towers(&names)?;
    let tasks = unknown_tasks(towers.len());
    found(
        names,
        one_level(
            &names,
            vec![expert(&names, "bottom_dnn")?],
            Vec::new(),
            towers,
            tasks,
        )?,
    )
}

fn ple(names: Names<'_>) -> Result<Found, ModelError> {
    let depth = names.count("specific_experts.")?;
    let mut extractions = Vec::new();
    let mut dead = Vec::new();
    for l in 0..depth {
        let mut level = Extraction::default();
        let tasks = names.count(&format!("specific_experts.{l}."))?;
        for t in 0..tasks {
            let count = names.count(&format!("specific_experts.{l}.{t}."))?;
            level.specific.push(
                (0..count)
                    .map(|j| expert(&names, &format!("specific_experts.{l}.{t}.{j}")))
                    .collect::<Result<_, _>>()?,
            );
            level.gates.push(with_final(
                &names,
                &format!("specific_gate_dnn.{l}.{t}.0"),
                &format!("specific_gate_dnn_final_layer.{l}.{t}"),
            )?);
        }
        // As many shared experts are built as a task has of its own; the gate says how many of them
        // run.
        let built = names.count(&format!("shared_experts.{l}.0."))?;
        let gate = format!("specific_gate_dnn_final_layer.{l}.0.weight");
        let own = level.specific.first().map_or(0, Vec::len);
        let used = names
            .shape(&gate)
            .first()
            .map_or(built, |rows| rows.saturating_sub(own))
            .min(built);
        for k in used..built {
            dead.push((
                format!("shared_experts.{l}.0.{k}."),
                "this shared expert is built and never run".to_owned(),
            ));
        }
        level.shared = (0..used)
            .map(|k| expert(&names, &format!("shared_experts.{l}.0.{k}")))
            .collect::<Result<_, _>>()?;
        if l + 1 < depth {
            level.shared_gate = Some(with_final(
                &names,
                &format!("shared_gate_dnn.{l}"),
                &format!("shared_gate_dnn_final_layer.{l}"),
            )?);
        } else {
            for prefix in ["shared_gate_dnn", "shared_gate_dnn_final_layer"] {
                dead.push((
                    format!("{prefix}.{l}."),
                    "the last level's shared gate feeds nothing".to_owned(),
                ));
            }
        }
        extractions.push(level);
    }
    let habits = Habits {
        shared_first: false,
        shared_sees_shared: false,
    };
    let towers = towers(&names)?;
    let tasks = unknown_tasks(towers.len());
    let plan = extraction(&names, extractions, habits, towers, tasks)?;
    let mut found = found(names, plan)?;
    found.dead.extend(dead);
    Ok(found)
}

fn towers(names: &Names<'_>) -> Result<Vec<Vec<LayerPlan>>, ModelError> {
    let tower = |t: usize| {
        let mut layers = with_final(
            names,
            &format!("tower_dnn.{t}"),
            &format!("tower_dnn_final_layer.{t}"),
        )?;
        let bias = format!("out.{t}.bias");
        if let (Some(last), true) = (layers.last_mut(), names.has(&bias)) {
            last.bias = Some(TensorRef::name(bias));
        }
        Ok(layers)
    };
    (0..names.count("tower_dnn_final_layer.")?)
        .map(tower)
        .collect()
}

/// The layers of a `DNN`: matrix, batch norm, activation.
fn dnn(names: &Names<'_>, prefix: &str) -> Result<Vec<LayerPlan>, ModelError> {
    let layer = |j: usize| {
        let mut layer = names.linear(&format!("{prefix}.linears.{j}"), ActivationPlan::Relu);
        layer.before = names.norm(&format!("{prefix}.bn.{j}"), EPSILON)?;
        let activation = format!("{prefix}.activation_layers.{j}");
        let slope = format!("{activation}.weight");
        if names.has(&slope) {
            layer.activation = ActivationPlan::PRelu(TensorRef::name(slope));
        } else if names.any(&format!("{activation}.")) {
            return Err(names.unsupported(&activation, "Dice"));
        }
        Ok(layer)
    };
    (0..names.count(&format!("{prefix}.linears."))?)
        .map(layer)
        .collect()
}

/// A `DNN` that must be there.
fn expert(names: &Names<'_>, prefix: &str) -> Result<Vec<LayerPlan>, ModelError> {
    let layers = dnn(names, prefix)?;
    if layers.is_empty() {
        Err(names.empty(prefix))
    } else {
        Ok(layers)
    }
}

/// A `DNN`, which may be missing, and the matrix behind it.
fn with_final(names: &Names<'_>, prefix: &str, last: &str) -> Result<Vec<LayerPlan>, ModelError> {
    let mut layers = dnn(names, prefix)?;
    layers.push(names.linear(last, ActivationPlan::Linear));
    Ok(layers)
}

fn found(names: Names<'_>, plan: Plan) -> Result<Found, ModelError> {
    let mut found = Found {
        framework: names.framework,
        plan,
        ..Found::default()
    };
    found.assume_relu("dnn_activation, DeepCTR-Torch's default");
    found.assume_epsilon(EPSILON);
    found.dead.push((
        "linear_model.".into(),
        "a linear part that this model does not use".into(),
    ));
    names.embeddings(&["embedding_dict."], &mut found);
    Ok(found)
}
