//! MTReclib: MMoE, OMoE, PLE and shared-bottom; every task is a sigmoid.

use super::Found;
use super::names::Names;
use super::wiring::{Extraction, Habits, extraction, one_level};
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{ActivationPlan, LayerPlan, OutputPlan, Plan, TaskPlan};

const EPSILON: f64 = 1e-5;

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = |framework| Names { weights, framework };
    let any = |prefix: &str| weights.tensors.keys().any(|n| n.starts_with(prefix));
    if any("task_experts.0.0.0.mlp.") {
        return Some(ple(names("MTReclib PLE")));
    }
    if any("expert.0.mlp.") && any("gate.0.") {
        return Some(mmoe(names("MTReclib MMoE")));
    }
    if any("bottom.mlp.") && any("numerical_layer.") {
        return Some(shared_bottom(names("MTReclib SharedBottom")));
    }
    None
}

fn mmoe(names: Names<'_>) -> Result<Found, ModelError> {
    let experts = list(&names, "expert.", &ActivationPlan::Relu)?;
    // One gate for all tasks is not numbered by task: `gate.0` is its linear layer.
    let gates = if names.has("gate.0.weight") {
        vec![gate(&names, "gate")]
    } else {
        (0..names.count("gate.")?)
            .map(|t| gate(&names, &format!("gate.{t}")))
            .collect()
    };
    let towers = list(&names, "tower.", &ActivationPlan::Linear)?;
    let tasks = tasks(towers.len());
    Ok(found(
        names,
        one_level(&names, experts, gates, towers, tasks)?,
    ))
}

fn shared_bottom(names: Names<'_>) -> Result<Found, ModelError> {
    let towers = list(&names, "tower.", &ActivationPlan::Linear)?;
    let tasks = tasks(towers.len());
    Ok(found(
        names,
        one_level(
            &names,
            vec![mlp(&names, "bottom", &ActivationPlan::Relu)?],
            Vec::new(),
            towers,
            tasks,
        )?,
    ))
}

fn ple(names: Names<'_>) -> Result<Found, ModelError> {
    let depth = names.count("task_experts.")?;
    let mut extractions = Vec::new();
    for l in 0..depth {
        let tasks = names.count(&format!("task_experts.{l}."))?;
        let specific = (0..tasks)
            .map(|t| {
                list(
                    &names,
                    &format!("task_experts.{l}.{t}."),
                    &ActivationPlan::Relu,
                )
            })
            .collect::<Result<_, _>>()?;
        let shared = list(
            &names,
            &format!("share_experts.{l}."),
            &ActivationPlan::Relu,
        )?;
        let gates = (0..tasks)
            .map(|t| gate(&names, &format!("task_gates.{l}.{t}")))
            .collect();
        let shared_gate = (l + 1 < depth).then(|| gate(&names, &format!("share_gates.{l}")));
        extractions.push(Extraction {
            specific,
            shared,
            gates,
            shared_gate,
        });
    }
    let habits = Habits {
        shared_first: false,
        shared_sees_shared: false,
    };
    let towers = list(&names, "tower.", &ActivationPlan::Linear)?;
    let tasks = tasks(towers.len());
    let mut found = found(
        names,
        extraction(&names, extractions, habits, towers, tasks)?,
    );
    found.dead.push((
        format!("share_gates.{}.", depth.saturating_sub(1)),
        "the last level's shared gate feeds nothing".into(),
    ));
    Ok(found)
}

fn gate(names: &Names<'_>, prefix: &str) -> Vec<LayerPlan> {
    vec![names.linear(&format!("{prefix}.0"), ActivationPlan::Linear)]
}

fn list(
    names: &Names<'_>,
    prefix: &str,
    last: &ActivationPlan,
) -> Result<Vec<Vec<LayerPlan>>, ModelError> {
    (0..names.count(prefix)?)
        .map(|i| mlp(names, &format!("{prefix}{i}"), last))
        .collect()
}

fn mlp(
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

fn tasks(count: usize) -> Vec<TaskPlan> {
    (0..count)
        .map(|t| TaskPlan {
            name: format!("task{t}"),
            output: Some(OutputPlan::Sigmoid),
        })
        .collect()
}

fn found(names: Names<'_>, plan: Plan) -> Found {
    let mut found = Found {
        framework: names.framework,
        plan,
        ..Found::default()
    };
    found.assumptions.push(
        "hidden layers are relu and every task is a sigmoid, as this framework hard-codes them"
            .into(),
    );
    found
        .assumptions
        .push("tasks are called task0, task1, …: the file has no names for them".into());
    found.assume_epsilon(EPSILON);
    names.embeddings(&["embedding.", "numerical_layer."], &mut found);
    found
}
