//! Plain PyTorch modules that follow the usual names: `experts.I.J.weight`, `gates.T.weight` or `gates.T.J.weight`,
//! `towers.T.J.weight`.

use super::Found;
use super::names::{Names, softmax_gate, unit, unknown_tasks};
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{ActivationPlan, LayerPlan, Level, Plan, Reads};

const EPSILON: f64 = 1e-5;

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let names = Names { weights, framework: "a plain PyTorch module (experts/gates/towers)" };
    (names.any("experts.0.") && names.any("towers.0.")).then(|| found(names))
}

fn found(names: Names<'_>) -> Result<Found, ModelError> {
    let (experts, gates, towers) = (names.count("experts.")?, names.count("gates.")?, names.count("towers.")?);
    if gates != towers && gates != 1 && !(gates == 0 && experts == 1) {
        return Err(names.wrong(
            &format!("it has {experts} experts, {gates} gates and {towers} towers"),
            "there is one gate per tower or one for all; describe another wiring in a spec",
        ));
    }
    // `Linear` directly under the number, or a `Sequential` of them.
    let layers = |prefix: &str, last: &ActivationPlan| -> Result<Vec<LayerPlan>, ModelError> {
        if names.has(&format!("{prefix}.weight")) {
            return Ok(vec![names.linear(prefix, last.clone())]);
        }
        names.sequential(prefix, EPSILON, &ActivationPlan::Relu, last)
    };
    let mut level = Level::default();
    for i in 0..experts {
        level.experts.push(unit(format!("expert {i}"), layers(&format!("experts.{i}"), &ActivationPlan::Relu)?));
    }
    for t in 0..gates {
        level
            .gates
            .push(softmax_gate(unit(format!("gate {t}"), layers(&format!("gates.{t}"), &ActivationPlan::Linear)?), (0..experts).collect()));
    }
    let mut plan = Plan { name: "model".into(), levels: vec![level], tasks: unknown_tasks(towers), ..Plan::default() };
    for t in 0..towers {
        let mut tower = unit(format!("tower {t}"), layers(&format!("towers.{t}"), &ActivationPlan::Linear)?);
        tower.reads = Reads::Stream(if gates > 1 { t } else { 0 });
        plan.towers.push(tower);
    }
    let mut assumptions = vec![
        "hidden layers and every layer of the experts end in relu: a state dict has no activations".into(),
        "gates are softmax".into(),
    ];
    if plan.units().flat_map(|u| &u.layers).any(|l| l.before.is_some()) {
        assumptions.push(format!("norms stand before the activation, epsilon {EPSILON} (PyTorch's default)"));
    }
    Ok(Found { framework: names.framework, plan, assumptions, ..Found::default() })
}
