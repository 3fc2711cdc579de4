//! torch-rechub: `MMOE`, `PLE` and `SharedBottom`, with a batch norm behind every hidden layer and
//! every gate.

use super::Found;
use super::names::{Names, unknown_tasks};
use super::wiring::{Extraction, Habits, extraction, one_level};
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{ActivationPlan, LayerPlan, Plan};

const EPSILON: f64 = 1e-5;

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = |framework| Names { weights, framework };
    let has = |n: &str| weights.tensors.contains_key(n);
    if has("experts.0.mlp.0.weight") && has("gates.0.mlp.0.weight") {
        return Some(mmoe(names("torch-rechub MMOE")));
    }
    if weights
        .tensors
        .keys()
        .any(|n| n.starts_with("cgc_layers.0.experts_specific."))
    {
        return Some(ple(names("torch-rechub PLE")));
    }
    if has("bottom_mlp.mlp.0.weight") {
        return Some(shared_bottom(names("torch-rechub SharedBottom")));
    }
    None
}

fn mmoe(names: Names<'_>) -> Result<Found, ModelError> {
    let experts = (0..names.count("experts.")?)
        .map(|i| expert(&names, &format!("experts.{i}")))
        .collect::<Result<_, _>>()?;
    let gates = (0..names.count("gates.")?)
        .map(|t| logits(&names, &format!("gates.{t}")))
        .collect::<Result<_, _>>()?;
    let towers = towers(&names)?;
    let tasks = unknown_tasks(towers.len());
    Ok(found(
        names,
        one_level(&names, experts, gates, towers, tasks)?,
    ))
}

fn shared_bottom(names: Names<'_>) -> Result<Found, ModelError> {
    let towers = towers(&names)?;
    let tasks = unknown_tasks(towers.len());
    Ok(found(
        names,
        one_level(
            &names,
            vec![expert(&names, "bottom_mlp")?],
            Vec::new(),
            towers,
            tasks,
        )?,
    ))
}

fn ple(names: Names<'_>) -> Result<Found, ModelError> {
    let mut extractions = Vec::new();
    for l in 0..names.count("cgc_layers.")? {
        let at = |part: &str| format!("cgc_layers.{l}.{part}");
        let tasks = names.count(&at("gates_specific."))?;
        let specific = names.count(&at("experts_specific."))?;
        if tasks == 0 || specific % tasks != 0 {
            return Err(names.wrong(
                &format!("level {l} has {specific} specific experts for {tasks} tasks"),
                "each task has equally many; the file may be cut",
            ));
        }
        let each = specific / tasks;
        let mut level = Extraction::default();
        for t in 0..tasks {
            level.specific.push(
                (0..each)
                    .map(|j| expert(&names, &at(&format!("experts_specific.{}", t * each + j))))
                    .collect::<Result<_, _>>()?,
            );
            level
                .gates
                .push(logits(&names, &at(&format!("gates_specific.{t}")))?);
        }
        level.shared = (0..names.count(&at("experts_shared."))?)
            .map(|k| expert(&names, &at(&format!("experts_shared.{k}"))))
            .collect::<Result<_, _>>()?;
        level.shared_gate = names
            .any(&at("gate_shared."))
            .then(|| logits(&names, &at("gate_shared")))
            .transpose()?;
        extractions.push(level);
    }
    let habits = Habits {
        shared_first: false,
        shared_sees_shared: false,
    };
    let towers = towers(&names)?;
    let tasks = unknown_tasks(towers.len());
    Ok(found(
        names,
        extraction(&names, extractions, habits, towers, tasks)?,
    ))
}

fn expert(names: &Names<'_>, prefix: &str) -> Result<Vec<LayerPlan>, ModelError> {
    names.sequential(
        &format!("{prefix}.mlp"),
        EPSILON,
        &ActivationPlan::Relu,
        &ActivationPlan::Relu,
    )
}

fn logits(names: &Names<'_>, prefix: &str) -> Result<Vec<LayerPlan>, ModelError> {
    names.sequential(
        &format!("{prefix}.mlp"),
        EPSILON,
        &ActivationPlan::Relu,
        &ActivationPlan::Linear,
    )
}

fn towers(names: &Names<'_>) -> Result<Vec<Vec<LayerPlan>>, ModelError> {
    (0..names.count("towers.")?)
        .map(|t| logits(names, &format!("towers.{t}")))
        .collect()
}

fn found(names: Names<'_>, plan: Plan) -> Found {
    let mut found = Found {
        framework: names.framework,
        plan,
        ..Found::default()
    };
    found.assume_relu("torch-rechub's default");
    found.assume_epsilon(EPSILON);
    names.embeddings(&["embedding.embed_dict."], &mut found);
    found
}
