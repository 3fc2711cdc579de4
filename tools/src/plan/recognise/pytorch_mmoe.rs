//! ZhichenZhao's pytorch-mmoe: packed experts without a default activation, and whatever towers the
//! user put behind.

use super::Found;
use super::modules::Style;
use super::names::{Names, unknown_tasks};
use super::wiring::one_level;
use crate::error::ModelError;
use crate::import::Weights;
use crate::plan::{LayerPlan, Layout, Open, TensorRef};

pub(super) fn recognise(weights: &Weights) -> Option<Result<Found, ModelError>> {
    let kernel = weights
        .tensors
        .iter()
        .find(|(n, t)| n.ends_with("expert_kernels") && t.shape.len() == 3)
        .map(|(n, _)| n)?;
    let prefix = kernel.strip_suffix("expert_kernels")?;
    let names = Names {
        weights,
        framework: "pytorch-mmoe",
    };
    names
        .any(&format!("{prefix}gate_kernels.0"))
        .then(|| found(names, prefix))
}

fn found(names: Names<'_>, prefix: &str) -> Result<Found, ModelError> {
    let (kernel, bias) = (
        format!("{prefix}expert_kernels"),
        format!("{prefix}expert_kernels_bias"),
    );
    let count = names.shape(&kernel).last().copied().unwrap_or(0);
    let packed = |i: usize| LayerPlan {
        weight: Some(TensorRef::pick(&kernel, 2, i)),
        layout: Layout::InOut,
        bias: names.has(&bias).then(|| TensorRef::pick(&bias, 1, i)),
        open: Open {
            activation: true,
            ..Open::default()
        },
        ..LayerPlan::default()
    };
    let gate = |t: usize| {
        let bias = format!("{prefix}gate_kernels_bias.{t}");
        LayerPlan {
            weight: Some(TensorRef::name(format!("{prefix}gate_kernels.{t}"))),
            layout: Layout::InOut,
            bias: names.has(&bias).then(|| TensorRef::name(bias)),
            ..LayerPlan::default()
        }
    };
    let experts = (0..count).map(|i| vec![packed(i)]).collect();
    let gates: Vec<_> = (0..names.count(&format!("{prefix}gate_kernels."))?)
        .map(|t| vec![gate(t)])
        .collect();
    let list = ["towers.", "tower.", "tower_layers."]
        .into_iter()
        .find(|p| names.any(&format!("{p}0.")));
    let towers = match list {
        Some(list) => (0..names.count(list)?)
            .map(|t| names.module(&format!("{list}{t}"), Style::user().ending_raw()))
            .collect::<Result<_, _>>()?,
        None => {
            let others: Vec<&String> = names
                .weights
                .tensors
                .keys()
                .filter(|n| {
                    !n.starts_with(&kernel) && !n.starts_with(&format!("{prefix}gate_kernels"))
                })
                .collect();
            if !others.is_empty() {
                return Err(names.wrong(
                    &format!("nothing says how {others:?} stand behind the mixture"),
                    "describe the model in a spec",
                ));
            }
            vec![Vec::new(); gates.len()]
        }
    };
    let tasks = unknown_tasks(towers.len());
    let mut found = Found {
        framework: names.framework,
        plan: one_level(&names, experts, gates, towers, tasks)?,
        ..Found::default()
    };
    found.habits.source = "`expert_activation`, this layer's default, is none";
    for level in &mut found.plan.levels {
        level.gates.iter_mut().for_each(|g| g.open = true);
    }
    Ok(found)
}
