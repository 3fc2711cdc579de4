//! Plain PyTorch modules that follow the usual names: `experts.I.J.weight`, `gates.T.weight` or `gates.T.J.weight`,
//! `towers.T.J.weight`.

use super::Found;
use super::names::{Names, unknown_tasks};
use super::wiring::one_level;
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::ActivationPlan;

const EPSILON: f64 = 1e-5;

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names { weights, framework: "a plain PyTorch module (experts/gates/towers)" };
    (names.any("experts.0.") && names.any("towers.0.")).then(|| found(names))
}

fn found(names: Names<'_>) -> Result<Found, ModelError> {
    let list = |prefix: &str, last: &ActivationPlan| -> Result<Vec<_>, ModelError> {
        (0..names.count(prefix)?).map(|i| names.module(&format!("{prefix}{i}"), EPSILON, last)).collect()
    };
    let experts = list("experts.", &ActivationPlan::Relu)?;
    let gates = list("gates.", &ActivationPlan::Linear)?;
    let towers = list("towers.", &ActivationPlan::Linear)?;
    let (e, g, t) = (experts.len(), gates.len(), towers.len());
    if g != t && g != 1 && !(g == 0 && e == 1) {
        return Err(names.wrong(
            &format!("it has {e} experts, {g} gates and {t} towers"),
            "there is one gate per tower or one for all; describe another wiring in a spec",
        ));
    }
    let mut found = Found { framework: names.framework, plan: one_level(experts, gates, towers, unknown_tasks(t)), ..Found::default() };
    found.assumptions.push("hidden layers and every layer of the experts end in relu: a state dict has no activations".into());
    found.assumptions.push("gates are softmax".into());
    found.assume_epsilon(EPSILON);
    Ok(found)
}
