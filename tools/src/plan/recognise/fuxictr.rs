//! FuxiCTR: `MMoE`, `PLE` and `ShareBottom`.

use super::Found;
use super::names::{Names, unknown_tasks};
use super::wiring::{Extraction, Habits, extraction, one_level};
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{ActivationPlan, LayerPlan, Plan};

const EPSILON: f64 = 1e-5;

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = |framework| Names { weights, framework };
    let any = |prefix: &str| weights.tensors.keys().any(|n| n.starts_with(prefix));
    if any("mmoe_layer.experts.") {
        return Some(mmoe(names("FuxiCTR MMoE")));
    }
    if any("cgc_layers.0.specific_experts.") && any("cgc_layers.0.gate.") {
        return Some(ple(names("FuxiCTR PLE")));
    }
    if any("bottom.mlp.") && any("embedding_layer.") {
        return Some(shared_bottom(names("FuxiCTR ShareBottom")));
    }
    None
}

fn mmoe(names: Names<'_>) -> Result<Found, ModelError> {
    let experts = list(&names, "mmoe_layer.experts.", &ActivationPlan::Relu)?;
    let gates = list(&names, "mmoe_layer.gate.", &ActivationPlan::Linear)?;
    let towers = list(&names, "tower.", &ActivationPlan::Linear)?;
    let tasks = unknown_tasks(towers.len());
    Ok(found(
        names,
        one_level(&names, experts, gates, towers, tasks)?,
    ))
}

fn shared_bottom(names: Names<'_>) -> Result<Found, ModelError> {
    let bottom = block(&names, "bottom", &ActivationPlan::Relu)?;
    let towers = list(&names, "tower.", &ActivationPlan::Linear)?;
    let tasks = unknown_tasks(towers.len());
    Ok(found(
        names,
        one_level(&names, vec![bottom], Vec::new(), towers, tasks)?,
    ))
}

fn ple(names: Names<'_>) -> Result<Found, ModelError> {
    let depth = names.count("cgc_layers.")?;
    let mut extractions = Vec::new();
    let mut dead = Vec::new();
    for l in 0..depth {
        let at = |part: &str| format!("cgc_layers.{l}.{part}.");
        let tasks = names.count(&at("specific_experts"))?;
        let specific = (0..tasks)
            .map(|t| {
                list(
                    &names,
                    &format!("cgc_layers.{l}.specific_experts.{t}."),
                    &ActivationPlan::Relu,
                )
            })
            .collect::<Result<_, _>>()?;
        let mut gates = list(&names, &at("gate"), &ActivationPlan::Linear)?;
        if gates.len() != tasks + 1 {
            return Err(names.wrong(
                &format!(
                    "level {l} has {} gates for {tasks} tasks and the shared stream",
                    gates.len()
                ),
                "the file may be cut",
            ));
        }
        let shared_gate = gates.pop().filter(|_| l + 1 < depth);
        if shared_gate.is_none() {
            dead.push((
                format!("cgc_layers.{l}.gate.{tasks}."),
                "the last level's shared gate feeds nothing".to_owned(),
            ));
        }
        extractions.push(Extraction {
            specific,
            shared: list(&names, &at("shared_experts"), &ActivationPlan::Relu)?,
            gates,
            shared_gate,
        });
    }
    let habits = Habits {
        shared_first: false,
        shared_sees_shared: true,
    };
    let towers = list(&names, "tower.", &ActivationPlan::Linear)?;
    let tasks = unknown_tasks(towers.len());
    let mut found = found(
        names,
        extraction(&names, extractions, habits, towers, tasks)?,
    );
    found
        .assumptions
        .push("a shared gate mixes the shared experts only, as this framework wires it".into());
    found.dead = dead;
    Ok(found)
}

fn list(
    names: &Names<'_>,
    prefix: &str,
    last: &ActivationPlan,
) -> Result<Vec<Vec<LayerPlan>>, ModelError> {
    (0..names.count(prefix)?)
        .map(|i| block(names, &format!("{prefix}{i}"), last))
        .collect()
}

fn block(
    names: &Names<'_>,
    prefix: &str,
    last: &ActivationPlan,
) -> Result<Vec<LayerPlan>, ModelError> {
    names.sequential(
        &format!("{prefix}.mlp"),
        EPSILON,
        &ActivationPlan::Relu,
        last,
    )
}

fn found(names: Names<'_>, plan: Plan) -> Found {
    let mut found = Found {
        framework: names.framework,
        plan,
        ..Found::default()
    };
    found.assume_relu("hidden_activations, FuxiCTR's default");
    found.assume_epsilon(EPSILON);
    names.embeddings(&["embedding_layer."], &mut found);
    found
}
