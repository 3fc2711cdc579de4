//! TorchEasyRec: `MMoE`, with a batch norm or a layer norm where `running_mean` is missing.

use super::Found;
use super::names::{Names, unknown_tasks};
use super::wiring::one_level;
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{ActivationPlan, LayerPlan};

const EPSILON: f64 = 1e-5;

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names {
        weights,
        framework: "TorchEasyRec MMoE",
    };
    names
        .has("mmoe.expert_mlps.0.mlp.0.perceptron.0.weight")
        .then(|| mmoe(names))
}

fn mmoe(names: Names<'_>) -> Result<Found, ModelError> {
    let experts: Vec<Vec<LayerPlan>> = (0..names.count("mmoe.expert_mlps.")?)
        .map(|i| mlp(&names, &format!("mmoe.expert_mlps.{i}")))
        .collect::<Result<_, _>>()?;
    if let Some(i) = experts.iter().position(Vec::is_empty) {
        return Err(names.empty(&format!("mmoe.expert_mlps.{i}")));
    }
    let with_last = |mlp_at: String, last: String| -> Result<Vec<LayerPlan>, ModelError> {
        let mut layers = mlp(&names, &mlp_at)?;
        layers.push(names.linear(&last, ActivationPlan::Linear));
        Ok(layers)
    };
    let gates = (0..names.count("mmoe.gate_finals.")?)
        .map(|t| {
            with_last(
                format!("mmoe.gate_mlps.{t}"),
                format!("mmoe.gate_finals.{t}"),
            )
        })
        .collect::<Result<_, _>>()?;
    let towers: Vec<_> = (0..names.count("_task_tower.")?)
        .map(|t| {
            with_last(
                format!("_task_tower.{t}.tower_mlp"),
                format!("_task_tower.{t}.linear"),
            )
        })
        .collect::<Result<_, _>>()?;
    let tasks = unknown_tasks(towers.len());
    let mut found = Found {
        framework: names.framework,
        plan: one_level(&names, experts, gates, towers, tasks)?,
        ..Found::default()
    };
    found.assume_relu("TorchEasyRec's default");
    found.assume_epsilon(EPSILON);
    names.embeddings(&["embedding_group."], &mut found);
    Ok(found)
}

fn mlp(names: &Names<'_>, prefix: &str) -> Result<Vec<LayerPlan>, ModelError> {
    let layer = |j: usize| {
        let at = format!("{prefix}.mlp.{j}.perceptron");
        let mut layer = names.linear(&format!("{at}.0"), ActivationPlan::Relu);
        layer.before = names.norm(&format!("{at}.1"), EPSILON)?;
        Ok(layer)
    };
    (0..names.count(&format!("{prefix}.mlp."))?)
        .map(layer)
        .collect()
}
