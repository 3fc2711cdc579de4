//! Plain PyTorch modules that follow the usual names: `experts.I.J.weight`, `gates.T.weight` or
//! `gates.T.J.weight`, `towers.T.J.weight`.

use indexmap::IndexSet;

use super::Found;
use super::names::{Names, unknown_tasks};
use super::wiring::one_level;
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::ActivationPlan;

const EPSILON: f64 = 1e-5;

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names {
        weights,
        framework: "a plain PyTorch module (experts/gates/towers)",
    };
    (names.any("experts.0.") && names.any("towers.0.")).then(|| found(names))
}

fn found(names: Names<'_>) -> Result<Found, ModelError> {
    let list = |prefix: &str, last: &ActivationPlan| -> Result<Vec<_>, ModelError> {
        (0..names.count(prefix)?)
            .map(|i| names.module(&format!("{prefix}{i}"), EPSILON, last))
            .collect()
    };
    let experts = list("experts.", &ActivationPlan::Relu)?;
    let gates = list("gates.", &ActivationPlan::Linear)?;
    let towers = list("towers.", &ActivationPlan::Linear)?;
    let tasks = unknown_tasks(towers.len());
    let mut found = Found {
        framework: names.framework,
        plan: one_level(&names, experts, gates, towers, tasks)?,
        ..Found::default()
    };
    found.assumptions.push(
        "hidden layers and every layer of the experts end in relu: a state dict has no activations"
            .into(),
    );
    found.assumptions.push("gates are softmax".into());
    found.assume_epsilon(EPSILON);
    let tables: IndexSet<&str> = weights_before(&names).collect();
    names.embeddings(&tables.into_iter().collect::<Vec<_>>(), &mut found);
    names.refuse_leftovers(&found)?;
    Ok(found)
}

/// Modules beside experts, gates and towers whose name says that they embed.
fn weights_before<'a>(names: &Names<'a>) -> impl Iterator<Item = &'a str> {
    let modules = names
        .weights
        .tensors
        .keys()
        .filter_map(|n| Some(&n[..=n.find('.')?]));
    modules.filter(|m| m.starts_with("emb"))
}
